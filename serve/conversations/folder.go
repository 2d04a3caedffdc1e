package conversations

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/mil-run/mil/internal/bounded"
	"github.com/mil-run/mil/internal/whole"
)

// folder is a place on disk. A key's conversations lie in a folder of its own, one
// file each. Links are refused.
type folder struct {
	root *os.Root
	path string
}

const (
	ext = ".json"
	// mostFile is the bytes of a file that is read.
	mostFile = 256 << 20
)

// keyName is what the server calls a key.
var keyName = regexp.MustCompile(`^[0-9a-f]{0,64}$`)

// folderOf is the folder of a key.
func folderOf(key string) string {
	if key == "" {
		return "open"
	}
	return "key-" + key
}

// Open makes a store of a folder, which the caller owns: no other process writes
// there. warn is told about files that are passed over.
func Open(dir string, l Limits, warn func(error)) (*Store, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("the folder of conversations %s: %w", dir, whole.Unpath(err))
	}
	s := newStore(&folder{root, dir}, dir, l, 1<<30)
	if err := s.scan(root, warn); err != nil {
		return nil, errors.Join(fmt.Errorf("the folder of conversations %s: %w", dir, whole.Unpath(err)), root.Close())
	}
	return s, nil
}

// scan fills the index.
func (s *Store) scan(root *os.Root, warn func(error)) error {
	list, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	for _, d := range list {
		key, ok := strings.CutPrefix(d.Name(), "key-")
		if !d.IsDir() || !ok && d.Name() != "open" || ok && (key == "" || !keyName.MatchString(key)) {
			continue
		}
		if !ok {
			key = ""
		}
		files, err := fs.ReadDir(root.FS(), d.Name())
		if err != nil {
			warn(fmt.Errorf("conversations in %s are passed over: %w", d.Name(), whole.Unpath(err)))
			continue
		}
		for _, f := range files {
			if name, ok := strings.CutSuffix(f.Name(), ext); ok && id.MatchString(name) {
				if err := s.scanFile(root, key, name); err != nil {
					warn(fmt.Errorf("the conversation %s is passed over: %w", name, whole.Unpath(err)))
				}
			} else if to, ok := whole.Target(f.Name()); ok {
				whole.Sweep(filepath.Join(s.dir, d.Name(), to)) // of a killed writer
			}
		}
	}
	return nil
}

func (s *Store) scanFile(root *os.Root, key, name string) error {
	f, size, err := regular(root, folderOf(key)+"/"+name+ext)
	if err != nil {
		return err
	}
	defer f.Close()
	line, err := bufio.NewReaderSize(f, 16<<10).ReadSlice('\n')
	if err != nil {
		return errors.New("it has no first line of its own")
	}
	h, err := headOf(line)
	if err != nil {
		return err
	}
	if h.ID != name {
		return errors.New("it holds another one")
	}
	s.note(key, h, size)
	return nil
}

// regular opens a file that is no link, nor anything else that one may wait on.
func regular(root *os.Root, path string) (*os.File, int64, error) {
	st, err := root.Lstat(path)
	if err != nil {
		return nil, 0, err
	}
	if !st.Mode().IsRegular() {
		return nil, 0, errors.New("it is no regular file")
	}
	f, err := root.Open(path)
	return f, st.Size(), err
}

func (d *folder) read(key, id string) ([]byte, error) {
	f, _, err := regular(d.root, folderOf(key)+"/"+id+ext)
	if err != nil {
		return nil, whole.Unpath(err)
	}
	defer f.Close()
	data, err := bounded.Read(f, mostFile)
	return data, whole.Unpath(err)
}

// write puts a file there, whole or not at all.
func (d *folder) write(key, id string, data []byte) error {
	sub := folderOf(key)
	if err := d.root.Mkdir(sub, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return whole.Unpath(err)
	}
	name := sub + "/" + id + ext
	for path, dir := range map[string]bool{sub: true, name: false} {
		switch st, err := d.root.Lstat(path); {
		case errors.Is(err, fs.ErrNotExist) && !dir:
		case err != nil:
			return whole.Unpath(err)
		case dir && !st.IsDir() || !dir && !st.Mode().IsRegular():
			return fmt.Errorf("in its folder %s is a link or no file", path)
		}
	}
	f, err := whole.Create(filepath.Join(d.path, name), whole.Options{Perm: 0o600})
	if err != nil {
		return whole.Unpath(err)
	}
	defer f.Abort()
	if _, err := f.Write(data); err != nil {
		return whole.Unpath(err)
	}
	return whole.Unpath(f.Commit())
}

func (d *folder) remove(key, id string) error {
	err := d.root.Remove(folderOf(key) + "/" + id + ext)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return whole.Unpath(err)
}

func (d *folder) close() error { return d.root.Close() }
