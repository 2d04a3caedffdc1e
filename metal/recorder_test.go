package metal

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"unsafe"

	"github.com/mil-run/mil/backend/gpu"
)

// recorder stands in for the Objective-C runtime and Metal. It computes nothing:
// it keeps objects, their owners and pools, checks every message against Apple's
// declarations and Metal's rules of order, and writes down the mistakes.
type recorder struct {
	methods   map[string]map[string]signature
	selectors []string // selector i+1
	objects   map[id]*object
	pools     [][]id
	wrong     []string
	log       []string // messages, in order

	// Answers that a test changes.
	tamper   func(m *message) (drop bool) // changes messages as a mistake of ours would
	fails    map[string]string            // selector -> the NSError's text; it answers nil
	device   string                       // "" for none
	family   uintptr
	status   uintptr // of completed command buffers
	longest  int     // maxBufferLength
	threads  int     // maxTotalThreadsPerThreadgroup
	bindings func(kernel string) int
}

// message is one on its way.
type message struct {
	to   id
	name string
	args []arg
}

// object is an instance, or a class, which lives forever.
type object struct {
	class   string
	retains int
	text    string // of strings, errors, functions and pipelines
	data    []byte // of buffers, and strings as C has them
	length  int    // of buffers
	metal   encoding
}

func newRecorder() *recorder {
	methods, err := declared()
	if err != nil {
		panic(err)
	}
	return &recorder{methods: methods, objects: map[id]*object{}, fails: map[string]string{}, device: "Apple M1", family: familyApple7,
		status: statusCompleted, longest: 1 << 30, threads: 1024, bindings: func(string) int { return 2 }}
}

func (r *recorder) complain(format string, args ...any) {
	r.wrong = append(r.wrong, fmt.Sprintf(format, args...))
}

// put makes an object with one owner, the caller or the innermost pool.
func (r *recorder) put(o object, owned bool) id {
	o.retains = 1
	at := id(0x1000 + 0x10*len(r.objects))
	r.objects[at] = &o
	if !owned {
		if len(r.pools) == 0 {
			r.complain("%s autoreleased without a pool", o.class)
			return at
		}
		top := &r.pools[len(r.pools)-1]
		*top = append(*top, at)
	}
	return at
}

func (r *recorder) drop(at id) {
	o := r.objects[at]
	if o.retains--; o.retains == 0 {
		o.metal.gone(r, o)
	}
}

func (r *recorder) class(name string) id {
	for at, o := range r.objects {
		if o.class == "class "+name {
			return at
		}
	}
	return r.put(object{class: "class " + name}, true)
}

func (r *recorder) selector(name string) selector {
	if i := slices.Index(r.selectors, name); i >= 0 {
		return selector(i + 1)
	}
	r.selectors = append(r.selectors, name)
	return selector(len(r.selectors))
}

func (r *recorder) pushPool() uintptr {
	r.pools = append(r.pools, nil)
	return uintptr(len(r.pools))
}

func (r *recorder) popPool(pool uintptr) {
	if int(pool) != len(r.pools) || pool == 0 {
		r.complain("pool %d is drained while %d are open", pool, len(r.pools))
		return
	}
	for _, at := range r.pools[pool-1] {
		r.drop(at)
	}
	r.pools = r.pools[:pool-1]
}

func (r *recorder) defaultDevice() id {
	if r.device == "" {
		return 0
	}
	return r.put(object{class: "MTLDevice"}, true)
}

// left lists the objects that have not been given back.
func (r *recorder) left() (out []string) {
	for _, o := range r.objects {
		if o.retains > 0 && !strings.HasPrefix(o.class, "class ") {
			out = append(out, o.class)
		}
	}
	if len(r.pools) > 0 {
		out = append(out, "pool")
	}
	slices.Sort(out)
	return out
}

