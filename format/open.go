package format

import (
	"fmt"
	"math"
	"os"
	"unsafe"

	"github.com/edsrzf/mmap-go"
)

// File is an opened GGUF file. Its tensors may be read by any number of
// goroutines, each under Guard, until Close.
type File struct {
	name  string
	data  []byte // the whole file
	h     *header
	index map[string]int
	ours  bool
	crc   uint32 // of the header

	mapping mmap.MMap    // nil when parsed from memory
	parts   []part       // of a split model, else nil
	unmap   func() error // for a mapping that mmap-go did not make, else nil
	file    *os.File
	ahead   *ahead // nil before ReadAhead
}

// Open maps a file for reading and checks its header, and for a file of ours
// the header's checksum. Any part of a split model opens all of it.
func Open(path string) (*File, error) {
	st, err := os.Stat(path) // before opening, which would wait on a pipe
	if err != nil {
		return nil, openError(path, err)
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("open %s: %w", path, fault(ErrNotGGUF, "not a regular file"))
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, openError(path, err)
	}
	f := &File{name: path, file: file}
	if err := f.load(); err != nil {
		f.Close()
		return nil, openError(path, err)
	}
	n, _ := f.h.splitCount() // its error came with load's
	if n == 1 {
		return f, nil
	}
	f.Close()
	f, err = openParts(path, n)
	if err != nil {
		return nil, openError(path, err)
	}
	return f, nil
}

// openError puts "open PATH: " before an error that does not say so itself.
func openError(path string, err error) error {
	if p, ok := err.(*os.PathError); ok {
		err = p.Err
	}
	return fmt.Errorf("open %s: %w", path, err)
}

// load maps the opened file and parses it.
func (f *File) load() error {
	st, err := f.file.Stat()
	if err != nil {
		return err
	}
	switch {
	case st.Size() == 0: // which cannot be mapped
		return fault(ErrNotGGUF, "not a GGUF file: it is empty")
	case st.Size() > math.MaxInt:
		return fmt.Errorf("the file is %d bytes long, more than this system can map", st.Size())
	}
	f.mapping, err = mmap.MapRegion(f.file, int(st.Size()), mmap.RDONLY, 0, 0)
	if err != nil {
		return fmt.Errorf("mapping it: %w", err)
	}
	f.data = f.mapping
	watch(f.name, f.data)
	var bad error
	if err := Guard(func() { bad = f.parse() }); err != nil {
		return ErrChanged
	}
	return bad
}

// Parse reads a GGUF file that lies in memory, which the File keeps using. name
// stands for it in errors. Tensors are aligned only where data is: see Aligned.
func Parse(data []byte, name string) (*File, error) {
	f := &File{name: name, data: data}
	if err := f.parse(); err != nil {
		return nil, openError(name, err)
	}
	return f, nil
}

func (f *File) parse() error {
	h, err := parseHeader(f.data, f.name)
	if err != nil {
		return err
	}
	f.h = h
	if n, err := h.splitCount(); err != nil {
		return err
	} else if n == 1 { // a part alone of a file of ours is not whole
		if err := f.checkHeader(); err != nil {
			return err
		}
	}
	f.index = make(map[string]int, len(h.tensors))
	for i, t := range h.tensors {
		f.index[t.Name] = i
	}
	return nil
}

// Close unmaps the file. Slices of its data must not be used any more. Metadata
// stays valid.
func (f *File) Close() error {
	var err error
	if f.mapping != nil {
		f.ahead.end()
		unwatch(f.data) // of a split model the first part, where it begins
		for _, p := range f.parts {
			unwatch(f.data[p.base : p.base+p.size])
		}
		unmap := f.unmap
		if unmap == nil {
			unmap = f.mapping.Unmap
		}
		err = unmap()
		f.mapping, f.ahead = nil, nil
	}
	if f.file != nil {
		if e := f.file.Close(); err == nil {
			err = e
		}
		f.file = nil
	}
	f.data = nil
	return err
}

// Name is the path that was opened, or the name given to Parse.
func (f *File) Name() string { return f.name }

// Paths are the files that were opened: one, or all parts of a split model.
func (f *File) Paths() []string {
	if f.parts == nil {
		return []string{f.name}
	}
	var paths []string
	for _, p := range f.parts {
		paths = append(paths, p.path)
	}
	return paths
}

// KV is the metadata.
func (f *File) KV() *Meta { return f.h.meta }

// Tensors lists the tensors in the order of the file; the caller leaves the
// slice as it is.
func (f *File) Tensors() []Info { return f.h.tensors }

// Tensor finds a tensor by name.
func (f *File) Tensor(name string) (Info, bool) {
	i, ok := f.index[name]
	if !ok {
		return Info{}, false
	}
	return f.h.tensors[i], true
}

// Data is a tensor's bytes, in place. Reading them may fault when somebody
// cuts the file meanwhile: see Guard.
func (f *File) Data(t Info) []byte {
	end := t.Offset + t.Size
	return f.data[t.Offset:end:end]
}

// Mapping is the whole file; it begins on a page where the file was opened by
// Open.
func (f *File) Mapping() []byte { return f.data }

// Ours says whether mil made the file, so that it carries checksums.
func (f *File) Ours() bool { return f.ours }

// Header identifies the file: the bytes before the tensor data and their
// CRC-32C. In a file of ours the stored checksum counts as zero.
func (f *File) Header() (size int, crc uint32) {
	return min(f.h.data, len(f.data)), f.crc
}

// Aligned is a copy of data that begins on a multiple of PageSize, for Parse:
// embedded data has no alignment of its own.
func Aligned(data []byte) []byte {
	buf := make([]byte, len(data)+PageSize)
	skip := -int(uintptr(unsafe.Pointer(&buf[0]))) & (PageSize - 1)
	out := buf[skip : skip+len(data) : skip+len(data)]
	copy(out, data)
	return out
}
