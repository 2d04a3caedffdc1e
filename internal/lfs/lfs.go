// Package lfs recognises git-lfs pointers: the few lines of text that a clone
// without git-lfs leaves in the place of a large file.
package lfs

import (
	"bytes"
	"errors"
	"io"
)

// ErrPointer is the error about a file that is a pointer.
var ErrPointer = errors.New("a git-lfs pointer, not the file itself: fetch it with git lfs pull")

const magic = "version https://git-lfs"

// Check gives ErrPointer for the beginning of a pointer.
func Check(head []byte) error {
	if bytes.HasPrefix(head, []byte(magic)) {
		return ErrPointer
	}
	return nil
}

// CheckReader is Check for a file that is not in memory.
func CheckReader(r io.ReaderAt) error {
	head := make([]byte, len(magic))
	n, _ := r.ReadAt(head, 0) // a file that cannot be read is no pointer
	return Check(head[:n])
}
