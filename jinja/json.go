package jinja

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// maxNesting bounds how deep values from outside may nest.
const maxNesting = 200

// DecodeConversation reads a JSON object of Render's input: "messages", and
// under any other key a variable (add_generation_prompt, tools, ...).
func DecodeConversation(data []byte) ([]Message, map[string]any, error) {
	v, err := Decode(data)
	if err != nil {
		return nil, nil, err
	}
	o, ok := v.(*Map)
	if !ok {
		return nil, nil, fmt.Errorf("a %s where an object with messages is wanted", jsonName(v))
	}
	turns, _ := o.Get("messages")
	l, ok := turns.(*list)
	if !ok {
		return nil, nil, errors.New("no list of messages")
	}
	messages := make([]Message, len(l.items))
	for i, item := range l.items {
		if messages[i], ok = item.(Message); !ok {
			return nil, nil, fmt.Errorf("message %d is a %s, not an object", i, jsonName(item))
		}
	}
	vars := make(map[string]any, o.Len())
	for i, key := range o.keys {
		if key != "messages" {
			vars[key.(string)] = o.values[i]
		}
	}
	return messages, vars, nil
}

// jsonName is JSON's name for a decoded value.
func jsonName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case *list:
		return "list"
	case *Map:
		return "object"
	}
	return "number"
}

// UnmarshalJSON reads a JSON object, keeping the order of keys at every depth.
func (d *Map) UnmarshalJSON(data []byte) error {
	v, err := Decode(data)
	if err != nil {
		return err
	}
	o, ok := v.(*Map)
	if !ok {
		return fmt.Errorf("a %s where an object is wanted", jsonName(v))
	}
	*d = *o
	return nil
}

// MarshalJSON writes the keys in their order.
func (d *Map) MarshalJSON() ([]byte, error) {
	v, err := fromGo(d, 0)
	if err != nil {
		return nil, err
	}
	w := &jsonWriter{writer: writer{m: &machine{budget: newBudget(DefaultLimits)}}, comma: plain(","), col: plain(":")}
	w.value(v, 0)
	text, err := w.done()
	return []byte(text.s), err
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
	tok, err := nextToken(dec)
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

// nextToken reads one of the tokens of a value that has begun.
func nextToken(dec *json.Decoder) (json.Token, error) {
	tok, err := dec.Token()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return tok, err
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
	_, err := nextToken(dec)
	return newList(items), err
}

func decodeMap(dec *json.Decoder, depth int) (any, error) {
	d := new(Map)
	for dec.More() {
		key, err := nextToken(dec)
		if err != nil {
			return nil, err
		}
		v, err := decode(dec, depth+1)
		if err != nil {
			return nil, err
		}
		d.put(key, key, v)
	}
	_, err := nextToken(dec)
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
