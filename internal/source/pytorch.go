package source

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/nlpodyssey/gopickle/types"
)

// errOldPyTorch is the error for files from before the zip format.
var errOldPyTorch = errors.New("an old PyTorch format (before 1.6); load and save it with a newer PyTorch, or as safetensors")

// archive is a PyTorch file: a zip whose entries are a pickle, which describes
// the tensors, and storages, which hold their values. All lie in one folder,
// which has the file's name at the time it was saved.
type archive struct {
	file    file
	root    string // the folder, with its slash
	entries map[string]*zip.File
	places  map[string]place // of the storages looked at so far
}

// maxDirectory bounds the bytes that are read to find a zip's entries. Each
// entry takes some 100 bytes there, which become four times as many here. The
// library looks for the directory in the last 65 KB, and believes no count.
const maxDirectory = 16 << 20

// meter reads left bytes and no more.
type meter struct {
	io.ReaderAt
	left int64
}

func (m *meter) ReadAt(p []byte, off int64) (int, error) {
	if m.left -= int64(len(p)); m.left < 0 {
		return 0, fmt.Errorf("its directory has more than %d bytes, which no checkpoint needs", maxDirectory)
	}
	return m.ReaderAt.ReadAt(p, off)
}

// place is where an entry's bytes lie in the file.
type place struct{ offset, size int64 }

// readPyTorch adds the tensors of one file.
func (c *Checkpoint) readPyTorch(f file) error {
	a, err := openArchive(f)
	if err != nil {
		return err
	}
	code, err := a.readEntry("data.pkl", maxPickle)
	if err != nil {
		return err
	}
	top, err := unpickle(code)
	if err != nil {
		return err
	}
	return c.addState(top, a)
}

// openArchive reads the zip's directory.
func openArchive(f file) (*archive, error) {
	if isOldPyTorch(f) {
		return nil, errOldPyTorch
	}
	m := &meter{ReaderAt: f, left: maxDirectory}
	z, err := zip.NewReader(m, f.size)
	m.left = math.MaxInt64 // entries have limits of their own
	if errors.Is(err, zip.ErrFormat) {
		return nil, errors.New("not a whole zip archive, so not a PyTorch file: truncated, perhaps")
	} else if err != nil {
		return nil, fmt.Errorf("zip: %s", Show(err.Error()))
	}
	a := &archive{file: f, entries: map[string]*zip.File{}, places: map[string]place{}}
	for _, e := range z.File {
		if _, ok := a.entries[e.Name]; ok { // readers differ in which they take
			return nil, fmt.Errorf("entry %s appears twice", Show(e.Name))
		}
		a.entries[e.Name] = e
		root, ok := strings.CutSuffix(e.Name, "/data.pkl")
		if !ok || strings.Contains(root, "/") {
			continue
		}
		if a.root != "" {
			return nil, fmt.Errorf("two pickles, %s and %s", Show(a.root+"data.pkl"), Show(e.Name))
		}
		a.root = root + "/"
	}
	if a.root == "" {
		return nil, errors.New("a zip archive without data.pkl, so not a PyTorch file")
	}
	return a, a.checkByteOrder()
}

// isOldPyTorch recognises the formats before 1.6: a bare pickle, or a tar.
func isOldPyTorch(r io.ReaderAt) bool {
	head := make([]byte, 262)
	n, _ := r.ReadAt(head, 0)
	head = head[:n]
	if n >= 2 && head[0] == 0x80 && head[1] <= 5 { // a pickle's protocol
		return true
	}
	return n == len(head) && n == 262 && bytes.Equal(head[257:], []byte("ustar"))
}

// checkByteOrder refuses values that are not little-endian; files from before
// the marker are.
func (a *archive) checkByteOrder() error {
	if _, ok := a.entries[a.root+"byteorder"]; !ok {
		return nil
	}
	b, err := a.readEntry("byteorder", 64)
	if err != nil {
		return err
	}
	if order := strings.TrimSpace(string(b)); order != "little" {
		return fmt.Errorf("values are in byte order %s, wanted little", Show(order))
	}
	return nil
}

