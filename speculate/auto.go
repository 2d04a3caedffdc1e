package speculate

import (
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
)

// Auto asks several drafters in order and takes the first proposal.
type Auto []Drafter

// Sources implements [Drafter].
func (a Auto) Sources() (out []string) {
	for _, d := range a {
		out = append(out, d.Sources()...)
	}
	return out
}

// Draft implements [Drafter].
func (a Auto) Draft(timeline []int32, most int, paces Paces) (Proposal, error) {
	for _, d := range a {
		p, err := d.Draft(timeline, most, paces)
		if err != nil || len(p.Tokens) > 0 {
			return p, err
		}
	}
	return Proposal{}, nil
}

// SetSampling changes how tokens are sampled.
func (a Auto) SetSampling(o sample.Options) {
	for _, d := range a {
		if s, ok := d.(interface{ SetSampling(sample.Options) }); ok {
			s.SetSampling(o)
		}
	}
}

// Prepare says where the reply begins, and which mask there is.
func (a Auto) Prepare(reply int, m sample.Mask) {
	for _, d := range a {
		if s, ok := d.(preparer); ok {
			s.Prepare(reply, m)
		}
	}
}

// Watch makes w look into the reading of prompts.
func (a Auto) Watch(w *model.Watch) {
	for _, d := range a {
		if s, ok := d.(interface{ Watch(*model.Watch) }); ok {
			s.Watch(w)
		}
	}
}

// Close implements [Drafter].
func (a Auto) Close() error {
	var first error
	for _, d := range a {
		if err := d.Close(); first == nil {
			first = err
		}
	}
	return first
}
