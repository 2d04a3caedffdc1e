package metal

import "unsafe"

// id is an Objective-C object or class, selector the name of a message.
type (
	id       uintptr
	selector uintptr
)

// objc is the functions of the Objective-C runtime and of Metal that are used.
// Objects named new..., alloc... or ...Copy... belong to the caller, who releases
// them; all others to the innermost pool.
type objc interface {
	class(name string) id // 0 where there is none
	selector(name string) selector
	// send sends a message. Results are the register's: an id, an NSUInteger, a
	// pointer, or a BOOL in its lowest byte.
	send(to id, s selector, args []arg) uintptr
	// pushPool and popPool enclose calls that need an autorelease pool, on one thread.
	pushPool() uintptr
	popPool(pool uintptr)
	// defaultDevice is MTLCreateSystemDefaultDevice: the caller's, or 0.
	defaultDevice() id
}

// kind is the type of an argument as Apple's headers declare it.
type kind uint8

const (
	kindObject  kind = iota // id, a protocol's or a class's
	kindWord                // NSUInteger and enumerations of it
	kindBool                // BOOL
	kindPointer             // const void *, may be nil
	kindOut                 // NSError **
	kindSize                // MTLSize, by value
)

// arg is one argument of a message.
type arg struct {
	kind    kind
	word    uintptr
	pointer unsafe.Pointer // keeps its target alive
	size    mtlSize
}

// mtlSize is MTLSize: width, height, depth.
type mtlSize [3]uintptr

func anObject(o id) arg             { return arg{kind: kindObject, word: uintptr(o)} }
func aWord(n int) arg               { return arg{kind: kindWord, word: uintptr(n)} }
func aPointer(p unsafe.Pointer) arg { return arg{kind: kindPointer, pointer: p} }
func anOut(p *id) arg               { return arg{kind: kindOut, pointer: unsafe.Pointer(p)} }
func aSize(n [3]uint32) arg {
	return arg{kind: kindSize, size: mtlSize{uintptr(n[0]), uintptr(n[1]), uintptr(n[2])}}
}

func aBool(b bool) arg {
	a := arg{kind: kindBool}
	if b {
		a.word = 1
	}
	return a
}

// mostArgs is how many arguments a message of ours has at most.
const mostArgs = 6

// frame is a call as Apple's arm64 ABI wants it: receiver, selector and
// arguments in registers, one each.
type frame struct {
	registers [2 + mostArgs]uintptr
	sizes     [mostArgs]mtlSize
}

// fill lays a message's registers out and gives them. A struct of more than 16
// bytes is passed as a pointer to a copy, which lies in the frame: the frame must
// not be on a stack that moves.
func (f *frame) fill(to id, s selector, args []arg) []uintptr {
	f.registers[0], f.registers[1] = uintptr(to), uintptr(s)
	for i, a := range args {
		r := &f.registers[2+i]
		switch a.kind {
		case kindPointer, kindOut:
			*r = uintptr(a.pointer)
		case kindSize:
			f.sizes[i] = a.size
			*r = uintptr(unsafe.Pointer(&f.sizes[i]))
		default:
			*r = a.word
		}
	}
	return f.registers[:2+len(args)]
}

// messenger sends messages without allocating.
type messenger struct {
	objc
	names selectors
	args  [mostArgs]arg
}

func newMessenger(o objc) *messenger {
	m := &messenger{objc: o}
	for name, at := range m.names.all() {
		*at = o.selector(name)
	}
	return m
}

// tell sends a message. Its arguments are held until the next one, so that what
// they point to stays.
func (m *messenger) tell(to id, s selector, args ...arg) uintptr {
	return m.objc.send(to, s, m.args[:copy(m.args[:], args)])
}

// ask is tell for messages that answer with an object.
func (m *messenger) ask(to id, s selector, args ...arg) id { return id(m.tell(to, s, args...)) }

// test is tell for messages that answer with a BOOL.
func (m *messenger) test(to id, s selector, args ...arg) bool {
	return m.tell(to, s, args...)&0xff != 0
}

func (m *messenger) release(o id) {
	if o != 0 {
		m.tell(o, m.names.release)
	}
}

// string makes an NSString; the caller releases it.
func (m *messenger) string(s string) id {
	const utf8 = 4 // NSUTF8StringEncoding
	return m.ask(m.ask(m.class("NSString"), m.names.alloc), m.names.initWithBytes, aPointer(unsafe.Pointer(unsafe.StringData(s))), aWord(len(s)), aWord(utf8))
}

// text copies an NSString.
func (m *messenger) text(s id) string {
	if s == 0 {
		return ""
	}
	return goString(pointer(m.tell(s, m.names.utf8String)))
}

// goString copies a string that ends at a zero byte.
func goString(p unsafe.Pointer) string {
	if p == nil {
		return ""
	}
	n := 0
	for *(*byte)(unsafe.Add(p, n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(p), n))
}

// pointer is memory of the system's that a message answered with.
func pointer(result uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&result)) }
