package metal

import (
	"embed"
	"fmt"
	"regexp"
	"strings"
)

// texts is the kernels as source; Metal compiles it where it runs.
//
//go:embed kernels/*.metal kernels/*.h
var texts embed.FS

// module is the source that holds a kernel: a self-contained text, and its name,
// for messages and as the key of a cache. ok is false where there is no such
// kernel's file. A file NAME.metal holds the kernels NAME and NAME_...
func module(kernel string) (name, source string, ok bool) {
	name, text, ok := file(kernel)
	if !ok {
		return "", "", false
	}
	return name, expand(text, map[string]bool{}), true
}

// file is the file that holds a kernel: its name without .metal, and its text as it
// is.
func file(kernel string) (name, text string, ok bool) {
	for name = kernel; ; {
		if b, err := texts.ReadFile("kernels/" + name + ".metal"); err == nil {
			return name, string(b), true
		}
		i := strings.LastIndexByte(name, '_')
		if i < 0 {
			return "", "", false
		}
		name = name[:i]
	}
}

var include = regexp.MustCompile(`(?m)^#include "(.*)"\n`)

// expand puts the kernels' own headers where they are included first: Metal
// compiles one text.
func expand(text string, seen map[string]bool) string {
	return include.ReplaceAllStringFunc(text, func(line string) string {
		file := include.FindStringSubmatch(line)[1]
		if seen[file] {
			return ""
		}
		seen[file] = true
		header, err := texts.ReadFile("kernels/" + file)
		if err != nil {
			panic(fmt.Sprintf("metal: %s is included and not there", file))
		}
		return expand(string(header), seen)
	})
}
