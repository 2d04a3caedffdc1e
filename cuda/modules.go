package cuda

import (
	"bytes"
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
	loaded    map[string]uintptr
	functions map[string]uintptr
	shared    map[uintptr]uint32 // dynamic shared memory allowed so far, beyond the default
}

func newModules(d driver, images []image, device Device) *modules {
	images = slices.DeleteFunc(slices.Clone(images), func(i image) bool { return i.minCC > device.cc })
	slices.SortStableFunc(images, func(a, b image) int { return b.minCC - a.minCC })
	return &modules{d: d, device: device, images: images, loaded: map[string]uintptr{}, functions: map[string]uintptr{}, shared: map[uintptr]uint32{}}
}

// function is the kernel a launch names, allowed the shared memory it asks for.
func (m *modules) function(l *launch) (uintptr, error) {
	f, ok := m.functions[l.kernel]
	if !ok {
		var err error
		if f, err = m.find(l.kernel); err != nil {
			return 0, err
		}
		m.functions[l.kernel] = f
	}
	if l.shared > defaultSharedMemory && l.shared > m.shared[f] {
		if err := m.d.FuncSetAttribute(f, functionMaxDynamicShared, int(l.shared)); err != nil {
			return 0, fmt.Errorf("kernel %s with %d bytes of shared memory: %w", l.kernel, l.shared, err)
		}
		m.shared[f] = l.shared
	}
	return f, nil
}

func (m *modules) find(kernel string) (uintptr, error) {
	for _, i := range m.images {
		// Names stand in PTX and native code as they are.
		if !bytes.Contains(i.data, []byte(kernel)) {
			continue
		}
		mod, err := m.module(i.name)
		if err != nil {
			return 0, err
		}
		f, err := m.d.ModuleGetFunction(mod, kernel)
		if err == nil {
			return f, nil
		}
		if e, ok := errors.AsType[*Error](err); !ok || e.Code != notFound {
			return 0, fmt.Errorf("kernel %s: %w", kernel, err)
		}
	}
	return 0, fmt.Errorf("no kernel %s for %s (compute capability %s)", kernel, m.device.Name, m.device.Capability)
}

// module loads the newest of a module's images that the driver takes.
func (m *modules) module(name string) (uintptr, error) {
	if mod, ok := m.loaded[name]; ok {
		return mod, nil
	}
	var refused error
	for _, i := range m.images {
		if i.name != name {
			continue
		}
		mod, err := m.d.ModuleLoadData(i.data)
		if err == nil {
			m.loaded[name] = mod
			return mod, nil
		}
		if e, ok := errors.AsType[*Error](err); ok && (e.Code == noBinaryForGPU || e.Code == unsupportedPTX || e.Code == invalidImage) {
			refused = err
			continue
		}
		return 0, fmt.Errorf("kernels %s: %w", name, err)
	}
	return 0, fmt.Errorf("kernels %s: %w", name, refused)
}

func (m *modules) unload() error {
	var errs []error
	for _, mod := range m.loaded {
		errs = append(errs, m.d.ModuleUnload(mod))
	}
	return errors.Join(errs...)
}
