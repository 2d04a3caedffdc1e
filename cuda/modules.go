package cuda

import (
	"errors"
	"fmt"
	"slices"
)

// modules finds kernels, loading a module at the first use of one of its
// kernels: compiling all PTX at once would cost the start.
type modules struct {
	d         driver
	device    Device
	images    []image // newest first
	loaded    map[string]module
	functions map[string]kernel
	shared    map[uintptr]uint32 // dynamic shared memory allowed so far, beyond the default
}

type module struct {
	handle uintptr
	image  *image
}

type kernel struct {
	function uintptr
	early    bool // it waits itself for the launch before it
}

func newModules(d driver, images []image, device Device) *modules {
	images = slices.DeleteFunc(slices.Clone(images), func(i image) bool { return i.minCC > device.cc })
	slices.SortStableFunc(images, func(a, b image) int { return b.minCC - a.minCC })
	seen := map[string]bool{}
	images = slices.DeleteFunc(images, func(i image) bool {
		had := seen[i.name]
		seen[i.name] = true
		return had && i.planned()
	})
	return &modules{d: d, device: device, images: images, loaded: map[string]module{}, functions: map[string]kernel{}, shared: map[uintptr]uint32{}}
}

// function is the kernel a launch names, allowed the shared memory it asks for.
func (m *modules) function(l *launch) (kernel, error) {
	k, ok := m.functions[l.kernel]
	if !ok {
		var err error
		if k, err = m.find(l.kernel); err != nil {
			return k, err
		}
		m.functions[l.kernel] = k
	}
	if f := k.function; l.shared > defaultSharedMemory-ownSharedMemory && l.shared > m.shared[f] {
		if err := m.d.FuncSetAttribute(f, functionMaxDynamicShared, int(l.shared)); err != nil {
			return k, fmt.Errorf("kernel %s with %d bytes of shared memory: %w", l.kernel, l.shared, err)
		}
		m.shared[f] = l.shared
	}
	return k, nil
}

func (m *modules) find(name string) (kernel, error) {
	for _, i := range m.images {
		if _, ok := i.kernels[name]; !ok {
			continue
		}
		mod, err := m.module(i.name)
		if err != nil {
			return kernel{}, err
		}
		f, err := m.d.ModuleGetFunction(mod.handle, name)
		if err != nil {
			return kernel{}, fmt.Errorf("kernel %s: %w", name, err)
		}
		if mod.image.cached() {
			_ = m.d.FuncSetAttribute(f, functionCarveout, 0) // a preference
		}
		return kernel{f, mod.image.mayOverlap(name)}, nil
	}
	return kernel{}, fmt.Errorf("no kernel %s for %s (compute capability %s)", name, m.device.Name, m.device.Capability)
}

// module loads the newest of a module's images that the driver takes.
func (m *modules) module(name string) (module, error) {
	if mod, ok := m.loaded[name]; ok {
		return mod, nil
	}
	var refused error
	for k := range m.images {
		i := &m.images[k]
		if i.name != name {
			continue
		}
		text, err := i.text()
		if err != nil {
			return module{}, fmt.Errorf("kernels %s: %w", name, err)
		}
		handle, err := m.d.ModuleLoadData(text)
		if err == nil {
			m.loaded[name] = module{handle, i}
			return m.loaded[name], nil
		}
		if e, ok := errors.AsType[*Error](err); ok && (e.Code == noBinaryForGPU || e.Code == unsupportedPTX || e.Code == invalidImage) {
			refused = err
			continue
		}
		return module{}, fmt.Errorf("kernels %s: %w", name, err)
	}
	return module{}, fmt.Errorf("kernels %s: %w", name, refused)
}

func (m *modules) unload() error {
	var errs []error
	for _, mod := range m.loaded {
		errs = append(errs, m.d.ModuleUnload(mod.handle))
	}
	return errors.Join(errs...)
}
