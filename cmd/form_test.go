package cmd_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mil-run/mil/cmd"
)

// TestForms holds the demo's replies to a form of each flag.
func TestForms(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	schema := file("s.json", `{"type": "object", "properties": {"ok": {"type": "boolean"}, "n": {"enum": [7, 8]}}, "required": ["ok", "n"], "additionalProperties": false}`)
	grammar := file("g.gbnf", "root ::= \"<\" [a-f]{3} \">\"\n")
	for _, c := range []struct {
		args  []string
		holds func(text string) bool
	}{
		{[]string{"--choice", "Mars,Venus"}, func(s string) bool { return s == "Mars" || s == "Venus" }},
		{[]string{"--regex", `\d{4}-\d\d`}, func(s string) bool { return len(s) == 7 && s[4] == '-' && strings.Trim(s, "-0123456789") == "" }},
		{[]string{"--grammar", grammar}, func(s string) bool {
			return len(s) == 5 && s[0] == '<' && s[4] == '>' && strings.Trim(s, "<abcdef>") == ""
		}},
		{[]string{"--json-schema", schema}, func(s string) bool {
			var v struct {
				OK *bool
				N  float64
			}
			return json.Unmarshal([]byte(s), &v) == nil && v.OK != nil && (v.N == 7 || v.N == 8)
		}},
	} {
		for _, more := range [][]string{{"--temp", "0"}, {"--temp", "1.5", "--seed", "3", "--draft", "auto"}} {
			args := append(append([]string{"run", "Say something."}, c.args...), more...)
			if out := strings.TrimSuffix(must(t, "", args...), "\n"); !c.holds(out) {
				t.Errorf("mil %q prints %q", args, out)
			}
		}
	}
	out := must(t, "One?\nTwo?\n", append([]string{"chat", "--choice"}, "yes,no")...)
	for _, line := range strings.Fields(out) {
		if line != "yes" && line != "no" {
			t.Errorf("mil chat --choice prints %q", out)
		}
	}
	if n := len(strings.Fields(out)); n != 2 {
		t.Errorf("mil chat --choice gives %d replies to two messages", n)
	}
	bad := file("bad.json", `{"type": "thing"}`)
	for _, args := range [][]string{{"--regex", "(a"}, {"--choice", "a", "--regex", "b"}, {"--json-schema", bad}, {"--grammar", bad}, {"--grammar", filepath.Join(dir, "none")}} {
		_, _, err := mil(t, "", append([]string{"run", "x"}, args...)...)
		if err == nil || cmd.Status(err) != 2 || strings.Contains(err.Error(), "\n") {
			t.Errorf("mil %q: %v", args, err)
		}
	}
}
