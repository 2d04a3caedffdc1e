// Package memory says how much memory this process may still take, so that what
// cannot fit is refused before it is allocated.
package memory

// Free is how many bytes may still be taken: those that the machine has available,
// less where a limit of a container or of the process is closer. ok is false
// where the system does not say.
func Free() (bytes int64, ok bool) { return free() }

var free = measure

// Pretend makes Free give other numbers, for tests, until undo is called.
func Pretend(bytes int64, ok bool) (undo func()) {
	free = func() (int64, bool) { return bytes, ok }
	return func() { free = measure }
}

// least is the smaller of the known numbers.
func least(known ...int64) (bytes int64, ok bool) {
	for _, v := range known {
		if v >= 0 && (!ok || v < bytes) {
			bytes, ok = v, true
		}
	}
	return bytes, ok
}

// unknown stands for a limit that is not there.
const unknown = -1
