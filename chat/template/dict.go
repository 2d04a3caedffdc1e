package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// maxNesting bounds how deep values from outside may nest.
const maxNesting = 200

// Map is a dict that keeps the order its keys were set in, as tojson must.
// The zero value is empty and ready for use.
type Map struct {
	keys   []any
	values []any
	index  map[any]int
}

// Message is one turn of a conversation: role, content and whatever else the
// template of a model reads (tool_calls, name, ...), in its order.
type Message = *Map

// NewMessage makes the plain kind of message.
func NewMessage(role, content string) Message {
	m := new(Map)
	m.Set("role", role)
	m.Set("content", content)
	return m
}

// Len is the number of keys.
func (d *Map) Len() int { return len(d.keys) }

// Get returns the value of key.
func (d *Map) Get(key string) (any, bool) { return d.get(key) }

// Set adds key, or changes its value where it stands. Values are those that
// Render takes for variables.
func (d *Map) Set(key string, v any) { d.put(key, key, v) }

func (d *Map) get(hash any) (any, bool) {
	i, ok := d.index[hash]
	if !ok {
		return nil, false
	}
	return d.values[i], true
}

func (d *Map) put(hash, key, v any) {
	if i, ok := d.index[hash]; ok {
		d.values[i] = v
		return
	}
	if d.index == nil {
		d.index = map[any]int{}
	}
	d.index[hash] = len(d.keys)
	d.keys = append(d.keys, key)
	d.values = append(d.values, v)
}

// lookup finds a key of any type; one that cannot be a key is not there.
func (d *Map) lookup(key any) (any, bool) {
	h, err := hashKey(key)
	if err != nil {
		return nil, false
	}
	return d.get(h)
}

func (d *Map) pairs() []any {
	out := make([]any, len(d.keys))
	for i, k := range d.keys {
		out[i] = tuple(k, d.values[i])
	}
	return out
}

// UnmarshalJSON reads a JSON object, keeping the order of keys at every depth.
func (d *Map) UnmarshalJSON(data []byte) error {
	v, err := Decode(data)
	if err != nil {
		return err
	}
	o, ok := v.(*Map)
	if !ok {
		return fmt.Errorf("JSON %s where an object is wanted", typeName(v))
	}
	*d = *o
	return nil
}

// Decode reads one JSON value for use as a template variable: objects become
// *Map, so that their keys stay in order, which map[string]any would lose.
func Decode(data []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	v, err := decode(dec, 0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the JSON value")
	}
	return v, nil
}

func decode(dec *json.Decoder, depth int) (any, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("JSON nests deeper than %d", maxNesting)
	}
	tok, err := dec.Token()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	switch tok := tok.(type) {
	case json.Number:
		return number(tok), nil
	case json.Delim:
		if tok == '[' {
			return decodeList(dec, depth)
		}
		return decodeMap(dec, depth)
	}
	return tok, nil
}

func decodeList(dec *json.Decoder, depth int) (any, error) {
	items := []any{}
	for dec.More() {
		v, err := decode(dec, depth+1)
		if err != nil {
			return nil, err
		}
		items = append(items, v)
	}
	_, err := dec.Token()
	return newList(items), err
}

func decodeMap(dec *json.Decoder, depth int) (any, error) {
	d := new(Map)
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		v, err := decode(dec, depth+1)
		if err != nil {
			return nil, err
		}
		d.put(key, key, v)
	}
	_, err := dec.Token()
	return d, err
}

// number reads a JSON number as Python does: without point or exponent it is
// an integer, however long. Those past int64 stay text, good for printing.
func number(n json.Number) any {
	if i, err := strconv.ParseInt(string(n), 10, 64); err == nil {
		return i
	}
	if bytes.ContainsAny([]byte(n), ".eE") {
		// A range error still gives the infinity that Python would.
		f, _ := n.Float64()
		return f
	}
	return n
}

// fromGo turns a caller's value into one of ours; nothing else gets in, so a
// template can never reach a Go method or field.
func fromGo(v any, depth int) (any, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("value nests deeper than %d", maxNesting)
	}
	switch v := v.(type) {
	case nil, bool, int64, float64, string:
		return v, nil
	case int:
		return int64(v), nil
	case int32:
		return int64(v), nil
	case float32:
		return float64(v), nil
	case json.Number:
		return number(v), nil
	case json.RawMessage:
		return Decode(v)
	case []string:
		return fromSlice(v, depth)
	case []any:
		return fromSlice(v, depth)
	case []Message:
		return fromSlice(v, depth)
	case *list:
		return fromSlice(v.items, depth)
	case *Map:
		if v == nil {
			return nil, nil
		}
		d := new(Map)
		for i, k := range v.keys {
			x, err := fromGo(v.values[i], depth+1)
			if err != nil {
				return nil, fmt.Errorf("%v: %w", k, err)
			}
			d.put(k, k, x)
		}
		return d, nil
	case map[string]any:
		d := new(Map)
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			x, err := fromGo(v[k], depth+1)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k, err)
			}
			d.Set(k, x)
		}
		return d, nil
	}
	return nil, fmt.Errorf("a template cannot use a Go %T", v)
}

func fromSlice[T any](s []T, depth int) (any, error) {
	items := make([]any, len(s))
	for i, x := range s {
		v, err := fromGo(x, depth+1)
		if err != nil {
			return nil, err
		}
		items[i] = v
	}
	return newList(items), nil
}
