package jsonscan

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// Plain says in plain words why a JSON text could not be decoded: its place, the
// text there and the type that belongs there, and no type of Go's. Other errors stay.
func Plain(err error) error {
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &kind):
		where := "the whole"
		if kind.Field != "" {
			where = fmt.Sprintf("%q", kind.Field)
		}
		return fmt.Errorf("%s is %s where %s belongs, at byte %d", where, found(kind.Value), wanted(kind.Type), kind.Offset)
	case errors.As(err, &syntax):
		return fmt.Errorf("not JSON: %w, at byte %d", err, syntax.Offset)
	}
	return err
}

// found is the kind of value there, in json's word with its article.
func found(word string) string {
	switch word {
	case "string":
		return "a text"
	case "array":
		return "a list"
	case "object":
		return "an object"
	case "bool":
		return "true or false"
	case "number":
		return "a number"
	}
	return "the " + word // "number -1", which does not fit
}

func wanted(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "a whole number within bounds"
}
