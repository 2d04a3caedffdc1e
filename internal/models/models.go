// Package models is the folder in which converted models lie, and the short
// names by which commands find them: NAME is the file NAME.bin or NAME.gguf there.
package models

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/mil-run/mil/format"
)

// ErrFolder is wrapped where there is no folder for models.
var ErrFolder = errors.New("there is no folder for models")

// Folder is where the models lie; "" is no folder, and knows no names.
type Folder string

// Default is the user's folder for models: $XDG_DATA_HOME/mil/models, else
// ~/.local/share/mil/models; ~/Library/Application Support on macOS and
// %LOCALAPPDATA% on Windows. It need not exist.
func Default() (Folder, error) {
	base, err := dataFolder()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrFolder, err)
	}
	return Folder(filepath.Join(base, "mil", "models")), nil
}

func dataFolder() (string, error) {
	switch runtime.GOOS {
	case "windows":
		if dir := os.Getenv("LOCALAPPDATA"); dir != "" {
			return dir, nil
		}
		return "", errors.New("LOCALAPPDATA is not set")
	case "darwin":
		home, err := os.UserHomeDir()
		return filepath.Join(home, "Library", "Application Support"), err
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) { // a relative one is to be ignored
		return dir, nil
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".local", "share"), err
}

// Suffixes are the ends of names of model files, the one that is written first.
var Suffixes = []string{".bin", ".gguf"}

// Demo is the name of the model inside mil, which no file in the folder takes.
const Demo = "demo"

// ErrName is wrapped by errors about names that are none.
var ErrName = errors.New("not a model's name")

// ErrNone is wrapped by errors about names that no file has.
var ErrNone = errors.New("no model of that name")

// longestName keeps names below the limit of file systems.
const longestName = 128

// Check refuses text that is no name: a name is never a path, and reads the same
// everywhere.
func Check(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: it is empty", ErrName)
	case len(name) > longestName:
		return fmt.Errorf("%w: it is longer than %d bytes", ErrName, longestName)
	case strings.ContainsAny(name, `/\:`) || strings.ContainsRune(name, os.PathSeparator):
		return fmt.Errorf("%w: %q is a path", ErrName, name)
	case name[0] == '.' || name[0] == '-' || strings.ContainsFunc(name, func(c rune) bool { return unicode.IsSpace(c) || !unicode.IsPrint(c) }):
		return fmt.Errorf("%w: %q begins with a dot or a dash, or has spaces or control characters", ErrName, name)
	}
	return nil
}

// NameFor makes a name of a checkpoint's or a model file's path: that of the
// folder or file, in lower case, without the suffix of a model; characters that
// could trouble a shell or a file system become dashes.
func NameFor(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		path = full
	}
	name := strings.ToLower(format.PartBase(filepath.Base(path)))
	name, _ = cutSuffix(name)
	dash := false
	name = strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '_' {
			dash = false
			return c
		}
		if dash {
			return -1
		}
		dash = true
		return '-'
	}, name)
	name = strings.Trim(name[:min(len(name), longestName-len("-model"))], "-.")
	switch {
	case name == "":
		return "model"
	case name == Demo || slices.Contains(devices, strings.SplitN(name, ".", 2)[0]):
		return name + "-model"
	}
	return name
}

// devices are names that Windows keeps for itself.
var devices = []string{"con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9",
	"lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9"}

// Trim is a file's name without a model's suffix.
func Trim(file string) string {
	name, _ := cutSuffix(file)
	return name
}

// cutSuffix takes a model's suffix off a file's name, in any case.
func cutSuffix(file string) (string, bool) {
	for _, s := range Suffixes {
		if n := len(file) - len(s); n > 0 && strings.EqualFold(file[n:], s) {
			return file[:n], true
		}
	}
	return file, false
}

// Path is the file that a new model of that name is written to.
func (f Folder) Path(name string) (string, error) {
	if err := Check(name); err != nil {
		return "", err
	}
	if name == Demo {
		return "", fmt.Errorf("%w: %s is the model inside mil", ErrName, Demo)
	}
	if f == "" {
		return "", ErrFolder
	}
	return filepath.Join(string(f), name+Suffixes[0]), nil
}

// Find is the file of that name. Its error wraps ErrName or ErrNone.
func (f Folder) Find(name string) (string, error) {
	if err := Check(name); err != nil {
		return "", err
	}
	list, err := f.List()
	if err != nil {
		return "", err
	}
	for _, e := range list {
		if e.Name == name {
			return e.Path, nil
		}
	}
	return "", fmt.Errorf("%w: %q", ErrNone, name)
}

// Entry is a model in the folder.
type Entry struct {
	Name string
	Path string
}

// part is the name of a file of a model in several: NAME-00001-of-00003 is the first.
var part = regexp.MustCompile(`^(.+)-(\d{5})-of-(\d{5})$`)

// List lists the models with a name, sorted by it: files, and links whether or not they
// lead anywhere. A model in several files is its first. A folder that does not exist
// holds nothing.
func (f Folder) List() ([]Entry, error) {
	if f == "" {
		return nil, nil
	}
	files, err := os.ReadDir(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []Entry
	for _, suffix := range Suffixes { // of two files of one name the first suffix counts
		for _, file := range files {
			name, ok := cutSuffix(file.Name())
			if !ok || !strings.EqualFold(file.Name()[len(name):], suffix) || file.IsDir() {
				continue
			}
			if m := part.FindStringSubmatch(name); m != nil && m[2] != "00001" {
				continue
			} else if m != nil {
				name = m[1]
			}
			if Check(name) != nil || name == Demo {
				continue
			}
			if !slices.ContainsFunc(list, func(e Entry) bool { return e.Name == name }) {
				list = append(list, Entry{name, filepath.Join(string(f), file.Name())})
			}
		}
	}
	slices.SortFunc(list, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// Names are those of List; where the folder cannot be read there are none.
func (f Folder) Names() []string {
	list, _ := f.List()
	names := make([]string, len(list))
	for i, e := range list {
		names[i] = e.Name
	}
	return names
}

// Remove removes the file of that name, or all files of a model in several; a link is
// removed alone.
func (f Folder) Remove(name string) error {
	path, err := f.Find(name)
	if err != nil {
		return err
	}
	for _, p := range Files(path) {
		if e := os.Remove(p); err == nil && !errors.Is(e, fs.ErrNotExist) {
			err = e
		}
	}
	return err
}

// Files are the files of the model whose first is at path, in their order.
func Files(path string) []string {
	stem, ok := cutSuffix(path)
	m := part.FindStringSubmatch(filepath.Base(stem))
	if !ok || m == nil {
		return []string{path}
	}
	var list []string
	n, _ := strconv.Atoi(m[3])
	for i := range n {
		list = append(list, filepath.Join(filepath.Dir(path), fmt.Sprintf("%s-%05d-of-%s%s", m[1], i+1, m[3], path[len(stem):])))
	}
	return list
}
