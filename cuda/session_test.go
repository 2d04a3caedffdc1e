package cuda_test

import (
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/backend/split"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
	sessions "github.com/mil-run/mil/session"
)

// A session on the device, or half on it, goes on from its file to the bit, in a
// context of another length, also after the context was full.
func TestSessionFile(t *testing.T) {
	f, _ := testutil.Convert(t, testutil.Data("fixtures", "mamba2-half"), "q8_0")
	for name, c := range map[string]struct {
		layers int
		o      model.Options
	}{
		"float16":      {split.All, model.Options{Context: 1500}},
		"int8":         {split.All, model.Options{Context: 1500, KV: model.KVQ8_0}},
		"split":        {1, model.Options{Context: 1500}},
		"slid":         {split.All, model.Options{Context: 600, Slide: true}},
		"int8 slid":    {split.All, model.Options{Context: 600, Slide: true, KV: model.KVQ8_0}},
		"split, slide": {1, model.Options{Context: 600, Slide: true}},
	} {
		t.Run(name, func(t *testing.T) {
			d := device(t)
			b := split.New(d, cpu.New(2), c.layers, nil)
			path := filepath.Join(t.TempDir(), "s")
			s := session(t, b, f, c.o)
			file, _, err := sessions.Open(path, s)
			if err != nil {
				t.Fatal(err)
			}
			r := rand.New(rand.NewPCG(1, 2))
			next := func(n int) []int32 {
				ids := make([]int32, n)
				for i := range ids {
					ids[i] = int32(r.IntN(500))
				}
				return ids
			}
			for _, n := range []int{5, 560, 300} {
				_, err := s.Feed(next(n), model.WantNone)
				if err = errors.Join(err, file.Append(s, sessions.Turn{Note: []byte("{}")})); err != nil {
					t.Fatal(err)
				}
			}
			file.Close()
			o := c.o
			if !o.Slide {
				o.Context -= 40
			}
			other := session(t, b, f, o)
			file, found, err := sessions.Open(path, other)
			if err != nil || found.Foreign || found.Tokens != 865 {
				t.Fatal(found, err)
			}
			defer file.Close()
			if c.o.Slide && other.Dropped() == 0 {
				t.Error("nothing was dropped")
			}
			for _, n := range []int{1, 7, 16} {
				ids := next(n)
				got, err := other.Feed(ids, model.WantAll)
				if err != nil {
					t.Fatal(err)
				}
				got = slices.Clone(got)
				want, err := s.Feed(ids, model.WantAll)
				if err != nil || !slices.Equal(got, want) {
					t.Fatalf("other logits after %d tokens more, %v", n, err)
				}
			}
		})
	}
}
