package jsonscan

import (
	"bytes"
	"encoding/json"
	"maps"
	"testing"

	"github.com/mil-run/mil/internal/show"
)

func TestCommas(t *testing.T) {
	for data, want := range map[string][3]int{
		`{}`: {}, ` [ ] `: {}, `3`: {}, `"a,b"`: {}, `null`: {},
		`[1,2,3]`:                          {2},
		`{"a":[1,2],"b":{"c,":",","d":0}}`: {1, 2},
		`["\"],[","\\",[["x"],[1,2,3]]]`:   {2, 1, 2},
	} {
		for i, n := range want {
			if got := Commas([]byte(data), i+1); got != n {
				t.Errorf("%s at %d: %d, want %d", data, i+1, got, n)
			}
		}
	}
}

// The members are those that encoding/json finds.
func FuzzMembers(f *testing.F) {
	for _, s := range []string{`{}`, ` { "a" : 1 , "b\u00e9\"" : [ {"c":"}"} , 2 ] , "d":null,"e":-1e9 } `, `[1]`, `{"a":"x","a":"y"}`, `7`, `{"":{}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if Valid(data) != nil {
			if json.Valid(data) {
				t.Fatal("valid JSON is refused")
			}
			return
		}
		var want map[string]json.RawMessage
		err := json.Unmarshal(data, &want)
		got := map[string]json.RawMessage{}
		n := 0
		bad := Members(data, len(data), func(key string, value []byte) error { n++; got[key] = value; return nil })
		if err != nil || want == nil {
			if bad == nil {
				t.Fatalf("%q: members of what is no object", data)
			}
			return
		}
		if bad != nil && !show.Plain(bad.Error()) {
			t.Errorf("not one line: %q", bad)
		}
		if bad != nil || !maps.EqualFunc(got, want, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }) {
			t.Fatalf("%q: %s, %v, want %s", data, got, bad, want)
		}
		if n > 0 && n != Commas(data, 1)+1 {
			t.Fatalf("%q: %d members, %d commas", data, n, Commas(data, 1))
		}
		if n > 1 && Members(data, n-1, func(string, []byte) error { return nil }) == nil {
			t.Fatalf("%q: %d members pass a limit of %d", data, n, n-1)
		}
	})
}
