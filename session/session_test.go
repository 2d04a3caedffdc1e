package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/backend/ref"
	"github.com/mil-run/mil/internal/lock"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
)

func open2(t testing.TB, m *model.Model, b backend.Backend, context int) *model.Session {
	t.Helper()
	s, err := m.NewSession(b, model.Options{Context: context})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func fixture(t testing.TB, name string) *model.Model {
	t.Helper()
	f, _ := testutil.Convert(t, testutil.Data("fixtures", name), "q8_0")
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func random(r *rand.Rand, n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(r.IntN(500))
	}
	return ids
}

func feed(t testing.TB, s *model.Session, ids []int32) []float32 {
	t.Helper()
	l, err := s.Feed(ids, model.WantLast)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(l)
}

func turnOf(texts ...string) Turn {
	t := Turn{Note: json.RawMessage(`"note"`)}
	for _, s := range texts {
		j, _ := json.Marshal(s)
		t.Messages = append(t.Messages, j)
	}
	return t
}

// walk feeds a session a few turns, long and short, some of them taken back,
// and calls after behind each.
func walk(t testing.TB, s *model.Session, after func(turn int)) {
	r := rand.New(rand.NewPCG(7, 8))
	var snap *model.Snapshot
	for turn, n := range []int{5, 700, 40, 3, 520, 11, 300} {
		if turn == 5 { // back into the page before, which was full
			if err := s.Restore(snap); err != nil {
				t.Fatal(err)
			}
		}
		feed(t, s, random(r, n))
		feed(t, s, random(r, 9))
		if err := s.Commit(turn % 5); err != nil {
			t.Fatal(err)
		}
		after(turn)
		if turn == 3 {
			var err error
			if snap, err = s.Snapshot(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A session that is left after any turn goes on from its file as if it had not
// been, to the bit: all mixers, on both backends of the host, in a context of
// another length.
func TestResume(t *testing.T) {
	names := testutil.Checkpoints(t)
	if testing.Short() {
		names = []string{"mamba1-half", "mamba2-half"}
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			m := fixture(t, name)
			for i, b := range []backend.Backend{cpu.New(2), ref.New(2)} {
				if i > 0 && !strings.HasPrefix(name, "mamba2-h") {
					continue // the plain backend is slow, and its files like the others
				}
				path := filepath.Join(t.TempDir(), "s")
				s := open2(t, m, b, 2000)
				f, found, err := Open(path, s)
				if err != nil || found != nil {
					t.Fatal(found, err)
				}
				var last int64
				walk(t, s, func(turn int) {
					var messages []string
					for i := range 2 * (turn + 1) {
						messages = append(messages, strings.Repeat("x", i))
					}
					if err := f.Append(s, turnOf(messages...)); err != nil {
						t.Fatal(err)
					}
					if st, _ := f.f.Stat(); st.Size() <= last {
						t.Fatalf("turn %d left the file at %d bytes, before %d", turn, st.Size(), last)
					} else {
						last = st.Size()
					}
				})
				f.Close()
				fresh := open2(t, m, b, 1700)
				f, found, err = Open(path, fresh)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				if found.Foreign || found.Torn || found.Turns != 7 || len(found.Messages) != 14 || string(found.Messages[3]) != `"xxx"` || string(found.Note) != `"note"` {
					t.Errorf("found %+v", found)
				}
				if !slices.Equal(fresh.Tokens(), s.Tokens()) {
					t.Fatal("other tokens")
				}
				r := rand.New(rand.NewPCG(1, 1))
				for _, n := range []int{1, 16, 3, 40, 1} {
					ids := random(r, n)
					if !slices.Equal(feed(t, fresh, ids), feed(t, s, ids)) {
						t.Fatalf("%s: other logits after %d tokens more", b.Name(), n)
					}
				}
				// The file's own points are the session's.
				p := found.Points[len(found.Points)-1]
				if err := errors.Join(fresh.Restore(p.Snap), s.Restore(p.Snap)); err != nil {
					t.Fatal(err)
				}
				if ids := random(r, 20); !slices.Equal(feed(t, fresh, ids), feed(t, s, ids)) {
					t.Errorf("%s: other logits after going back", b.Name())
				}
			}
		})
	}
}

// small is a session file of a few turns, and its session.
func small(t *testing.T, name string) (path string, m *model.Model, ends []int) {
	m = fixture(t, name)
	path = filepath.Join(t.TempDir(), "s")
	s := open2(t, m, ref.New(1), 64)
	f, _, err := Open(path, s)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ends = []int{f.c.end}
	for i := range 3 {
		feed(t, s, random(rand.New(rand.NewPCG(1, uint64(i))), 4))
		if err := f.Append(s, turnOf("a", "b", "c", "d")); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, f.c.end)
	}
	return path, m, ends
}

// holds says what a damaged file gave: nothing may be loaded with an error.
func holds(t *testing.T, path string, s *model.Session) (*Found, error) {
	t.Helper()
	if err := s.Reset(); err != nil {
		t.Fatal(err)
	}
	f, found, err := Open(path, s)
	if err != nil {
		if len(s.Tokens()) != 0 {
			t.Fatalf("%v, and yet %d tokens were loaded", err, len(s.Tokens()))
		}
		if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), path) {
			t.Fatalf("the error is %q", err)
		}
		return nil, err
	}
	f.Close()
	return found, nil
}

