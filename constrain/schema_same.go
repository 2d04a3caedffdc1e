package constrain

import (
	"encoding/binary"
	"strconv"
)

// A signature tells what a node asks for, in bytes: nodes with the same one are
// the same schema, whatever their annotations say. The nodes of its parts come in
// as the first node that is the same.
type signature []byte

// settle finds the first node that is the same as one that was just read.
func (r *schemaReader) settle(n *schemaNode) {
	s := make(signature, 0, 256).node(n)
	first := r.bySign[string(s)]
	if first == nil {
		first = n
		r.bySign[string(s)] = n
	}
	n.same = first
}

func (s signature) node(n *schemaNode) signature {
	s = s.numbers("type", int(n.types), bit(n.never), bit(n.integer))
	for _, values := range n.enums {
		s = s.numbers("enum", len(values))
		for _, v := range values {
			s = s.value(v)
		}
	}
	s = s.bound("low", n.low).bound("high", n.high)
	if n.multiple != nil {
		s = s.text("multiple", n.multiple.String())
	}
	s = s.numbers("length", n.minLength, n.maxLength)
	for _, p := range n.patterns {
		s = s.text("pattern", p)
	}
	if n.format != "" {
		s = s.text("format", n.format)
	}
	s = s.numbers("items", n.minItems, n.maxItems, bit(n.unique), n.minHits, n.maxHits)
	s = s.list("prefix", n.prefix...).list("parts", n.items, n.contains, n.unevaluatedItems, n.additional, n.names, n.unevaluatedProperties, n.when, n.then, n.other)
	s = s.named("properties", n.properties).named("patterns", n.patternProperties).named("dependent", n.dependentSchemas)
	for _, name := range n.required {
		s = s.text("required", name)
	}
	s = s.numbers("members", n.minProps, n.maxProps)
	for _, d := range n.dependentRequired {
		s = s.text("needs", d.name)
		for _, need := range d.needs {
			s = s.text("need", need)
		}
	}
	s = s.list("all", n.all...).list("any", n.any...).list("one", n.one...).list("not", n.not...)
	if n.ref != "" {
		s = s.text(n.base.path, n.ref)
	}
	return s
}

func bit(b bool) int { return int(b2u(b)) }

func (s signature) text(tag, text string) signature {
	s = binary.AppendUvarint(append(s, tag...), uint64(len(text)))
	return append(s, text...)
}

func (s signature) numbers(tag string, list ...int) signature {
	s = append(s, tag...)
	for _, n := range list {
		s = binary.AppendVarint(s, int64(n))
	}
	return s
}

func (s signature) bound(tag string, b *bound) signature {
	if b == nil {
		return s
	}
	return s.text(tag+strconv.FormatBool(b.strict), b.at.String())
}

func (s signature) list(tag string, list ...*schemaNode) signature {
	s = s.numbers(tag, len(list))
	for _, n := range list {
		id := -1
		if n != nil {
			id = n.first().id
		}
		s = binary.AppendVarint(s, int64(id))
	}
	return s
}

func (s signature) named(tag string, list []namedNode) signature {
	for _, m := range list {
		s = s.text(tag, m.name).list("", m.node)
	}
	return s
}

func (s signature) value(v *jsonValue) signature {
	s = s.numbers("value", int(v.kind), len(v.items)).text("", v.text)
	for i, item := range v.items {
		if v.kind == '{' {
			s = s.text("", v.keys[i])
		}
		s = s.value(item)
	}
	return s
}

// first is the first node that is the same as n, n itself while it is being read.
func (n *schemaNode) first() *schemaNode {
	if n.same != nil {
		return n.same
	}
	return n
}
