package source

import (
	"fmt"
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
// there and needs none, since its paths cannot hold * or ?.
func EscapeGlob(path string) string {
	if strings.Contains(path, `\`) {
		return path
	}
	return strings.NewReplacer("*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// showInts prepares a shape for a message; it too may be absurdly long.
func showInts[T int | int64](v []T) string {
	const most = 8
	if len(v) > most {
		return strings.TrimSuffix(fmt.Sprint(v[:most]), "]") + " ...]"
	}
	return fmt.Sprint(v)
}
