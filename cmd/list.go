package cmd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/demo"
	"github.com/mil-run/mil/internal/models"
	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/internal/units"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/quant"
)

// listed is a model in the JSON of `mil list --json`.
type listed struct {
	Name         string `json:"name"`
	Path         string `json:"path"` // "" is inside mil
	Architecture string `json:"architecture,omitempty"`
	Parameters   int64  `json:"parameters,omitempty"`
	Type         string `json:"type,omitempty"`
	Bytes        int64  `json:"bytes"`
	Context      int    `json:"context,omitempty"`
	Error        string `json:"error,omitempty"` // why it cannot be run
}

func listCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the models that have a name",
		Long: `List the models in the folder of models, and the demo inside mil. Every command
that takes a MODEL takes their names. mil convert without -o puts a model there,
and mil rm removes one.`,
		Example: "  mil list\n  mil list --json\n  mil list --models /data/models",
		Args:    atMost(),
		RunE: func(c *cobra.Command, _ []string) error {
			folder := modelsFolder(c)
			entries, err := folder.List()
			if err != nil {
				return err
			}
			list := []listed{describeEntry(models.Entry{Name: demo.Name})}
			for _, e := range entries {
				list = append(list, describeEntry(e))
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), list)
			}
			return printList(c.OutOrStdout(), folder, list)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// describeEntry looks into a model file without reading its weights.
func describeEntry(e models.Entry) listed {
	l := listed{Name: e.Name, Path: e.Path}
	for _, p := range models.Files(e.Path) {
		if st, err := os.Stat(p); err == nil {
			l.Bytes += st.Size()
		}
	}
	f, err := openModel(e.Path)
	if err != nil {
		l.Error = reason(e.Path, err)
		return l
	}
	defer f.Close()
	if e.Path == "" {
		l.Bytes = int64(len(f.Mapping()))
	}
	m, err := model.Open(f)
	if err != nil {
		l.Error = err.Error()
		return l
	}
	l.Architecture, l.Parameters, l.Context, l.Type = m.Config.Arch, m.Parameters(), m.Config.Context, typeName(f)
	return l
}

// reason is why a file cannot be opened, without its path, which is known.
func reason(path string, err error) string {
	if to, e := os.Readlink(path); e == nil && errors.Is(err, fs.ErrNotExist) {
		return "it is a link to " + to + ", which is not there"
	}
	text := err.Error()
	if cut := "open " + path + ": "; len(text) > len(cut) && text[:len(cut)] == cut {
		text = text[len(cut):]
	}
	return text
}

func printList(out io.Writer, folder models.Folder, list []listed) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tARCHITECTURE\tPARAMETERS\tTYPE\tSIZE\tCONTEXT")
	for _, l := range list {
		if l.Error != "" {
			show.Fprintf(w, "%s\tdamaged: %s\n", l.Name, errors.New(l.Error))
			continue
		}
		show.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\n", l.Name, l.Architecture, units.Count(l.Parameters), l.Type, units.Bytes(l.Bytes), l.Context)
	}
	if err := w.Flush(); err != nil || len(list) > 1 {
		return err
	}
	where := "there is no folder for models; name one with --models DIR"
	if folder != "" {
		where = "no models in " + show.Visible(string(folder)) + " yet; mil convert CHECKPOINT makes one"
	}
	_, err := show.Fprintln(out, where)
	return err
}

// typeName is the type of a file's weights: the mix by which it was made, or
// the type of most weights where the file does not say.
func typeName(f *format.File) string {
	most, counts := "", map[string]int64{}
	for _, t := range f.Tensors() {
		name := t.Type.String()
		if counts[name] += int64(t.Values()); most == "" || counts[name] > counts[most] {
			most = name
		}
	}
	n, ok, err := f.KV().Uint("general.file_type")
	if name := quant.FileTypeName(n); err == nil && ok && name != "" && n != 0 { // 0 is also written where there is no number
		return name
	}
	return most
}
