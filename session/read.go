package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/edsrzf/mmap-go"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/model"
)

// info is the JSON of a record.
type info struct {
	Keep         int             `json:"keep"` // tokens that stay of the timeline before
	Logged       int             `json:"logged"`
	Dropped      int             `json:"dropped,omitempty"` // tokens that the caches have no longer
	Pinned       int             `json:"pinned,omitempty"`  // tokens that they must keep
	Lost         int             `json:"lost,omitempty"`    // the first of them that is kept
	KeepMessages int             `json:"keep_messages,omitempty"`
	Messages     messages        `json:"messages,omitempty"` // that follow those kept
	Note         json.RawMessage `json:"note,omitempty"`
	Points       points          `json:"points,omitempty"`
}

// pointInfo is a point of the timeline whose state the record holds.
type pointInfo struct {
	Tokens   int             `json:"tokens"`
	Logged   int             `json:"logged"`
	Dropped  int             `json:"dropped,omitempty"` // tokens that the caches had lost there
	Messages int             `json:"messages"`
	Note     json.RawMessage `json:"note,omitempty"`
}

// place is a point with its sections.
type place struct {
	pointInfo
	state  []section
	logits section
}

// content is the sum of a file's records, one after another.
type content struct {
	header
	states  []int // of each part of the recurrent state, its bytes
	foreign bool  // the parts are not those asked for, and their data is not looked at
	records int
	last    int  // where the last record begins, or without one the file
	end     int  // of the last record
	torn    bool // bytes of a record without a head follow

	front, head []byte // the first bytes of the file, and of its last record

	tokens   []int32
	dropped  int
	pinned   int
	logged   int
	messages []json.RawMessage
	note     json.RawMessage
	points   []place     // by their tokens; the last is the end, unless there is nothing
	caches   [][]section // of each cache, the sections to put there, in order
	runs     [][]run     // of each ring, the parts of these, by rising positions
	lost     []lostPlace // positions that slides took, oldest first
	first    int         // of its tokens, that is of use
}

// mapFile maps a file for reading and calls read with its bytes. If the file is
// cut meanwhile, that is an error.
func mapFile(f *os.File, read func(b []byte) error) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if st.Size() == 0 {
		return ErrNotSession
	}
	if st.Size() > math.MaxInt {
		return errors.New("it is longer than this system can map")
	}
	m, err := mmap.MapRegion(f, int(st.Size()), mmap.RDONLY, 0, 0)
	if err != nil {
		return fmt.Errorf("mapping it: %w", err)
	}
	defer m.Unmap()
	defer format.Watch(f.Name(), m)()
	var bad error
	if err := format.Guard(func() { bad = read(m) }); err != nil {
		return format.ErrChanged
	}
	return bad
}

// parse reads and checks all of a file of any model. b is its bytes.
func parse(b []byte, f io.ReaderAt) (*content, error) {
	c, err := read(b, f, nil)
	if err == nil {
		err = c.verify(f)
	}
	return c, err
}

// verify checks the data that a restore puts into caches.
func (c *content) verify(f io.ReaderAt) error {
	return verify(f, slices.Concat(c.caches...), nil)
}

// read is parse without the checksums of data that a restore puts into caches.
// Where want is given, a file of another model is refused before anything of it
// is read.
func read(b []byte, f io.ReaderAt, want *header) (*content, error) {
	h, at, err := parseHeader(b, want)
	if err != nil {
		return nil, err
	}
	c := &content{header: *h, end: at, foreign: want != nil && !slices.Equal(h.Parts, want.Parts)}
	if c.foreign {
		c.Parts = nil
	}
	for _, p := range c.Parts {
		if !p.Cache {
			c.states = append(c.states, p.Bytes)
		}
	}
	owners := newOwners(c.Parts)
	for c.end < len(b) {
		list, end, err := parseRecord(b, c.end, c.records)
		if errors.Is(err, errTorn) {
			c.torn = true
			break
		}
		if err != nil {
			return nil, err
		}
		now := list
		if !c.foreign { // caches are checked where they are put
			now = slices.DeleteFunc(slices.Clone(list), section.isCache)
		}
		if err := verify(f, now, nil); err != nil {
			return nil, err
		}
		if err := c.add(b, list, owners); err != nil {
			return nil, fmt.Errorf("%w: turn %d: %w", ErrDamaged, c.records, err)
		}
		c.last, c.end = c.end, end
		c.records++
	}
	c.front, c.head = slices.Clone(b[:headSize]), slices.Clone(b[c.last:][:headSize])
	return c, verify(f, c.finish(owners), nil)
}

// verify checks the sections' checksums on all cores, while also runs. A mapped
// section is read in place: the first look at a page costs several times as
// much as reading it from the file, but has to be made anyway. Other sections
// are read from the file.
func verify(f io.ReaderAt, list []section, also func() error) error {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	fail := func(err error) {
		if err != nil {
			failed.CompareAndSwap(nil, &err)
		}
	}
	piece := 0
	for _, s := range list {
		piece = max(piece, min(s.size, stride))
	}
	work := func() {
		buf := make([]byte, piece)
		for i := int(next.Add(1)) - 1; i < len(list) && failed.Load() == nil; i = int(next.Add(1)) - 1 {
			crc, err := list[i].checksum(f, buf)
			if err == nil && crc != list[i].crc {
				err = fmt.Errorf("%w: checksum of a section of turn %d", ErrDamaged, list[i].turn)
			}
			fail(err)
		}
	}
	guarded := func() {
		if format.Guard(work) != nil {
			fail(format.ErrChanged)
		}
	}
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(list)) - 1 {
		wg.Go(guarded)
	}
	if also != nil {
		fail(also())
	}
	guarded()
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// stride is how many bytes are read and summed at a time.
const stride = 256 << 10

