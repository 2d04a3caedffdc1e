package metal

// Devices are the facts that `mil info --devices` tells.
type Devices struct {
	Device *Device `json:"device,omitempty"`
	Why    string  `json:"why,omitempty"` // there is none, or it cannot be used
}

// Device is the system's GPU, with the memory it shares.
type Device struct {
	Name      string `json:"name"`
	Free      int64  `json:"memory_free"`  // bytes of the following that are not in use
	Total     int64  `json:"memory_total"` // that may be in use without pushing out other programs
	MaxBuffer int64  `json:"max_buffer"`
}

// List tells which devices Metal sees.
func List() Devices {
	o, err := openSystem()
	if err != nil {
		return Devices{Why: err.Error()}
	}
	return list(o)
}

func list(o objc) Devices {
	g, err := newGPU(o, module)
	if err != nil {
		return Devices{Why: err.Error()}
	}
	defer g.close()
	l := g.limits()
	return Devices{Device: &Device{Name: g.name, Free: max(0, l.working-l.allocated), Total: l.working, MaxBuffer: int64(l.buffer)}}
}
