package schedule

import (
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
	"github.com/mil-run/mil/session"
	"github.com/mil-run/mil/speculate"
)

// Draft makes the drafts of one kind.
type Draft struct {
	// New makes the draft of one reply. Its Close frees it.
	New   func(o sample.Options) (speculate.Drafter, error)
	Bytes int64 // of memory that one takes
}

// engine is an Engine of a model.
type engine struct {
	r      *model.Runtime
	drafts map[string]Draft
	limits Limits
	feeds  []*model.Feed
	maps   int // mappings of files by all sequences
}

// NewEngine makes the engine of a runtime, which stays the caller's to close.
// Requests name their drafts as the map does.
func NewEngine(r *model.Runtime, drafts map[string]Draft) (Engine, error) {
	e := &engine{r: r, drafts: drafts}
	s, err := r.NewSession()
	if err != nil {
		return nil, err
	}
	e.limits = Limits{
		Rows: backend.MaxRows, Verify: backend.MaxVerify, Unit: backend.PromptUnit, Page: session.Page,
		Context: s.Context(), Vocab: s.Vocab(), Slides: s.Slides(), Drafts: slices.Sorted(maps.Keys(drafts)),
	}
	for i, p := range s.Parts() {
		switch {
		case !p.Cache:
			e.limits.State += int64(p.Bytes)
			continue
		case p.Window > 0:
			e.limits.Fixed += int64(p.Bytes) * int64(s.Ring(i)) / backend.CacheUnit
		default:
			e.limits.KV += int64(p.Bytes)
		}
		e.limits.Kept += int64(p.Bytes)
		e.limits.Slack += aligned(1)
	}
	return e, s.Close()
}

func (e *engine) Limits() Limits { return e.limits }

func (e *engine) Beside(r *Request) int64 { return e.drafts[r.Draft].Bytes }

func (e *engine) Open(slide bool) (Sequence, error) {
	s, err := e.r.NewSession()
	if err != nil {
		return nil, err
	}
	if !slide {
		s.Stay()
	}
	return &sequence{Session: s, e: e}, nil
}

// Pass implements [Engine]. Where the backend ranks rows, those of a request are
// ranked or not whatever the others' are: the sum over a ranked row is rounded
// elsewhere, and top-p may cut by it.
func (e *engine) Pass(list []*Rows) error {
	ranks := e.r.Ranks() && slices.ContainsFunc(list, func(r *Rows) bool {
		_, ok := r.Dec.(*decoder).Ranking()
		return ok
	})
	e.feeds = e.feeds[:0]
	for _, r := range list {
		r.feed = r.Dec.(*decoder).Feed(ranks)
		e.feeds = append(e.feeds, r.feed)
	}
	return e.r.Feed(e.feeds)
}

// sequence is a session of the runtime.
type sequence struct {
	*model.Session
	e    *engine
	maps int    // of files
	rows []byte // scratch
}

// Read implements [Sequence]. Nothing stops it, since that would take a copy of
// the recurrent state.
func (s *sequence) Read(tokens []int32, want model.Want) ([]float32, error) {
	return s.Session.Read(tokens, want, nil)
}

func (s *sequence) Point(p []byte) (int, error) {
	n, err := s.Snapshot()
	if err != nil {
		return 0, err
	}
	state, logged := n.State()
	for _, b := range state {
		p = p[copy(p, b):]
	}
	return logged, nil
}

func (s *sequence) Copy(from, to int, p []byte) error {
	for i, part := range s.Parts() {
		if !part.Cache {
			break
		}
		var err error
		if s.rows, err = s.ReadCache(i, from, to, s.rows[:0]); err != nil {
			return err
		}
		p = p[copy(p, s.rows):]
	}
	return nil
}

