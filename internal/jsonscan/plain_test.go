package jsonscan

import (
	"encoding/json"
	"errors"
	"testing"
)

func TestPlain(t *testing.T) {
	for text, want := range map[string]string{
		`{"name":1}`:               `"name" is a number where a text belongs, at byte 9`,
		`{"list":"x"}`:             `"list" is a text where a list belongs, at byte 11`,
		`{"list":[{"count":[]}]}`:  `"list.count" is a list where a whole number within bounds belongs, at byte 19`,
		`{"list":[{"count":1e9}]}`: `"list.count" is the number 1e9 where a whole number within bounds belongs, at byte 21`,
		`[]`:                       `the whole is a list where an object belongs, at byte 1`,
		`{"yes":{}}`:               `"yes" is an object where true or false belongs, at byte 8`,
		`{"name":`:                 `not JSON: unexpected end of JSON input, at byte 8`,
		`{"name":x}`:               `not JSON: invalid character 'x' looking for beginning of value, at byte 9`,
	} {
		var v struct {
			Name *string `json:"name"`
			Yes  bool    `json:"yes"`
			List []struct {
				Count int8 `json:"count"`
			} `json:"list"`
		}
		if err := Plain(json.Unmarshal([]byte(text), &v)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	other := errors.New("another")
	if Plain(other) != other || Plain(nil) != nil {
		t.Error("another error does not stay")
	}
}
