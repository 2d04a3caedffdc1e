// Package jsonscan looks at JSON before it is decoded: how much it holds, and
// where its parts lie. Text that decodes into many times its bytes can so be refused
// first, and large parts are not copied. All is linear in the bytes.
package jsonscan

import (
	"encoding/json"
	"errors"
	"fmt"
)

// errObject is given where something else stands in an object's place.
var errObject = errors.New("not a JSON object")

// nothing accepts any value and keeps none of it.
type nothing struct{}

func (nothing) UnmarshalJSON([]byte) error { return nil }

// Valid says where data is no JSON; the other functions take only valid JSON.
func Valid(data []byte) error { return json.Unmarshal(data, &nothing{}) }

// Commas counts the commas that separate values depth levels deep: those of
// data itself at 1, of the arrays and objects within it at 2.
func Commas(data []byte, depth int) int {
	n, level := 0, 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			i = text(data, i) - 1
		case '{', '[':
			level++
		case '}', ']':
			level--
		case ',':
			if level == depth {
				n++
			}
		}
	}
	return n
}

// Members calls member with every key of the object that data is, and where its
// value lies in data. An object of more than most members is refused.
func Members(data []byte, most int, member func(key string, value []byte) error) error {
	if n := Commas(data, 1) + 1; n > most {
		return fmt.Errorf("%d keys; at most %d are taken", n, most)
	}
	i := space(data, 0)
	if i == len(data) || data[i] != '{' {
		return errObject
	}
	for i = space(data, i+1); i < len(data) && data[i] != '}'; i = space(data, i) {
		end := text(data, i)
		var key string
		if err := json.Unmarshal(data[i:end], &key); err != nil {
			return err
		}
		from := space(data, space(data, end)+1) // behind the colon
		i = value(data, from)
		if err := member(key, data[from:i:i]); err != nil {
			return err
		}
		if i = space(data, i); i < len(data) && data[i] == ',' {
			i++
		}
	}
	return nil
}

// text is the end of the string that begins at i.
func text(data []byte, i int) int {
	for i++; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(data)
}

// value is the end of the value that begins at i.
func value(data []byte, i int) int {
	level := 0
	for ; i < len(data); i++ {
		switch data[i] {
		case '"':
			if i = text(data, i); level == 0 {
				return i
			}
			i--
		case '{', '[':
			level++
		case '}', ']':
			if level--; level < 0 {
				return i // of the value's container
			} else if level == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\n', '\r':
			if level == 0 {
				return i
			}
		}
	}
	return len(data)
}

// space is the first byte from i on that is not white space.
func space(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\t' || data[i] == '\n' || data[i] == '\r') {
		i++
	}
	return i
}
