package llm

import "github.com/mil-run/mil/model"

// Runtime is a model for several bare sessions, whose tokens share passes. It is
// for one goroutine, and only while it alone uses the machine or has it locked.
type Runtime struct {
	*model.Runtime
	mc     *Machine
	bytes  int64
	closed bool
}

// Runtime makes a model ready for the given number of sessions, and starts the
// machine where that has not started. It refuses sessions whose memory does not fit
// beside the others: [ErrMemory].
func (mc *Machine) Runtime(m *model.Model, o model.Options, sessions int) (*Runtime, error) {
	mc.Lock()
	defer mc.Unlock()
	if err := mc.start(); err != nil {
		return nil, err
	}
	r := &Runtime{mc: mc}
	for range sessions {
		bytes, err := mc.memory.reserve(m, o, mc.b, mc.o.warn)
		if err != nil {
			mc.memory.needed -= r.bytes
			return nil, err
		}
		r.bytes += bytes
	}
	var err error
	if r.Runtime, err = m.NewRuntime(mc.b, o); err != nil {
		mc.memory.needed -= r.bytes
		return nil, err
	}
	return r, nil
}

// Close frees the runtime's memory, after its sessions.
func (r *Runtime) Close() error {
	r.mc.Lock()
	defer r.mc.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	r.mc.memory.needed -= r.bytes
	return r.Runtime.Close()
}
