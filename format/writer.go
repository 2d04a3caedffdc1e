package format

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"slices"
	"sync"

	"github.com/mil-run/mil/internal/whole"
	"github.com/mil-run/mil/quant"
)

// maxTensorName is the longest tensor name ggml's own readers take.
const maxTensorName = 63

// Writer makes a GGUF file. Set and Add declare its contents, Begin lays the
// header out, Write takes the tensors' data in the order of Add, and Finish
// gives the file its name. Until then all lies in a temporary file beside it,
// which Abort removes. `defer w.Abort()` right after NewWriter is right, since
// after Finish it does nothing. Write, Finish and Abort may be called from
// different goroutines.
type Writer struct {
	path  string
	force bool
	kvs   []keyValue
	key   map[string]int // in kvs
	decl  []Info
	names map[string]bool // of decl
	err   error           // the first wrong Set or Add, for Begin

	mu   sync.Mutex
	file *whole.File // nil before Begin and after Finish or Abort
	out  *bufio.Writer
	l    *layout
	at   int    // the tensor being written
	done uint64 // bytes of it written
	crc  uint32 // of those
	sums []uint32
}

// NewWriter is a Writer for a file at path, which may exist only with force.
func NewWriter(path string, force bool) *Writer {
	return &Writer{path: path, force: force, key: map[string]int{}, names: map[string]bool{}}
}

// Reserved says whether a key is the Writer's own, so that Set leaves it out.
func Reserved(key string) bool {
	return key == keyAlignment || key == keyTensors || key == keyHeader || key == keyPadding
}

// Set stores a metadata value: a string, bool, sized integer, float, or a slice
// of one of these. Keys keep the order of their first Set. A later Set replaces
// the value. The Writer's own keys (Reserved) are left out, so that another
// file's keys can be copied as they are.
func (w *Writer) Set(key string, v any) {
	if Reserved(key) {
		return
	}
	if i, ok := w.key[key]; ok {
		w.kvs[i].value = v
		return
	}
	w.key[key] = len(w.kvs)
	w.kvs = append(w.kvs, keyValue{key, v})
}

// Add declares the next tensor. dims are in ggml's order, the row's length
// first.
func (w *Writer) Add(name string, t quant.Type, dims ...uint64) {
	if w.err != nil {
		return
	}
	switch {
	case name == "" || len(name) > maxTensorName:
		w.err = fmt.Errorf("tensor name %s is empty or longer than %d bytes", show(name), maxTensorName)
		return
	case len(dims) < 1 || len(dims) > maxDims:
		w.err = fmt.Errorf("tensor %s has %d dimensions, not 1 to %d", show(name), len(dims), maxDims)
		return
	case w.names[name]:
		w.err = fmt.Errorf("tensor %s is added twice", show(name))
		return
	}
	size, err := tensorSize(name, t, dims)
	if err != nil {
		w.err = err
		return
	}
	w.names[name] = true
	w.decl = append(w.decl, Info{Name: name, Type: t, Dims: slices.Clone(dims), Size: size})
}

// Tensors lists the declared tensors; their offsets are set by Begin.
func (w *Writer) Tensors() []Info { return slices.Clone(w.decl) }

// Size is the length of the whole file, known after Begin.
func (w *Writer) Size() int64 {
	if w.l == nil {
		return 0
	}
	return int64(w.l.size)
}

// Begin lays the header out and creates the temporary file.
func (w *Writer) Begin() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.l != nil {
		return w.fail(ErrClosed)
	}
	if w.err != nil {
		return w.fail(w.err)
	}
	if err := w.vacant(); err != nil {
		return w.fail(err)
	}
	l, err := lay(w.kvs, w.decl)
	if err != nil {
		return w.fail(err)
	}
	file, err := whole.Create(w.path, whole.Options{Perm: 0o666, New: !w.force})
	if err != nil {
		return w.fail(err)
	}
	w.l, w.file, w.out = l, file, bufio.NewWriterSize(file, 1<<20)
	if _, err := w.out.Write(l.bytes); err != nil {
		return w.fail(err)
	}
	return nil
}

