package serve

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/mil-run/mil/internal/demo"
	"github.com/mil-run/mil/llm"
)

// models are those that may be asked for. Each is loaded when it is first asked. The
// ones used longest ago are closed where another does not fit beside them.
type models struct {
	o    *Options
	mc   *llm.Machine
	list []*entry
	one  sync.Mutex     // held while a model is loaded: one at a time
	work sync.WaitGroup // loads
	stop chan struct{}  // closed with the server

	mu     sync.Mutex // of what follows and of all entries' changing fields
	uses   int
	closed bool
}

// entry is a model that may be asked for.
type entry struct {
	id, name string // name is what llm.Open takes
	made     time.Time

	ready   *served       // nil where it is not loaded
	loading *load         // the load at work, or nil
	leaving bool          // ready is to be closed: it answers nobody new
	users   int           // requests that use it
	idle    chan struct{} // closed where it is leaving and has no users
	used    int           // models.uses of its last request
}

// load is one attempt to load a model.
type load struct {
	done chan struct{}
	err  error
}

// served is a loaded model. It stays open until the request that took it ends.
type served struct {
	id   string
	m    *llm.Model
	s    *llm.Service
	file os.FileInfo // nil for the demo
}

func newModels(o *Options) (*models, error) {
	m := &models{o: o, mc: llm.NewMachine(o.LLM), stop: make(chan struct{})}
	names := o.Models
	if len(names) == 0 {
		names = []string{""}
	}
	for _, name := range names {
		one := &entry{id: ModelID(name), name: name, made: time.Now()}
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

// ModelID is the name by which requests ask for a model: the short name, or a
// file's name without its suffix.
func ModelID(name string) string {
	if name == "" {
		return demo.Name
	}
	base := filepath.Base(name)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

// find is the model of an id. A single model answers "" too.
func (m *models) find(id string) (*entry, error) {
	for _, one := range m.list {
		if one.id == id || id == "" && len(m.list) == 1 {
			return one, nil
		}
	}
	return nil, &apiError{status: http.StatusNotFound, kind: "invalid_request_error", code: "model_not_found", param: "model",
		text: fmt.Sprintf("there is no model %q here; GET /v1/models lists those that are", id)}
}

// about is a model as /v1/models lists it.
func (one *entry) about() map[string]any {
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
