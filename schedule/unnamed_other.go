//go:build !linux

package schedule

import (
	"errors"
	"os"
)

// unnamed is not for this system: prefixes lie in memory and are copied.
func unnamed() (*os.File, error) { return nil, errors.ErrUnsupported }
