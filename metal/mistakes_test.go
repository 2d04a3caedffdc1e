package metal

import (
	"strings"
	"testing"
	"unsafe"
)

// once applies a change to the first message of a name.
func once(name string, change func(m *message) (drop bool)) func(*recorder) {
	return func(r *recorder) {
		done := false
		r.tamper = func(m *message) bool {
			if done || m.name != name {
				return false
			}
			done = true
			return change(m)
		}
	}
}

func drop(name string) func(*recorder) { return once(name, func(*message) bool { return true }) }

// instead sends another message, without arguments, to the same object.
func instead(name, other string) func(*recorder) {
	return once(name, func(m *message) bool { m.name, m.args = other, nil; return false })
}

func argument(name string, i int, a arg) func(*recorder) {
	return once(name, func(m *message) bool { m.args[i] = a; return false })
}

const (
	dispatchThreadgroups = "dispatchThreadgroups:threadsPerThreadgroup:"
	wrapBytes            = "newBufferWithBytesNoCopy:length:options:deallocator:"
)

// The recorder sees every mistake that is made here, in what the backend sends
// for a whole session, or in messages of the test's own.
func TestMistakesAreSeen(t *testing.T) {
	for name, c := range map[string]struct {
		plant func(*recorder)
		want  string
	}{
		"dispatch before the pipeline": {drop("setComputePipelineState:"), "dispatch without a pipeline"},
		"commit before the end":        {drop("endEncoding"), "commit before endEncoding"},
		"an encoder never ended":       {drop("endEncoding"), "an encoder went without endEncoding"},
		"wait without commit":          {drop("commit"), "waits for commands that were not committed"},
		"commit twice":                 {instead("waitUntilCompleted", "commit"), "committed twice"},
		"status too early":             {drop("waitUntilCompleted"), "status before completion"},
		"use after the end":            {instead("setBytes:length:atIndex:", "endEncoding"), "after endEncoding"},
		"a buffer not bound":           {drop("setBuffer:offset:atIndex:"), "with nothing at index 1"},
		"arguments not set":            {drop("setBytes:length:atIndex:"), "with nothing at index 0"},
		"another index":                {argument("setBuffer:offset:atIndex:", 2, aWord(9)), "with nothing at index 1"},
		"an index there is not":        {argument("setBuffer:offset:atIndex:", 2, aWord(31)), "bound at index 31"},
		"an offset past the end":       {argument("setBuffer:offset:atIndex:", 1, aWord(1<<30)), "byte 1073741824 of a buffer"},
		"a struct by value":            {argument(dispatchThreadgroups, 0, aWord(1)), "argument 0 is of kind 1, declared is 5"},
		"an empty grid":                {argument(dispatchThreadgroups, 0, aSize([3]uint32{1, 0, 1})), "threadgroups of"},
		"too many threads":             {argument(dispatchThreadgroups, 1, aSize([3]uint32{2048, 1, 1})), "threadgroups of [2048 1 1]"},
		"a word for a BOOL":            {argument("setFastMathEnabled:", 0, aWord(0)), "argument 0 is of kind 1, declared is 2"},
		"fast math":                    {argument("setFastMathEnabled:", 0, aBool(true)), "fast math is on"},
		"nil for an object":            {argument("newFunctionWithName:", 0, anObject(0)), "argument 0 is no object"},
		"an argument too few":          {once("newFunctionWithName:", func(m *message) bool { m.args = nil; return false }), "takes 1 arguments, gets 0"},
		"a selector there is not":      {instead("maxTotalThreadsPerThreadgroup", "maxThreadsPerThreadgroup"), "has no method -maxThreadsPerThreadgroup"},
		"another class's selector":     {instead("maxTotalThreadsPerThreadgroup", "contents"), "MTLComputePipelineState has no method -contents"},
		"a block that is called":       {argument(wrapBytes, 3, aPointer(unsafe.Pointer(new(int)))), "wrapped"},
		"memory off a page":            {once(wrapBytes, func(m *message) bool { m.args[0].pointer = unsafe.Add(m.args[0].pointer, 64); return false }), "wrapped"},
		"half a page":                  {once(wrapBytes, func(m *message) bool { m.args[1].word -= 100; return false }), "wrapped"},
		"a leak":                       {drop("release"), "not given back: NSString"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecorder()
			b, _ := recorded(t, r)
			r.bindings = func(string) int { return 3 }
			c.plant(r)
			runOnce(b)
			b.Close()
			seen(t, r, c.want)
		})
	}
}

