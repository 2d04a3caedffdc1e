package schedule

import "github.com/mil-run/mil/speculate"

// decode makes one pass for the requests, and hands over the tokens that it
// made.
func (c *core) decode(list []*task) {
	list, rows, sum := c.plan(list)
	if len(list) == 0 {
		return
	}
	c.doing = list
	start := c.o.Clock()
	err := c.e.Pass(rows)
	took := c.o.Clock().Sub(start)
	if err != nil {
		for _, t := range list {
			c.end(t, Failed, err)
		}
		return
	}
	c.o.Watch(Step{Rows: sum, Took: took})
	made := 0
	c.passes++
	for i, t := range list {
		c.doing = []*task{t}
		t.pass, t.last = c.passes, c.o.Clock()
		t.result.Passes++
		t.runs = add(t.runs, t.at()-len(rows[i].Tokens), true, c.l.Unit)
		ids, err := t.dec.Take(rows[i])
		if err != nil {
			c.end(t, Failed, err)
			continue
		}
		made += len(ids)
		c.made(t, ids)
		if t.phase == decoding && t.r.Reuse == ReuseAll && t.at()/interval > (t.at()-len(ids))/interval {
			c.keep(t, false) // for a text that goes on otherwise within this reply
		}
	}
	c.costs.passed(sum, sum-len(list), made, took)
}

// plan asks each request's decoder for its rows, and shares the pass out. sum is
// how many rows it has.
func (c *core) plan(list []*task) (ready []*task, rows []*Rows, sum int) {
	spare := c.l.Rows - len(list)
	company := speculate.Company{Costs: c.costs.rows, Rows: len(list) - 1, Sequences: len(list), Speed: c.costs.speed()}
	var gains [][]float64
	for _, t := range list {
		c.doing = []*task{t}
		t.dec.Join(company)
		tokens, g, err := t.dec.Plan(c.drafts(t, spare))
		if err != nil {
			c.end(t, Failed, err)
			continue
		}
		ready = append(ready, t)
		rows = append(rows, &Rows{Seq: t.seq, Dec: t.dec, Tokens: tokens})
		gains = append(gains, g)
		company.Rows += len(tokens) - 1
	}
	if len(ready) > 1 { // alone the decoder has weighed the price
		for i, n := range share(gains, spare, c.costs.rows.Of) {
			c.doing = []*task{ready[i]}
			rows[i].Tokens = ready[i].dec.Cut(n)
		}
	}
	for _, r := range rows {
		sum += len(r.Tokens)
	}
	for _, r := range rows {
		company.Rows = sum - len(r.Tokens)
		r.Dec.Join(company)
	}
	return ready, rows, sum
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
