// Package bounded reads input, which may have no end, up to a limit.
package bounded

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mil-run/mil/internal/units"
)

// ErrLong is wrapped by errors about input longer than its limit, which they name.
var ErrLong = errors.New("too long")

// ErrNotText is wrapped by errors about texts with zero bytes in them.
var ErrNotText = errors.New("not text")

// Limits of texts that are read whole.
const (
	MaxText   = 1_000_000_000 // bytes of a file
	MaxStream = 64_000_000    // bytes of a pipe or a device, whose length nobody knows before
)

func tooLong(limit int64) error {
	return fmt.Errorf("%w: it is over %s (%d bytes)", ErrLong, units.Bytes(limit), limit)
}

// Read reads all of in, which is at most limit bytes long.
func Read(in io.Reader, limit int64) ([]byte, error) { return io.ReadAll(Reader(in, limit)) }

// Reader gives the bytes of in, and an error in place of those behind limit bytes.
func Reader(in io.Reader, limit int64) io.Reader { return &reader{in, limit, limit} }

type reader struct {
	in          io.Reader
	left, limit int64
}

func (r *reader) Read(p []byte) (int, error) {
	if int64(len(p)) > r.left+1 { // one byte more shows that there is more
		p = p[:r.left+1]
	}
	n, err := r.in.Read(p)
	if int64(n) > r.left {
		n = int(r.left)
		r.left = 0
		return n, tooLong(r.limit)
	}
	r.left -= int64(n)
	return n, err
}

// File reads a file of at most limit bytes. Errors name it.
func File(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := fits(f, limit); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	b, err := Read(f, limit)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return b, nil
}

// fits refuses a regular file over the limit before any of it is read.
func fits(f *os.File, limit int64) error {
	if st, err := f.Stat(); err == nil && st.Mode().IsRegular() && st.Size() > limit {
		return tooLong(limit)
	}
	return nil
}

// Text reads a text file of at most MaxText bytes, or the text that a pipe or a device
// gives, at most MaxStream. Input with zero bytes is no text. Errors name the file.
func Text(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	limit, size := int64(MaxStream), int64(0)
	if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
		limit, size = MaxText, st.Size()
	}
	if err = fits(f, limit); err == nil {
		var text string
		if text, err = readText(f, size, limit); err == nil {
			return text, nil
		}
	}
	if errors.Is(err, ErrLong) && limit == MaxStream {
		err = fmt.Errorf("%w; a text that does not come from a file may not be longer, a file %s", err, units.Bytes[int64](MaxText))
	}
	return "", fmt.Errorf("%s: %w", path, err)
}

func readText(in io.Reader, size, limit int64) (string, error) {
	var text strings.Builder
	text.Grow(int(size))
	in = Reader(in, limit)
	part := make([]byte, 1<<20)
	for {
		n, err := in.Read(part)
		if at := bytes.IndexByte(part[:n], 0); at >= 0 {
			return "", fmt.Errorf("%w: byte %d is zero", ErrNotText, text.Len()+at)
		}
		text.Write(part[:n])
		if err == io.EOF {
			return text.String(), nil
		}
		if err != nil {
			return "", err
		}
	}
}

// Bounds of files that are read line by line.
const (
	maxLine  = 16 << 20
	maxLines = MaxStream
)

// Lines calls line for every line of a file, from 1 on, that is not blank; its bytes
// are valid until it returns. A line is at most 16 MB long, all of them 64 MB.
// Errors name the file, and the line.
func Lines(path string, line func(b []byte) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := fits(f, maxLines); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if n, err := eachLine(f, maxLine, maxLines, line); err != nil {
		return fmt.Errorf("%s: line %d: %w", path, n, err)
	}
	return nil
}

// eachLine returns the number of the line at which it ended. A line has less than
// longest bytes, all of them at most limit.
func eachLine(in io.Reader, longest int, limit int64, line func(b []byte) error) (n int, err error) {
	s := bufio.NewScanner(Reader(in, limit))
	s.Buffer(nil, longest)
	for n = 1; s.Scan(); n++ {
		if len(bytes.TrimSpace(s.Bytes())) == 0 {
			continue
		}
		if err := line(s.Bytes()); err != nil {
			return n, err
		}
	}
	if errors.Is(s.Err(), bufio.ErrTooLong) {
		return n, tooLong(int64(longest))
	}
	return n, s.Err()
}
