package schedule

import (
	"fmt"

	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
)

// read reads a piece of a request's prompt. prompts is how many are being read.
func (c *core) read(t *task, tokens, prompts int) {
	c.doing = []*task{t}
	at := t.at()
	if t.r.Echo { // as many rows of logits lie in memory at a time
		tokens = min(tokens, c.l.Unit-at%c.l.Unit)
	}
	want := model.WantNone
	switch {
	case t.r.Echo:
		want = model.WantAll
	case tokens == t.left():
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
	if tokens%c.l.Unit == 0 && !t.r.Echo {
		c.costs.piece.took(tokens/c.l.Unit, took)
	}
	t.last = c.o.Clock()
	t.served += took.Seconds()
	c.fair.spent(took, prompts)
	c.o.Watch(Step{Tokens: tokens, Took: took})
	if t.r.Echo {
		if logits, err = t.echo(at, logits, c.l.Vocab); err != nil {
			c.end(t, Failed, err)
			return
		}
	}
	if t.left() > 0 {
		if t.keeps(c.l.Unit) && t.r.Reuse != ReuseNone {
			c.keep(t, t.at() == (len(t.r.Tokens)-1)/c.l.Unit*c.l.Unit && t.at()-t.result.Cached >= c.l.Page)
		}
		return
	}
	c.begin(t, logits)
}

// echo takes the log-probabilities of the tokens behind rows of logits, the first
// of which follows the text's token at. It returns the last row.
func (t *task) echo(at int, rows []float32, vocab int) ([]float32, error) {
	for ; len(rows) > vocab || len(rows) == vocab && at+1 < len(t.r.Tokens); at++ {
		if !sample.Finite(rows[:vocab]) {
			return nil, sample.LogitsError(at + 1)
		}
		t.echoed = append(t.echoed, sample.RowLogprobs(rows[:vocab], t.r.Tokens[at+1], t.r.Sampling.TopLogprobs))
		rows = rows[vocab:]
	}
	return rows, nil
}

// keep adds the present point to the prefixes. A prefix that cannot be kept
// costs time later and nothing else. last says that it is one for the store.
func (c *core) keep(t *task, last bool) {
	if e, err := c.prefixes.keep(t.r.Key, t.seq, t.runs); err == nil && e != nil && last && t.r.Reuse == ReuseAll {
		c.toSave(e)
	}
}

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
	t.h.prompt(t.echoed)
	c.made(t, []int32{id})
}

// made hands over the tokens of a request's last pass, up to the one that ends
// the reply.
func (c *core) made(t *task, ids []int32) {
	probs := t.dec.Logprobs()
	for i, id := range ids {
		t.result.Generated++
		why := c.hand(t, id, probs[min(i, len(probs)):min(i+1, len(probs))], i == len(ids)-1)
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
func (c *core) hand(t *task, id int32, probs []sample.Logprobs, last bool) Reason {
	if t.r.Ends[id] {
		t.result.End = id
		return Ended
	}
	t.h.emit(id, probs, c.stats(t))
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
	if found, err := c.stored(t, e); found || err != nil {
		return err
	}
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
