package template

import (
	"testing"
	"time"
)

var began = time.Now()

// cpuTime is the time that has passed.
func cpuTime(*testing.T) time.Duration { return time.Since(began) }