// Cut anywhere but between two turns, a file is refused.
func TestCuts(t *testing.T) {
	path, m, ends := small(t, "mamba2-half")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := open2(t, m, ref.New(1), 64)
	step := 1
	if testing.Short() {
		step = 7
	}
	for n := len(raw) - 1; n >= 0; n -= step {
		if n > 2*headSize && slices.IndexFunc(ends, func(e int) bool { return n > e-3*headSize && n < e+3*headSize }) < 0 && n%997 != 0 {
			continue // within a section: all are alike
		}
		if err := os.WriteFile(path, raw[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		found, err := holds(t, path, s)
		if turns := slices.Index(ends, n); turns >= 0 {
			if err != nil || found.Turns != turns {
				t.Fatalf("cut behind turn %d: %v, %v", turns, found, err)
			}
		} else if !errors.Is(err, ErrCut) && !errors.Is(err, ErrNotSession) {
			t.Fatalf("cut to %d of %d bytes: %v", n, len(raw), err)
		}
	}
}

// Any byte changed to another is seen, also in what is no longer used.
func TestFlips(t *testing.T) {
	path, m, _ := small(t, "mamba1-half")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		// The first page, every page's beginning, and some bytes of the rest.
		if i >= 4096 && i%4096 >= 64 && i%23 != 0 || testing.Short() && i%101 != 0 {
			continue
		}
		raw[i] ^= 1 << (i % 8)
		if _, err := parse(raw, bytes.NewReader(raw)); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrCut) && !errors.Is(err, ErrNotSession) {
			t.Fatalf("byte %d of %d flipped: %v", i, len(raw), err)
		}
		raw[i] ^= 1 << (i % 8)
	}
	raw[len(raw)/2] ^= 4
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := holds(t, path, open2(t, m, ref.New(1), 64)); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
}

// dying stops writing after some operations.
type dying struct {
	*os.File
	left int
}

var errDied = errors.New("died")

func (d *dying) step() error {
	if d.left--; d.left < 0 {
		return errDied
	}
	return nil
}

func (d *dying) WriteAt(b []byte, at int64) (int, error) {
	if err := d.step(); err != nil {
		n, _ := d.File.WriteAt(b[:len(b)/2], at) // torn within the write
		return n, err
	}
	return d.File.WriteAt(b, at)
}

func (d *dying) Sync() error { return errors.Join(d.step(), d.File.Sync()) }

