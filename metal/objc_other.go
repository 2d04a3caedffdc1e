//go:build !(darwin && arm64)

package metal

import "fmt"

func openSystem() (objc, error) {
	return nil, fmt.Errorf("%w: it needs macOS on Apple Silicon", ErrAbsent)
}
