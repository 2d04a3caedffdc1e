package format

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

// The keys that gguf-split writes into every part of a split model.
const (
	keySplitCount   = "split.count"
	keySplitNo      = "split.no"
	keySplitTensors = "split.tensors.count"
)

// maxParts bounds the files of one model; the largest published have some hundred.
const maxParts = 9999

// partUnit divides the place of every part in memory: it is the largest page.
const partUnit = 64 << 10

// ErrSplit is wrapped by errors about the parts of a split model.
var ErrSplit = errors.New("a split model's parts do not fit each other")

// partName is how gguf-split names parts, counted from 1.
var partName = regexp.MustCompile(`^(.*)-(\d{5})-of-(\d{5})(\.[^.]*)$`)

// part is one file of a split model.
type part struct {
	path       string
	base, size int // bytes, in File.data
}

// PartBase removes the suffix that numbers a part from the name of a part of a
// split model.
func PartBase(name string) string {
	if m := partName.FindStringSubmatch(name); m != nil {
		return m[1] + m[4]
	}
	return name
}

// splitCount is the number of files the model lies in, 1 for a whole one.
func (h *header) splitCount() (int, error) {
	n, ok, err := h.meta.Uint(keySplitCount)
	switch {
	case err != nil:
		return 0, err
	case !ok || n <= 1:
		return 1, nil
	case n > maxParts:
		return 0, fault(ErrSplit, "key %s is %d; at most %d parts are read", keySplitCount, n, maxParts)
	}
	return int(n), nil
}

// partPaths are the paths of all parts, from the path of one; each must be there.
func partPaths(path string, count int) ([]string, error) {
	m := partName.FindStringSubmatch(filepath.Base(path))
	if m == nil {
		return nil, fault(ErrSplit, "it is one of the %d parts of a split model, whose names must end in -00001-of-%05d.gguf and so on, in one folder", count, count)
	}
	if n, _ := strconv.Atoi(m[3]); n != count {
		return nil, fault(ErrSplit, "its name says %d parts, and its key %s says %d", n, keySplitCount, count)
	}
	paths := make([]string, count)
	for i := range paths {
		name := fmt.Sprintf("%s-%05d-of-%05d%s", m[1], i+1, count, m[4])
		paths[i] = filepath.Join(filepath.Dir(path), name)
		if st, err := os.Stat(paths[i]); errors.Is(err, fs.ErrNotExist) {
			return nil, fault(ErrSplit, "part %s is missing: download it into the same folder", show(name))
		} else if err != nil {
			return nil, err
		} else if !st.Mode().IsRegular() || st.Size() == 0 {
			return nil, fault(ErrSplit, "part %s is empty or not a file", show(name))
		}
	}
	return paths, nil
}

// openParts maps all parts behind each other and reads them as one file.
func openParts(path string, count int) (*File, error) {
	paths, err := partPaths(path, count)
	if err != nil {
		return nil, err
	}
	f := &File{name: path}
	total := 0
	for _, p := range paths {
		st, err := os.Stat(p)
		if err != nil {
			return nil, err
		}
		if st.Size() > 1<<56 || int64(int(st.Size())) != st.Size() || total+int(st.Size())+partUnit < total {
			return nil, fmt.Errorf("the parts are more than this system can map")
		}
		f.parts = append(f.parts, part{p, total, int(st.Size())})
		total += roundUp(int(st.Size()), partUnit)
	}
	if err := f.mapParts(total); err != nil {
		return nil, err
	}
	for _, p := range f.parts {
		watch(p.path, f.data[p.base:p.base+p.size])
	}
	var bad error
	if err := Guard(func() { bad = f.parseParts() }); err != nil {
		bad = err
	}
	if bad != nil {
		f.Close()
		return nil, bad
	}
	return f, nil
}

// parseParts reads every part's header and makes one of them: the first part's
// metadata and all tensors.
func (f *File) parseParts() error {
	f.index = map[string]int{}
	for i, p := range f.parts {
		h, err := parseHeader(f.data[p.base:p.base+p.size], p.path)
		if err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(p.path), err)
		}
		if i == 0 {
			f.h = h
			f.crc = headerSum(f.data[:min(h.data, p.size)], -1)
		}
		if err := f.h.fits(h, i, len(f.parts)); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(p.path), err)
		}
		if n := len(f.index) + len(h.tensors); n > maxTensors {
			return fault(ErrCorrupt, "%d tensors in the parts; at most %d are taken", n, maxTensors)
		}
		tensors := h.tensors
		if i == 0 {
			f.h.tensors = nil
		}
		for _, t := range tensors {
			if _, twice := f.index[t.Name]; twice {
				return fault(ErrSplit, "%s: tensor %s is in an earlier part too", filepath.Base(p.path), show(t.Name))
			}
			t.Offset += uint64(p.base)
			f.index[t.Name] = len(f.h.tensors)
			f.h.tensors = append(f.h.tensors, t)
		}
	}
	if n, ok, err := f.h.meta.Uint(keySplitTensors); err != nil {
		return err
	} else if ok && n != uint64(len(f.h.tensors)) {
		return fault(ErrSplit, "the parts hold %d tensors, and key %s says %d", len(f.h.tensors), keySplitTensors, n)
	}
	return nil
}

// fits says why part number i of count does not belong to the model whose first
// part's header is h.
func (h *header) fits(p *header, i, count int) error {
	for key, want := range map[string]int{keySplitCount: count, keySplitNo: i} {
		n, _, err := p.meta.Uint(key)
		if err != nil {
			return err
		}
		if n != uint64(want) {
			return fault(ErrSplit, "key %s is %d, and the file's name says %d: is it a part of another model?", key, n, want)
		}
	}
	for _, key := range []string{keySplitTensors, keyArch, "general.name", "general.uuid", "general.basename"} {
		a, hasA := h.meta.Raw(key)
		b, hasB := p.meta.Raw(key)
		if h.meta.IsArray(key) || p.meta.IsArray(key) {
			return fault(ErrSplit, "key %s is a list", key) // a list could have any length
		}
		if hasA && hasB && fmt.Sprint(a) != fmt.Sprint(b) {
			return fault(ErrSplit, "key %s is %.80q, and the first part says %.80q: it is a part of another model", key, fmt.Sprint(b), fmt.Sprint(a))
		}
	}
	return nil
}