// Whatever an append was at when the process died, the turns before are whole,
// and the next append makes good.
func TestTorn(t *testing.T) {
	for at := 0; ; at++ {
		path, m, ends := small(t, "mamba2-half")
		s := open2(t, m, ref.New(1), 64)
		f, _, err := Open(path, s)
		if err != nil {
			t.Fatal(err)
		}
		next := feed(t, s, []int32{1, 2, 3})
		list, _, err := f.turn(s, turnOf("a", "b", "c", "d", "e"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = writeRecord(&dying{f.f, at}, int64(f.c.end), f.c.records, list)
		f.Close()
		if err == nil {
			if at < 5 {
				t.Fatalf("only %d steps", at)
			}
			return
		}
		again := open2(t, m, ref.New(1), 64)
		f, found, err := Open(path, again)
		if err != nil {
			// Half a head: the 64 bytes of a sector are written whole or not at all,
			// here they were not.
			if errors.Is(err, ErrDamaged) && at == len(list)+2 {
				continue
			}
			t.Fatalf("died at step %d: %v", at, err)
		}
		if found.Turns == len(ends) { // only the last sync was missing
			f.Close()
			continue
		}
		if st, _ := f.f.Stat(); found.Turns != 3 || found.Torn != (st.Size() > int64(ends[3])) {
			t.Fatalf("died at step %d: %+v", at, found)
		}
		if got := feed(t, again, []int32{1, 2, 3}); !slices.Equal(got, next) {
			t.Fatal("other logits")
		}
		if err := f.Append(again, turnOf("a", "b", "c", "d", "e")); err != nil {
			t.Fatal(err)
		}
		f.Close()
		if found, err := holds(t, path, open2(t, m, ref.New(1), 64)); err != nil || found.Turns != 4 || found.Torn || len(found.Messages) != 5 {
			t.Fatalf("after the next turn: %+v, %v", found, err)
		}
	}
}

func TestRefused(t *testing.T) {
	path, m, _ := small(t, "mamba2-half")
	s := open2(t, m, ref.New(1), 64)
	f, _, err := Open(path, s)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(path, open2(t, m, ref.New(1), 64)); !errors.Is(err, lock.ErrBusy) {
		t.Error("a second process:", err)
	}
	f.Close()
	if _, err := holds(t, path, open2(t, fixture(t, "mamba1-half"), ref.New(1), 64)); !errors.Is(err, ErrModel) {
		t.Error("another model:", err)
	}
	plain, err := m.NewSession(ref.New(1), model.Options{Context: 64, PlainRope: true})
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if _, err := holds(t, path, plain); !errors.Is(err, ErrModel) {
		t.Error("other positions:", err)
	}
	if _, err := holds(t, path, open2(t, m, ref.New(1), 8)); !errors.Is(err, model.ErrContext) {
		t.Error("a small context:", err)
	}
	if found, err := holds(t, path, open2(t, m, cpu.New(1), 64)); err != nil || !found.Foreign || len(found.Messages) != 4 {
		t.Error("another backend:", found, err)
	}
	for _, bad := range []string{t.TempDir(), filepath.Join(path, "x"), os.DevNull} {
		if _, _, err := Open(bad, s); err == nil || !strings.Contains(err.Error(), bad) {
			t.Error(bad, err)
		}
	}
}

// A file that is mostly what nobody needs any more is written anew, and a saved
// one can be loaded without being kept.
func TestRewrite(t *testing.T) {
	path, m, _ := small(t, "mamba2-half")
	s := open2(t, m, cpu.New(1), 64) // another backend: the next turn writes all anew
	f, _, err := Open(path, s)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	feed(t, s, []int32{5, 6, 7})
	for _, n := range []int{1, 2} {
		if err := f.Append(s, turnOf("a")); err != nil || f.c.records != n && f.c.records != 1 {
			t.Fatal(err, f.c.records)
		}
		feed(t, s, []int32{5})
	}
	saved := filepath.Join(t.TempDir(), "saved")
	if err := Save(saved, s, turnOf("a")); err != nil {
		t.Fatal(err)
	}
	other := open2(t, m, cpu.New(1), 64)
	if found, err := Load(saved, other); err != nil || found.Tokens != 5 || found.Turns != 1 {
		t.Fatal(found, err)
	}
	if !slices.Equal(feed(t, other, []int32{8}), feed(t, s, []int32{8})) {
		t.Error("other logits")
	}
}

// A session that slid goes on from its file as if it had not been left.
func TestResumeSlide(t *testing.T) {
	m := fixture(t, "mamba2-half")
	b := cpu.New(2)
	begin := func() *model.Session {
		s, err := m.NewSession(b, model.Options{Context: 600, Slide: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	path := filepath.Join(t.TempDir(), "s")
	s := begin()
	s.Pin(50)
	f, _, err := Open(path, s)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{400, 150, 100, 3, 700, 20} {
		feed(t, s, random(r, n))
		if err := f.Append(s, turnOf("a")); err != nil {
			t.Fatal(err)
		}
		f.Close()
		fresh := begin()
		if f, _, err = Open(path, fresh); err != nil {
			t.Fatal(err)
		}
		if fresh.Dropped() != s.Dropped() || fresh.Pinned() != 50 || !slices.Equal(fresh.Tokens(), s.Tokens()) {
			t.Fatalf("%d tokens, %d dropped; it was %d and %d", len(fresh.Tokens()), fresh.Dropped(), len(s.Tokens()), s.Dropped())
		}
		ids := random(r, 10)
		if !slices.Equal(feed(t, fresh, ids), feed(t, s, ids)) {
			t.Fatalf("other logits after %d tokens", len(s.Tokens()))
		}
		s = fresh
	}
	if s.Dropped() < 600 {
		t.Errorf("only %d dropped", s.Dropped())
	}
	f.Close()
}
