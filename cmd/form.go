package cmd

import (
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"github.com/mil-run/mil/constrain"
	"github.com/mil-run/mil/internal/bounded"
)

// formFlags are the flags that hold replies to a form.
type formFlags struct {
	schema, grammar, regex string
	choice                 []string
}

func (f *formFlags) add(set *pflag.FlagSet) {
	addText(set, &f.schema, "json-schema", "", "FILE", "replies are JSON that follows the schema in the file")
	addText(set, &f.grammar, "grammar", "", "FILE", "replies follow the grammar in the file, in the syntax of llama.cpp (GBNF)")
	addText(set, &f.regex, "regex", "", "PATTERN", "replies match the regular expression as a whole, in Go's syntax")
	set.StringSliceVar(&f.choice, "choice", nil, "replies are one of these texts, separated by commas")
	choice := set.Lookup("choice")
	choice.Value, choice.DefValue = commas{choice.Value}, ""
}

// form is one of the flags.
type form struct {
	flag  string
	given bool
	make  func() (*constrain.Grammar, error)
}

func (f *formFlags) forms() []form {
	file := func(path string, compile func(text []byte) (*constrain.Grammar, error)) func() (*constrain.Grammar, error) {
		return func() (*constrain.Grammar, error) {
			text, err := bounded.File(path, constrain.MostText)
			if err != nil {
				return nil, err
			}
			return compile(text)
		}
	}
	return []form{
		{"--json-schema " + f.schema, f.schema != "", file(f.schema, func(text []byte) (*constrain.Grammar, error) {
			return constrain.Schema(text, constrain.SchemaOptions{})
		})},
		{"--grammar " + f.grammar, f.grammar != "", file(f.grammar, func(text []byte) (*constrain.Grammar, error) {
			return constrain.GBNF(string(text))
		})},
		{"--regex", f.regex != "", func() (*constrain.Grammar, error) { return constrain.Regex(f.regex) }},
		{"--choice", len(f.choice) > 0, func() (*constrain.Grammar, error) { return constrain.Choice(f.choice) }},
	}
}

// compile is the form that the flags ask for, or nil.
func (f *formFlags) compile() (g *constrain.Grammar, err error) {
	given := slices.DeleteFunc(f.forms(), func(x form) bool { return !x.given })
	switch len(given) {
	case 0:
		return nil, nil
	case 1:
		if g, err = given[0].make(); err != nil {
			return nil, usage(fmt.Errorf("%s: %w", given[0].flag, err))
		}
		return g, nil
	}
	return nil, usagef("--json-schema, --grammar, --regex and --choice exclude each other")
}

// commas is a list of texts with commas between them, by that name in the help.
type commas struct{ pflag.Value }

func (commas) Type() string { return "TEXT,..." }
