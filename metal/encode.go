package metal

import (
	"fmt"
	"runtime"
	"unsafe"
)

// mostBuffers is how many buffers a kernel takes at most: Metal has 31 places,
// one of them for the argument struct.
const mostBuffers = 30

// encoder is the state of the compute command encoder, so that nothing is
// said twice.
type encoder struct {
	id       id
	pipeline id
	buffers  [mostBuffers + 1]id
	offsets  [mostBuffers + 1]int
}

// run implements [machine]: one command buffer with one encoder, whose dispatches
// are serial, so that each sees the data that those before it wrote. The buffers are ours
// and outlive the wait, so the command buffer need not retain them.
func (g *hardware) run(dispatches []dispatch) error {
	for i := range dispatches {
		if err := g.check(&dispatches[i]); err != nil {
			return err
		}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer g.popPool(g.pushPool())
	commands := g.ask(g.queue, g.names.commandBuffer)
	if commands == 0 {
		return fmt.Errorf("%s gives no command buffer", g.name)
	}
	g.bound = encoder{id: g.ask(commands, g.names.computeCommandEncoder)}
	if g.bound.id == 0 {
		return fmt.Errorf("%s gives no command encoder", g.name)
	}
	for i := range dispatches {
		g.encode(&dispatches[i])
	}
	g.tell(g.bound.id, g.names.endEncoding)
	g.tell(commands, g.names.commit)
	g.tell(commands, g.names.waitUntilCompleted)
	if g.tell(commands, g.names.status) != statusCompleted {
		return g.failure(g.name, g.ask(commands, g.names.err))
	}
	return nil
}

// check refuses launches for which Metal would end the process.
func (g *hardware) check(d *dispatch) error {
	if int(d.function) >= len(g.pipelines) {
		return fmt.Errorf("kernel %s was not looked up", d.kernel)
	}
	if n := int(d.block[0] * d.block[1] * d.block[2]); n > g.pipelines[d.function].threads {
		return fmt.Errorf("kernel %s: threadgroups of %d threads, %s takes %d", d.kernel, n, g.name, g.pipelines[d.function].threads)
	}
	if len(d.args) == 0 || len(d.args) > maxArgs {
		return fmt.Errorf("kernel %s: %d bytes of arguments", d.kernel, len(d.args))
	}
	for _, b := range d.buffers {
		m, ok := b.memory.(*sharedBuffer)
		switch {
		case !ok || m.g != g || m.id == 0:
			return fmt.Errorf("kernel %s: argument %d is not memory of %s", d.kernel, b.index, g.name)
		case b.off < 0 || b.off >= max(len(m.data), 1):
			return fmt.Errorf("kernel %s: argument %d begins at %d of %d bytes", d.kernel, b.index, b.off, len(m.data))
		}
	}
	return nil
}

func (g *hardware) encode(d *dispatch) {
	e := &g.bound
	if p := g.pipelines[d.function].state; p != e.pipeline {
		g.tell(e.id, g.names.setPipeline, anObject(p))
		e.pipeline = p
	}
	for _, b := range d.buffers {
		buffer := b.memory.(*sharedBuffer).id
		switch {
		case e.buffers[b.index] != buffer:
			g.tell(e.id, g.names.setBuffer, anObject(buffer), aWord(b.off), aWord(int(b.index)))
		case e.offsets[b.index] != b.off:
			g.tell(e.id, g.names.setBufferOffset, aWord(b.off), aWord(int(b.index)))
		}
		e.buffers[b.index], e.offsets[b.index] = buffer, b.off
	}
	g.tell(e.id, g.names.setBytes, aPointer(unsafe.Pointer(&d.args[0])), aWord(len(d.args)), aWord(indexArgs))
	g.tell(e.id, g.names.dispatch, aSize(d.grid), aSize(d.block))
}
