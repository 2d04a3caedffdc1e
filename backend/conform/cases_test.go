package conform

import (
	"strings"
	"testing"

	"github.com/mil-run/mil/quant"
)

// Every type meets every node that reads weights. Each backend runs or plans these
// cases in its own tests, so a type that lacks a kernel is named there.
func TestEveryTypeMeetsEveryNode(t *testing.T) {
	names := map[string]bool{}
	for _, c := range Cases() {
		names[c.Name] = true
	}
	for _, typ := range quant.Types() {
		for _, want := range []string{"matmul, norm, residual TYPE", "gate and up TYPE", "embedding TYPE", "logits of some, norm TYPE",
			"matmul of 200 tokens TYPE", "gate and up of 200 tokens TYPE"} {
			if want = strings.Replace(want, "TYPE", typ.String(), 1); !names[want] {
				t.Errorf("no case %q", want)
			}
		}
	}
}
