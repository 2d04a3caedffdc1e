package cmd

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mil-run/mil/internal/units"
	"github.com/mil-run/mil/quant"
	"github.com/mil-run/mil/sample"
)

// Values of flags that know their bounds, so that one place refuses values out
// of them, in words.

// number is a whole number within bounds.
type number struct {
	to        *int
	low, high int
}

func (n *number) String() string {
	if n.to == nil {
		return "0"
	}
	return strconv.Itoa(*n.to)
}

func (n *number) Type() string { return "N" }

func (n *number) Set(s string) error {
	v, err := strconv.Atoi(s)
	if err != nil || v < n.low || v > n.high {
		return fmt.Errorf("not a whole number between %d and %d", n.low, n.high)
	}
	*n.to = v
	return nil
}

// addNumber adds a flag for a whole number; short may be "".
func addNumber(set *pflag.FlagSet, to *int, name, short string, value, low, high int, help string) {
	*to = value
	set.VarP(&number{to, low, high}, name, short, help)
}

// numbers are whole numbers within bounds, separated by commas.
type numbers struct {
	to        *[]int
	low, high int
}

func (n *numbers) String() string {
	if n.to == nil {
		return ""
	}
	var list []string
	for _, v := range *n.to {
		list = append(list, strconv.Itoa(v))
	}
	return strings.Join(list, ",")
}

func (n *numbers) Type() string { return "N,..." }

func (n *numbers) Set(s string) error {
	var list []int
	for _, part := range strings.Split(s, ",") {
		var v int
		one := number{&v, n.low, n.high}
		if one.Set(strings.TrimSpace(part)) != nil {
			return fmt.Errorf("not a list of whole numbers between %d and %d, separated by commas", n.low, n.high)
		}
		list = append(list, v)
	}
	*n.to = list
	return nil
}

// param is a parameter of a reply. Check knows the bounds of decimals.
type param struct {
	p  *sample.Param
	to *sample.Settings
}

// addParams adds a flag for every parameter of a reply.
func addParams(set *pflag.FlagSet, to *sample.Settings) {
	for _, p := range sample.Params() {
		help := p.Help
		if p.Checkpoint {
			help += " (default the checkpoint's)"
		}
		set.VarP(&param{p, to}, p.Name, p.Short, help)
	}
}

// String is what the help shows as a default: nothing.
func (v *param) String() string { return "" }

func (v *param) Type() string {
	switch v.p.Field(v.to).(type) {
	case *float32:
		return "X"
	case *[]string:
		return "TEXT"
	}
	return "N"
}

func (v *param) Set(s string) error { return v.p.Add(v.to, s) }

// choice is one of a few words, in any case. It may be "" where that is the
// default.
type choice struct {
	to    *string
	words []string
}

func (v *choice) String() string {
	if v.to == nil {
		return ""
	}
	return *v.to
}

func (v *choice) Type() string { return "NAME" }

func (v *choice) Set(s string) error {
	for _, w := range v.words {
		if strings.EqualFold(w, s) {
			*v.to = w
			return nil
		}
	}
	return fmt.Errorf("none of %s", strings.Join(v.words, ", "))
}

// oneOf adds a flag for one of a few words; the shell completes them.
func oneOf(set *pflag.FlagSet, to *string, name, value string, words []string, help string) {
	*to = value
	set.Var(&choice{to, words}, name, help)
}

// texts are a text that may be given several times.
type texts struct {
	to   *[]string
	kind string
}

func (v *texts) String() string {
	if v.to == nil || len(*v.to) == 0 {
		return ""
	}
	return strings.Join(*v.to, " ")
}

func (v *texts) Type() string { return v.kind }

func (v *texts) Set(s string) error {
	*v.to = append(*v.to, s)
	return nil
}

// text is any text. kind is its name in the help.
type text struct {
	to   *string
	kind string
}

func (v *text) String() string {
	if v.to == nil {
		return ""
	}
	return *v.to
}

func (v *text) Type() string { return v.kind }

func (v *text) Set(s string) error {
	*v.to = s
	return nil
}

// addText adds a flag for a text; short may be "".
func addText(set *pflag.FlagSet, to *string, name, short, kind, help string) {
	set.VarP(&text{to, kind}, name, short, help)
}

// aliases are other programs' names of flags.
var aliases = map[string]string{"temperature": "temp"}

func normalize(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	if own, ok := aliases[name]; ok {
		name = own
	}
	return pflag.NormalizedName(name)
}

// helpWidth is the longest line of a list of flags.
const helpWidth = 100

// plainFlags makes help list flags in lines of helpWidth, and switches without
// their =true and =false.
func plainFlags(root *cobra.Command) {
	cobra.AddTemplateFunc("flags", func(set *pflag.FlagSet) string {
		const values = "[=true|false]"
		wide := set.FlagUsagesWrapped(helpWidth + len(values))
		return strings.ReplaceAll(wide, values, strings.Repeat(" ", len(values)))
	})
	t := root.UsageTemplate()
	for _, which := range []string{".LocalFlags", ".InheritedFlags"} {
		t = strings.ReplaceAll(t, which+".FlagUsages", "flags "+which)
	}
	root.SetUsageTemplate(t)
}

// complete tells the shell the values of a command's flags and arguments.
func complete(c *cobra.Command) {
	c.Flags().VisitAll(func(f *pflag.Flag) {
		var words func(c *cobra.Command) []string
		switch v := f.Value.(type) {
		case *choice:
			words = func(*cobra.Command) []string { return v.words }
		default:
			switch f.Name {
			case "type":
				words = func(*cobra.Command) []string { return quant.MixNames() }
			case "draft":
				words = func(c *cobra.Command) []string { return append([]string{"auto", "lookup"}, modelNames(c)...) }
			case "model", "kl-base":
				words = modelNames
			default:
				return
			}
		}
		c.RegisterFlagCompletionFunc(f.Name, func(c *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			return beginning(words(c), toComplete), directive(f)
		})
	})
}

// directive lets the shell complete files too where a flag takes them.
func directive(f *pflag.Flag) cobra.ShellCompDirective {
	if slices.Contains([]string{"model", "kl-base", "draft"}, f.Name) {
		return cobra.ShellCompDirectiveDefault
	}
	return cobra.ShellCompDirectiveNoFileComp
}

// beginning are the words that begin with a text.
func beginning(words []string, with string) (list []string) {
	for _, w := range words {
		if strings.HasPrefix(strings.ToLower(w), strings.ToLower(with)) {
			list = append(list, w)
		}
	}
	return list
}

// lasting is a time such as 5s or 2m.
type lasting struct{ to *time.Duration }

func (v *lasting) String() string {
	if v.to == nil {
		return ""
	}
	return v.to.String()
}

func (v *lasting) Type() string { return "TIME" }

func (v *lasting) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > 24*time.Hour {
		return errors.New("not a time such as 5s or 2m")
	}
	*v.to = d
	return nil
}

// size is a number of bytes such as 500M or 4G.
type size struct{ to *int64 }

func (v *size) String() string {
	if v.to == nil || *v.to == 0 {
		return ""
	}
	return units.Bytes(*v.to)
}

func (v *size) Type() string { return "SIZE" }

func (v *size) Set(s string) error {
	n, err := units.ParseBytes(s)
	if err != nil || n == 0 {
		return errors.New("not a size such as 500M or 4G")
	}
	*v.to = n
	return nil
}

// addTime adds a flag for a time.
func addTime(set *pflag.FlagSet, to *time.Duration, name string, value time.Duration, help string) {
	*to = value
	set.Var(&lasting{to}, name, help)
}
