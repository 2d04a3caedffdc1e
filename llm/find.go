package llm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/demo"
	"github.com/mil-run/mil/internal/models"
	"github.com/mil-run/mil/internal/nearest"
)

// ErrNotFound is wrapped by the error for a name of no model and no file. It is
// [fs.ErrNotExist] too.
var ErrNotFound = fmt.Errorf("no such model: %w", fs.ErrNotExist)

// ErrCheckpoint is wrapped by the error for a folder or a file of a checkpoint,
// which package convert makes a model of.
var ErrCheckpoint = errors.New("not a model file")

// NameError is the [ErrNotFound] about a name that nothing has.
type NameError struct {
	Name string
	Near string // the nearest name of a model, or ""
}

func (e *NameError) Error() string {
	text := fmt.Sprintf("open %s: no such file, and no model has that name", e.Name)
	if e.Near != "" {
		text += "; did you mean " + e.Near + "?"
	}
	return text
}

func (e *NameError) Unwrap() error { return ErrNotFound }

// missing is another ErrNotFound in words.
type missing struct{ text string }

func (e missing) Error() string { return e.text }
func (e missing) Unwrap() error { return ErrNotFound }

// CheckpointError is an [ErrCheckpoint].
type CheckpointError struct {
	Path   string
	Folder string // the checkpoint's, or one that may be a checkpoint's
	// Config says that the folder has a checkpoint's config.json.
	Config bool
}

func (e *CheckpointError) Error() string {
	switch {
	case e.Path != e.Folder:
		return e.Path + " is one file of a checkpoint"
	case e.Config:
		return e.Path + " is a checkpoint folder"
	}
	return e.Path + " is a folder, not a model file"
}

func (e *CheckpointError) Unwrap() error { return ErrCheckpoint }

// Find is the path of the file that a name means: a file, else a model of that
// name in the folder, which is the user's own for "". The path of the demo is "".
// Errors are [ErrNotFound], [ErrCheckpoint], or the system's.
func Find(name, folder string) (path string, err error) {
	st, err := os.Stat(name)
	if err == nil && !st.IsDir() {
		if strings.EqualFold(filepath.Ext(name), ".safetensors") {
			return "", &CheckpointError{Path: name, Folder: filepath.Dir(name)}
		}
		return name, nil
	}
	if name == demo.Name {
		return "", nil
	}
	in := models.Folder(folder)
	if folder == "" {
		in, _ = models.Default()
	}
	if path, e := in.Find(name); e == nil {
		return path, nil
	}
	if err == nil {
		_, config := os.Stat(filepath.Join(name, "config.json"))
		return "", &CheckpointError{Path: name, Folder: name, Config: config == nil}
	}
	return "", notFound(name, in, err)
}

// notFound is the error for a name that nothing has. why is the system's.
func notFound(name string, in models.Folder, why error) error {
	if name == "" {
		return missing{`open "": no such file; the name of a model is empty`}
	}
	if to, e := os.Readlink(name); e == nil && errors.Is(why, fs.ErrNotExist) {
		return missing{fmt.Sprintf("open %s: no such file: it is a link to %s, which is not there", name, to)}
	}
	if !errors.Is(why, fs.ErrNotExist) && !strings.ContainsRune(name, 0) {
		var p *fs.PathError
		if errors.As(why, &p) {
			why = p.Err
		}
		return fmt.Errorf("open %s: %w", name, why)
	}
	known := append([]string{demo.Name}, in.Names()...)
	return &NameError{name, nearest.Of(models.Trim(filepath.Base(name)), known)}
}

// OpenFile opens the file that [Find] found; "" is the demo.
func OpenFile(path string) (*format.File, error) {
	if path == "" {
		return demo.Open()
	}
	return format.Open(path)
}
