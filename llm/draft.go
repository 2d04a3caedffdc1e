package llm

import (
	"errors"
	"strings"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/demo"
	"github.com/mil-run/mil/sample"
	"github.com/mil-run/mil/speculate"
)

// ErrDraft is wrapped by errors about drafts, as a [DraftError].
var ErrDraft = errors.New("the draft cannot be used")

// DraftError is an [ErrDraft] with its cause.
type DraftError struct{ Err error }

func (e *DraftError) Error() string   { return "draft: " + e.Err.Error() }
func (e *DraftError) Unwrap() []error { return []error{ErrDraft, e.Err} }

// Kinds of drafts beside models' names.
const (
	draftLookup = "lookup"
	draftAuto   = "auto"
)

// draftModel is an opened model that drafts, or nil fields for a lookup.
type draftModel struct {
	file     *format.File
	e        *chat.Engine
	optional bool // it is left out where it cannot run
}

func (d *draftModel) close() error {
	if d.file == nil {
		return nil
	}
	return d.file.Close()
}

// draftNames are the kinds and the paths of the models that Options.Draft names.
// The demo's path is "".
func (o *Options) draftNames() (list []string, err error) {
	if o.Draft == "" {
		return nil, nil
	}
	for name := range strings.SplitSeq(o.Draft, ",") {
		switch name {
		case draftLookup, draftAuto, demo.Name:
		default:
			if name, err = Find(name, o.Models); err != nil {
				return nil, &DraftError{err}
			}
		}
		list = append(list, name)
	}
	return list, nil
}

// findDrafts says early that a draft is not there.
func (m *Model) findDrafts() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ready {
		return nil
	}
	_, err := m.o.draftNames()
	return err
}

// openDrafts opens the models that draft.
func (m *Model) openDrafts() (list []*draftModel, err error) {
	defer func() {
		if err != nil {
			for _, d := range list {
				d.close()
			}
			list = nil
		}
	}()
	names, err := m.o.draftNames()
	for _, name := range names {
		switch name {
		case draftLookup:
			list = append(list, &draftModel{})
			continue
		case draftAuto:
			list = append(list, &draftModel{})
			if d, err := m.openDraft(""); err == nil {
				d.optional = true
				list = append(list, d)
			}
			continue
		case demo.Name:
			name = ""
		}
		d, err := m.openDraft(name)
		if err != nil {
			return list, &DraftError{err}
		}
		list = append(list, d)
	}
	return list, err
}

// openDraft opens a draft model, the demo's for "".
func (m *Model) openDraft(path string) (*draftModel, error) {
	file, err := demo.OpenDraft()
	if path != "" {
		file, err = OpenFile(path)
	}
	if err != nil {
		return nil, err
	}
	e, err := chat.Open(file)
	if err == nil {
		if err = speculate.Fits(m.e.Tokenizer, e.Tokenizer); err == nil {
			return &draftModel{file: file, e: e}, nil
		}
	}
	return nil, errors.Join(file.Named(err), file.Close())
}

// drafts is the draft of one session.
type drafts struct {
	speculate.Options
	timelines []*Timeline
}

func (d *drafts) close() error {
	var errs []error
	for _, t := range d.timelines {
		errs = append(errs, t.Close())
	}
	return errors.Join(errs...)
}

// draft makes the draft of a session: the model's drafts, each in a session of
// its own beside.
func (m *Model) draft(t *Timeline, sampling sample.Options) (*drafts, error) {
	k := m.o.DraftTokens
	switch {
	case k == 0:
		k = -1 // speculate adapts
	case k < 0:
		k = 0
	}
	d := &drafts{Options: speculate.Options{K: k}}
	var list speculate.Auto
	for _, one := range m.drafts {
		if one.file == nil {
			list = append(list, speculate.NewLookup())
			continue
		}
		o, err := m.o.session()
		if err != nil {
			return nil, errors.Join(err, d.close())
		}
		o.Context = t.Context()
		beside, err := m.mc.Timeline(one.e.Model, o)
		switch {
		case err == nil:
			d.timelines = append(d.timelines, beside)
			list = append(list, speculate.NewModel(beside.Session, sampling))
		case !one.optional:
			return nil, errors.Join(&DraftError{one.file.Named(err)}, d.close())
		}
	}
	if list != nil {
		d.Draft = list
	}
	return d, nil
}
