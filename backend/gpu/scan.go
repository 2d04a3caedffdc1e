package gpu

import (
	"fmt"

	"github.com/mil-run/mil/backend"
)

// Scan1Lanes is how many lanes a channel of a Mamba scan has, one a state.
func Scan1Lanes(states int) (int32, error) {
	if states > 32 {
		return 0, fmt.Errorf("a Mamba scan with %d states a channel (at most 32)", states)
	}
	return int32(Double(1, states)), nil
}

// Scan2States is how many states a row of a Mamba-2 scan has room for, at least
// least.
func Scan2States(least, states int) (int, error) {
	if states > 256 {
		return 0, fmt.Errorf("a Mamba-2 scan with %d states a row (at most 256)", states)
	}
	return Double(least, states), nil
}

// Scan2Rows is how many rows of a head's state a block holds, token by token.
const Scan2Rows = 16

// DeltaStates is how many states a row of a gated delta rule has room for.
func DeltaStates(states int) (int, error) {
	if states > 256 {
		return 0, fmt.Errorf("a gated delta net with %d states a row (at most 256)", states)
	}
	return Double(8, states), nil
}

// Bias is a convolution's, zeros where it has none.
func (pl *Planner) Bias(n *backend.Conv) Ref {
	if n.Bias != nil {
		return OfTensor(n.Bias)
	}
	return ConstantFrom(pl, &n.Taps, make([]float32, n.W.Rows))
}
