package repl

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/internal/whole"
)

// store is the user's folder for history and saved conversations; "" where the
// system has none.
type store struct{ dir string }

func newStore() store {
	dir, err := os.UserConfigDir()
	if err != nil {
		return store{}
	}
	return store{filepath.Join(dir, "mil")}
}

// history is the path of the line history, or "" where it cannot be kept.
// Only the user may read it.
func (s store) history() string {
	if s.dir == "" || os.MkdirAll(s.dir, 0o700) != nil {
		return ""
	}
	path := filepath.Join(s.dir, "history")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return ""
	}
	f.Close()
	return path
}

// path is where a conversation of that name is kept: a path of the user's own
// when it looks like one.
func (s store) path(name string) (string, error) {
	if strings.ContainsAny(name, `/\`) || strings.HasSuffix(name, ".json") {
		return name, nil
	}
	if s.dir == "" {
		return "", errors.New("this system has no folder for saved conversations; give a path")
	}
	return filepath.Join(s.dir, "chats", name+".json"), nil
}

// save writes a conversation in the form `--messages` takes, whole or not at
// all, and returns its path.
func (s store) save(name string, messages []chat.Message) (string, error) {
	path, err := s.path(name)
	if err != nil {
		return "", err
	}
	b, err := json.MarshalIndent(messages, "", "  ")
	if err != nil {
		return "", err
	}
	if s.dir != "" && filepath.Dir(path) == filepath.Join(s.dir, "chats") {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return "", err
		}
	}
	return path, whole.Write(path, 0o600, func(w io.Writer) error {
		_, err := w.Write(append(b, '\n'))
		return err
	})
}

// load reads a saved conversation.
func (s store) load(name string) ([]chat.Message, error) {
	path, err := s.path(name)
	if err != nil {
		return nil, err
	}
	return ReadMessages(path)
}

// names lists the saved conversations.
func (s store) names() []string {
	var out []string
	files, _ := filepath.Glob(filepath.Join(s.dir, "chats", "*.json"))
	for _, f := range files {
		out = append(out, strings.TrimSuffix(filepath.Base(f), ".json"))
	}
	return out
}
