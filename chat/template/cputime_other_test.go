//go:build !unix || race

package template

import (
	"testing"
	"time"
)

// cpuTime is not measured here: under the race detector all is many times
// slower.
func cpuTime(*testing.T) time.Duration { return 0 }
