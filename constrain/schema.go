package constrain

import "fmt"

// SchemaOptions say how a JSON Schema is read.
type SchemaOptions struct {
	// Strict reads it as OpenAI's strict mode: an object that lists its
	// properties has no others, unless it speaks of them, and a format that is
	// not known is refused. Optional properties are allowed, and roots that are
	// no objects.
	Strict bool
}

// maxSchemaDepth is how deep a schema's values may be nested.
const maxSchemaDepth = 200

// Schema returns the grammar of the JSON texts whose values follow a JSON Schema
// (draft 2020-12). Every text that matches is JSON and follows the schema, and
// every value that follows it has a text that matches, written as
// docs/constraints.md says: with the properties of an object in the schema's
// order. A schema of which this cannot be promised is refused with an [*Error],
// whose path leads to the part that is the reason.
func Schema(doc []byte, o SchemaOptions) (*Grammar, error) {
	b := new(Builder)
	e, err := b.Schema(doc, o)
	if err != nil {
		return nil, err
	}
	g, err := b.Grammar(e)
	if err != nil {
		return nil, schemaWrap(err, "#", "")
	}
	return g, nil
}

// Schema is the texts of a schema's values as a part of a larger grammar, for which the
// function [Schema] is the whole. An error may also come from [Builder.Grammar].
func (b *Builder) Schema(doc []byte, o SchemaOptions) (e Expr, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case tooMuch:
			err = schemaErrorf("#", "the schema takes too much work to compile; make it smaller, or use fewer combinations of schemas")
		default:
			panic(r)
		}
	}()
	if len(doc) > MostText {
		return Expr{}, schemaErrorf("", "the schema has %d bytes, more than %d", len(doc), MostText)
	}
	v, err := parseJSON(doc, maxSchemaDepth)
	if err != nil {
		return Expr{}, schemaErrorf("", "the schema %v", err)
	}
	r := &schemaReader{
		strict: o.Strict, byVal: map[*jsonValue]*schemaNode{}, bySign: map[string]*schemaNode{}, byConst: map[*jsonValue]*schemaNode{},
		bases: map[*jsonValue]*schemaBase{}, byURI: map[string]*schemaBase{},
	}
	root, err := r.document(v)
	if err != nil {
		return Expr{}, err
	}
	c := &schemaCompiler{
		b: b, r: r, strict: o.Strict, unique: map[string]*goal{}, exprs: map[string]textSet{}, classes: map[string]Expr{},
	}
	c.always = c.intern("", nil)
	c.nothing = c.intern("never", nil)
	c.nothing.never = true
	for _, n := range r.nodes {
		c.tracks = c.tracks || n.unevaluatedItems != nil || n.unevaluatedProperties != nil
	}
	e, err = c.value(c.goal(schemaLit{root, false}))
	if err != nil {
		return Expr{}, err
	}
	if err := c.define(); err != nil {
		return Expr{}, err
	}
	return e, nil
}

// document reads the root schema.
func (r *schemaReader) document(v *jsonValue) (*schemaNode, error) {
	if v.kind == '{' {
		if s := v.get("$schema"); s != nil && s.kind == 's' {
			r.modern = modernDrafts[s.text]
		}
		if err := r.scan(v, "#", nil); err != nil {
			return nil, err
		}
	}
	root, err := r.node(v, "#", r.bases[v])
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(r.nodes); i++ { // grows as targets are read
		if n := r.nodes[i]; n.ref != "" {
			if _, err := r.follow(n); err != nil {
				return nil, err
			}
		}
	}
	return root, nil
}

// modernDrafts have no keyword dependencies.
var modernDrafts = map[string]bool{
	"https://json-schema.org/draft/2019-09/schema":  true,
	"https://json-schema.org/draft/2020-12/schema":  true,
	"https://json-schema.org/draft/2020-12/schema#": true,
}

func schemaErrorf(path, format string, args ...any) *Error {
	return &Error{Path: path, Text: fmt.Sprintf(format, args...)}
}

// schemaWrap gives an error a place, where it has none, and a reason in front.
func schemaWrap(err error, path, reason string) error {
	e, ok := err.(*Error)
	if !ok {
		e = &Error{Text: err.Error()}
	}
	out := *e
	if out.Path == "" {
		out.Path = path
	}
	if reason != "" {
		out.Text = reason + ": " + out.Path + ": " + out.Text
		out.Path = path
	}
	return &out
}
