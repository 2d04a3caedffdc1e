package host

import "golang.org/x/sys/unix"

// huge asks for pages of megabytes: reading a cache of keys and values then
// misses in no table of pages. Where the system has none to give, small ones do.
func huge(b []byte) { _ = unix.Madvise(b, unix.MADV_HUGEPAGE) }
