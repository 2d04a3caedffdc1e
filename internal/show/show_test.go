package show

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// hostile are texts that would do something to a terminal.
var hostile = []string{
	"a\x1b[2Jb", "\x1b]0;title\x07", "\u009b31m", "\u009d0;x\u009c", "a\rb", "a\bb", "\x7f", "\x00", "a\u202egnp.exe", "\u2066x\u2069", "\xff\xfe", "\x9b31m",
	strings.Repeat("x", 1<<20), strings.Repeat("\x1b[31m", 1<<18), strings.Repeat("a b", 1<<18), strings.Repeat("é", 1<<18),
}

func TestGate(t *testing.T) {
	for _, s := range hostile {
		for what, got := range map[string]string{
			"Text": Text(s), "Line": Line(errors.New("open " + s + ": no such file")), "Sprintf": Sprintf("%s|%v", s, errors.New(s)),
			"list": Sprintf("%v", []string{s}), "Visible": Visible(s),
		} {
			for _, c := range got {
				if unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) {
					t.Fatalf("%s(%.20q) has %q: %.100q", what, s, c, got)
				}
			}
			if !Plain(got) {
				t.Errorf("%s(%.20q) is not plain", what, s)
			}
			if n := utf8.RuneCountInString(got); what != "Visible" && n > maxLine+MaxText+1 || what == "Text" && n > MaxText {
				t.Errorf("%s(%.20q) has %d characters", what, s, n)
			}
			if !utf8.ValidString(got) {
				t.Errorf("%s(%.20q) is not UTF-8", what, s)
			}
		}
		data, err := json.Marshal(map[string]string{"name": s})
		if err != nil {
			t.Fatal(err)
		}
		var want, got map[string]string
		safe := JSON(data)
		if json.Unmarshal(data, &want) != nil || json.Unmarshal(safe, &got) != nil || want["name"] != got["name"] {
			t.Errorf("JSON(%.20q) says something else", s)
		}
		if i := strings.IndexFunc(string(safe), func(c rune) bool { return control(c) }); i >= 0 {
			t.Errorf("JSON(%.20q) has a control character", s)
		}
	}
}

// Messages of usual length are shown as they are, and long ones by both ends.
func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"open /a/b: no such file":   "open /a/b: no such file",
		"one\ntwo\tthree":           "one; two three",
		"open \x1b[2J\n\ta\xff: no": "open \uFFFD[2J;  a\uFFFD: no",
	} {
		if got := Line(errors.New(in)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	got := Line(errors.New("open model.bin: " + strings.Repeat("many words ", 9999) + "; convert it again"))
	if !strings.HasPrefix(got, "open model.bin: many") || !strings.HasSuffix(got, "words ; convert it again") || !strings.Contains(got, "…") {
		t.Error(got)
	}
	if got := Text(strings.Repeat("ä", 201)); got != strings.Repeat("ä", 199)+"…" {
		t.Error(got)
	}
}

func TestOwn(t *testing.T) {
	if got := Sprintf("%s %s %d %v", Own("\x1b[K"), "\x1b[K", 5, 1.5); got != "\x1b[K \uFFFD[K 5 1.5" {
		t.Errorf("%q", got)
	}
}
