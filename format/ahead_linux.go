package format

import "golang.org/x/sys/unix"

// willNeed asks for pages without waiting.
func willNeed(b []byte) {
	if len(b) > 0 {
		unix.Madvise(b, unix.MADV_WILLNEED)
	}
}

// populate waits for pages and maps them. It says whether to go on. Linux
// before 5.14 cannot do this: there it only asks the disk for the pages, which
// is the larger part.
func populate(b []byte) bool {
	switch err := unix.Madvise(b, unix.MADV_POPULATE_READ); err {
	case nil, unix.EINTR, unix.EAGAIN:
		return true
	case unix.EINVAL:
		return unix.Madvise(b, unix.MADV_WILLNEED) == nil
	}
	return false
}
