package source

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Limits of a pickle, far past any state dict's: a tensor takes some 25
// operations and 150 bytes. Within them no pickle can make the library take
// more than some 400 MB.
const (
	maxPickle     = 16 << 20 // bytes
	maxOperations = 1 << 20
	maxMarks      = 64 // open at a time, which is how deep values nest
)

// frame says how many bytes of code follow together; the library reads them
// at once.
const frame = 0x95

// operand is how an operation's argument lies in the code.
type operand struct {
	size  int  // bytes of the argument, or with count of its length
	count bool // the argument begins with its length
	lines int  // texts ended by newlines
	mark  int  // its change of the number of open marks
}

// operations are those that picklers use for a state dict, protocols 2 to 5.
// All others are refused before the library sees them.
var operations = map[byte]operand{
	0x80:  {size: 1}, // PROTO
	frame: {size: 8},
	'.':   {}, // STOP

	'N': {}, 0x88: {}, 0x89: {}, // NONE NEWTRUE NEWFALSE
	'J': {size: 4}, 'K': {size: 1}, 'M': {size: 2}, // BININT BININT1 BININT2
	0x8a: {size: 1, count: true},                                                             // LONG1
	'G':  {size: 8},                                                                          // BINFLOAT
	'X':  {size: 4, count: true}, 0x8c: {size: 1, count: true}, 0x8d: {size: 8, count: true}, // BINUNICODE SHORT_BINUNICODE BINUNICODE8
	'U': {size: 1, count: true}, 'T': {size: 4, count: true}, // SHORT_BINSTRING BINSTRING

	'(': {mark: 1},                                         // MARK
	')': {}, 't': {mark: -1}, 0x85: {}, 0x86: {}, 0x87: {}, // EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3
	']': {}, 'a': {}, 'e': {mark: -1}, // EMPTY_LIST APPEND APPENDS
	'}': {}, 's': {}, 'u': {mark: -1}, // EMPTY_DICT SETITEM SETITEMS

	'q': {size: 1}, 'r': {size: 4}, 0x94: {}, // BINPUT LONG_BINPUT MEMOIZE
	'h': {size: 1}, 'j': {size: 4}, // BINGET LONG_BINGET

	'c': {lines: 2}, 0x93: {}, // GLOBAL STACK_GLOBAL
	'R': {}, 'b': {}, 'Q': {}, // REDUCE BUILD BINPERSID
}

// scanPickle walks over the operations without running them. The library
// allocates a length before it reads it. After this scan it meets no length
// past the end, and no more work than the limits allow.
func scanPickle(code []byte) error {
	marks := 0
	for at, n := 0, 0; at < len(code); n++ {
		op := code[at]
		o, ok := operations[op]
		if !ok {
			return fmt.Errorf("the pickle has operation %#02x at byte %d, which a state dict does not need", op, at)
		}
		if n == maxOperations {
			return fmt.Errorf("the pickle has more than %d operations", maxOperations)
		}
		if op == '.' {
			return nil
		}
		if marks += o.mark; marks < 0 || marks > maxMarks {
			return fmt.Errorf("the pickle nests its values wrongly or too deep, at byte %d", at)
		}
		rest := code[at+1:]
		size, err := o.length(rest)
		if err != nil {
			return fmt.Errorf("%w at byte %d", err, at)
		}
		if op == frame && binary.LittleEndian.Uint64(rest) > uint64(len(rest)-size) {
			return fmt.Errorf("the pickle ends within a frame, at byte %d", at)
		}
		at += 1 + size
	}
	return errors.New("the pickle ends too early")
}

// length is how many bytes of rest the argument takes.
func (o operand) length(rest []byte) (int, error) {
	if len(rest) < o.size {
		return 0, errors.New("the pickle ends too early")
	}
	n := o.size
	if o.count {
		var le [8]byte
		copy(le[:], rest[:o.size])
		count := binary.LittleEndian.Uint64(le[:])
		if count > uint64(len(rest)-o.size) {
			return 0, fmt.Errorf("the pickle has a value of %d bytes, and ends before,", count)
		}
		n += int(count)
	}
	for range o.lines {
		i := bytes.IndexByte(rest[n:], '\n')
		if i < 0 {
			return 0, errors.New("the pickle ends within a name")
		}
		n += i + 1
	}
	return n, nil
}
