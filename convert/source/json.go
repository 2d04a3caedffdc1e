package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxJSON bounds configs, tokenizers and indexes; the largest tokenizer.json
// in use has some 35 MB.
const maxJSON = 256 << 20

// ReadJSON decodes the JSON file at path into v. Errors are one line and name
// the file.
func ReadJSON(path string, v any) error {
	b, err := readSmall(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", path, jsonError(err))
	}
	return nil
}

// readSmall reads a file of at most maxJSON bytes.
func readSmall(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	if st.Size() > maxJSON {
		return nil, fmt.Errorf("%s: %d bytes is more than JSON here may have (%d)", path, st.Size(), maxJSON)
	}
	return os.ReadFile(path)
}

// jsonError says where JSON is wrong, in one line whatever the file holds.
func jsonError(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("not valid JSON at byte %d: %s", syntax.Offset, Show(syntax.Error()))
	case errors.As(err, &kind):
		return fmt.Errorf("JSON key %s holds a %s, wanted %s", Show(kind.Field), Show(kind.Value), kind.Type)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("not valid JSON: it ends too early")
	case strings.ContainsAny(err.Error(), "\r\n"):
		return errors.New(Show(err.Error()))
	}
	return err
}

// walkDocument calls member for every key of the one object that b holds.
func walkDocument(b []byte, member func(dec *json.Decoder, key string) error) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	if err := walkObject(dec, member); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("something follows the JSON object at byte %d", dec.InputOffset())
	}
	return nil
}

// walkObject calls member for every key of the object dec stands before;
// member consumes the value. A map would keep the last of two equal keys,
// and readers differ in which they keep, so here duplicates are errors.
func walkObject(dec *json.Decoder, member func(dec *json.Decoder, key string) error) error {
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
		seen[key] = true
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
	var raw json.RawMessage
	return decodeValue(dec, &raw)
}

// decodeValue decodes one value into v.
func decodeValue(dec *json.Decoder, v any) error {
	if err := dec.Decode(v); err != nil {
		return jsonError(err)
	}
	return nil
}
