package repl

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/mil-run/mil/chat"
)

// ReadMessages reads a JSON list of {"role", "content"}. Content is a string,
// or a list of {"type": "text", "text"} whose texts follow each other. What
// could not be shown to the model is an error and not left out.
func ReadMessages(path string) ([]chat.Message, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var raw []map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return nil, fmt.Errorf("%s: not a JSON list of {\"role\", \"content\"}: %w", path, err)
	}
	if len(raw) == 0 {
		return nil, fmt.Errorf("%s: there are no messages", path)
	}
	list := make([]chat.Message, len(raw))
	for i, m := range raw {
		if list[i], err = message(m); err != nil {
			return nil, fmt.Errorf("%s: message %d %w", path, i, err)
		}
	}
	return list, nil
}

func isNull(v json.RawMessage) bool { return len(v) == 0 || bytes.Equal(v, []byte("null")) }

func message(raw map[string]json.RawMessage) (m chat.Message, err error) {
	for _, key := range slices.Sorted(maps.Keys(raw)) {
		if key != "role" && key != "content" && !isNull(raw[key]) {
			return m, fmt.Errorf("has %q; only \"role\" and \"content\" are known", key)
		}
	}
	if json.Unmarshal(raw["role"], &m.Role) != nil || m.Role == "" {
		return m, errors.New("has no role")
	}
	if isNull(raw["content"]) {
		return m, errors.New("has no content")
	}
	if json.Unmarshal(raw["content"], &m.Content) == nil {
		return m, nil
	}
	var parts []struct {
		Type string
		Text *string
	}
	if json.Unmarshal(raw["content"], &parts) != nil {
		return m, errors.New("has content that is neither text nor a list of {\"type\": \"text\", \"text\"}")
	}
	for _, p := range parts {
		if p.Type != "text" || p.Text == nil {
			return m, fmt.Errorf("has content of type %q; only \"text\" is known", p.Type)
		}
		m.Content += *p.Text
	}
	return m, nil
}