func (r *recorder) send(to id, s selector, args []arg) uintptr {
	m := message{to, r.selectors[s-1], slices.Clone(args)}
	if r.tamper != nil && r.tamper(&m) {
		return 0
	}
	r.log = append(r.log, m.name)
	o := r.objects[m.to]
	switch {
	case m.to == 0:
		r.complain("%s sent to nil", m.name)
		return 0
	case o == nil:
		r.complain("%s sent to %#x, which is no object", m.name, m.to)
		return 0
	case o.retains <= 0:
		r.complain("%s sent to a %s that is gone", m.name, o.class)
		return 0
	}
	class, sign := o.declaredBy()
	method, ok := r.methods[class][sign+m.name]
	if !ok {
		r.complain("%s has no method %s%s", class, sign, m.name)
		return 0
	}
	if !r.fits(class, m, method) {
		return 0
	}
	if said, ok := r.fails[m.name]; ok {
		for _, a := range m.args {
			if a.kind == kindOut {
				*(*id)(a.pointer) = r.put(object{class: "NSError", text: said}, false)
			}
		}
		return 0
	}
	return r.answer(o, class, m, method)
}

// declaredBy is the class whose declarations hold for an object, and the sign of
// its methods.
func (o *object) declaredBy() (class, sign string) {
	if after, ok := strings.CutPrefix(o.class, "class "); ok {
		return after, "+"
	}
	return o.class, "-"
}

// method is the declaration of a message that an object would be sent.
func (r *recorder) method(o *object, name string) signature {
	class, sign := o.declaredBy()
	return r.methods[class][sign+name]
}

// fits checks a message's arguments against the declaration.
func (r *recorder) fits(class string, m message, method signature) bool {
	if len(m.args) != len(method.args) {
		r.complain("%s %s takes %d arguments, gets %d", class, m.name, len(method.args), len(m.args))
		return false
	}
	for i, a := range m.args {
		if a.kind != method.args[i] {
			r.complain("%s %s: argument %d is of kind %d, declared is %d", class, m.name, i, a.kind, method.args[i])
			return false
		}
		if a.kind != kindObject {
			continue
		}
		switch o := r.objects[id(a.word)]; {
		case o == nil:
			r.complain("%s %s: argument %d is no object", class, m.name, i)
			return false
		case o.retains <= 0:
			r.complain("%s %s: argument %d is a %s that is gone", class, m.name, i, o.class)
			return false
		case o.class != method.classes[i]:
			r.complain("%s %s: argument %d is a %s, declared is %s", class, m.name, i, o.class, method.classes[i])
			return false
		}
	}
	return true
}

// answer does what a method does.
func (r *recorder) answer(o *object, class string, m message, method signature) uintptr {
	switch m.name {
	case "release":
		r.drop(m.to)
		return 0
	case "initWithBytes:length:encoding:":
		o.text = string(unsafe.Slice((*byte)(m.args[0].pointer), int(m.args[1].word)))
		if m.args[2].word != 4 {
			r.complain("encoding %d is not UTF-8", m.args[2].word)
		}
		return uintptr(m.to)
	case "UTF8String":
		o.data = append([]byte(o.text), 0)
		return uintptr(unsafe.Pointer(&o.data[0]))
	case "localizedDescription":
		return uintptr(r.put(object{class: "NSString", text: o.text}, false))
	case "name":
		return uintptr(r.put(object{class: "NSString", text: r.device}, false))
	case "supportsFamily:":
		return 0xff00 | uintptr(gpu.Bit(m.args[0].word <= r.family)) // only the lowest byte is a BOOL's
	case "hasUnifiedMemory":
		return 0xff01
	case "recommendedMaxWorkingSetSize":
		return 8 << 30
	case "maxBufferLength":
		return uintptr(r.longest)
	case "maxTotalThreadsPerThreadgroup":
		return uintptr(r.threads)
	case "threadExecutionWidth":
		return simdWidth
	case "setFastMathEnabled:":
		if m.args[0].word != 0 {
			r.complain("fast math is on")
		}
		return 0
	}
	if n, ok := r.metal(o, m); ok {
		return n
	}
	if method.returns == "" {
		return 0
	}
	return uintptr(r.put(object{class: method.returns}, method.owned))
}

// aligned reports whether an address or a size is whole pages.
func aligned(n uintptr) bool { return n%uintptr(os.Getpagesize()) == 0 }
