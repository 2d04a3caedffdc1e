package backend

// StateKind is the role of a state. A new kind has to say in model how a session
// goes back: sessions cut caches and copy everything else.
type StateKind uint8

const (
	_              StateKind = iota // left out by mistake
	StateKV                         // keys or values by position
	StateRecurrent                  // a scan's committed state
	StateWindow                     // a convolution's last inputs
	StateLog                        // the inputs of the last logged pass
)

// State is memory that lives from pass to pass: a KV cache, a recurrence.
type State struct {
	Name  string
	Kind  StateKind
	Bytes int
	Buf   Buffer // set by the session before Compile
	// Rows is set by Compile for a KV cache: the bytes of positions [from, to),
	// which are multiples of CacheUnit. The bytes of the spans, in their order,
	// must mean the same in a cache of any other length, and those of one unit
	// at any other place. Layout names their form. Positions of a ring are the
	// text's, and the bytes of each unit follow those of the unit before it.
	Rows   func(from, to int) []Span
	Layout string
	// Window and Ring, of a KV cache that is a ring, are the positions that a row
	// attends to and those that the ring has, see [Heads].
	Window, Ring int
}

// CacheUnit is how many positions of a KV cache are read and written together.
const CacheUnit = 32

// Span is N bytes of a buffer from Off.
type Span struct{ Off, N int }

// AppendSpan adds a span to a list. It joins it to the last one where they
// touch.
func AppendSpan(list []Span, off, n int) []Span {
	if last := len(list) - 1; last >= 0 && list[last].Off+list[last].N == off {
		list[last].N += n
		return list
	}
	return append(list, Span{off, n})
}
