package jinja

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// fromGo turns a caller's value into a template's value. Nothing else gets in,
// so a template can never reach a Go method or field.
func fromGo(v any, depth int) (any, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("value nests deeper than %d", maxNesting)
	}
	switch v := v.(type) {
	case nil, bool, int64, float64:
		return v, nil
	case string:
		return fromOutside(v), nil
	case int:
		return int64(v), nil
	case int32:
		return int64(v), nil
	case float32:
		return float64(v), nil
	case json.Number:
		if len(v) > maxDigits {
			return nil, fmt.Errorf("a number of %d digits, at most %d are read", len(v), maxDigits)
		}
		return number(v), nil
	case json.RawMessage:
		x, err := Decode(v)
		if err != nil {
			return nil, err
		}
		return fromGo(x, depth)
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
			key := k
			if s, ok := k.(string); ok {
				key = fromOutside(s)
			}
			d.put(k, key, x)
		}
		return d, nil
	case map[string]any:
		d := new(Map)
		for _, k := range slices.Sorted(maps.Keys(v)) {
			x, err := fromGo(v[k], depth+1)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k, err)
			}
			d.put(k, fromOutside(k), x)
		}
		return d, nil
	}
	return nil, fmt.Errorf("a template cannot use a Go %T", v)
}

// fromOutside is a caller's text. No byte of it may become part of a special
// token.
func fromOutside(s string) str { return str{strings.ToValidUTF8(s, "\uFFFD"), whole(true, false)} }

// own is a value, none of it used yet, as the template's own.
func own(v any) any {
	switch v := v.(type) {
	case str:
		return plain(v.s)
	case *list:
		for i, x := range v.items {
			v.items[i] = own(x)
		}
	case *Map:
		for i, x := range v.values {
			v.keys[i], v.values[i] = own(v.keys[i]), own(x)
		}
	}
	return v
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
