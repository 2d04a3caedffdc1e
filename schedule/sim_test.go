package schedule

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
	"github.com/mil-run/mil/speculate"
)

// sim is an engine without a model. Its logits are a hash of everything that a
// model's would depend on: the tokens, where prompts were cut, what was decoded,
// every position of the caches, and the recurrent state. Steps take the time
// that a recording says, by a clock of its own.
type sim struct {
	limits Limits
	clock  time.Time
	pass   func(rows int) time.Duration
	piece  func(tokens int) time.Duration
	open   int          // sequences
	most   int          // rows of a pass so far
	check  func()       // called within each step
	beside int64        // of a draft
	fail   func() error // of the next pass
}

func newSim(context int) *sim {
	return &sim{
		limits: Limits{Rows: 64, Verify: 16, Unit: 64, Page: 512, Context: context, Vocab: 61, Slides: true, Drafts: []string{"sim"}, State: 40 << 10, KV: 32 * 8, Kept: 32 * 8},
		clock:  time.Unix(1000, 0),
		// A 3B model on two cores: a token takes 60 ms, a prompt 6.7 ms a token.
		pass:  func(rows int) time.Duration { return time.Duration(60+8*(rows-1)) * time.Millisecond },
		piece: func(tokens int) time.Duration { return time.Duration(6700*tokens) * time.Microsecond },
	}
}

func (e *sim) now() time.Time { return e.clock }
func (e *sim) Limits() Limits { return e.limits }
func (e *sim) Beside(r *Request) int64 {
	if r.Draft != "" {
		return e.beside
	}
	return 0
}

func (e *sim) Open(slide bool) (Sequence, error) {
	e.open++
	return &simSeq{e: e, slide: slide}, nil
}

func (e *sim) Decode(s Sequence, r *Request) (Decoder, error) {
	return &simDecoder{e: e, s: s.(*simSeq), r: *r}, nil
}

func (e *sim) Pass(list []*Rows) error {
	n := 0
	for _, r := range list {
		n += len(r.Tokens)
	}
	if n > e.limits.Rows || n == 0 {
		return fmt.Errorf("a pass of %d rows", n)
	}
	for _, r := range list {
		if c := r.Dec.(*simDecoder).company; c.Rows != n-len(r.Tokens) || c.Sequences != len(list) {
			return fmt.Errorf("%d rows of others in a pass of %d: %+v", n-len(r.Tokens), n, c)
		}
	}
	e.most = max(e.most, n)
	e.clock = e.clock.Add(e.pass(n))
	if e.check != nil {
		e.check()
	}
	if e.fail != nil {
		if err := e.fail(); err != nil {
			return err
		}
	}
	for _, r := range list {
		if err := r.Seq.(*simSeq).feed(r); err != nil {
			return err
		}
	}
	return nil
}

func hash(list ...uint64) uint64 {
	h := uint64(14695981039346656037)
	for _, x := range list {
		h = (h ^ x) * 0x9E3779B97F4A7C15
		h ^= h >> 29
	}
	return h
}

// simSeq is a sequence of the simulation.
type simSeq struct {
	e       *sim
	tokens  []int32
	state   uint64
	kv      []uint64 // by position of the caches
	dropped int
	slide   bool
	pin     int
	fed     []simSeq // before each token of the last pass, to go back to
	closed  bool
}

func (s *simSeq) Tokens() []int32 { return s.tokens }
func (s *simSeq) Dropped() int    { return s.dropped }
func (s *simSeq) Pin(n int)       { s.pin = n }
func (s *simSeq) Slides() bool    { return s.slide && s.stride() > 0 }
func (s *simSeq) stride() int {
	return max(0, (s.e.limits.Context-s.floor())/2/32*32)
}
func (s *simSeq) floor() int { return units32(max(1, s.pin)) }
func (s *simSeq) Room() int {
	if s.Slides() {
		return math.MaxInt32
	}
	return s.e.limits.Context - len(s.kv)
}

func (s *simSeq) Left() int {
	if left := s.e.limits.Context - len(s.kv); left > 0 || !s.Slides() {
		return left
	}
	return s.stride()
}

// drop slides a full context.
func (s *simSeq) drop() error {
	if len(s.kv) < s.e.limits.Context {
		return nil
	}
	n := s.stride()
	if n == 0 || !s.slide {
		return errors.New("the context is full")
	}
	s.kv = slices.Concat(s.kv[:s.floor()], s.kv[s.floor()+n:])
	s.dropped += n
	return nil
}