func (s section) isCache() bool { return s.kind == kindCache }

// checksum reads a section, from the file by way of buf.
func (s *section) checksum(f io.ReaderAt, buf []byte) (crc uint32, err error) {
	for _, b := range s.memory {
		crc = crc32.Update(crc, castagnoli, b)
	}
	if s.memory != nil {
		return crc, nil
	}
	at := int64(s.off)
	for _, b := range s.into {
		for ; len(b) > 0; b = b[min(len(b), stride):] {
			now := b[:min(len(b), stride)]
			if _, err := f.ReadAt(now, at); err != nil {
				return 0, err
			}
			crc = crc32.Update(crc, castagnoli, now) // while it is in the processor's cache
			at += int64(len(now))
		}
	}
	if s.into != nil {
		return crc, nil
	}
	for n := int64(s.size); n > 0; n -= int64(len(buf)) {
		buf = buf[:min(n, int64(len(buf)))]
		if _, err := f.ReadAt(buf, at); err != nil {
			return 0, err
		}
		crc = crc32.Update(crc, castagnoli, buf)
		at += int64(len(buf))
	}
	return crc, nil
}

// add takes in one record's sections.
func (c *content) add(b []byte, list []section, o *owners) error {
	var in info
	var tokens []byte
	for _, s := range list {
		data := b[s.off : s.off+s.size]
		switch s.kind {
		case kindInfo:
			if err := json.Unmarshal(data, &in); err != nil {
				return err
			}
		case kindTokens:
			tokens = data
		case kindState, kindCache, kindLogits, kindLost:
		default:
			return fmt.Errorf("a section of kind %d", s.kind)
		}
	}
	if in.Keep < 0 || in.Keep > len(c.tokens) || in.KeepMessages < 0 || in.KeepMessages > len(c.messages) || len(tokens)%4 != 0 {
		return errors.New("it goes on from tokens or messages that are not there")
	}
	c.tokens = appendInt32s(c.tokens[:in.Keep], tokens)
	c.messages = append(c.messages[:in.KeepMessages], in.Messages...)
	if len(c.messages) > maxMessages {
		return fmt.Errorf("more than %d messages", maxMessages)
	}
	c.note, c.logged, c.dropped, c.pinned = in.Note, in.Logged, in.Dropped, in.Pinned
	if c.dropped < 0 || c.dropped > len(c.tokens) || c.pinned < 0 || c.pinned > len(c.tokens) {
		return errors.New("it dropped more tokens than it has")
	}
	if c.foreign {
		return nil
	}
	if err := c.addPoints(list, &in); err != nil {
		return err
	}
	if err := c.addLost(list, o, &in); err != nil {
		return err
	}
	return o.take(list, in.Keep, len(c.tokens), c.dropped, c.logged)
}

// fill puts the file's data into the caches of a session that has the same
// parts. It returns the sections with their places there. b is the bytes of f.
func (c *content) fill(b []byte, f *os.File, s *model.Session) (put []section, err error) {
	first := len(c.caches) - len(c.runs) // ring
	for i, list := range c.caches {
		if i >= first {
			put = append(put, list...)
			if err := fillRing(b, s, i, c.runs[i-first]); err != nil {
				return nil, err
			}
			continue
		}
		for _, sec := range list {
			if sec.off%pageUnit == 0 {
				sec.memory, err = s.MapCache(i, sec.from, sec.to, f, int64(sec.off))
				if sec.covered {
					sec.memory = nil
				}
			} else {
				err = s.WriteCache(i, sec.from, sec.to, b[sec.off:sec.off+sec.size])
			}
			if err != nil {
				return nil, err
			}
			put = append(put, sec)
		}
	}
	return put, nil
}

// begin sets a session, whose caches are filled, to the file's end.
func (c *content) begin(b []byte, s *model.Session) error {
	if len(c.tokens) == 0 {
		return s.Reset()
	}
	s.Pin(c.pinned)
	end := c.points[len(c.points)-1]
	if err := s.Begin(c.tokens, end.bytes(b), end.Logged, c.dropped); err != nil {
		return err
	}
	if len(c.runs) > 0 {
		var from []int
		for _, runs := range c.runs {
			from = append(from, runs[0].from)
		}
		if err := s.BeginRings(from); err != nil {
			return err
		}
	}
	return c.regain(b, s)
}

// bytes is the point's state, part by part.
func (p *place) bytes(b []byte) (state [][]byte) {
	for _, s := range p.state {
		state = append(state, b[s.off:s.off+s.size])
	}
	return state
}

// keptPoints is how many points a restore brings back besides the end.
const keptPoints = 4

// recall gives the last points before the end, oldest first.
func (c *content) recall(b []byte, s *model.Session) (points []Point, err error) {
	last := max(0, len(c.points)-1)
	for _, p := range c.points[max(0, last-keptPoints):last] {
		out := Point{Messages: p.Messages, Note: p.Note}
		state := p.bytes(b)
		for i := range state {
			state[i] = slices.Clone(state[i])
		}
		if out.Snap, err = s.Recall(p.Tokens, state, p.Logged, p.Dropped); err != nil {
			return nil, err
		}
		out.Logits = appendFloat32s(nil, b[p.logits.off:p.logits.off+p.logits.size])
		if n := len(out.Logits); n != 0 && n != s.Vocab() {
			return nil, fmt.Errorf("%w: %d logits", ErrDamaged, n)
		}
		points = append(points, out)
	}
	return points, nil
}
