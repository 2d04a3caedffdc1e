package session

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/model"
)

// A file brings back what slides took out of the caches, so that a session taken
// up from it goes back behind them as the one that was left: to the same logits.
func TestGoingBackBehindSlides(t *testing.T) {
	for _, name := range []string{"mamba2-half", "llama", "pure-mamba2", "../families/mistral-window", "llama with windows"} {
		t.Run(name, func(t *testing.T) {
			name, second := strings.CutSuffix(name, " with windows")
			m := fixture(t, name)
			for i, layer := range m.Config.AttentionLayers() {
				if second && i%2 == 1 {
					m.Config.Layers[layer].Attention().Window = 24
				}
			}
			b := cpu.New(2)
			begin := func() *model.Session {
				s, err := m.NewSession(b, model.Options{Context: 128, Slide: true})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { s.Close() })
				s.Pin(20)
				return s
			}
			path, saved := filepath.Join(t.TempDir(), "s"), filepath.Join(t.TempDir(), "saved")
			s := begin()
			f, _, err := Open(path, s)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if f != nil {
					f.Close()
				}
			}()
			r := rand.New(rand.NewPCG(3, 5))
			var points []Point // ends of turns
			back := 0
			for i := range 60 {
				if i%3 == 2 { // a turn made anew, as one record
					feed(t, s, random(r, 20+r.IntN(40)))
					if err := s.Restore(points[len(points)-1].Snap); err != nil {
						t.Fatal(err)
					}
				}
				feed(t, s, random(r, 20+r.IntN(40)))
				turn := turnOf("a")
				turn.Points = points
				if err := f.Append(s, turn); err != nil {
					t.Fatal(err)
				}
				if i%5 == 4 {
					if err := Save(saved, s, turn); err != nil {
						t.Fatal(err)
					}
					f.Close()
					again, other := begin(), begin()
					var found, foundSaved *Found
					if f, found, err = Open(path, again); err == nil {
						foundSaved, err = Load(saved, other)
					}
					if err != nil {
						t.Fatal(err)
					}
					if len(found.Points) != 4 || len(foundSaved.Points) != 4 {
						t.Fatal(len(found.Points), len(foundSaved.Points))
					}
					n := r.IntN(4)
					p := points[len(points)-4+n]
					if p.Snap.Dropped() < s.Dropped() {
						back++
					}
					sameBehind(t, i, random(r, 16), []kept{{s, p.Snap}, {again, found.Points[n].Snap}, {other, foundSaved.Points[n].Snap}})
					points = append(slices.Clone(points[:len(points)-4]), found.Points[:n+1]...)
					s = again
				}
				snap, err := s.Snapshot()
				if err != nil {
					t.Fatal(err)
				}
				points = append(points, Point{Note: []byte("{}"), Snap: snap})
			}
			if back < 4 {
				t.Errorf("only %d times back behind a slide", back)
			}
		})
	}
}

// kept is a session and a point that it goes back to.
type kept struct {
	s *model.Session
	p *model.Snapshot
}

// sameBehind goes back in all sessions and feeds ids: all give the logits of the
// first.
func sameBehind(t *testing.T, turn int, ids []int32, all []kept) {
	var want []float32
	for j, g := range all {
		if err := g.s.Restore(g.p); err != nil {
			t.Fatalf("turn %d, session %d, to %d tokens: %v", turn, j, g.p.Len(), err)
		}
		got := feed(t, g.s, ids)
		if want == nil {
			want = got
		}
		if g.s.Dropped() != all[0].s.Dropped() || !slices.Equal(got, want) {
			t.Fatalf("turn %d, session %d: other logits after going back to %d tokens", turn, j, g.p.Len())
		}
	}
}

// A file that was written anew has few points. Going back among them, and leaving,
// does not leave fewer than a chat still has.
func TestPointsOfARewrittenFile(t *testing.T) {
	m := fixture(t, "mamba2-half")
	b := cpu.New(2)
	begin := func() *model.Session {
		s, err := m.NewSession(b, model.Options{Context: 128, Slide: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	path := filepath.Join(t.TempDir(), "s")
	s := begin()
	f, _, err := Open(path, s)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { f.Close() }()
	r := rand.New(rand.NewPCG(3, 5))
	var points []Point
	for range 12 {
		feed(t, s, random(r, 45))
		turn := turnOf("a")
		turn.Points = points
		if err := f.Append(s, turn); err != nil {
			t.Fatal(err)
		}
		snap, err := s.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		points = append(points, Point{Note: []byte("{}"), Snap: snap})
	}
	turn := turnOf("a")
	turn.Points = points[:11]
	if err := f.rewrite(s, turn); err != nil {
		t.Fatal(err)
	}
	for n := 11; n >= 7; n-- { // a turn is taken back
		if err := s.Restore(points[n-1].Snap); err != nil {
			t.Fatal(err)
		}
		turn.Points = points[:n-1]
		if err := f.Append(s, turn); err != nil {
			t.Fatal(err)
		}
		fresh := begin()
		found, err := loadCopy(t, path, fresh)
		if err != nil || len(found.Points) != 4 {
			t.Fatalf("%d points after going back to %d turns, %v", len(found.Points), n, err)
		}
		for i, p := range found.Points {
			if want := points[n-5+i].Snap; p.Snap.Len() != want.Len() || p.Snap.Dropped() != want.Dropped() {
				t.Fatalf("point %d stands after %d tokens, not %d", i, p.Snap.Len(), want.Len())
			}
		}
		if err := fresh.Restore(found.Points[0].Snap); err != nil {
			t.Errorf("back from %d turns: %v", n, err)
		}
	}
}

// loadCopy loads what a file that another session keeps holds now.
func loadCopy(t *testing.T, path string, s *model.Session) (*Found, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.WriteFile(copied, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(copied, s)
}