func (s *simSeq) Read(tokens []int32, want model.Want) ([]float32, error) {
	if s.closed {
		return nil, errors.New("read in a closed sequence")
	}
	s.e.clock = s.e.clock.Add(s.e.piece(len(tokens)))
	if s.e.check != nil {
		s.e.check()
	}
	unit := s.e.limits.Unit
	for len(tokens) > 0 {
		if err := s.drop(); err != nil {
			return nil, err
		}
		at := len(s.tokens)
		n := min(len(tokens), unit-at%unit, s.Left())
		chunk := []uint64{s.state, 1, uint64(at)}
		for _, id := range tokens[:n] {
			chunk = append(chunk, uint64(id))
		}
		h := hash(chunk...) // a cut elsewhere makes other chunks
		for i, id := range tokens[:n] {
			s.kv = append(s.kv, hash(h, uint64(i), uint64(id)))
			s.tokens = append(s.tokens, id)
		}
		s.state = h
		tokens = tokens[n:]
	}
	s.fed = nil
	if want == model.WantNone {
		return nil, nil
	}
	return s.logits(), nil
}

// feed is the rows of one pass.
func (s *simSeq) feed(r *Rows) error {
	if s.closed {
		return errors.New("a pass over a closed sequence")
	}
	if len(r.Tokens) > min(s.e.limits.Verify, s.Left()) {
		return fmt.Errorf("%d rows of a sequence with %d left", len(r.Tokens), s.Left())
	}
	s.fed, r.Logits = nil, nil
	for _, id := range r.Tokens {
		before := *s
		before.fed, before.kv = nil, slices.Clone(s.kv)
		s.fed = append(s.fed, before)
		if err := s.one(id); err != nil {
			return err
		}
		r.Logits = append(r.Logits, s.logits()...)
	}
	return nil
}

// one decodes a token.
func (s *simSeq) one(id int32) error {
	if err := s.drop(); err != nil {
		return err
	}
	s.state = hash(s.state, 2, uint64(id))
	s.kv = append(s.kv, hash(s.state, uint64(id)))
	s.tokens = append(s.tokens, id)
	return nil
}

func (s *simSeq) logits() []float32 {
	all := uint64(s.dropped)
	for i, x := range s.kv {
		all += x * uint64(2*i+1)
	}
	out := make([]float32, s.e.limits.Vocab)
	for i := range out {
		out[i] = float32(hash(s.state, all, uint64(i))>>40) / (1 << 24)
	}
	return out
}

func (s *simSeq) Commit(n int) error {
	if n < 0 || n > len(s.fed) {
		return fmt.Errorf("commit %d of %d", n, len(s.fed))
	}
	if n < len(s.fed) {
		fed := s.fed[:n]
		*s = s.fed[n]
		s.tokens = slices.Clip(s.tokens)
		s.fed = fed
	}
	return nil
}

func (s *simSeq) Point(p []byte) (int, error) {
	clear(p)
	binary.LittleEndian.PutUint64(p, s.state)
	return len(s.fed), nil
}

func (s *simSeq) Copy(from, to int, p []byte) error {
	if len(p) != int(s.e.limits.rows(to-from)) || from%32 != 0 || to%32 != 0 {
		return fmt.Errorf("%d bytes for positions %d to %d", len(p), from, to)
	}
	clear(p)
	for i := from; i < min(to, len(s.kv)); i++ {
		binary.LittleEndian.PutUint64(p[8*(i-from):], s.kv[i])
	}
	return nil
}

func (s *simSeq) Put(from, to, _ int, p []byte) error {
	if len(p) != int(s.e.limits.rows(to-from)) || from != len(s.kv) || to%32 != 0 {
		return fmt.Errorf("%d bytes for positions %d to %d", len(p), from, to)
	}
	for i := range to - from {
		s.kv = append(s.kv, binary.LittleEndian.Uint64(p[8*i:]))
	}
	return nil
}

func (s *simSeq) Store(from, to int, f *os.File) error {
	p := make([]byte, s.e.limits.rows(to-from))
	if err := s.Copy(from, to, p); err != nil {
		return err
	}
	_, err := f.WriteAt(p, 0)
	return err
}

func (s *simSeq) Map(from, to, end int, f *os.File) error {
	p := make([]byte, s.e.limits.rows(to-from))
	if _, err := f.ReadAt(p, 0); err != nil {
		return err
	}
	return s.Put(from, to, end, p)
}