func (s *sequence) Put(from, to, end int, p []byte) error {
	for i, part := range s.Parts() {
		if !part.Cache {
			break
		}
		n := (to - from) / backend.CacheUnit * part.Bytes
		upTo, rows := to, p[:n]
		if part.Window > 0 { // more would overwrite what the ring must hold
			upTo = min(to, units32(end))
			rows = rows[:(upTo-from)/backend.CacheUnit*part.Bytes]
		}
		if err := s.WriteCache(i, from, upTo, rows); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// Store implements [Sequence]. Each cache begins where it can be mapped.
func (s *sequence) Store(from, to int, f *os.File) error {
	at := int64(0)
	for i, part := range s.Parts() {
		if !part.Cache {
			break
		}
		var err error
		if s.rows, err = s.ReadCache(i, from, to, s.rows[:0]); err != nil {
			return err
		}
		if _, err = f.WriteAt(s.rows, at); err != nil {
			return err
		}
		at += aligned(len(s.rows))
	}
	return nil
}

// mostMaps is how many pieces of files are mapped at a time. Systems give a process
// some 65,000, which the rest of the process needs too.
const mostMaps = 1 << 14

// Map implements [Sequence]. Beyond mostMaps it reads the file.
func (s *sequence) Map(from, to, end int, f *os.File) error {
	at := int64(0)
	for i, part := range s.Parts() {
		if !part.Cache {
			break
		}
		upTo := to
		if part.Window > 0 {
			upTo = min(to, units32(end))
		}
		if s.e.maps < mostMaps {
			if _, err := s.MapCache(i, from, upTo, f, at); err != nil {
				return err
			}
			s.maps++
			s.e.maps++
		} else {
			n := (upTo - from) / backend.CacheUnit * part.Bytes
			s.rows = slices.Grow(s.rows[:0], n)[:n]
			if _, err := f.ReadAt(s.rows, at); err != nil {
				return err
			}
			if err := s.WriteCache(i, from, upTo, s.rows); err != nil {
				return err
			}
		}
		at += aligned((to - from) / backend.CacheUnit * part.Bytes)
	}
	return nil
}

// aligned rounds up to what systems map.
func aligned(n int) int64 {
	page := os.Getpagesize()
	return int64((n + page - 1) / page * page)
}

func (s *sequence) Begin(tokens []int32, p []byte, logged int) error {
	var state [][]byte
	var rings []int
	for i, part := range s.Parts() {
		switch {
		case !part.Cache:
			state = append(state, p[:part.Bytes])
			p = p[part.Bytes:]
		case part.Window > 0:
			rings = append(rings, max(0, units32(len(tokens))-s.Ring(i)))
		}
	}
	err := s.Session.Begin(tokens, state, logged, 0)
	if err == nil && rings != nil {
		err = s.BeginRings(rings)
	}
	return err
}

func (s *sequence) Close() error {
	s.e.maps -= s.maps
	return s.Session.Close()
}

func (s *sequence) Save(path string) error { return session.Save(path, s.Session, session.Turn{}) }

func (s *sequence) Load(path string) error {
	found, err := session.Load(path, s.Session)
	if err == nil && found.Foreign {
		err = fmt.Errorf("session %s: another backend wrote it", path)
	}
	return err
}

// decoder makes a reply's tokens by package speculate.
type decoder struct {
	*speculate.Decoder
	e     *engine
	r     *Request
	draft speculate.Drafter // or nil
}

func (e *engine) Decode(s Sequence, r *Request) (Decoder, error) {
	d := &decoder{e: e, r: r}
	if err := d.open(); err != nil {
		return nil, err
	}
	d.Decoder = speculate.New(s.(*sequence).Session, r.Sampling, speculate.Options{Draft: d.draft, K: -1, Ends: r.Ends})
	if r.Format != nil {
		d.SetFormat(r.Format, r.Vocabulary)
	}
	return d, nil
}

// open makes the draft that the request names, if any.
func (d *decoder) open() (err error) {
	if d.r.Draft == "" {
		return nil
	}
	if d.draft, err = d.e.drafts[d.r.Draft].New(d.r.Sampling); err != nil {
		return fmt.Errorf("draft %s: %w", d.r.Draft, err)
	}
	return nil
}

// Move implements [Decoder]. A draft begins anew. It says nothing about the text.
func (d *decoder) Move(s Sequence) error {
	if err := d.open(); err != nil {
		return err
	}
	return d.Decoder.Move(s.(*sequence).Session, d.draft)
}

func (d *decoder) Begin(logits []float32) (int32, error) {
	d.Decoder.Begin(logits)
	ids, err := d.Next()
	if err != nil {
		return 0, err
	}
	return ids[0], nil
}

func (d *decoder) Plan(most int) (tokens []int32, gains []float64, err error) {
	if tokens, err = d.Decoder.Plan(most); err == nil {
		gains = d.Gains()
	}
	return tokens, gains, err
}

func (d *decoder) Take(r *Rows) ([]int32, error) { return d.Decoder.Take(d.Rows(r.feed), 0) }

func (d *decoder) Drafted() Drafted {
	n := d.Stats()
	return Drafted{n.Proposed, n.Accepted}
}

func (d *decoder) Leave() (err error) {
	if d.draft != nil {
		err, d.draft = d.draft.Close(), nil
	}
	return err
}

func (d *decoder) Close() error { return d.Leave() }
