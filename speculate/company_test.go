package speculate

import (
	"math/rand/v2"
	"testing"
	"time"
)

// crowd is sequences that share passes, each with a draft of its own.
type crowd struct {
	name     string
	pass     func(rows int) float64 // in passes of one
	draft    float64                // a drafted token
	follow   float64                // a token the draft reads
	sure     func(r *rand.Rand) (sure, right float64)
	best     float64 // of the time without drafts, at most
	proposes bool    // at the end
}

// run makes tokens with n sequences in company, and returns the time over that
// without drafts, after the first 64 tokens of each.
func (m *crowd) run(seed uint64, n int) (share float64, proposed int) {
	r := rand.New(rand.NewPCG(seed, 9))
	costs := prepared(NewCosts(64))
	cs, behind := make([]*control, n), make([]float64, n)
	for i := range cs {
		cs[i], behind[i] = newControl(), 20
	}
	duration := func(x float64) time.Duration { return time.Duration(x * 5e7) }
	speed, total, made, all := 0.0, 0.0, 0.0, 0.0
	for all < float64(n*600) {
		rows, took, drafting := n, 0.0, 0.0
		paces, counts, rights, took1 := make([]*Pace, n), make([]int, n), make([]int, n), make([]float64, n)
		for i, c := range cs {
			if costs.due() {
				break
			}
			p := c.pace(Company{costs, rows - 1, n, speed}.terms())
			if paces[i] = p; p == nil {
				continue
			}
			start := took
			took += behind[i] * m.follow
			behind[i] = 0
			p.clock = func() time.Time { return time.Unix(0, 0).Add(duration(took)) }
			for good := true; counts[i] < MaxDraft && rows < 64; {
				took += m.draft
				sure, right := m.sure(r)
				if !p.Take(sure) {
					break
				}
				counts[i]++
				rows++
				if good = good && r.Float64() < right; good {
					rights[i]++
				}
				if m.draft > 0 && !p.More() {
					break
				}
			}
			took1[i] = took - start
		}
		drafting, took = took, took+m.pass(rows)*(0.97+0.06*r.Float64())
		costs.Passed(rows, rows-n, duration(took-drafting))
		tokens := 0.0
		for i, c := range cs {
			tokens += float64(1 + rights[i])
			behind[i] += float64(1 + rights[i])
			if paces[i] == nil {
				c.passed()
				continue
			}
			c.judge(Company{costs, rows - 1 - counts[i], n, speed}.terms(), paces[i], counts[i], rights[i], costs.Passes(duration(took1[i])))
		}
		speed = 0.9*speed + 0.1*tokens/costs.Passes(duration(took))
		if all += tokens; all > float64(n*64) {
			total += took
			made += tokens
			proposed += rows - n
		}
	}
	return total / (made / float64(n) * m.pass(n)), proposed
}

// In company a draft is used as far as the price of all sequences' rows allows:
// a poor one costs little, a good one is used among few and left where passes
// are dear.
func TestCompany(t *testing.T) {
	shared := curve(1, 1, 3, 1.28, 6, 1.9, 16, 3.7, 64, 12)
	steep := curve(1, 1, 64, 64)
	for _, m := range []crowd{
		{name: "hostile", pass: shared, draft: 0.05, follow: 0.006, sure: always(0), best: 1.03},
		{name: "hostile, free", pass: shared, sure: always(0), best: 1.03},
		{name: "good", pass: shared, draft: 0.02, follow: 0.002, sure: mixed(0.25), best: 0.97, proposes: true},
		{name: "good, free", pass: shared, sure: mixed(0.25), best: 0.9, proposes: true},
		{name: "good, dear passes", pass: steep, draft: 0.05, follow: 0.006, sure: mixed(0.25), best: 1.03},
		{name: "quoting", pass: shared, sure: always(0.98), best: 0.8, proposes: true},
	} {
		for _, n := range []int{2, 4, 8} {
			share, proposed := 0.0, 0
			for seed := range uint64(10) {
				s, p := m.run(seed, n)
				share += s / 10
				proposed += p
			}
			t.Logf("%s, %d sequences: %.3f of the time without drafts, %d tokens proposed", m.name, n, share, proposed)
			if share > m.best || m.proposes && proposed == 0 {
				t.Errorf("%s, %d sequences: %.3f of the time without drafts, %d tokens proposed", m.name, n, share, proposed)
			}
		}
	}
}
