package eval

import (
	"math"
	"slices"
)

// z95 is the normal distribution's quantile of a 95% interval.
const z95 = 1.959963984540054

// Interval is a value and its 95% confidence interval.
type Interval struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// mean of samples, with the interval of the normal approximation.
func mean(x []float64) Interval {
	n := float64(len(x))
	var sum, squares float64
	for _, v := range x {
		sum += v
	}
	m := sum / n
	for _, v := range x {
		squares += (v - m) * (v - m)
	}
	if len(x) < 2 {
		return Interval{m, math.Inf(-1), math.Inf(1)}
	}
	e := z95 * math.Sqrt(squares/(n-1)/n)
	return Interval{m, m - e, m + e}
}

// quantile q of samples, by rank; the interval is between the ranks that a
// binomial count puts there.
func quantile(x []float64, q float64) Interval {
	x = slices.Sorted(slices.Values(x))
	n := float64(len(x))
	at := func(rank float64) float64 { return x[min(max(int(math.Ceil(rank))-1, 0), len(x)-1)] }
	e := z95 * math.Sqrt(n*q*(1-q))
	return Interval{at(n * q), at(n*q - e), at(n*q + e)}
}

// proportion of k among n, with Wilson's interval.
func proportion(k, n int) Interval {
	if n == 0 {
		return Interval{0, 0, 1}
	}
	p, m := float64(k)/float64(n), float64(n)
	mid := (p + z95*z95/(2*m)) / (1 + z95*z95/m)
	e := z95 / (1 + z95*z95/m) * math.Sqrt(p*(1-p)/m+z95*z95/(4*m*m))
	return Interval{p, max(0, mid-e), min(1, mid+e)}
}
