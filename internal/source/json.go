package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"github.com/mil-run/mil/internal/jsonscan"
	"github.com/mil-run/mil/internal/lfs"
	"github.com/mil-run/mil/internal/pyjson"
)

// Limits on files of JSON, far past any checkpoint's: the largest published
// index names 92,000 tensors in 9 MB.
const (
	maxConfig  = 16 << 20 // bytes of a config
	maxIndex   = 64 << 20 // bytes of an index
	maxTensors = 1 << 18  // in a file or an index
	maxKeys    = 1 << 10  // of any other object
)

// ReadJSON decodes the JSON file at path into v, Python's NaN and Infinity
// included (see pyjson). Errors are one line and name the file.
func ReadJSON(path string, v any) error {
	b, err := readSmall(path, maxConfig)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", path, jsonError(err))
	}
	return nil
}

// readSmall reads a JSON file of at most most bytes.
func readSmall(path string, most int64) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1)) // it may grow meanwhile
	if int64(len(b)) > most {
		return nil, fmt.Errorf("%s: %d bytes; at most %d are taken", path, max(st.Size(), most+1), most)
	}
	if err == nil {
		if err = lfs.Check(b); err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
	}
	return pyjson.Clean(b), err
}

// jsonError says where JSON is wrong, in one line whatever the file holds.
func jsonError(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("not valid JSON at byte %d: %s", syntax.Offset, Show(syntax.Error()))
	case errors.As(err, &kind):
		return fmt.Errorf("JSON key %s holds a %s, wanted %s", Show(kind.Field), Show(pyjson.Spell(kind.Value)), jsonType(kind.Type))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("not valid JSON: it ends too early")
	case strings.ContainsAny(err.Error(), "\r\n"):
		return errors.New(Show(err.Error()))
	}
	return err
}

// jsonType is JSON's name of a Go type.
func jsonType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Pointer:
		return jsonType(t.Elem())
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "a whole number"
	}
	return "a number"
}

// walkDocument calls member for every key of the one object that b holds. There
// may be at most most keys.
func walkDocument(b []byte, most int, member func(dec *json.Decoder, key string) error) error {
	if n := jsonscan.Commas(b, 1) + 1; n > most { // before anything is kept
		return fmt.Errorf("%d keys; at most %d are taken", n, most)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	if err := walkObject(dec, most, member); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("something follows the JSON object at byte %d", dec.InputOffset())
	}
	return nil
}

// walkObject calls member for every key of the object that dec stands before.
// member consumes the value. A map would keep the last of two equal keys, and
// readers differ in which they keep, so here duplicates are errors.
func walkObject(dec *json.Decoder, most int, member func(dec *json.Decoder, key string) error) error {
	if t, err := dec.Token(); err != nil {
		return jsonError(err)
	} else if t != json.Delim('{') {
		return fmt.Errorf("not a JSON object at byte %d", dec.InputOffset())
	}
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return jsonError(err)
		}
		key, ok := t.(string)
		if !ok {
			return fmt.Errorf("a JSON key is not a string at byte %d", dec.InputOffset())
		}
		if seen[key] {
			return fmt.Errorf("%s appears twice", Show(key))
		}
		if seen[key] = true; len(seen) > most {
			return fmt.Errorf("more than %d keys at byte %d; at most that many are taken", most, dec.InputOffset())
		}
		if err := member(dec, key); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return jsonError(err)
	}
	return nil
}

// skipValue passes over one value.
func skipValue(dec *json.Decoder) error {
	return decodeValue(dec, &skipped{})
}

// skipped takes any value and keeps none of it.
type skipped struct{}

func (*skipped) UnmarshalJSON([]byte) error { return nil }

// decodeValue decodes one value into v.
func decodeValue(dec *json.Decoder, v any) error {
	if err := dec.Decode(v); err != nil {
		return jsonError(err)
	}
	return nil
}
