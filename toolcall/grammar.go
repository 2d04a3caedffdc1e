package toolcall

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mil-run/mil/constrain"
	"github.com/mil-run/mil/internal/jsonscan"
)

// freely are special tokens that may stand in a reply's free text.
var freely = []string{"<think>", "</think>", "[THINK]", "[/THINK]", "<|python_tag|>"}

// Grammar is the form of replies that may call the offer's functions: calls alone where
// one is required, else a free text, or one with calls behind it. Where a call starts,
// only a function of the offer can follow, with arguments that follow its schema.
// special are the texts of the model's special tokens. Where without is given, a reply
// that calls nothing holds to it.
func (f *Format) Grammar(o *Offer, special []string, without *constrain.Grammar) (*constrain.Grammar, error) {
	g, err := f.grammar(o, special, without, false)
	var e *constrain.Error
	if errors.As(err, &e) { // the schemas are too large together
		g, err = f.grammar(o, special, without, true)
	}
	if errors.As(err, &e) {
		return nil, offerError("tools", "%v", e)
	}
	return g, err
}

// grammar is Grammar. loose says that schemas which are not strict allow any object.
func (f *Format) grammar(o *Offer, special []string, without *constrain.Grammar, loose bool) (*constrain.Grammar, error) {
	w := &writer{f: f, b: new(constrain.Builder), loose: loose}
	for _, text := range special {
		if f.Marks(text) {
			w.marks = append(w.marks, text)
		} else if slices.Contains(freely, text) {
			w.free = append(w.free, constrain.Special(text))
		}
	}
	calls, err := w.calls(o)
	if err != nil {
		return nil, err
	}
	if o.Choice == Required {
		return w.b.Grammar(calls)
	}
	if without != nil {
		return w.b.Grammar(constrain.Alt(calls, w.b.Include(without)))
	}
	if f.Start == "" {
		return w.b.Grammar(constrain.Alt(calls, w.text(w.begun(o))))
	}
	text := w.text(constrain.Seq(constrain.Text(), constrain.Lit(f.Start), constrain.Text()))
	return w.b.Grammar(constrain.Seq(text, constrain.Optional(calls)))
}

// writer writes a format's grammar.
type writer struct {
	f     *Format
	b     *constrain.Builder
	loose bool
	marks []string         // special tokens of the format
	free  []constrain.Expr // special tokens of free text
}

// text is free text that is none of some texts.
func (w *writer) text(none constrain.Expr) constrain.Expr {
	plain := constrain.Terminal(constrain.Not(none))
	if len(w.free) == 0 {
		return plain
	}
	return constrain.Seq(plain, constrain.Repeat(constrain.Seq(constrain.Alt(w.free...), plain), 0, -1))
}

// begun is the texts that begin with a call, where no tag starts one.
func (w *writer) begun(o *Offer) constrain.Expr {
	var names []constrain.Expr
	for _, t := range o.allowed() {
		names = append(names, constrain.Lit(t.Name+`"`))
	}
	white := constrain.Repeat(constrain.Class(' ', ' ', '\t', '\n', '\r', '\r'), 0, -1)
	return constrain.Seq(white, constrain.Lit("{"), white, constrain.Lit(`"name"`), white, constrain.Lit(":"), white, constrain.Lit(`"`), constrain.Alt(names...), constrain.Text())
}

// calls is the texts of calls.
func (w *writer) calls(o *Offer) (constrain.Expr, error) {
	var list []constrain.Expr
	for i, t := range o.Tools {
		if o.tool(t.Name) == nil {
			continue
		}
		arguments, err := w.arguments(&t)
		var e *constrain.Error
		if errors.As(err, &e) {
			return arguments, offerError(fmt.Sprintf("tools[%d].parameters", i), "%s", strings.TrimPrefix(e.Error(), "#: "))
		}
		if err != nil {
			return arguments, err
		}
		list = append(list, constrain.Seq(w.lit(t.Name+w.f.mid), arguments))
	}
	one := constrain.Seq(w.lit(w.f.open), constrain.Alt(list...), w.lit(w.f.close))
	parts := []constrain.Expr{w.lit(w.f.begin), one}
	if !w.f.single && !o.Single {
		parts = append(parts, constrain.Repeat(constrain.Seq(w.lit(w.f.next), one), 0, MostCalls-1))
	}
	return constrain.Seq(append(parts, w.lit(w.f.end))...), nil
}

// lit is a text of the format. Special tokens are one token, and where a space stands
// there may be other white space of JSON, or none.
func (w *writer) lit(text string) constrain.Expr {
	for _, mark := range w.marks {
		if before, after, ok := strings.Cut(text, mark); ok {
			return constrain.Seq(w.lit(before), constrain.Special(mark), w.lit(after))
		}
	}
	var parts []constrain.Expr
	for i, part := range strings.Split(text, " ") {
		if i > 0 {
			parts = append(parts, constrain.JSONSpace())
		}
		parts = append(parts, constrain.Lit(part))
	}
	return constrain.Seq(parts...)
}

