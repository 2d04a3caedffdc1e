// Package format opens GGUF files of versions 2 and 3, whole or split, and
// writes version 3. Reading checks every count, length, offset and type against
// the file's real length before anything is allocated. Writing adds the
// checksums that FORMAT.md describes.
package format

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	magic       = "GGUF"
	version     = 3
	oldVersion  = 2         // the same, but without big-endian files
	Alignment   = 32        // of tensor data in files the Writer makes: GGUF's own, since ggml's tools write others wrongly
	PageSize    = 16 << 10  // the data section of files the Writer makes starts on a multiple of this
	defaultUnit = 32        // GGUF's alignment where the file declares none
	maxName     = 1<<16 - 1 // bytes of a key or a tensor's name
	maxDims     = 4
	maxHeader   = 128 << 20 // bytes of a header; they are copied into memory

	// Counts far past any model's: each key and tensor takes some hundred bytes
	// of memory, each element of an array 8 or 16 when somebody asks for it. The
	// longest arrays are merges, 520,000 in the largest vocabulary published.
	maxKeys    = 1 << 16
	maxTensors = 1 << 16
	maxItems   = 1 << 21
)

// The kinds of faults in a file. Errors of this package wrap one of these.
var (
	ErrNotGGUF     = errors.New("not a GGUF file")
	ErrVersion     = errors.New("unsupported GGUF version")
	ErrTruncated   = errors.New("the file is cut short")
	ErrCorrupt     = errors.New("the file is damaged")
	ErrUnknownType = errors.New("unknown tensor type")
	ErrChecksum    = errors.New("checksum mismatch")
	ErrNoChecksums = errors.New("the file carries no checksums")
	ErrKeyType     = errors.New("metadata key of the wrong type")
	ErrChanged     = errors.New("the file changed or shrank while it was in use")
	ErrExists      = errors.New("the file exists")
	ErrDiskFull    = errors.New("the disk is full")
	ErrClosed      = errors.New("the writer is closed")
)

// problem says in its own words what is wrong and wraps a sentinel for
// errors.Is. The sentinel's text would only repeat it.
type problem struct {
	text string
	kind error
}

func (p *problem) Error() string { return p.text }
func (p *problem) Unwrap() error { return p.kind }

func fault(kind error, text string, args ...any) error {
	return &problem{fmt.Sprintf(text, args...), kind}
}

// show makes a name from a file fit for a one-line message.
func show(name string) string {
	const most = 100
	cut := ""
	if len(name) > most {
		name, cut = name[:most], "..."
	}
	odd := func(r rune) bool { return r <= ' ' || r > '~' }
	if name == "" || strings.ContainsFunc(name, odd) {
		name = strconv.Quote(name)
	}
	return name + cut
}

// roundUp is n rounded up to a multiple of unit, a power of two.
func roundUp[T int | uint64 | uintptr](n, unit T) T { return (n + unit - 1) &^ (unit - 1) }
