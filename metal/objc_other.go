//go:build !(darwin && arm64) || nogpu

package metal

import "fmt"

func openSystem() (objc, error) {
	return nil, fmt.Errorf("%w: it needs macOS on Apple Silicon", ErrAbsent)
}
