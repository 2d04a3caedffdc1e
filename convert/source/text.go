package source

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Show prepares a name out of a file for a message: names come from outside
// and may hold line breaks or be absurdly long.
func Show(name string) string {
	const most = 200
	if len(name) > most {
		name = name[:most] + "..."
	}
	if q := strconv.Quote(name); len(q) != len(name)+2 || name == "" {
		return q
	}
	return name
}

// EscapeGlob makes filepath.Match take path literally. Windows has no escapes
// there, and no need: its paths cannot hold * or ?.
func EscapeGlob(path string) string {
	if strings.Contains(path, `\`) {
		return path
	}
	return strings.NewReplacer("*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// isPointer reports whether r holds a git-lfs pointer, which is what a clone
// without git-lfs leaves in place of the weights.
func isPointer(r io.ReaderAt) bool {
	magic := []byte("version https://git-lfs")
	head := make([]byte, len(magic))
	n, _ := r.ReadAt(head, 0)
	return bytes.Equal(head[:n], magic)
}

// showInts prepares a shape for a message; it too may be absurdly long.
func showInts[T int | int64](v []T) string {
	const most = 8
	if len(v) > most {
		return strings.TrimSuffix(fmt.Sprint(v[:most]), "]") + " ...]"
	}
	return fmt.Sprint(v)
}