func TestMistakesOfOwnershipAreSeen(t *testing.T) {
	for name, c := range map[string]struct {
		plant func(r *recorder, m *messenger, device id)
		want  string
	}{
		"release twice": {func(r *recorder, m *messenger, device id) { m.release(device) }, "release sent to a MTLDevice that is gone"},
		"use after release": {func(r *recorder, m *messenger, device id) {
			queue := m.ask(device, m.names.newCommandQueue)
			m.release(queue)
			m.ask(queue, m.names.commandBuffer)
		}, "sent to a MTLCommandQueue that is gone"},
		"use after the pool": {func(r *recorder, m *messenger, device id) {
			pool := r.pushPool()
			name := m.ask(device, m.names.name)
			r.popPool(pool)
			m.text(name)
		}, "UTF8String sent to a NSString that is gone"},
		"an argument after its release": {func(r *recorder, m *messenger, device id) {
			name, options := m.string("text"), m.ask(m.class("MTLCompileOptions"), m.names.new)
			m.release(name)
			m.ask(device, m.names.newLibraryWithSource, anObject(name), anObject(options), anOut(new(id)))
			m.release(options)
		}, "argument 0 is a NSString that is gone"},
		"no pool":          {func(r *recorder, m *messenger, device id) { m.ask(device, m.names.name) }, "NSString autoreleased without a pool"},
		"a pool left open": {func(r *recorder, m *messenger, device id) { r.pushPool() }, "not given back: pool"},
		"pools crossed": {func(r *recorder, m *messenger, device id) {
			outer, inner := r.pushPool(), r.pushPool()
			r.popPool(outer)
			r.popPool(inner)
		}, "pool 1 is drained while 2 are open"},
		"a buffer released while in use": {func(r *recorder, m *messenger, device id) {
			pool := r.pushPool()
			queue := m.ask(device, m.names.newCommandQueue)
			buffer := m.ask(device, m.names.newBufferWithLength, aWord(16), aWord(storageModeShared))
			commands := m.ask(queue, m.names.commandBuffer)
			encoder := m.ask(commands, m.names.computeCommandEncoder)
			m.tell(encoder, m.names.setBuffer, anObject(buffer), aWord(0), aWord(2))
			m.tell(encoder, m.names.endEncoding)
			m.tell(commands, m.names.commit)
			m.release(buffer)
			m.tell(commands, m.names.waitUntilCompleted)
			m.release(queue)
			r.popPool(pool)
		}, "a buffer went before the commands that use it were done"},
		"two encoders": {func(r *recorder, m *messenger, device id) {
			pool := r.pushPool()
			commands := m.ask(m.ask(device, m.names.newCommandQueue), m.names.commandBuffer)
			for range 2 {
				m.ask(commands, m.names.computeCommandEncoder)
			}
			r.popPool(pool)
		}, "a second encoder"},
		"an offset without a buffer": {func(r *recorder, m *messenger, device id) {
			pool := r.pushPool()
			encoder := m.ask(m.ask(m.ask(device, m.names.newCommandQueue), m.names.commandBuffer), m.names.computeCommandEncoder)
			m.tell(encoder, m.names.setBufferOffset, aWord(0), aWord(2))
			m.tell(encoder, m.names.endEncoding)
			r.popPool(pool)
		}, "an offset at index 2, where no buffer is bound"},
		"a long argument": {func(r *recorder, m *messenger, device id) {
			pool := r.pushPool()
			encoder := m.ask(m.ask(m.ask(device, m.names.newCommandQueue), m.names.commandBuffer), m.names.computeCommandEncoder)
			m.tell(encoder, m.names.setBytes, aPointer(unsafe.Pointer(&make([]byte, 5000)[0])), aWord(5000), aWord(0))
			m.tell(encoder, m.names.endEncoding)
			r.popPool(pool)
		}, "5000 bytes as an argument"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecorder()
			device := r.defaultDevice()
			m := newMessenger(r)
			c.plant(r, m, device)
			m.release(device)
			seen(t, r, c.want)
		})
	}
}

// seen looks for a complaint.
func seen(t *testing.T, r *recorder, want string) {
	t.Helper()
	all := r.wrong
	for _, l := range r.left() {
		all = append(all, "not given back: "+l)
	}
	if !strings.Contains(strings.Join(all, "\n"), want) {
		t.Errorf("complaints %q, want %q", all, want)
	}
}
