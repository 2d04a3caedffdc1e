package batch

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mil-run/mil/internal/demo"
	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/serve"
)

// Serving opens the models of a run in a server that nobody reaches over a network.
type Serving struct {
	// Model answers all requests where All is set: a file, or "" for the demo. Otherwise
	// each body names its model.
	Model string
	All   bool
	// Find is the file of a model's short name, "" for the demo.
	Find    func(name string) (path string, err error)
	LLM     llm.Options
	Streams int
	Memory  int64 // as in [serve.Options]
	Weights int64
}

// Open opens the models of the names.
func (s *Serving) Open(names []string) (*Models, error) {
	m := &Models{Names: make([]string, len(names)), Settings: make([]string, len(names))}
	o := serve.Options{LLM: s.LLM, Memory: s.Memory, Weights: s.Weights, Slots: s.Streams, Queue: 4 * s.Streams, Fresh: true}
	o.Limits.Body, o.Limits.Bodies = 2*maxRequest, 1<<40 // the run bounds them
	have := map[string]string{}                          // settings by path
	for i, name := range names {
		path, err := s.path(name)
		if err == nil {
			if _, ok := have[path]; !ok {
				have[path], err = s.settings(path)
				o.Models = append(o.Models, path)
			}
		}
		switch {
		case err == nil:
			m.Names[i], m.Settings[i] = serve.ModelID(path), have[path]
		case s.All || !errors.Is(err, llm.ErrNotFound) && !errors.Is(err, llm.ErrCheckpoint):
			return nil, err
		}
	}
	if len(o.Models) == 0 {
		return nil, fmt.Errorf("none of the requests' models is here: %s; --model MODEL answers all requests", show.Text(strings.Join(names, ", ")))
	}
	server, err := serve.New(o)
	if err != nil {
		return nil, err
	}
	m.Server, m.Close = server, server.Close
	return m, nil
}

// path is the file of a body's model. Bodies name no paths.
func (s *Serving) path(name string) (string, error) {
	switch {
	case s.All:
		return s.Model, nil
	case name == demo.Name:
		return "", nil
	case name == "" || strings.ContainsAny(name, `/\`):
		return "", llm.ErrNotFound
	}
	return s.Find(name)
}

// settings are what decides the texts of a model in this run.
func (s *Serving) settings(path string) (string, error) {
	f, err := llm.OpenFile(path)
	if err != nil {
		return "", err
	}
	id, err := f.Identity()
	if err = errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, context %d, kv %s, plain rope %v", id, s.LLM.Context, s.LLM.KV, s.LLM.PlainRope), nil
}
