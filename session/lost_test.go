package session

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/model"
)

// A file brings back what slides took out of the caches, so that a session taken
// up from it goes back behind them as the one that was left: to the same logits.
func TestGoingBackBehindSlides(t *testing.T) {
	for _, name := range []string{"mamba2-half", "llama", "pure-mamba2"} {
		t.Run(name, func(t *testing.T) {
			m := fixture(t, name)
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
					ids := random(r, 16)
					var want []float32
					for j, g := range []struct {
						s *model.Session
						p *model.Snapshot
					}{{s, p.Snap}, {again, found.Points[n].Snap}, {other, foundSaved.Points[n].Snap}} {
						if err := g.s.Restore(g.p); err != nil {
							t.Fatalf("turn %d, session %d, to %d tokens: %v", i, j, g.p.Len(), err)
						}
						got := feed(t, g.s, ids)
						if want == nil {
							want = got
						}
						if g.s.Dropped() != s.Dropped() || !slices.Equal(got, want) {
							t.Fatalf("turn %d, session %d: other logits after going back to %d tokens", i, j, g.p.Len())
						}
					}
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
