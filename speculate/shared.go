package speculate

import (
	"errors"
	"slices"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/model"
)

// Feed is the last Plan as a part of a pass over several sessions of a runtime.
// ranks says that the pass is ranked: all feeds of a pass are, or none. The
// result is valid until the next Plan.
func (d *Decoder) Feed(ranks bool) *model.Feed {
	f := &model.Feed{S: d.s, Tokens: d.batch, Want: model.WantAll}
	if ranks {
		f.Rank = &backend.Ranking{} // where whole rows are needed, they are fetched one by one
		if r, ok := d.Ranking(); ok {
			f.Rank = &r
		}
	}
	return f
}

// Rows are those of a feed that went through a pass, for Take.
func (d *Decoder) Rows(f *model.Feed) Rows {
	_, enough := d.Ranking()
	return &feedRows{f, f.Rank != nil && enough, d.s.Vocab()}
}

// feedRows are the rows of a part of a shared pass.
type feedRows struct {
	f      *model.Feed
	ranked bool // and the ranking is enough
	vocab  int
}

// Best implements [Rows].
func (r *feedRows) Best(i int) *backend.Best {
	if !r.ranked {
		return nil
	}
	return &r.f.Best[i]
}

// Row implements [Rows].
func (r *feedRows) Row(i int) ([]float32, error) {
	if r.f.Rank != nil {
		return r.f.Row(i)
	}
	return r.f.Logits[i*r.vocab : (i+1)*r.vocab], nil
}

// Move goes on in another session that holds the same tokens, and with another
// draft, or nil. It has the sources of the one before, which may be closed.
func (d *Decoder) Move(s *model.Session, draft Drafter) error {
	if !slices.Equal(s.Tokens(), d.s.Tokens()) {
		return errors.New("speculate: the other session holds other tokens")
	}
	d.s, d.draft, d.made = s, draft, d.made[:0]
	d.SetSampling(d.sampler.Options())
	return nil
}
