package batch

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"github.com/mil-run/mil/internal/bounded"
	"github.com/mil-run/mil/internal/units"
)

// Most bytes of a line.
const (
	maxRequest = 16 << 20
	maxAnswer  = 256 << 20 // log-probabilities are many times their text
)

// lines reads a file of lines and knows where they lie.
type lines struct {
	in   *bufio.Reader
	most int
	buf  []byte

	n     int   // number of the line, from 1 on
	at    int64 // its first byte
	next  int64 // the byte behind it
	whole bool  // it ends with a newline
}

func newLines(in io.Reader, most int) *lines {
	return &lines{in: bufio.NewReaderSize(in, 1<<20), most: most}
}

// read gives the next line without its newline. It is valid until the next call. The
// error is io.EOF at the end, or names the line.
func (l *lines) read() ([]byte, error) {
	l.n++
	l.at = l.next
	l.buf = l.buf[:0]
	for {
		part, err := l.in.ReadSlice('\n')
		l.buf = append(l.buf, part...)
		l.next += int64(len(part))
		switch {
		case err != nil && err != bufio.ErrBufferFull && err != io.EOF:
			return nil, fmt.Errorf("line %d: %w", l.n, err)
		case len(l.buf) > l.most:
			return nil, fmt.Errorf("line %d: %w: it is over %s (%d bytes)", l.n, bounded.ErrLong, units.Bytes(l.most), l.most)
		case err == io.EOF && len(l.buf) == 0:
			return nil, io.EOF
		case err != bufio.ErrBufferFull:
			l.whole = err == nil
			return bytes.TrimSuffix(l.buf, []byte("\n")), nil
		}
	}
}