func (s *simSeq) Begin(tokens []int32, p []byte, logged int) error {
	if len(s.kv) < len(tokens) {
		return fmt.Errorf("%d positions for %d tokens", len(s.kv), len(tokens))
	}
	s.tokens, s.kv = slices.Clone(tokens), s.kv[:len(tokens)]
	s.state = binary.LittleEndian.Uint64(p)
	return nil
}

type simFile struct {
	Tokens  []int32
	State   uint64
	KV      []uint64
	Dropped int
	Pin     int
}

func (s *simSeq) Save(path string) error {
	b, err := json.Marshal(simFile{s.tokens, s.state, s.kv, s.dropped, s.pin})
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}

func (s *simSeq) Load(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var f simFile
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	s.tokens, s.state, s.kv, s.dropped, s.pin = f.Tokens, f.State, f.KV, f.Dropped, f.Pin
	return nil
}

func (s *simSeq) Close() error {
	if s.closed {
		return errors.New("closed twice")
	}
	s.closed = true
	s.e.open--
	return nil
}

// simDecoder chooses by noise of (seed, position, token). Its drafts know most
// of the tokens that come.
type simDecoder struct {
	e       *sim
	s       *simSeq
	r       Request
	pending int32
	plan    []int32
	company speculate.Company
	made    int
	draft   Drafted
	closed  bool
}

// choose takes the token behind a text of n tokens.
func (d *simDecoder) choose(logits []float32, n int) int32 {
	best, at := math.Inf(-1), int32(0)
	for i, x := range logits {
		v := float64(x)
		if d.r.Sampling.Temp > 0 {
			u := (float64(hash(d.r.Sampling.Seed, uint64(n), uint64(i))>>11) + 0.5) / (1 << 53)
			v -= math.Log(-math.Log(u)) * float64(d.r.Sampling.Temp)
		}
		if v > best {
			best, at = v, int32(i)
		}
	}
	return at
}

func (d *simDecoder) Begin(logits []float32) (int32, error) {
	d.pending, d.made = d.choose(logits, len(d.s.tokens)), 1
	return d.pending, nil
}

// Plan looks ahead, and is wrong now and then.
func (d *simDecoder) Plan(most int) ([]int32, []float64, error) {
	d.plan = append(d.plan[:0], d.pending)
	var gains []float64
	if d.r.Draft == "" {
		return d.plan, nil, nil
	}
	ahead := *d.s
	ahead.kv, ahead.tokens = slices.Clone(d.s.kv), slices.Clone(d.s.tokens)
	likely := 1.0
	for len(gains) < most {
		if err := ahead.one(d.plan[len(d.plan)-1]); err != nil {
			break
		}
		id := d.choose(ahead.logits(), len(ahead.tokens))
		if hash(uint64(len(ahead.tokens)), uint64(id))%4 == 0 {
			id = (id + 1) % int32(d.e.limits.Vocab)
		}
		likely *= 0.75
		d.plan, gains = append(d.plan, id), append(gains, likely)
	}
	return d.plan, gains, nil
}

func (d *simDecoder) Join(c speculate.Company) { d.company = c }

func (d *simDecoder) Cut(n int) []int32 {
	d.plan = d.plan[:1+n]
	return d.plan
}

func (d *simDecoder) Take(r *Rows) ([]int32, error) {
	v, rows, logits := d.e.limits.Vocab, len(r.Tokens), r.Logits
	if rows != len(d.plan) {
		return nil, fmt.Errorf("%d rows of a plan of %d", rows, len(d.plan))
	}
	before := len(d.s.tokens) - rows
	var made []int32
	for i := range rows {
		id := d.choose(logits[i*v:(i+1)*v], before+i+1)
		made = append(made, id)
		if i+1 < rows && d.plan[i+1] != id {
			break
		}
	}
	d.draft.Proposed += rows - 1
	d.draft.Accepted += len(made) - 1
	d.pending, d.made = made[len(made)-1], len(made)
	return made, d.s.Commit(len(made))
}

func (d *simDecoder) Keep(n int) error {
	if n >= d.made-1 {
		return nil
	}
	return d.s.Commit(1 + n)
}

func (d *simDecoder) Leave() error          { d.s = nil; return nil }
func (d *simDecoder) Move(s Sequence) error { d.s = s.(*simSeq); return nil }
func (d *simDecoder) Drafted() Drafted      { return d.draft }
func (d *simDecoder) Logprobs() []sample.Logprobs {
	return nil
}
func (d *simDecoder) Close() error {
	if d.closed {
		return errors.New("closed twice")
	}
	d.closed = true
	return nil
}
