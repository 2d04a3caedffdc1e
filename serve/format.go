package serve

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"github.com/mil-run/mil/constrain"
)

// The form of a reply, as the APIs ask for it: OpenAI's response_format of chats and
// text.format of responses, ollama's format, and llama.cpp's grammar and json_schema.

// wanted is a form that a request asks for, before it is compiled.
type wanted struct {
	field  string // of the request, for errors
	kind   byte   // 'j' any object of JSON, 's' a schema, 'g' GBNF
	strict bool
	text   []byte
}

// formats compiles the form that a request asks for, if it does, in one of the fields
// that its API has.
func (s *Server) formats(q *request, fields func() ([]wanted, error)) error {
	list, err := fields()
	if err != nil || len(list) == 0 {
		return err
	}
	if len(list) > 1 || q.form != nil {
		return bad(list[0].field, "a reply can have one form: %s is not the only one", list[0].field)
	}
	q.form, err = s.grammars.compile(list[0])
	return err
}

// forms are those of chats and completions.
func (q *request) forms() (list []wanted, err error) {
	f, err := openAIForm(q.fields["response_format"], "response_format")
	if err != nil {
		return nil, err
	}
	if f != nil {
		list = append(list, *f)
	}
	if v := q.fields["json_schema"]; v != nil {
		list = append(list, wanted{field: "json_schema", kind: 's', text: v})
	}
	var grammar string
	if _, err := q.field("grammar", &grammar); err != nil {
		return nil, err
	}
	if grammar != "" {
		list = append(list, wanted{field: "grammar", kind: 'g', text: []byte(grammar)})
	}
	return list, nil
}

// responseForms is that of responses.
func (q *request) responseForms() ([]wanted, error) {
	var text struct{ Format json.RawMessage }
	if _, err := q.field("text", &text); err != nil {
		return nil, err
	}
	f, err := openAIForm(text.Format, "text.format")
	if f == nil || err != nil {
		return nil, err
	}
	return []wanted{*f}, nil
}

// ollamaForms is that of ollama's requests.
func (q *request) ollamaForms() ([]wanted, error) {
	switch v := q.fields["format"]; {
	case v == nil || same(v, []string{`""`}):
		return nil, nil
	case same(v, []string{`"json"`}):
		return []wanted{{field: "format", kind: 'j'}}, nil
	case v[0] == '{':
		return []wanted{{field: "format", kind: 's', text: v}}, nil
	}
	return nil, bad("format", `format is "json" or a JSON Schema`)
}

// openAIForm reads a response_format. The schema stands in it, or in its json_schema.
func openAIForm(v json.RawMessage, field string) (*wanted, error) {
	if v == nil || null(v) {
		return nil, nil
	}
	type schema struct {
		Schema json.RawMessage
		Strict bool
	}
	var f struct {
		Type       string
		JSONSchema *schema `json:"json_schema"`
		schema
	}
	if json.Unmarshal(v, &f) != nil || f.Type == "" {
		return nil, bad(field, "%s is an object with a type: text, json_object or json_schema", field)
	}
	switch f.Type {
	case "text":
		return nil, nil
	case "json_object":
		return &wanted{field: field, kind: 'j'}, nil
	case "json_schema":
		in, at := f.schema, field
		if f.JSONSchema != nil {
			in, at = *f.JSONSchema, field+".json_schema"
		}
		if in.Schema == nil || null(in.Schema) {
			return nil, bad(at+".schema", "%s of type json_schema needs a schema", field)
		}
		return &wanted{field: at + ".schema", kind: 's', strict: in.Strict, text: in.Schema}, nil
	}
	return nil, bad(field+".type", "%s has the type text, json_object or json_schema", field)
}

// Grammars that are kept between requests: clients ask for the same form again and
// again.
const (
	mostGrammars     = 64
	mostGrammarBytes = 256 << 20
)

type grammars struct {
	mu   sync.Mutex
	list []keptGrammar // the one used last at the end
}

type keptGrammar struct {
	key [sha256.Size]byte
	g   *constrain.Grammar
}

// compile is a form's grammar, which may be one that was compiled before. The error
// is the request's.
func (l *grammars) compile(f wanted) (*constrain.Grammar, error) {
	strict := byte('-')
	if f.strict {
		strict = '+'
	}
	key := sha256.Sum256(append([]byte{f.kind, strict}, f.text...))
	if g := l.find(key); g != nil {
		return g, nil
	}
	g, err := f.compile()
	if err != nil {
		var e *constrain.Error
		if errors.As(err, &e) || errors.Is(err, constrain.ErrWork) {
			return nil, bad(f.field, "%s: %v", f.field, err)
		}
		return nil, err
	}
	l.keep(keptGrammar{key, g})
	return g, nil
}

func (l *grammars) find(key [sha256.Size]byte) *constrain.Grammar {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.list, func(one keptGrammar) bool { return one.key == key })
	if i < 0 {
		return nil
	}
	one := l.list[i]
	l.list = append(slices.Delete(l.list, i, i+1), one)
	return one.g
}

// keep adds a grammar, and drops those used longest ago beyond the bounds.
func (l *grammars) keep(one keptGrammar) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, one)
	total := 0
	for i, k := range slices.Backward(l.list) {
		if total += k.g.Bytes(); i < len(l.list)-1 && (total > mostGrammarBytes || len(l.list)-i > mostGrammars) {
			l.list = slices.Clone(l.list[i+1:])
			return
		}
	}
}

func (f *wanted) compile() (*constrain.Grammar, error) {
	switch f.kind {
	case 'j':
		return constrain.JSON()
	case 'g':
		return constrain.GBNF(string(f.text))
	}
	return constrain.Schema(bytes.Clone(f.text), constrain.SchemaOptions{Strict: f.strict})
}

// textFormat is text.format as a response tells it back.
func (q *request) textFormat() any {
	var text struct{ Format json.RawMessage }
	if json.Unmarshal(q.fields["text"], &text) != nil || text.Format == nil || null(text.Format) {
		return map[string]any{"type": "text"}
	}
	return text.Format
}
