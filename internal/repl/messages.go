package repl

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/internal/bounded"
)

// maxMessages bounds a file of messages, in bytes.
const maxMessages = 64_000_000

// ReadMessages reads a file of messages; see [ParseMessages]. Errors name it.
func ReadMessages(path string) ([]chat.Message, error) {
	b, err := bounded.File(path, maxMessages)
	if err != nil {
		return nil, err
	}
	list, err := ParseMessages(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list, nil
}

// ParseMessages reads a JSON list of messages {"role", "content"}, or an object
// with such a list as "messages". A role is system, user or assistant. Content
// is a text, or a list of parts {"type": "text", "text"} whose texts follow
// each other. Anything that the model could not be shown is an error that tells
// its place, and is never left out. null counts as absent.
func ParseMessages(b []byte) ([]chat.Message, error) {
	if err := json.Unmarshal(b, new(json.RawMessage)); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("not JSON: %w, at byte %d", err, syntax.Offset)
		}
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	list := json.RawMessage(bytes.TrimSpace(b))
	if list[0] == '{' {
		fields, err := object(list, "")
		if err != nil {
			return nil, err
		}
		for _, f := range fields {
			if f.key == "messages" {
				list = f.value
			}
		}
		if list[0] == '[' && len(fields) > 1 {
			other := slices.DeleteFunc(fields, func(f field) bool { return f.key == "messages" })[0]
			return nil, fmt.Errorf("%s is not known beside messages", place("", other.key))
		}
	}
	if list[0] != '[' {
		return nil, errors.New(`there is neither a list of messages {"role", "content"} nor an object with one as "messages"`)
	}
	var out []chat.Message
	err := elements(list, func(i int, raw json.RawMessage) error {
		m, err := message(raw, fmt.Sprintf("messages[%d]", i))
		out = append(out, m)
		return err
	})
	if err == nil && len(out) == 0 {
		err = errors.New("there are no messages")
	}
	return out, err
}

// unused are fields that OpenAI's clients write into every message. They may be
// there while they are empty.
var unused = []string{"name", "refusal", "audio", "annotations", "function_call", "tool_calls", "tool_call_id"}

// roles are those of messages that every chat template should know.
var roles = []string{"system", "user", "assistant"}

func message(raw json.RawMessage, at string) (m chat.Message, err error) {
	fields, err := object(raw, at)
	if err != nil {
		return m, err
	}
	var content json.RawMessage
	for _, f := range fields {
		switch {
		case f.key == "role":
			if json.Unmarshal(f.value, &m.Role) != nil {
				return m, fmt.Errorf("%s.role is not a text", at)
			}
		case f.key == "content":
			content = f.value
		case !slices.Contains(unused, f.key):
			return m, fmt.Errorf("%s is not known; role and content are", place(at, f.key))
		case !isNull(f.value) && !bytes.Equal(f.value, []byte("[]")):
			return m, fmt.Errorf("%s is not supported; role and content are", place(at, f.key))
		}
	}
	switch {
	case m.Role == "":
		return m, fmt.Errorf("%s.role is missing", at)
	case !slices.Contains(roles, m.Role):
		return m, fmt.Errorf("%s.role %.100q is not known; system, user and assistant are", at, m.Role)
	case isNull(content):
		return m, fmt.Errorf("%s.content is missing", at)
	case json.Unmarshal(content, &m.Content) == nil:
		return m, nil
	case content[0] != '[':
		return m, fmt.Errorf(`%s.content is neither a text nor a list of {"type": "text", "text"}`, at)
	}
	var text bytes.Buffer
	err = elements(content, func(i int, raw json.RawMessage) error {
		return part(&text, raw, fmt.Sprintf("%s.content[%d]", at, i))
	})
	m.Content = text.String()
	return m, err
}

// part adds the text of a part of content.
func part(to *bytes.Buffer, raw json.RawMessage, at string) error {
	fields, err := object(raw, at)
	if err != nil {
		return err
	}
	var kind, text *string
	for _, f := range fields {
		into := map[string]**string{"type": &kind, "text": &text}[f.key]
		if into == nil && isNull(f.value) {
			continue
		}
		if into == nil {
			if kind != nil && *kind != "text" {
				break // which says more
			}
			return fmt.Errorf("%s is not known; type and text are", place(at, f.key))
		}
		if json.Unmarshal(f.value, into) != nil {
			return fmt.Errorf("%s.%s is not a text", at, f.key)
		}
	}
	switch {
	case kind == nil:
		return fmt.Errorf("%s.type is missing", at)
	case *kind != "text":
		return fmt.Errorf("%s.type %.100q is not supported; text is", at, *kind)
	case text == nil:
		return fmt.Errorf("%s.text is missing", at)
	}
	to.WriteString(*text)
	return nil
}

func isNull(v json.RawMessage) bool { return len(v) == 0 || bytes.Equal(v, []byte("null")) }

// place is where a key stands. A key that is no plain word is quoted.
func place(at, key string) string {
	if len(key) > 100 {
		return fmt.Sprintf("%s[%.100q]", at, key)
	}
	for _, c := range key {
		if !(c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
			return fmt.Sprintf("%s[%.100q]", at, key)
		}
	}
	switch {
	case key == "":
		return at + `[""]`
	case at == "":
		return key
	}
	return at + "." + key
}

type field struct {
	key   string
	value json.RawMessage
}

// object is the fields of a JSON object in their order, each key once. The JSON
// is known to be well formed.
func object(raw json.RawMessage, at string) (fields []field, err error) {
	if raw[0] != '{' {
		return nil, fmt.Errorf("%s is not an object", at)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		f := field{key: t.(string)}
		if err := d.Decode(&f.value); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(fields, func(g field) bool { return g.key == f.key }) {
			return nil, fmt.Errorf("%s stands there twice", place(at, f.key))
		}
		if fields = append(fields, f); len(fields) > maxFields {
			return nil, fmt.Errorf("%s has over %d keys", cmp.Or(at, "the object"), maxFields)
		}
	}
	return fields, nil
}

// maxFields bounds the keys of an object, more than any message has.
const maxFields = 64

// elements calls each for the elements of a JSON list, up to the first error.
func elements(raw json.RawMessage, each func(i int, raw json.RawMessage) error) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil {
		return err
	}
	for i := 0; d.More(); i++ {
		var v json.RawMessage
		if err := d.Decode(&v); err != nil && err != io.EOF {
			return err
		}
		if err := each(i, v); err != nil {
			return err
		}
	}
	return nil
}
