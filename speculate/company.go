package speculate

import "github.com/mil-run/mil/backend"

// Company is the other sequences in a pass, and what the pass costs. The rows
// that a proposal adds are weighed by what they add to the whole pass.
type Company struct {
	Costs *Costs // of passes by their rows, measured by those who run them
	// Rows is how many rows of others the pass holds, and Sequences how many
	// sequences it serves, this one included.
	Rows, Sequences int
	// Speed is how many tokens all sequences together made lately in the time of a
	// pass of one row.
	Speed float64
}

// Join makes the decoder plan for passes that others run and measure, and judge
// its draft by them, until the next Join. Where rows are shared out after Plan, the
// company of the pass itself comes before Take.
func (d *Decoder) Join(c Company) { d.company = c }

// terms are what a proposal is weighed by.
type terms struct {
	*Costs
	beside int     // rows of others in the pass, 0 alone
	worth  float64 // tokens that are made in the time of a pass of one row, 1 alone
}

func alone(c *Costs) terms { return terms{Costs: c, worth: 1} }

// terms are those of the next pass.
func (d *Decoder) terms() terms {
	if d.company.Costs == nil {
		return alone(d.costs)
	}
	return d.company.terms()
}

// terms values time at the recent speed, but not below the speed without drafts.
func (c Company) terms() terms {
	if c.Rows <= 0 {
		return alone(c.Costs)
	}
	n := max(1, c.Sequences)
	return terms{c.Costs, c.Rows, max(c.Speed, float64(n)/c.Costs.Of(n))}
}

// reach is the most tokens of one sequence to try in a pass.
func (t terms) reach() int { return min(t.Costs.reach()-t.beside, backend.MaxVerify) }

// extra is the cost that more tokens add to a pass that holds n of the sequence.
func (t terms) extra(n, more int) float64 { return t.Of(t.beside+n+more) - t.Of(t.beside+n) }

// spent is the time that a pass with n proposed tokens takes from everybody, in
// tokens: one, which the sequence makes without a draft, and what the others
// and itself could make in the time that is added.
func (t terms) spent(n int, drafting float64) float64 {
	return 1 + t.worth*(t.extra(1, n)+drafting)
}

// Gains is the expected gain of each token that the last Plan proposed: the
// likelihood that it is kept, by how sure the draft is of it.
func (d *Decoder) Gains() (gains []float64) {
	c, p := d.control[d.plan.Source], d.paces[d.plan.Source]
	likely := 1.0
	for i := range d.plan.Tokens {
		switch {
		case d.plan.Source == forcedSource:
		case c == nil:
			likely = 0
		case p != nil && i < len(p.sure):
			likely *= c.right[level(p.sure[i])].value()
		default:
			likely *= c.going.value()
		}
		gains = append(gains, likely)
	}
	return gains
}

// Cut leaves the first n proposed tokens of the last Plan, and returns the plan.
func (d *Decoder) Cut(n int) []int32 {
	n = min(max(n, 0), len(d.plan.Tokens))
	d.plan.Tokens = d.plan.Tokens[:n]
	d.batch = d.batch[:1+n]
	return d.batch
}
