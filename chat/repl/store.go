package repl

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/mil-run/mil/chat"
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
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".tmp-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(b, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", err
	}
	return path, os.Rename(f.Name(), path)
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

// ReadMessages reads a JSON list of {"role", "content"}.
func ReadMessages(path string) ([]chat.Message, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var list []chat.Message
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, fmt.Errorf("%s: not a JSON list of {\"role\", \"content\"}: %w", path, err)
	}
	for i, m := range list {
		if m.Role == "" {
			return nil, fmt.Errorf("%s: message %d has no role", path, i)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: there are no messages", path)
	}
	return list, nil
}
