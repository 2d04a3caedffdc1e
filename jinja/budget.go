package jinja

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Limits are the amounts that one render may spend before it is refused. A
// template comes out of a downloaded file and is trusted with nothing. None of
// the limits is a time, so a render is refused or not alike on every machine.
type Limits struct {
	Steps  int // tree nodes evaluated, items looked at, values compared
	Bytes  int // bytes read and made by all operations together
	Output int // bytes of the result
}

// DefaultLimits allow a conversation of tens of thousands of turns, and end a
// harmful one in less than a second of computing.
var DefaultLimits = Limits{Steps: 4 << 20, Bytes: 64 << 20, Output: 16 << 20}

const (
	maxSource = 256 << 10 // bytes of template text
	maxSyntax = 150       // nesting of blocks and parentheses
	maxDepth  = 1000      // nesting while running: macros and long operator chains
	maxText   = 16 << 20  // bytes of a text put together of parts
	maxRange  = 100000    // as Jinja's sandbox
	maxDigits = 4300      // of an integer, as Python reads them
	loopSteps = 8         // the cost of an iteration, beyond its body
)

// The approximate costs of things in bytes: the memory they take, and more
// where making them takes long.
const (
	itemBytes  = 16  // one more list item
	charBytes  = 40  // a character as an item of its own
	callBytes  = 96  // a call of a filter, test, method or function
	scopeBytes = 192 // a scope with a variable or two
)

var errTooLong = errors.New("a text is too long")

// budget counts down the rest.
type budget struct {
	left  Limits
	depth int
}

func newBudget(l Limits) budget { return budget{left: l} }

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
	b.left.Steps -= n
	if b.left.Steps < 0 {
		return errors.New("too many steps")
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

// read pays for looking through values that are texts or long numbers.
func (b *budget) read(values ...any) error {
	for _, v := range values {
		n := 0
		switch v := v.(type) {
		case str:
			n = len(v.s)
		case json.Number:
			n = len(v)
		}
		if err := b.spend(n); err != nil {
			return err
		}
	}
	return nil
}