// Write takes tensor data. A call may bring part of a tensor, but never parts
// of two.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return 0, w.fail(ErrClosed)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if w.at == len(w.l.tensors) {
		return 0, w.fail(fmt.Errorf("%d bytes too many after the last tensor", len(p)))
	}
	t := w.l.tensors[w.at]
	if left := t.Size - w.done; uint64(len(p)) > left {
		return 0, w.fail(fmt.Errorf("tensor %s gets %d bytes more than its %d", show(t.Name), uint64(len(p))-left, t.Size))
	}
	// The sum comes first: where p lies in a mapped file that shrank, reading
	// it here faults under the caller's Guard, and a system call would not.
	w.crc = crc32.Update(w.crc, castagnoli, p)
	n, err := w.out.Write(p)
	w.done += uint64(n)
	if err != nil {
		return n, w.fail(err)
	}
	if w.done == t.Size {
		w.sums = append(w.sums, w.crc)
		w.at, w.done, w.crc = w.at+1, 0, 0
		pad := roundUp(t.Size, Alignment) - t.Size
		if _, err := w.out.Write(make([]byte, pad)); err != nil {
			return n, w.fail(err)
		}
	}
	return n, nil
}

// Finish checks that all data came, puts the checksums into the header, makes
// the file durable and gives it its name. Where it fails, it removes the
// temporary file.
func (w *Writer) Finish() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return w.fail(ErrClosed)
	}
	defer w.discard() // nothing is left to discard where all goes well
	if w.at < len(w.l.tensors) {
		t := w.l.tensors[w.at]
		return w.fail(fmt.Errorf("tensor %s got %d of its %d bytes", show(t.Name), w.done, t.Size))
	}
	if err := w.out.Flush(); err != nil {
		return w.fail(err)
	}
	if err := w.patch(); err != nil {
		return w.fail(err)
	}
	if err := w.file.Commit(); err != nil {
		return w.fail(err)
	}
	w.file = nil
	return nil
}

// Abort removes the temporary file; the Writer cannot be used any more.
func (w *Writer) Abort() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.discard()
}

func (w *Writer) discard() {
	if w.file == nil {
		return
	}
	w.file.Abort()
	w.file = nil
}

// patch writes the checksums over their zeros.
func (w *Writer) patch() error {
	head := w.l.bytes
	for i, s := range w.sums {
		binary.LittleEndian.PutUint32(head[w.l.sums+4*i:], s)
	}
	binary.LittleEndian.PutUint32(head[w.l.sum:], headerSum(head, w.l.sum))
	_, err := w.file.WriteAt(head, 0)
	return err
}

// Vacant checks that Begin could make a file at the path, before the file's
// contents are computed.
func (w *Writer) Vacant() error {
	if err := w.vacant(); err != nil {
		return w.fail(err)
	}
	return nil
}

// vacant checks that a file may be made at the path.
func (w *Writer) vacant() error {
	_, err := os.Lstat(w.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !w.force:
		return ErrExists
	}
	if st, err := os.Stat(w.path); err == nil && !st.Mode().IsRegular() { // a link is followed, also to nothing
		return errors.New("it exists and is not a regular file")
	}
	return nil
}

// fail puts the path before an error and says what to do about a full disk.
func (w *Writer) fail(err error) error {
	switch {
	case isDiskFull(err):
		need := ""
		if w.l != nil {
			need = fmt.Sprintf(" (the file takes %d bytes)", w.l.size)
		}
		err = fault(ErrDiskFull, "the disk is full: free space there or choose another folder%s", need)
	case errors.Is(err, ErrExists), errors.Is(err, fs.ErrExist):
		err = ErrExists
	default:
		err = whole.Unpath(err) // it may be the temporary file's
	}
	return fmt.Errorf("write %s: %w", w.path, err)
}
