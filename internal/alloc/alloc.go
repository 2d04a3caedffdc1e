// Package alloc measures the bytes that code allocates, for tests: a bound on it holds
// on any machine, as one on time does not.
package alloc

import "runtime"

// Bytes are those that f, and whatever runs beside it, allocates in all.
func Bytes(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
