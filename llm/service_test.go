package llm

import (
	"errors"
	"testing"

	"github.com/mil-run/mil/model"
)

// A request that drafts counts the caches of its draft at the service's context, also
// where no context was asked for.
func TestServiceDraftMemory(t *testing.T) {
	m, err := Open("", Options{Backend: "cpu", Threads: 1, Draft: "demo"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.prepare(); err != nil {
		t.Fatal(err)
	}
	kv, state := m.drafts[0].e.Model.Memory(model.Options{Context: min(m.Config().Context, model.DefaultContext)})
	s, err := m.Serve(ServiceOptions{Memory: kv + state}) // nothing is left for the request
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ask := Ask{Tokens: []int32{7, 8, 9}, Settings: m.Settings()}
	ask.Settings.MaxTokens = 3
	a, err := s.Ask(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	if r := a.Result(); r.Err != nil {
		t.Error(r.Err)
	}
	ask.Draft = true
	if _, err := s.Ask(t.Context(), ask); !errors.Is(err, ErrAskMemory) {
		t.Errorf("with a draft: %v", err)
	}
}
