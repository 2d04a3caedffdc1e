// Package source reads the weights of checkpoints: safetensors and PyTorch's
// zip format, in one file or in shards. Headers are checked whole when a
// checkpoint is opened. Values are read from where they lie, so a file is never
// in memory as a whole. Files come from strangers: nothing in them is executed,
// and whatever they hold, the worst outcome is an error.
package source

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mil-run/mil/internal/lfs"
)

// ErrNoWeights is wrapped when a folder holds no weights that Open knows.
var ErrNoWeights = errors.New("no weights here: neither model.safetensors nor pytorch_model.bin, whole or with an index")

// Checkpoint is an opened folder of weights. Its methods may be called from
// several goroutines, except Close.
type Checkpoint struct {
	kind    string
	tensors map[string]*Tensor
	files   []*os.File
}

// format is one way to store weights.
type format struct {
	kind string
	name string // of the file when there is one; shards have an index
	// read checks f, of size bytes, and adds its tensors.
	read func(c *Checkpoint, f file) error
}

// file is an opened file of weights.
type file struct {
	io.ReaderAt
	name string // without the folder
	size int64
}

// formats are in order of preference; where both are published they hold the
// same values, and safetensors has less to go wrong.
var formats = []format{
	{"safetensors", "model.safetensors", (*Checkpoint).readSafetensors},
	{"pytorch", "pytorch_model.bin", (*Checkpoint).readPyTorch},
}

// Open finds the weights in the folder dir and checks their headers. Errors
// name the file at fault without dir.
func Open(dir string) (*Checkpoint, error) {
	c := &Checkpoint{tensors: map[string]*Tensor{}}
	if err := c.open(dir); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Checkpoint) open(dir string) error {
	if _, err := os.ReadDir(dir); err != nil {
		return err // a missing folder is not one without weights
	}
	for _, f := range formats {
		c.kind = f.kind
		// As transformers does: a whole file wins over an index.
		err := c.openFile(dir, f.name, f.read)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		x, err := readIndex(filepath.Join(dir, f.name+".index.json"))
		if err == nil {
			return c.openShards(dir, x, f)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return noWeights(dir)
}

// noWeights is ErrNoWeights with the names of files that look like weights,
// which shows a forgotten index or a renamed file.
func noWeights(dir string) error {
	var found []string
	for _, pattern := range []string{"*.safetensors", "*.bin", "*.pt", "*.pth", "*.gguf"} {
		paths, err := filepath.Glob(filepath.Join(EscapeGlob(dir), pattern))
		if err != nil {
			continue
		}
		for _, p := range paths {
			found = append(found, Show(filepath.Base(p)))
		}
	}
	switch n := len(found); {
	case n == 0:
		return ErrNoWeights
	case n > 3:
		found = append(found[:3], fmt.Sprintf("%d more", n-3))
	}
	return fmt.Errorf("%w (there is %s)", ErrNoWeights, strings.Join(found, ", "))
}

// openFile opens one file of weights and adds its tensors. The error is
// fs.ErrNotExist only when the file itself is absent.
func (c *Checkpoint) openFile(dir, name string, read func(*Checkpoint, file) error) error {
	path := filepath.Join(dir, name)
	st, err := os.Stat(path) // before opening: opening a pipe waits
	if err != nil {
		return fmt.Errorf("%s: %w", Show(name), reason(err))
	}
	if !st.Mode().IsRegular() {
		return fmt.Errorf("%s: not a regular file", Show(name))
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%s: %w", Show(name), reason(err))
	}
	c.files = append(c.files, f)
	if err := lfs.CheckReader(f); err != nil {
		return fmt.Errorf("%s: %w", Show(name), err)
	}
	if err := read(c, file{f, name, st.Size()}); err != nil {
		return fmt.Errorf("%s: %w", Show(name), err)
	}
	return nil
}

// reason is a file system's error without the path, which messages have
// already.
func reason(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// openShards opens the files that an index names. Tensors and index must agree
// exactly, so that a shard of another download does not go unnoticed.
func (c *Checkpoint) openShards(dir string, x *index, f format) error {
	for _, file := range x.files {
		if err := c.openFile(dir, file, f.read); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: it names %s, which is not here", x.name, Show(file))
		} else if err != nil {
			return err
		}
	}
	for _, name := range x.names {
		if t, ok := c.tensors[name]; !ok {
			return fmt.Errorf("%s: tensor %s is not in %s", x.name, Show(name), Show(x.file[name]))
		} else if t.File != x.file[name] {
			return fmt.Errorf("%s: tensor %s is in %s, not in %s", x.name, Show(name), Show(t.File), Show(x.file[name]))
		}
	}
	for _, name := range c.Names() {
		if _, ok := x.file[name]; !ok {
			return fmt.Errorf("%s: tensor %s is not in %s", c.tensors[name].File, Show(name), x.name)
		}
	}
	return nil
}

// add takes a tensor in.
func (c *Checkpoint) add(t *Tensor) error {
	if old, ok := c.tensors[t.Name]; ok {
		if old.File == t.File {
			return fmt.Errorf("tensor %s appears twice", Show(t.Name))
		}
		return fmt.Errorf("tensor %s is in %s too", Show(t.Name), Show(old.File))
	}
	c.tensors[t.Name] = t
	return nil
}

// Close closes the files; tensors cannot be read afterwards.
func (c *Checkpoint) Close() error {
	var errs []error
	for _, f := range c.files {
		errs = append(errs, f.Close())
	}
	c.files = nil
	return errors.Join(errs...)
}

// Kind is how the weights are stored: "safetensors" or "pytorch".
func (c *Checkpoint) Kind() string { return c.kind }

// Files lists the paths of the weights' files.
func (c *Checkpoint) Files() []string {
	var paths []string
	for _, f := range c.files {
		paths = append(paths, f.Name())
	}
	return paths
}

// Names lists the tensors, sorted.
func (c *Checkpoint) Names() []string {
	names := make([]string, 0, len(c.tensors))
	for name := range c.tensors {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Tensor finds a tensor by name.
func (c *Checkpoint) Tensor(name string) (*Tensor, bool) {
	t, ok := c.tensors[name]
	return t, ok
}

// Rename gives tensors other names, by the old ones. Two may not share one.
func (c *Checkpoint) Rename(names map[string]string) error {
	renamed := make(map[string]*Tensor, len(c.tensors))
	for _, old := range c.Names() {
		name := old
		if to, ok := names[old]; ok {
			name = to
		}
		if other, ok := renamed[name]; ok {
			return fmt.Errorf("tensors %s and %s are both %s", Show(other.Name), Show(old), Show(name))
		}
		renamed[name] = c.tensors[old]
	}
	c.tensors = renamed
	return nil
}

// Shards lists the files that an index of weights names, each once.
func Shards(path string) ([]string, error) {
	x, err := readIndex(path)
	if err != nil {
		return nil, err
	}
	return x.files, nil
}
