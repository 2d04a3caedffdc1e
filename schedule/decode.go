package schedule

import "time"

// decode makes one pass for the requests, and hands over the tokens that it
// made.
func (c *core) decode(list []*task) {
	list, rows := c.plan(list)
	if len(list) == 0 {
		return
	}
	sum := 0
	for _, r := range rows {
		sum += len(r.Tokens)
	}
	start := c.o.Clock()
	err := c.e.Pass(rows)
	took := c.o.Clock().Sub(start)
	if err != nil {
		for _, t := range list {
			c.end(t, Failed, err)
		}
		return
	}
	c.costs.pass.took(sum, took)
	c.passes++
	var own time.Duration // a decoder learns from passes of its own
	if len(list) == 1 {
		own = took
	}
	for i, t := range list {
		t.pass, t.last = c.passes, c.o.Clock()
		t.result.Passes++
		t.runs = add(t.runs, t.at()-len(rows[i].Tokens), true, c.l.Unit)
		ids, err := t.dec.Take(rows[i].Logits, len(rows[i].Tokens), own)
		if err != nil {
			c.end(t, Failed, err)
			continue
		}
		c.made(t, ids)
	}
}

// plan asks each request's decoder for its rows, and shares the pass out.
func (c *core) plan(list []*task) (ready []*task, rows []*Rows) {
	spare := c.l.Rows - len(list)
	var gains [][]float64
	for _, t := range list {
		tokens, g, err := t.dec.Plan(c.drafts(t, spare))
		if err != nil {
			c.end(t, Failed, err)
			continue
		}
		ready = append(ready, t)
		rows = append(rows, &Rows{Seq: t.seq, Tokens: tokens})
		gains = append(gains, g)
	}
	if len(ready) == 1 {
		return ready, rows // its decoder has weighed the price
	}
	for i, n := range share(gains, spare, c.price) {
		rows[i].Tokens = rows[i].Tokens[:1+n]
	}
	return ready, rows
}

// price is a pass's time by its rows. Before anything is measured it is the
// expected shape.
func (c *core) price(rows int) float64 {
	if p := c.costs.pass.of(rows); p > 0 {
		return p
	}
	return c.costs.pass.shape[min(rows, c.l.Rows)]
}

// drafts is how many further rows a request may ask for: what one sequence may
// have in a pass, no more than the reply can still take, and none behind the
// memory that it has.
func (c *core) drafts(t *task, spare int) int {
	most := min(spare, c.l.Verify-1, t.seq.Left()-1)
	if t.r.MaxTokens > 0 {
		most = min(most, t.r.MaxTokens-t.result.Generated-1)
	}
	return max(0, min(most, c.fits(t)-1))
}

// fits is how many more positions a request's memory holds.
func (c *core) fits(t *task) int {
	pages := c.l.Context
	if p := c.l.page(); p > 0 {
		pages = int((t.bytes-t.beside-c.l.State-c.l.Fixed)/p) * c.l.Page
	}
	if pages >= c.l.Context {
		return c.l.Verify
	}
	return max(0, pages-t.holds())
}
