package jinja

import (
	"testing"

	"github.com/mil-run/mil/internal/show"
)

// tight are limits that keep a fuzzing run moving.
var tight = Limits{Steps: 20000, Bytes: 1 << 20, Output: 1 << 16}

func FuzzRender(f *testing.F) {
	cases := readCases(f)
	for _, c := range cases.Snippets {
		f.Add(c.Template)
	}
	for _, source := range hostile {
		if len(source) < 1000 {
			f.Add(source)
		}
	}
	vars := cases.vars()
	f.Fuzz(func(t *testing.T, source string) {
		tmpl, err := Parse(source, Tokens{BOS: "<s>", EOS: "</s>"})
		if err != nil {
			oneLine(t, err)
			return
		}
		text, err := tmpl.WithLimits(tight).Render([]Message{NewMessage("user", "Hi")}, vars)
		if _, raised := err.(*Raised); err != nil && !raised {
			oneLine(t, err)
		}
		if len(text.Text) > tight.Output {
			t.Errorf("%d bytes of output", len(text.Text))
		}
	})
}

func FuzzDecodeConversation(f *testing.F) {
	for _, c := range readCases(f).Conversations {
		f.Add([]byte(c))
	}
	f.Add([]byte(`{"messages":[{"role":1e999,"content":[[],{},-0,99999999999999999999]}],"messages":[]}`))
	tmpl, err := Parse("{{ messages }}{{ messages|tojson(indent=1) }}{{ tools|tojson(sort_keys=true) }}", Tokens{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		messages, vars, err := DecodeConversation(line)
		if err != nil {
			oneLine(t, err)
			return
		}
		if _, err := tmpl.WithLimits(tight).Render(messages, vars); err != nil {
			oneLine(t, err)
		}
	})
}

func oneLine(t *testing.T, err error) {
	t.Helper()
	if s := err.Error(); !show.Plain(s) || len(s) > 200 {
		t.Errorf("not one short line: %.300q", s)
	}
}
