package template

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

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
		for _, k := range slices.Sorted(maps.Keys(v)) {
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
