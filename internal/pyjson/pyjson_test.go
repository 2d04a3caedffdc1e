package pyjson

import (
	"encoding/json"
	"math"
	"testing"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		`{"a":[0.0, Infinity]}`:          `{"a":[0.0, 1e999]}`,
		`[-Infinity,NaN, 1]`:             `[-1e999,2e999, 1]`,
		`{"NaN":"Infinity \" NaN"}`:      `{"NaN":"Infinity \" NaN"}`,
		`{"a\\":NaN,"b":"x\\"}`:          `{"a\\":2e999,"b":"x\\"}`,
		`{"a":1}`:                        `{"a":1}`,
		`{"a":-1,"b":"-Infinity","c":Na`: `{"a":-1,"b":"-Infinity","c":Na`,
	} {
		if got := string(Clean([]byte(in))); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
}

func TestNumber(t *testing.T) {
	for in, want := range map[string]float64{
		`1.5`: 1.5, ` 0`: 0, `Infinity`: math.Inf(1), `-Infinity`: math.Inf(-1), `{"__float__": "Infinity"}`: math.Inf(1), `{"__float__":"-inf"}`: math.Inf(-1),
	} {
		if got, ok := Number(Clean([]byte(in))); !ok || got != want {
			t.Errorf("%s is %g, %v, want %g", in, got, ok, want)
		}
	}
	if v, ok := Number(Clean([]byte("NaN"))); !ok || v == v {
		t.Errorf("NaN is %g, %v", v, ok)
	}
	for _, in := range []string{`"1"`, `null`, `{}`, `[1]`, `{"__float__":"x"}`, ``} {
		if v, ok := Number([]byte(in)); ok {
			t.Errorf("%s is the number %g", in, v)
		}
	}
}

// TestRefused has a reader that wants a float get an error, not a number.
func TestRefused(t *testing.T) {
	var v struct{ Theta float64 }
	if err := json.Unmarshal(Clean([]byte(`{"theta":Infinity}`)), &v); err == nil {
		t.Errorf("infinity became %g", v.Theta)
	}
}

// FuzzClean checks that cleaning leaves valid JSON as it is.
func FuzzClean(f *testing.F) {
	f.Add([]byte(`{"a":[NaN,"NaN\\",-Infinity]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if json.Valid(b) && string(Clean(b)) != string(b) {
			t.Errorf("%q became %q", b, Clean(b))
		}
	})
}
