package schedule

import (
	"fmt"

	"github.com/mil-run/mil/model"
)

// read reads a piece of a request's prompt. prompts is how many are being read.
func (c *core) read(t *task, tokens, prompts int) {
	at := t.at()
	want := model.WantNone
	if tokens == t.left() {
		want = model.WantLast
	}
	t.runs = add(t.runs, at, false, c.l.Unit)
	start := c.o.Clock()
	logits, err := t.seq.Read(t.r.Tokens[at:at+tokens], want)
	took := c.o.Clock().Sub(start)
	if err != nil {
		c.end(t, Failed, err)
		return
	}
	if tokens%c.l.Unit == 0 {
		c.costs.piece.took(tokens/c.l.Unit, took)
	}
	t.last = c.o.Clock()
	t.served += took.Seconds()
	c.fair.spent(took, prompts)
	if want == model.WantNone {
		if t.keeps(c.l.Unit) && t.r.Reuse != ReuseNone {
			c.keep(t)
		}
		return
	}
	c.begin(t, logits)
}

// keep adds the present point to the prefixes. A prefix that cannot be kept
// costs time later and nothing else.
func (c *core) keep(t *task) { _ = c.prefixes.keep(t.r.Key, t.seq, t.runs) }

// begin chooses a reply's first token.
func (c *core) begin(t *task, logits []float32) {
	dec, err := c.e.Decode(t.seq, &t.r)
	if err != nil {
		c.end(t, Failed, err)
		return
	}
	t.dec, t.phase = dec, decoding
	id, err := dec.Begin(logits)
	if err != nil {
		c.end(t, Failed, err)
		return
	}
	t.result.First = c.since(t)
	c.made(t, []int32{id})
}

// made hands over the tokens of a request's last pass, up to the one that ends
// the reply.
func (c *core) made(t *task, ids []int32) {
	for i, id := range ids {
		t.result.Generated++
		why := c.hand(t, id, i == len(ids)-1)
		if why == "" {
			continue
		}
		// The sequence ends before this token, as it does without a draft.
		if err := t.dec.Keep(i); err != nil {
			c.end(t, Failed, err)
			return
		}
		c.end(t, why, nil)
		return
	}
}

// hand hands over one token and says whether it ends the reply. last says that
// the sequence has none behind it.
func (c *core) hand(t *task, id int32, last bool) Reason {
	if t.r.Ends[id] {
		t.result.End = id
		return Ended
	}
	t.h.emit(id)
	switch {
	case t.r.Stop != nil && t.r.Stop(id):
		return Stopped
	case t.r.MaxTokens > 0 && t.result.Generated >= t.r.MaxTokens:
		return Limit
	case last && t.seq.Room() <= 0:
		return Full
	case t.seq.Slides() && t.result.Generated >= c.l.Context:
		return Full
	}
	return ""
}

// open gives a request its sequence, which begins with what is kept of its
// prompt.
func (c *core) open(t *task) (err error) {
	if t.seq, err = c.e.Open(t.r.Slide); err != nil {
		return err
	}
	t.seq.Pin(t.r.Pin)
	e, branch := c.prefixes.find(t.r.Key, t.r.Tokens, t.r.Reuse)
	t.branch = min(branch, len(t.r.Tokens)-1)
	if e == nil {
		return nil
	}
	if err := c.prefixes.start(t.seq, e, t.r.Tokens); err != nil {
		return fmt.Errorf("going on from a prefix: %w", err)
	}
	t.runs = append(t.runs, e.runs...)
	t.result.Cached = e.node.end
	return nil
}
