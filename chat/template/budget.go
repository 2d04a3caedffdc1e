package template

import (
	"errors"
	"fmt"
	"time"
)

// Limits is what one render may spend before it is refused. A template comes
// out of a downloaded file and is trusted with nothing.
type Limits struct {
	Steps  int           // tree nodes evaluated
	Bytes  int           // bytes of values made or read through, all together
	Output int           // bytes of the result
	Time   time.Duration // wall clock
}

// DefaultLimits leaves a conversation of tens of thousands of turns alone, and
// ends one meant to do harm in less than a second of computing. Time is for
// what was not foreseen: it depends on what else the machine does.
var DefaultLimits = Limits{Steps: 4 << 20, Bytes: 64 << 20, Output: 16 << 20, Time: 10 * time.Second}

const (
	maxSource = 256 << 10 // bytes of template text
	maxSyntax = 150       // nesting of blocks and parentheses
	maxDepth  = 1000      // nesting while running: macros and long operator chains
	maxText   = 16 << 20  // bytes of a text put together of parts
	maxRange  = 100000    // as Jinja's sandbox
	itemBytes = 16        // what one more list item costs
	clockStep = 512       // steps between looks at the clock
	loopSteps = 8         // what an iteration costs, over its body
)

var errTooLong = errors.New("a text is too long")

// budget counts down what is left.
type budget struct {
	left  Limits
	depth int
	end   time.Time
}

func newBudget(l Limits) budget {
	return budget{left: l, end: time.Now().Add(l.Time)}
}

// enter is called for every node evaluated, with leave after it.
func (b *budget) enter() error {
	if err := b.step(1); err != nil {
		return err
	}
	b.depth++
	if b.depth > maxDepth {
		return fmt.Errorf("nests deeper than %d", maxDepth)
	}
	return nil
}

// step pays for n steps.
func (b *budget) step(n int) error {
	before := b.left.Steps
	b.left.Steps -= n
	if b.left.Steps < 0 {
		return errors.New("too many steps")
	}
	if b.left.Steps/clockStep != before/clockStep && time.Now().After(b.end) {
		return fmt.Errorf("takes longer than %v", b.left.Time)
	}
	return nil
}

func (b *budget) leave() { b.depth-- }

// spend pays for n bytes about to be made or read. Since nothing is refunded,
// it bounds memory and the time inside single operations alike.
func (b *budget) spend(n int) error {
	if n < 0 || n > b.left.Bytes {
		return errors.New("uses too much memory")
	}
	b.left.Bytes -= n
	return nil
}

// spendItems pays for a list of n items.
func (b *budget) spendItems(n int) error {
	if n > maxSource*itemBytes {
		return b.spend(-1)
	}
	return b.spend(n * itemBytes)
}
