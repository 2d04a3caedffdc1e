package sample

// Check decides about a token x that a draft sampled from the distribution from
// (nil: the draft always proposes x here). The result has the distribution p
// over a vocabulary, which [Sampler.Candidates] gave. x is accepted with
// probability p(x)/q(x). If it is refused, other is sampled from the part of p
// that exceeds q (Leviathan et al., 2023, appendix A.1).
func (s *Sampler) Check(p []Candidate, vocab int, x int32, from []Candidate) (ok bool, other int32) {
	if cap(s.draft) < vocab {
		s.draft = make([]float32, vocab)
	}
	q := s.draft[:vocab]
	if from == nil {
		q[x] = 1
	}
	for _, c := range from {
		if int(c.ID) < len(q) {
			q[c.ID] = c.P
		}
	}
	px, qx := float32(0), q[x]
	for _, c := range p {
		if c.ID == x {
			px = c.P
			break
		}
	}
	if ok = px >= qx || s.rng.Float64()*float64(qx) < float64(px); !ok {
		other = s.residual(p, q)
	}
	q[x] = 0
	for _, c := range from {
		if int(c.ID) < len(q) {
			q[c.ID] = 0
		}
	}
	return ok, other
}

// residual samples from max(0, p-q), normalized.
func (s *Sampler) residual(p []Candidate, q []float32) int32 {
	sum := 0.0
	for _, c := range p {
		sum += max(0, float64(c.P)-float64(q[c.ID]))
	}
	u := s.rng.Float64() * sum
	last := p[0].ID
	for _, c := range p {
		if more := float64(c.P) - float64(q[c.ID]); more > 0 {
			last = c.ID
			if u -= more; u < 0 {
				break
			}
		}
	}
	return last
}
