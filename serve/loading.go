package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"

	"github.com/mil-run/mil/internal/mistake"
	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/internal/units"
	"github.com/mil-run/mil/llm"
)

// leases are the models that a request uses.
type leases struct {
	mu   sync.Mutex
	ends []func()
}

type leasesKey struct{}

func (l *leases) add(end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends = append(l.ends, end)
}

func (l *leases) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.ends {
		f()
	}
	l.ends = nil
}

// load gives a loaded model, which stays until the request of ctx ends. A model that
// is not loaded yet is loaded in the background, and whoever asks for it waits.
func (m *models) load(ctx context.Context, id string) (*served, error) {
	e, err := m.find(id)
	if err != nil {
		return nil, err
	}
	use, ok := ctx.Value(leasesKey{}).(*leases)
	if !ok {
		return nil, errors.New("a request came past the guard")
	}
	for {
		one, wait := m.take(e)
		if one != nil {
			use.add(func() { m.give(e) })
			return one, nil
		}
		if wait == nil {
			return nil, llm.ErrEnded
		}
		select {
		case <-wait.done:
			if wait.err != nil {
				return nil, wait.err
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-m.stop:
			return nil, llm.ErrEnded
		}
	}
}

// take counts a request at a loaded model, or says which load to wait for. It
// returns neither where the server ends.
func (m *models) take(e *entry) (*served, *load) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, nil
	}
	if e.ready != nil && !e.leaving && !e.ready.replaced() {
		m.uses++
		e.users, e.used = e.users+1, m.uses
		return e.ready, nil
	}
	if e.loading == nil {
		e.loading = &load{done: make(chan struct{})}
		m.work.Add(1)
		go m.fill(e, e.loading)
	}
	return nil, e.loading
}

// give ends a request's use of a model.
func (m *models) give(e *entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.users--; e.users == 0 && e.leaving {
		close(e.idle)
	}
}

// replaced says whether another file has taken the place of the model's. One that
// was removed stays in use.
func (one *served) replaced() bool {
	if one.file == nil {
		return false
	}
	now, err := os.Stat(one.m.File().Name())
	return err == nil && !(os.SameFile(now, one.file) && now.Size() == one.file.Size() && now.ModTime().Equal(one.file.ModTime()))
}

// fill loads a model, and closes others for it where it does not fit.
func (m *models) fill(e *entry, l *load) {
	defer m.work.Done()
	m.one.Lock()
	defer m.one.Unlock()
	err := m.leave(e) // an older file's
	var one *served
	for err == nil {
		if one, err = m.open(e); err == nil || !errors.Is(err, llm.ErrMemory) {
			break
		}
		if next := m.oldest(e); next != nil {
			err = m.leave(next)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		e.ready = one
		m.uses++
		e.used = m.uses
	} else if !errors.Is(err, llm.ErrEnded) {
		err = &apiError{status: http.StatusServiceUnavailable, kind: "server_error", code: "model_not_loaded", retry: 5,
			text: fmt.Sprintf("the model %s cannot be loaded: %s", e.id, show.Line(err))}
	}
	l.err, e.loading = err, nil
	close(l.done)
}

// oldest is the loaded model that was asked for longest ago, without e, or nil.
func (m *models) oldest(e *entry) (found *entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, other := range m.list {
		if other != e && other.ready != nil && (found == nil || other.used < found.used) {
			found = other
		}
	}
	return found
}

// leave closes a model when its last request has ended. Requests that ask for it
// meanwhile wait, and load it again.
func (m *models) leave(e *entry) error {
	m.mu.Lock()
	one := e.ready
	if one == nil {
		m.mu.Unlock()
		return nil
	}
	e.leaving, e.idle = true, make(chan struct{})
	if e.users == 0 {
		close(e.idle)
	}
	m.mu.Unlock()
	select {
	case <-e.idle:
	case <-m.stop: // close frees it
		return llm.ErrEnded
	}
	err := one.close()
	m.mu.Lock()
	defer m.mu.Unlock()
	e.ready, e.leaving = nil, false
	return err
}

// open opens a model beside those that are open. The error is [llm.ErrMemory] where
// it does not fit.
func (m *models) open(e *entry) (one *served, err error) {
	defer func() { // nobody else recovers from it in this goroutine
		if p := recover(); p != nil {
			err = mistake.Recovered(p)
		}
	}()
	one = &served{id: e.id}
	if e.name != "" {
		path, err := llm.Find(e.name, m.o.LLM.Models)
		if err != nil {
			return nil, err
		}
		if one.file, err = os.Stat(path); err != nil {
			return nil, err
		}
	}
	if one.m, err = m.mc.Open(e.name, m.o.LLM); err != nil {
		return nil, err
	}
	if err = m.fits(one.m); err == nil {
		share := m.o.Memory / int64(len(m.list))
		one.s, err = one.m.Serve(llm.ServiceOptions{Slots: m.o.Slots, Queue: m.o.Queue, Memory: share - share/4, Prefixes: share / 4, Keep: m.o.Sessions, KeepBytes: m.o.SessionBytes})
	}
	if err != nil {
		return nil, errors.Join(err, one.m.Close())
	}
	return one, nil
}

// fits says whether a model's weights may be loaded beside the others'. The only
// one always may.
func (m *models) fits(one *llm.Model) error {
	need, held := one.Engine().Model.Bytes(), int64(0)
	for _, other := range m.loaded() {
		held += other.m.Engine().Model.Bytes()
	}
	if held > 0 && m.o.Weights > 0 && held+need > m.o.Weights {
		return fmt.Errorf("%w: weights of %s do not fit beside %s of others", llm.ErrMemory, units.Bytes(need), units.Bytes(held))
	}
	return nil
}

// hold gives a model that is loaded, which stays until the request of ctx ends, or nil.
// It loads none, and the model counts as used no later than before.
func (m *models) hold(ctx context.Context, e *entry) *served {
	use, ok := ctx.Value(leasesKey{}).(*leases)
	m.mu.Lock()
	defer m.mu.Unlock()
	if !ok || e.ready == nil || e.leaving || m.closed {
		return nil
	}
	e.users++
	use.add(func() { m.give(e) })
	return e.ready
}

// loaded are the loaded models.
func (m *models) loaded() (list []*served) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.list {
		if e.ready != nil {
			list = append(list, e.ready)
		}
	}
	return list
}

func (one *served) close() error { return errors.Join(one.s.Close(), one.m.Close()) }

// close frees all models, under requests that may still use them.
func (m *models) close() error {
	m.mu.Lock()
	first := !m.closed
	m.closed = true
	m.mu.Unlock()
	if !first {
		return nil
	}
	close(m.stop)
	m.work.Wait()
	var errs []error
	for _, one := range m.loaded() {
		errs = append(errs, one.close())
	}
	m.mu.Lock()
	for _, e := range m.list {
		e.ready = nil
	}
	m.mu.Unlock()
	return errors.Join(append(errs, m.mc.Close())...)
}
