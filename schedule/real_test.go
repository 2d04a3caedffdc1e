package schedule

import (
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/internal/demo"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
	"github.com/mil-run/mil/speculate"
)

// realWorld runs a small checkpoint. Time is counted in tokens, so that a schedule
// does not depend on the machine.
func realWorld(t *testing.T, name string, o model.Options, wrap ...func(backend.Backend) backend.Backend) *world {
	t.Helper()
	var b backend.Backend = cpu.New(2)
	for _, w := range wrap {
		b = w(b)
	}
	open := func(mix string, o model.Options) *model.Runtime {
		f, _ := testutil.Convert(t, testutil.Data("fixtures", name), mix)
		m, err := model.Open(f)
		if err != nil {
			t.Fatal(err)
		}
		r, err := m.NewRuntime(b, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		return r
	}
	r, small := open("q8_0", o), open("q4_0", model.Options{Context: 2048}) // which is wrong now and then
	drafts := map[string]Draft{
		"lookup": {New: func(sample.Options) (speculate.Drafter, error) { return speculate.NewLookup(), nil }},
		"model": {Bytes: 1000, New: func(o sample.Options) (speculate.Drafter, error) {
			s, err := small.NewSession()
			if err != nil {
				return nil, err
			}
			return speculate.NewModel(s, o), nil
		}},
	}
	e, err := NewEngine(r, drafts)
	if err != nil {
		t.Fatal(err)
	}
	ticks := time.Unix(0, 0)
	return &world{
		engine: func() Engine { return e },
		clock: func(Engine) Options {
			return Options{Clock: func() time.Time { ticks = ticks.Add(time.Millisecond); return ticks }}
		},
		vocab:  500,
		drafts: []string{"", "lookup", "model"},
		slides: []bool{false, true},
	}
}

// On small models of every kind, random conversations in company give the texts
// that each gives alone.
func TestCompany(t *testing.T) {
	names := []string{"mamba2-half", "../families/falcon-h1", "../families/granite-h", "llama", "pure-mamba1", "../families/mistral-window"}
	n := 200
	if testing.Short() {
		names, n = names[:1], 50
	}
	for i, name := range names {
		t.Run(name, func(t *testing.T) {
			o := model.Options{Context: 384, Slide: true, KV: []model.KVType{model.KVF16, model.KVQ8_0}[i%2]}
			w := realWorld(t, name, o)
			l := w.engine().Limits()
			if !l.Slides {
				w.slides = []bool{false}
			}
			k := n
			if i > 0 {
				k = n / 4
			}
			each := l.bytes(l.Context)
			w.company(t, uint64(i), k, 5, 3*each, 4*(each+l.page()))
		})
	}
}

// The ends of replies that are kept, mapped or copied, are gone on from as a
// session goes on, to the bit.
func TestReplyOfAModelIsReused(t *testing.T) {
	for _, name := range []string{"mamba2-half", "../families/mistral-window"} { // the second's ring begins anew
		w := realWorld(t, name, model.Options{Context: 6000, KV: model.KVQ8_0})
		talk := func(session string, mapped int64) (texts [][]int32) {
			o := w.clock(nil)
			o.Prefixes = 256 << 20
			if session != "" {
				o.Prefixes = 0
			}
			c := newCore(w.engine(), o)
			c.prefixes.mapped = mapped
			text := words(1, 3200)
			for i := range 4 {
				before := len(text)
				h := submit(t, c, Request{Tokens: text, MaxTokens: 39 + 7*i, Session: session, Sampling: sample.Options{Temp: 1, Seed: 5}})
				drive(t, c)
				if n := h.Result().Cached; i > 0 && n < before-60 {
					t.Errorf("%s: %d tokens of %d are reused", name, n, before)
				}
				texts = append(texts, all(h))
				text = slices.Concat(text, all(h), words(uint64(20+i), 50))
			}
			if err := c.close(ErrClosed); err != nil || c.prefixes.held != 0 {
				t.Errorf("%d bytes are held: %v", c.prefixes.held, err)
			}
			return texts
		}
		want := talk("s", 0)
		for _, mapped := range []int64{1, 1 << 40} {
			if got := talk("", mapped); w.engine().(*engine).maps != 0 || !slices.EqualFunc(got, want, slices.Equal) {
				t.Errorf("%s, mapped from %d bytes: another text than in a session", name, mapped)
			}
		}
		w.engine().(*engine).maps = mostMaps - 3 // then files are read
		if got := talk("", 1); !slices.EqualFunc(got, want, slices.Equal) {
			t.Errorf("%s, mapped in part: another text than in a session", name)
		}
	}
}

// On an engine that slides a request slides only if it asks for it.
func TestOnlySomeSlide(t *testing.T) {
	w := realWorld(t, "llama", model.Options{Context: 128, Slide: true})
	c := newCore(w.engine(), w.clock(nil))
	for _, slide := range []bool{false, true} {
		h := submit(t, c, Request{Tokens: words(1, 100), MaxTokens: 60, Slide: slide})
		drive(t, c)
		want := map[bool]Reason{false: Full, true: Limit}[slide]
		if r := h.Result(); r.Why != want {
			t.Errorf("slide %t: %s after %d tokens", slide, r.Why, r.Generated)
		}
	}
}

// Short requests one after another on a small model leave nothing behind, neither
// in the collector's memory nor outside it.
func TestManyRequestsOfAModel(t *testing.T) {
	w := realWorld(t, "mamba2-half", model.Options{Context: 512})
	e := w.engine()
	l := e.Limits()
	o := w.clock(e)
	o.Memory, o.Prefixes, o.Active, o.Dir = 20*l.bytes(l.Context), 1<<20, 8, t.TempDir()
	c := newCore(e, o)
	n := 10_000
	if testing.Short() {
		n = 1000
	}
	var before, after uint64
	for i := range n {
		if i == n/5 {
			before = resident(t)
		}
		r := Request{Tokens: words(uint64(i), 5+i%40), MaxTokens: 1 + i%2, Draft: w.drafts[i%2]}
		if i%5 == 0 {
			r.Session = string(rune(i))
		}
		submit(t, c, r)
		for len(c.tasks) > 8 {
			c.step()
		}
	}
	drive(t, c)
	if after = resident(t); after > before+before/10+4<<20 {
		t.Errorf("the process grew from %d to %d MB", before>>20, after>>20)
	}
	if err := c.close(ErrClosed); err != nil || c.used != 0 {
		t.Errorf("%d bytes are left: %v", c.used, err)
	}
}

// A sequence takes what its text has touched, however long the context is: at
// most a twentieth more than the limits say.
func TestMemoryOfSequences(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the system says little of its memory")
	}
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	r, err := m.NewRuntime(cpu.New(2), model.Options{Context: 32768})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	e, err := NewEngine(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	read := func(n int) {
		s, err := e.Open(false)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		if _, err := s.Read(words(1, n), model.WantNone); err != nil {
			t.Fatal(err)
		}
	}
	l := e.Limits()
	read(500) // what the runtime itself needs
	for _, n := range []int{500, 3000} {
		before := resident(t)
		for range 8 {
			read(n)
		}
		if took, said := int64(resident(t)-before), 8*l.bytes(n); took > said+said/20 {
			t.Errorf("8 sequences of %d tokens take %d bytes, %d by the limits", n, took, said)
		}
	}
}
