package speculate

import (
	"errors"
	"fmt"

	"github.com/mil-run/mil/constrain"
	"github.com/mil-run/mil/sample"
)

// forcedSource is the source of tokens that a format leaves no choice about.
const forcedSource = "format"

// SetFormat makes replies hold to a grammar over the model's vocabulary, from the
// next that begins. Tokens that it forces are fed in the pass of the token before
// them, with or without a draft. It takes the place of SetMask. A nil g ends this.
func (d *Decoder) SetFormat(g *constrain.Grammar, v *constrain.Vocabulary) {
	d.format, d.vocab, d.holds = g, v, nil
	d.SetMask(nil)
}

// beginFormat begins a reply to the format, if there is one.
func (d *Decoder) beginFormat() {
	if d.format != nil {
		d.holds = sample.Constrain(d.format, d.vocab, d.reply)
		d.mask = d.holds.Mask
	}
}

// forced are the tokens that must follow the pending one, at most as many as a pass
// takes.
func (d *Decoder) forced(most int) []int32 {
	most = min(most, MaxDraft, d.s.Left()-1)
	if d.holds == nil || most <= 0 {
		return nil
	}
	d.line = append(append(d.line[:0], d.s.Tokens()...), d.pending)
	ids := d.holds.Forced(d.line)
	return ids[:min(most, len(ids))]
}

// explain adds to ErrMask why nothing may follow.
func (d *Decoder) explain(err error) error {
	if d.holds != nil && errors.Is(err, sample.ErrMask) && d.holds.Err() != nil {
		return fmt.Errorf("%w: %w", err, d.holds.Err())
	}
	return err
}
