package schedule

import (
	"os"

	"golang.org/x/sys/unix"
)

// unnamed makes a file that lies in memory and that nobody else can open. Its
// memory goes when it is closed and nothing maps it any more.
func unnamed() (*os.File, error) {
	fd, err := unix.MemfdCreate("mil prefix", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "a kept prefix"), nil
}
