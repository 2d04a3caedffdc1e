package serve

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/mil-run/mil/internal/demo"
	"github.com/mil-run/mil/llm"
)

// models are those that may be asked for. Each is loaded when it is first asked.
type models struct {
	o    *Options
	mu   sync.Mutex
	mc   *llm.Machine
	list []*served
}

// served is one model.
type served struct {
	id, name string // name is what llm.Open takes
	made     time.Time
	mu       sync.Mutex // of loading
	m        *llm.Model
	s        *llm.Service
}

func newModels(o *Options) (*models, error) {
	m := &models{o: o, mc: llm.NewMachine(o.LLM)}
	names := o.Models
	if len(names) == 0 {
		names = []string{""}
	}
	for _, name := range names {
		one := &served{id: modelID(name), name: name, made: time.Now()}
		for _, other := range m.list {
			if other.id == one.id {
				return nil, fmt.Errorf("two models would be asked for as %q: %s and %s; rename one", one.id, other.name, name)
			}
		}
		if name != "" {
			if _, err := llm.Find(name, o.LLM.Models); err != nil {
				return nil, err
			}
		}
		m.list = append(m.list, one)
	}
	return m, nil
}

// modelID is the name by which requests ask for a model: the short name, or a
// file's name without its suffix.
func modelID(name string) string {
	if name == "" {
		return demo.Name
	}
	base := filepath.Base(name)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

// find is the model of an id. A single model answers "" too.
func (m *models) find(id string) (*served, error) {
	for _, one := range m.list {
		if one.id == id || id == "" && len(m.list) == 1 {
			return one, nil
		}
	}
	return nil, &apiError{status: http.StatusNotFound, kind: "invalid_request_error", code: "model_not_found", param: "model",
		text: fmt.Sprintf("there is no model %q here; GET /v1/models lists those that are", id)}
}

// load makes a model ready.
func (m *models) load(id string) (*served, error) {
	one, err := m.find(id)
	if err != nil {
		return nil, err
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.s != nil {
		return one, nil
	}
	opened, err := m.mc.Open(one.name, m.o.LLM)
	if err != nil {
		return nil, err
	}
	share := m.o.Memory / int64(len(m.list))
	s, err := opened.Serve(llm.ServiceOptions{Slots: m.o.Slots, Queue: m.o.Queue, Memory: share - share/4, Prefixes: share / 4})
	if err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	one.m, one.s = opened, s
	return one, nil
}

// close frees all models.
func (m *models) close() error {
	var errs []error
	for _, one := range m.list {
		one.mu.Lock()
		if one.s != nil {
			errs = append(errs, one.s.Close(), one.m.Close())
			one.s, one.m = nil, nil
		}
		one.mu.Unlock()
	}
	return errors.Join(append(errs, m.mc.Close())...)
}

// about is a model as /v1/models lists it.
func (one *served) about() map[string]any {
	return map[string]any{"id": one.id, "object": "model", "created": one.made.Unix(), "owned_by": "mil"}
}

func (s *Server) listModels(w http.ResponseWriter, _ *http.Request) error {
	data := []any{}
	for _, one := range s.models.list {
		data = append(data, one.about())
	}
	return send(w, http.StatusOK, map[string]any{"object": "list", "data": data})
}

func (s *Server) oneModel(w http.ResponseWriter, r *http.Request) error {
	one, err := s.models.find(r.PathValue("id"))
	if err != nil {
		return err
	}
	return send(w, http.StatusOK, one.about())
}
