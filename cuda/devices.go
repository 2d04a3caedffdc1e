package cuda

import (
	"errors"
	"fmt"
	"runtime"
)

// Why there may be no CUDA here. Only ErrAbsent, ErrLeftOut and ErrNoDevice say that
// nothing is wrong with this machine: it has no NVIDIA card, or none that is visible.
var (
	ErrAbsent   = errors.New("no NVIDIA driver")
	ErrLeftOut  = errors.New("this mil was built without GPUs (-tags nogpu)")
	ErrNoDevice = errors.New("no CUDA device")
	ErrOld      = fmt.Errorf("the NVIDIA driver is too old: CUDA %s or later is needed (driver 470)", cudaVersion(minVersion))
)

const (
	minVersion = 11040 // the first whose entry points are all there
	minCC      = 75    // the oldest chip that kernels are compiled for
)

// Devices are the facts that `mil info --devices` tells.
type Devices struct {
	Driver  string   `json:"cuda_driver,omitempty"` // CUDA version the driver is for, "" without a driver
	Devices []Device `json:"devices"`
	// Why says why there are no devices or why none can be used.
	Why string `json:"why,omitempty"`
}

// Device is one card.
type Device struct {
	Index      int    `json:"index"`
	Name       string `json:"name"`
	Capability string `json:"compute_capability"`
	Free       uint64 `json:"memory_free"` // bytes
	Total      uint64 `json:"memory_total"`
	Why        string `json:"why,omitempty"` // it cannot be used
	device     int32
	cc         int // 75 for 7.5
	processors int // multiprocessors
	shared     int // bytes of shared memory a block may ask for
}

// List tells which devices the driver sees. It holds a context of each device for as
// long as reading its free memory takes.
func List() Devices {
	d, err := library()
	if err != nil {
		return Devices{Devices: []Device{}, Why: err.Error()}
	}
	return list(d)
}

func list(d driver) Devices {
	out := Devices{Devices: []Device{}}
	devices, version, err := probe(d)
	if version > 0 {
		out.Driver = cudaVersion(version)
	}
	if err != nil {
		out.Why = err.Error()
		return out
	}
	// A context is current on a thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, v := range devices {
		if err := usable(&v); err != nil {
			v.Why = err.Error()
		} else if v.Free, err = freeMemory(d, v.device); err != nil {
			v.Why = err.Error()
		}
		out.Devices = append(out.Devices, v)
	}
	return out
}

func freeMemory(d driver, device int32) (uint64, error) {
	ctx, err := d.DevicePrimaryCtxRetain(device)
	if err != nil {
		return 0, err
	}
	defer d.DevicePrimaryCtxRelease(device)
	if err := d.CtxSetCurrent(ctx); err != nil {
		return 0, err
	}
	defer d.CtxSetCurrent(0)
	free, _, err := d.MemGetInfo()
	return free, err
}

// probe initializes the driver and describes its devices, free memory apart.
func probe(d driver) (devices []Device, version int, err error) {
	if version, err = d.DriverGetVersion(); err != nil {
		return nil, 0, err
	}
	if version < minVersion {
		return nil, version, fmt.Errorf("%w, this one is for %s", ErrOld, cudaVersion(version))
	}
	n := 0
	if err = d.Init(); err == nil {
		n, err = d.DeviceGetCount()
	}
	if e, ok := errors.AsType[*Error](err); ok && e.Code == noDevice || err == nil && n == 0 {
		return nil, version, fmt.Errorf("%w: the NVIDIA driver sees no card", ErrNoDevice)
	}
	if err != nil {
		return nil, version, err
	}
	for i := range n {
		v := Device{Index: i}
		if v.device, err = d.DeviceGet(i); err != nil {
			return nil, version, err
		}
		var major, minor int
		if v.Name, err = d.DeviceGetName(v.device); err == nil {
			v.Total, err = d.DeviceTotalMem(v.device)
		}
		if err == nil {
			major, err = d.DeviceGetAttribute(attributeCCMajor, v.device)
		}
		if err == nil {
			minor, err = d.DeviceGetAttribute(attributeCCMinor, v.device)
		}
		if err == nil {
			v.processors, err = d.DeviceGetAttribute(attributeProcessors, v.device)
		}
		if err == nil {
			v.shared, err = d.DeviceGetAttribute(attributeShared, v.device)
		}
		if err != nil {
			return nil, version, fmt.Errorf("device %d: %w", i, err)
		}
		v.cc = 10*major + minor
		if v.cc >= hopper && version < hopperVersion {
			v.cc = tensorCores
		}
		v.Capability = fmt.Sprintf("%d.%d", major, minor)
		devices = append(devices, v)
	}
	return devices, version, nil
}

// usable says why a device cannot run the kernels.
func usable(v *Device) error {
	if v.cc < minCC {
		return fmt.Errorf("%s has compute capability %s, 7.5 (Turing) or later is needed", v.Name, v.Capability)
	}
	return nil
}

// choose takes the first device that can be used; the driver lists the fastest
// first.
func choose(devices []Device) (Device, error) {
	var first error
	for _, v := range devices {
		err := usable(&v)
		if err == nil {
			return v, nil
		}
		if first == nil {
			first = err
		}
	}
	return Device{}, first
}

// cudaVersion is 11.4 for 11040.
func cudaVersion(v int) string { return fmt.Sprintf("%d.%d", v/1000, v%1000/10) }