// arguments is the texts of a call's arguments.
func (w *writer) arguments(t *Tool) (constrain.Expr, error) {
	if w.f.values {
		return w.values(t)
	}
	schema, err := object(t.schema())
	if err != nil {
		return constrain.Expr{}, err
	}
	x, err := w.schema(schema, t.Strict)
	if err == nil && w.f.id {
		letter := constrain.Class('a', 'z', 'A', 'Z', '0', '9')
		x = constrain.Seq(x, w.lit(`, "id": "`), constrain.Repeat(letter, 9, 9), constrain.Lit(`"`))
	}
	return x, err
}

// schema is the texts of the values that follow a schema. A schema that cannot be held
// allows any object, unless it is strict.
func (w *writer) schema(schema json.RawMessage, strict bool) (constrain.Expr, error) {
	if strict || !w.loose {
		x, err := w.b.Schema(schema, constrain.SchemaOptions{Strict: strict})
		var e *constrain.Error
		if err == nil || strict || !errors.As(err, &e) {
			return x, err
		}
	}
	return constrain.JSONValue(w.b, w.b.Rule("value")), nil
}

// object is a schema that says that its values are objects. One that says otherwise is
// an error.
func object(schema json.RawMessage) (json.RawMessage, error) {
	var top struct {
		Type json.RawMessage `json:"type"`
	}
	if err := json.Unmarshal(schema, &top); err != nil {
		return nil, err
	}
	switch string(top.Type) {
	case `"object"`:
		return schema, nil
	case "", "null":
		rest := strings.TrimLeft(string(schema), spaces)[1:]
		if strings.TrimLeft(rest, spaces)[0] != '}' {
			rest = ", " + rest
		}
		return json.RawMessage(`{"type": "object"` + rest), nil
	}
	return nil, &constrain.Error{Path: "#/type", Text: "the arguments of a function are an object"}
}

// values is the texts of arguments that come one by one, in the order of the schema.
func (w *writer) values(t *Tool) (constrain.Expr, error) {
	var top struct {
		Properties  json.RawMessage `json:"properties"`
		Required    []string        `json:"required"`
		Defs        json.RawMessage `json:"$defs,omitempty"`
		Definitions json.RawMessage `json:"definitions,omitempty"`
	}
	schema, err := object(t.schema())
	if err != nil {
		return constrain.Expr{}, err
	}
	if json.Unmarshal(schema, &top) != nil {
		return constrain.Expr{}, &constrain.Error{Path: "#", Text: "properties or required have a value of the wrong type"}
	}
	var parts []constrain.Expr
	if len(top.Properties) > 0 && string(top.Properties) != "null" {
		err = jsonscan.Members(top.Properties, len(top.Properties), func(key string, v []byte) error {
			if strings.ContainsAny(key, ">\n") || key == "" {
				return &constrain.Error{Path: "#/properties", Text: fmt.Sprintf("a function's arguments cannot be called %q in this model's format", key)}
			}
			value, err := w.value(t, key, v, top.Defs, top.Definitions)
			if err != nil {
				return err
			}
			one := constrain.Seq(constrain.Lit(openParameter+key+">\n"), value, constrain.Lit("\n"+closeParameter+"\n"))
			if !slices.Contains(top.Required, key) {
				one = constrain.Optional(one)
			}
			parts = append(parts, one)
			return nil
		})
	}
	return constrain.Seq(parts...), err
}

// value is the texts of one argument. Where the schema asks for a text, it stands there
// as it is.
func (w *writer) value(t *Tool, key string, schema, defs, definitions json.RawMessage) (constrain.Expr, error) {
	var v map[string]json.RawMessage
	if json.Unmarshal(schema, &v) != nil || string(v["type"]) != `"string"` {
		if v == nil {
			return w.schema(schema, t.Strict)
		}
		for name, d := range map[string]json.RawMessage{"$defs": defs, "definitions": definitions} {
			if d != nil && v[name] == nil {
				v[name] = d
			}
		}
		whole, err := json.Marshal(v)
		if err != nil {
			return constrain.Expr{}, err
		}
		return w.schema(whole, t.Strict)
	}
	if list, ok := v["enum"]; ok {
		var words []string
		if json.Unmarshal(list, &words) == nil && !slices.ContainsFunc(words, func(word string) bool { return strings.Contains(word, closeParameter) }) {
			var choice []constrain.Expr
			for _, word := range words {
				choice = append(choice, constrain.Lit(word))
			}
			return constrain.Alt(choice...), nil
		}
	}
	for name := range v {
		if t.Strict && !slices.Contains([]string{"type", "description", "title", "default", "examples"}, name) {
			return constrain.Expr{}, &constrain.Error{Path: "#/properties/" + key + "/" + name, Text: "it cannot be held in this model's format, where texts stand as they are"}
		}
	}
	ends := constrain.Seq(constrain.Text(), constrain.Lit(closeParameter), constrain.Text())
	return constrain.Terminal(constrain.Not(ends)), nil
}
