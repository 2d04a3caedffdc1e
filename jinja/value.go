package jinja

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// kind tells Python's sequence types apart where a template can see the
// difference: how they print, whether they have a length, when they are true.
type kind int

const (
	kindList kind = iota
	kindTuple
	kindKeys // dict.keys(), values() and items(): a length, no index
	kindValues
	kindItems
	kindGenerator // map, select, ...: neither, and always true
)

// list is any sequence except a string. Items are never changed once made, so
// slices of a list share its memory. Items that are taken from a generator
// leave it.
type list struct {
	items []any
	kind  kind
	names []string // of a tuple's items, as attributes; nil: none
}

// undefined is the value of a missing name or key. It prints as nothing and is
// false. Any other use of it is the error msg.
type undefined struct {
	format string
	a, b   string // of format; put together only where somebody reads it
}

func (u *undefined) err() error {
	switch strings.Count(u.format, "%s") {
	case 0:
		return errors.New(u.format)
	case 1:
		return fmt.Errorf(u.format, u.a)
	}
	return fmt.Errorf(u.format, u.a, u.b)
}

// namespace is the one thing a template can change: namespace(x=1).
type namespace struct{ vars *Map }

// function is a builtin, a bound method or a macro, ready to be called.
type function struct {
	name string
	call func(m *machine, a arguments) (any, error)
	// attrs are a macro's attributes (name, arguments, ...).
	attrs map[string]any
	get   func(name string) (any, bool) // attributes that change; nil: none
}

func tuple(items ...any) *list    { return &list{items: items, kind: kindTuple} }
func newList(items []any) *list   { return &list{items: items} }
func generator(items []any) *list { return &list{items: items, kind: kindGenerator} }

// undef is a value that is not there; format has a %s for each of the names.
func undef(format string, names ...string) any {
	u := &undefined{format: format}
	if len(names) > 0 {
		u.a = names[0]
	}
	if len(names) > 1 {
		u.b = names[1]
	}
	return u
}

// typeName is Python's name of a value's type, for errors.
func typeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case int64, json.Number:
		return "int"
	case float64:
		return "float"
	case str:
		return "str"
	case *Map:
		return "dict"
	case *list:
		return [...]string{"list", "tuple", "dict_keys", "dict_values", "dict_items", "generator"}[v.kind]
	case *undefined:
		return "Undefined"
	case *namespace:
		return "Namespace"
	case *loop:
		return "LoopContext"
	}
	return "function"
}

// objectName is how Jinja names the owner of a missing attribute.
func objectName(v any) string {
	if v == nil {
		return "None"
	}
	return typeName(v) + " object"
}

// truth is Python's bool(v).
func truth(v any) bool {
	switch v := v.(type) {
	case nil, *undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case str:
		return v.s != ""
	case *Map:
		return v.Len() > 0
	case *list:
		return v.kind == kindGenerator || len(v.items) > 0
	}
	return true
}

// iterate gives the items a for loop over v would see.
func (m *machine) iterate(v any) ([]any, error) {
	switch v := v.(type) {
	case *list:
		items := v.items
		if v.kind == kindGenerator {
			v.items = nil // it gives them once
		}
		return items, nil
	case *Map:
		return v.keys, nil
	case *undefined:
		return nil, nil
	case str:
		// A character each, so a long text costs many times its bytes.
		if err := m.spend(len(v.s)); err != nil {
			return nil, err
		}
		n := utf8.RuneCountInString(v.s)
		if n > m.left.Bytes/charBytes {
			return nil, m.spend(-1)
		}
		if err := m.spend(n * charBytes); err != nil {
			return nil, err
		}
		v = v.as(false) // Python iterates over Markup as over any text
		items := make([]any, 0, n)
		for i, r := range v.s {
			items = append(items, v.sub(i, i+utf8.RuneLen(r)))
		}
		return items, nil
	}
	return nil, fmt.Errorf("'%s' object is not iterable", typeName(v))
}

// length is Python's len(v).
func (m *machine) length(v any) (int, error) {
	switch v := v.(type) {
	case str:
		return utf8.RuneCountInString(v.s), m.spend(len(v.s))
	case *Map:
		return v.Len(), nil
	case *undefined:
		return 0, nil
	case *list:
		if v.kind != kindGenerator {
			return len(v.items), nil
		}
	}
	return 0, fmt.Errorf("object of type '%s' has no len()", typeName(v))
}

// asInt reads the integers and booleans Python lets stand for an index.
func asInt(v any) (int64, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case int64:
		return v, true
	}
	return 0, false
}

// asFloat reads any number.
func asFloat(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	}
	n, ok := asInt(v)
	return float64(n), ok
}

// hashKey maps what Python holds to be the same dict key (1, 1.0, True) onto
// one Go value.
func hashKey(v any) (any, error) {
	switch v := v.(type) {
	case nil, int64, json.Number:
		return v, nil
	case str:
		return v.s, nil
	case *undefined:
		return undefined{}, nil // all are equal
	case bool:
		n, _ := asInt(v)
		return n, nil
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v), nil
		}
		return v, nil
	}
	return nil, fmt.Errorf("unhashable type: '%s'", typeName(v))
}
