package repl

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/internal/whole"
	"github.com/mil-run/mil/session"
)

// store is the user's folder for history and saved conversations, or "" where
// the system has none.
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

const (
	extSession  = ".session" // everything a session knows
	extMessages = ".json"    // messages, as --messages takes them
)

// path is where a conversation of that name is kept. A name that looks like a
// path is one.
func (s store) path(name string) (string, error) {
	if strings.ContainsAny(name, `/\`) || strings.HasSuffix(name, extMessages) || strings.HasSuffix(name, extSession) {
		return name, nil
	}
	if s.dir == "" {
		return "", errors.New("this system has no folder for saved conversations; give a path")
	}
	return filepath.Join(s.dir, "chats", name+extSession), nil
}

// save writes a conversation, whole or not at all, and returns its path. A
// .json file gets the messages, any other file the session too.
func (s store) save(name string, c *chat.Conversation) (string, error) {
	path, err := s.path(name)
	if err != nil {
		return "", err
	}
	if s.dir != "" && filepath.Dir(path) == filepath.Join(s.dir, "chats") {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return "", err
		}
	}
	if !strings.HasSuffix(path, extMessages) {
		return path, c.Save(path)
	}
	b, err := json.MarshalIndent(c.Messages(), "", "  ")
	if err != nil {
		return "", err
	}
	return path, whole.Write(path, 0o600, func(w io.Writer) error {
		_, err := w.Write(append(b, '\n'))
		return err
	})
}

// load goes on with a saved conversation and says what it found.
func (s store) load(name string, c *chat.Conversation) (string, error) {
	path, err := s.path(name)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && path != name { // from before there were sessions
		if old := strings.TrimSuffix(path, extSession) + extMessages; fileExists(old) {
			path = old
		}
	}
	if strings.HasSuffix(path, extMessages) {
		messages, err := ReadMessages(path)
		if err != nil {
			return "", err
		}
		c.Load(messages)
		return fmt.Sprintf("loaded %d messages", len(messages)), nil
	}
	found, err := c.Restore(path)
	if err != nil {
		return "", err
	}
	return Describe(found), nil
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Describe describes the contents of a session file in one line.
func Describe(f *session.Found) string {
	text := fmt.Sprintf("going on with %d messages, %d tokens", len(f.Messages), f.Tokens)
	if f.Torn {
		text += "; the last turn was not written whole and is left out"
	}
	if f.Foreign {
		text += "; another backend wrote them, so they will be read anew"
	}
	return text
}

// names lists the saved conversations.
func (s store) names() []string {
	var out []string
	for _, ext := range []string{extSession, extMessages} {
		files, _ := filepath.Glob(filepath.Join(s.dir, "chats", "*"+ext))
		for _, f := range files {
			out = append(out, strings.TrimSuffix(filepath.Base(f), ext))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
