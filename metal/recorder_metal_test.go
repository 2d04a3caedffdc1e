package metal

import "unsafe"

// encoding is where a command buffer or an encoder of the recorder's stands.
type encoding struct {
	commands  *object // of an encoder
	encoder   *object // the command buffer's open one
	committed bool
	completed bool
	ended     bool
	pipeline  *object
	bound     map[uintptr]*object // buffers, or nil where bytes were set
	used      []*object           // buffers the command buffer reads when it runs
}

// gone checks that an object may go already.
func (e *encoding) gone(r *recorder, o *object) {
	if o.class == "MTLComputeCommandEncoder" && !e.ended {
		r.complain("an encoder went without endEncoding")
	}
}

// metal answers Metal's messages and checks their order.
func (r *recorder) metal(o *object, m message) (answer uintptr, ok bool) {
	word := func(i int) uintptr { return m.args[i].word }
	made := func(class string, owned bool, o object) (uintptr, bool) {
		o.class = class
		return uintptr(r.put(o, owned)), true
	}
	e := &o.metal
	if o.class == "MTLComputeCommandEncoder" && e.ended {
		r.complain("%s after endEncoding", m.name)
		return 0, true
	}
	switch m.name {
	case "currentAllocatedSize":
		for _, b := range r.objects {
			if b.class == "MTLBuffer" && b.retains > 0 {
				answer += uintptr(b.length)
			}
		}
		return answer, true
	case "newBufferWithLength:options:":
		if n := int(word(0)); n <= 0 || n > r.longest {
			r.complain("a buffer of %d bytes", n)
			return 0, true
		}
		return made("MTLBuffer", true, object{data: make([]byte, word(0)), length: int(word(0))})
	case "newBufferWithBytesNoCopy:length:options:deallocator:":
		p, n := m.args[0].pointer, word(1)
		if !aligned(uintptr(p)) || !aligned(n) || n == 0 || int(n) > r.longest || m.args[3].pointer != nil {
			r.complain("wrapped %d bytes at %p", n, p)
			return 0, true
		}
		return made("MTLBuffer", true, object{length: int(n)})
	case "contents":
		return uintptr(unsafe.Pointer(&o.data[0])), true
	case "newFunctionWithName:":
		return made("MTLFunction", true, object{text: r.objects[id(word(0))].text})
	case "newComputePipelineStateWithFunction:error:":
		return made("MTLComputePipelineState", true, object{text: r.objects[id(word(0))].text})
	case "computeCommandEncoder":
		if e.encoder != nil || e.committed {
			r.complain("a second encoder, or one after commit")
		}
		at, _ := made("MTLComputeCommandEncoder", false, object{metal: encoding{commands: o, bound: map[uintptr]*object{}}})
		e.encoder = r.objects[id(at)]
		return at, true
	case "commit":
		switch {
		case e.encoder != nil:
			r.complain("commit before endEncoding")
		case e.committed:
			r.complain("committed twice")
		}
		e.committed = true
	case "waitUntilCompleted":
		r.completed(e)
	case "status":
		if !e.completed {
			r.complain("status before completion")
		}
		return r.status, true
	case "error":
		return made("NSError", false, object{text: "GPU Hang"})
	default:
		return 0, r.encode(e, m)
	}
	return 0, true
}

// completed makes a command buffer's work done.
func (r *recorder) completed(e *encoding) {
	if !e.committed {
		r.complain("waits for commands that were not committed")
	}
	for _, b := range e.used {
		if b.retains <= 0 {
			r.complain("a buffer went before the commands that use it were done")
		}
	}
	e.completed = true
}

// encode takes an encoder's messages, which answer nothing.
func (r *recorder) encode(e *encoding, m message) (ok bool) {
	word := func(i int) uintptr { return m.args[i].word }
	switch m.name {
	case "setComputePipelineState:":
		e.pipeline = r.objects[id(word(0))]
	case "setBuffer:offset:atIndex:":
		b := r.objects[id(word(0))]
		r.bind(e, b, word(1), word(2))
	case "setBufferOffset:atIndex:":
		b := e.bound[word(1)]
		if b == nil {
			r.complain("an offset at index %d, where no buffer is bound", word(1))
			return true
		}
		r.bind(e, b, word(0), word(1))
	case "setBytes:length:atIndex:":
		if n := word(1); n == 0 || n > maxArgs || m.args[0].pointer == nil {
			r.complain("%d bytes as an argument", n)
		}
		e.bound[word(2)] = nil
	case "dispatchThreadgroups:threadsPerThreadgroup:":
		r.dispatched(e, m.args[0].size, m.args[1].size)
	case "endEncoding":
		e.ended, e.commands.metal.encoder = true, nil
	default:
		return false
	}
	return true
}

func (r *recorder) bind(e *encoding, b *object, off, index uintptr) {
	if index > 30 || off >= uintptr(b.length) {
		r.complain("byte %d of a buffer of %d bound at index %d", off, b.length, index)
	}
	e.bound[index] = b
	e.commands.metal.used = append(e.commands.metal.used, b)
}

func (r *recorder) dispatched(e *encoding, grid, block mtlSize) {
	if e.pipeline == nil {
		r.complain("dispatch without a pipeline")
		return
	}
	if e.pipeline.retains <= 0 {
		r.complain("dispatch of a pipeline that is gone")
	}
	n := int(block[0] * block[1] * block[2])
	if grid[0]*grid[1]*grid[2] == 0 || n == 0 || n > r.threads {
		r.complain("%v threadgroups of %v", grid, block)
	}
	for i := range r.bindings(e.pipeline.text) {
		if _, ok := e.bound[uintptr(i)]; !ok {
			r.complain("dispatch of %s with nothing at index %d", e.pipeline.text, i)
		}
	}
}
