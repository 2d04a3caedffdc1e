package cmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/demo"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
	"github.com/mil-run/mil/speculate"
)

// draftFlags choose the draft.
type draftFlags struct {
	draft string
	k     int
	names []string // of draft, models as the paths of their files
}

func (f *draftFlags) add(set *pflag.FlagSet) {
	addText(set, &f.draft, "draft", "", "MODEL", "draft for speculative decoding: a model, lookup (from the conversation itself), demo "+
		"(the demo's draft), auto (lookup, then the demo's draft where it fits), or several, as in lookup,MODEL; the text stays the same")
	addNumber(set, &f.k, "draft-k", "", -1, -1, speculate.MaxDraft, "tokens to propose at a time, up to 15; -1 adapts the number to its gain")
}

// find finds the models named by --draft.
func (f *draftFlags) find(c *cobra.Command) error {
	f.names = nil
	if f.draft == "" {
		return nil
	}
	for _, name := range strings.Split(f.draft, ",") {
		switch name {
		case "lookup", "auto", demo.Name:
		default:
			path, err := findModel(c, name)
			if err != nil {
				return fmt.Errorf("--draft: %w", err)
			}
			name = path
		}
		f.names = append(f.names, name)
	}
	return nil
}

// drafts is an opened draft with the things to close after it.
type drafts struct {
	speculate.Options
	files []*format.File
}

func (d *drafts) close() {
	if d.Draft != nil {
		d.Draft.Close()
	}
	for _, f := range d.files {
		f.Close()
	}
}

// open makes the draft that find found, for a model that is open already.
func (f *draftFlags) open(run *runFlags, e *chat.Engine, s *model.Session, o sample.Options) (*drafts, error) {
	d := &drafts{Options: speculate.Options{K: f.k}}
	if f.names == nil {
		return d, nil
	}
	var list speculate.Auto
	for _, name := range f.names {
		more, err := d.named(name, run, e, s, o)
		if err != nil {
			list.Close()
			d.close()
			return nil, err
		}
		list = append(list, more...)
	}
	d.Draft = list
	return d, nil
}

func (d *drafts) named(name string, run *runFlags, e *chat.Engine, s *model.Session, o sample.Options) ([]speculate.Drafter, error) {
	switch name {
	case "lookup":
		return []speculate.Drafter{speculate.NewLookup()}, nil
	case "demo":
		m, err := d.model("", run, e, s, o)
		return []speculate.Drafter{m}, err
	case "auto":
		list := []speculate.Drafter{speculate.NewLookup()}
		if m, err := d.model("", run, e, s, o); err == nil {
			list = append(list, m)
		}
		return list, nil
	}
	m, err := d.model(name, run, e, s, o)
	return []speculate.Drafter{m}, err
}

// model opens a draft model, the demo's for "".
func (d *drafts) model(path string, run *runFlags, e *chat.Engine, s *model.Session, o sample.Options) (speculate.Drafter, error) {
	file, err := demo.OpenDraft()
	if path != "" {
		file, err = openModel(path)
	}
	if err != nil {
		return nil, fmt.Errorf("--draft: %w", err)
	}
	d.files = append(d.files, file)
	draft, err := chat.Open(file)
	if err == nil {
		err = speculate.Fits(e.Tokenizer, draft.Tokenizer)
	}
	if err != nil {
		return nil, fmt.Errorf("--draft: %w", file.Named(err))
	}
	ds, err := run.start(draft.Model, s.Context())
	if err != nil {
		return nil, fmt.Errorf("--draft: %w", file.Named(err))
	}
	return speculate.NewModel(ds, o), nil
}
