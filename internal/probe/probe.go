// Package probe measures a machine's limits: how fast it reads
// memory and how fast it multiplies bytes. Other figures are held against these,
// so they are the best of several ways, each as good as it can be made.
package probe

import (
	"encoding/binary"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mil-run/mil/internal/kernel"
)

// Machine measures with a number of threads and an instruction set.
type Machine struct {
	threads []*kernel.Probes
	way     int // the fastest to read
}

// New makes a machine with the given number of threads, each with the kernels of s,
// or with plain Go where s is nil.
func New(threads int, s *kernel.Set) *Machine {
	m := &Machine{}
	for range threads {
		p := plain()
		if s != nil {
			p = s.Probes()
		}
		m.threads = append(m.threads, p)
	}
	return m
}

// Calls of kernels cannot be preempted: they stay well under a millisecond.
const (
	readCall     = 256 << 10 // bytes
	readBlock    = 4 << 20   // bytes a thread reads in a row
	multiplyCall = 4 << 20   // multiply-adds
)

// Learn reads data, which is much larger than the caches, in each of the ways
// there are, to find the fastest. Where data is mapped from a file, the caller of
// Learn or Read calls format.Guard, and the fault of another thread is raised here.
func (m *Machine) Learn(data []byte) {
	best := time.Duration(0)
	for way := range m.threads[0].Reads {
		took := m.read(way, data)
		if way == 0 || took < best {
			m.way, best = way, took
		}
	}
}

// Read reads data in the fastest way and says how long that took.
func (m *Machine) Read(data []byte) time.Duration { return m.read(m.way, data) }

func (m *Machine) read(way int, data []byte) time.Duration {
	places := m.threads[0].Reads[way].Places
	far := len(data) / places &^ (kernel.ReadUnit - 1)
	block, call := readBlock/places, readCall/places
	var next atomic.Int64
	return m.all(func(p *kernel.Probes) {
		for {
			at := int(next.Add(int64(block))) - block
			end := min(at+block, far)
			if at >= end {
				return
			}
			for ; at < end; at += call {
				p.Reads[way].From(data[at:], far, min(call, end-at))
			}
		}
	})
}

// Multiply multiplies for so long and returns how many multiply-adds of bytes it
// made a second.
func (m *Machine) Multiply(long time.Duration) float64 {
	var did atomic.Int64
	took := m.all(func(p *kernel.Probes) {
		for begin := time.Now(); ; {
			did.Add(int64(p.Multiply(multiplyCall)))
			if time.Since(begin) >= long {
				return
			}
		}
	})
	return float64(did.Load()) / took.Seconds()
}

// all calls f on every thread and says how long that took.
func (m *Machine) all(f func(p *kernel.Probes)) time.Duration {
	var wg sync.WaitGroup
	var fault atomic.Pointer[any]
	begin := time.Now()
	for i := range m.threads {
		wg.Go(func() {
			defer catch(&fault)()
			f(m.threads[i])
		})
	}
	wg.Wait()
	took := time.Since(begin)
	if p := fault.Load(); p != nil {
		panic(*p)
	}
	return took
}

// plain is the probes in plain Go.
func plain() *kernel.Probes {
	sink := uint64(0)
	return &kernel.Probes{
		Reads: []kernel.Read{{Places: 1, From: func(b []byte, _, size int) {
			var s0, s1, s2, s3 uint64
			for b = b[:size]; len(b) >= 32; b = b[32:] {
				s0 |= binary.LittleEndian.Uint64(b)
				s1 |= binary.LittleEndian.Uint64(b[8:])
				s2 |= binary.LittleEndian.Uint64(b[16:])
				s3 |= binary.LittleEndian.Uint64(b[24:])
			}
			sink |= s0 | s1 | s2 | s3
			runtime.KeepAlive(&sink)
		}}},
		Multiply: func(n int) int {
			n /= 64 // so that a call is about as short as a kernel's
			var s0, s1, s2, s3 int32
			a, w := int8(n), int8(3)
			for range n / 4 {
				s0 += int32(a) * int32(w)
				s1 += int32(a+1) * int32(w)
				s2 += int32(a+2) * int32(w)
				s3 += int32(a+3) * int32(w)
				a++
			}
			sink |= uint64(s0 ^ s1 ^ s2 ^ s3)
			return n / 4 * 4
		},
	}
}
