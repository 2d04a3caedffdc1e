//go:build unix && !linux && !aix && !solaris && !illumos

package format

import "golang.org/x/sys/unix"

// willNeed does nothing: populate does not wait here.
func willNeed([]byte) {}

// populate asks for pages; it says whether to go on.
func populate(b []byte) bool { return unix.Madvise(b, unix.MADV_WILLNEED) == nil }
