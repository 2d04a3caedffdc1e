//go:build linux

package metal

import (
	"testing"

	"github.com/mil-run/mil/backend/conform"
)

// Rows ranked by the kernels' own text are what the definition says.
func TestRank(t *testing.T) {
	s := kernelsHere(t)
	for _, c := range conform.RankCases() {
		t.Run(c.Name, func(t *testing.T) {
			if err := c.Check(newBackend(s)); err != nil {
				t.Error(err)
			}
		})
	}
}
