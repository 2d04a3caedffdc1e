package cuda

import (
	"testing"

	"github.com/mil-run/mil/backend/conform"
)

// Rows ranked on the device are as the definition ranks the rows themselves.
func TestRank(t *testing.T) {
	b := device(t)
	for _, c := range conform.RankCases() {
		t.Run(c.Name, func(t *testing.T) {
			if err := c.Check(b); err != nil {
				t.Error(err)
			}
		})
	}
}