// readEntry is the content of a small entry.
func (a *archive) readEntry(name string, most int64) ([]byte, error) {
	r, err := a.entries[a.root+name].Open()
	if err != nil {
		return nil, fmt.Errorf("%s: %s", name, Show(err.Error()))
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if int64(len(b)) > most {
		return nil, fmt.Errorf("%s has more than %d bytes, which no checkpoint needs", name, most)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s", name, Show(err.Error()))
	}
	return b, nil
}

// storage finds the values of the storage called key. The pickle says that it
// has size bytes.
func (a *archive) storage(key string, size int64) (int64, error) {
	p, ok := a.places[key]
	if !ok {
		e := a.entries[a.root+"data/"+key]
		if e == nil {
			return 0, fmt.Errorf("storage %s is not in the archive", Show(key))
		}
		var err error
		if p, err = a.locate(e); err != nil {
			return 0, fmt.Errorf("storage %s %w", Show(key), err)
		}
		a.places[key] = p
	}
	if p.size != size {
		return 0, fmt.Errorf("storage %s has %d bytes, wanted %d", Show(key), p.size, size)
	}
	return p.offset, nil
}

// locate finds an entry's bytes. They are read in place, so they must be
// there as they are.
func (a *archive) locate(e *zip.File) (place, error) {
	const encrypted = 1
	if e.Method != zip.Store || e.CompressedSize64 != e.UncompressedSize64 {
		return place{}, errors.New("is compressed, which PyTorch does not do")
	}
	if e.Flags&encrypted != 0 {
		return place{}, errors.New("is encrypted")
	}
	off, err := e.DataOffset()
	if err != nil {
		return place{}, fmt.Errorf("is not where the zip directory says: %s", Show(err.Error()))
	}
	if room := a.file.size - off; room < 0 || e.UncompressedSize64 > uint64(room) {
		return place{}, errors.New("ends past the file")
	}
	return place{off, int64(e.UncompressedSize64)}, nil
}

// addState adds the tensors of the pickle's value, a dict from names.
func (c *Checkpoint) addState(top any, a *archive) error {
	var names []string // of other values, for the message
	found := false
	member := func(key, value any) error {
		name, ok := key.(string)
		if !ok {
			return fmt.Errorf("the pickle has a key of type %T, wanted names of tensors", key)
		}
		v, ok := value.(*view)
		if !ok { // a version, a count of steps
			names = append(names, Show(name))
			return nil
		}
		found = true
		t, err := v.tensor(name, a)
		if err != nil {
			return fmt.Errorf("tensor %s: %w", Show(name), err)
		}
		return c.add(t)
	}
	switch dict := top.(type) {
	case *types.Dict:
		for _, e := range *dict {
			if err := member(e.Key, e.Value); err != nil {
				return err
			}
		}
	case *types.OrderedDict:
		for l := dict.List.Front(); l != nil; l = l.Next() {
			e := l.Value.(*types.OrderedDictEntry)
			if err := member(e.Key, e.Value); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("the pickle holds %s, wanted a dict of tensors", describe(top))
	}
	if !found && len(names) > 0 {
		if len(names) > 4 {
			names = append(names[:4], "...")
		}
		return fmt.Errorf("no tensors, but %s: save the state dict alone", strings.Join(names, ", "))
	}
	return nil
}

// describe names a value of a pickle for a message.
func describe(v any) string {
	switch v.(type) {
	case nil:
		return "None"
	case *view:
		return "a single tensor"
	case *types.List:
		return "a list"
	case *types.Tuple:
		return "a tuple"
	case string:
		return "a string"
	}
	return fmt.Sprintf("a value of type %T", v)
}

// tensor places v in the file under a name. Two names may share one view, and
// two views one storage.
func (v *view) tensor(name string, a *archive) (*Tensor, error) {
	off, err := a.storage(v.storage.key, v.storage.size)
	if err != nil {
		return nil, err
	}
	return &Tensor{
		Name: name, DType: v.storage.kind.dtype.dtype, TypeName: v.storage.kind.name, Shape: v.shape,
		File: a.file.name, src: a.file, offset: off + v.offset, size: v.size,
	}, nil
}
