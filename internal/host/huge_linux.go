package host

import "golang.org/x/sys/unix"

// huge asks for pages of megabytes: reading a cache of keys and values then
// misses in no table of pages. Where the system has none to give, small ones do.
func huge(b []byte) { _ = unix.Madvise(b, unix.MADV_HUGEPAGE) }

// small keeps such pages away, where the system would give them unasked.
func small(b []byte) { _ = unix.Madvise(b, unix.MADV_NOHUGEPAGE) }

// collapse makes such pages of memory in use, at once where the system can (from
// Linux 6.1 on).
func collapse(b []byte) {
	huge(b)
	_ = unix.Madvise(b, unix.MADV_COLLAPSE)
}
