package jinja

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"
)

// outcome is the result of a template in Python's Jinja2.
type outcome struct {
	Text   *string // nil: it failed
	Raised *string // with raise_exception
	Error  string
}

// casesFile is the file that testdata/templates/make.py writes.
type casesFile struct {
	Vars        Map
	Unsupported []string // templates that fail here, though not in Python
	Snippets    []struct {
		outcome
		Template string
	}
	Models []struct {
		outcome
		Model        string
		Conversation int
	}
	Conversations []json.RawMessage // those the models are rendered with
	Strftime      [][]any
}

func readCases(t testing.TB) *casesFile {
	t.Helper()
	data, err := os.ReadFile("../testdata/templates/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	c := new(casesFile)
	if err := json.Unmarshal(data, c); err != nil {
		t.Fatal(err)
	}
	return c
}

// vars are the variables that the snippets may use.
func (c *casesFile) vars() map[string]any {
	vars := map[string]any{}
	for i, k := range c.Vars.keys {
		vars[k.(string)] = c.Vars.values[i]
	}
	return vars
}

// check compares a render with Jinja2's.
func (want outcome) check(t *testing.T, what, got string, err error) {
	t.Helper()
	var raised *Raised
	isRaised := errors.As(err, &raised)
	switch {
	case want.Text != nil && err != nil:
		t.Errorf("%s\nfails: %v\nwant   %q", what, err, *want.Text)
	case want.Text != nil && got != *want.Text:
		t.Errorf("%s\ngives %q\nwant  %q", what, got, *want.Text)
	case want.Raised != nil && (!isRaised || raised.Message != *want.Raised):
		t.Errorf("%s\ngives %q, %v\nwant %q raised", what, got, err, *want.Raised)
	case want.Text == nil && want.Raised == nil && (err == nil || isRaised):
		t.Errorf("%s\ngives %q, %v\nwant the error %s", what, got, err, want.Error)
	}
}

func TestSnippets(t *testing.T) {
	cases := readCases(t)
	vars := cases.vars()
	render := func(source string) (string, error) {
		tmpl, err := Parse(source, Tokens{})
		if err != nil {
			return "", err
		}
		r, err := tmpl.Render(nil, vars)
		return r.Text, err
	}
	for _, c := range cases.Snippets {
		got, err := render(c.Template)
		c.check(t, c.Template, got, err)
	}
	for _, source := range cases.Unsupported {
		if got, err := render(source); err == nil {
			t.Errorf("%s\ngives %q, want an error", source, got)
		}
	}
}

func TestModels(t *testing.T) {
	cases := readCases(t)
	parsed := map[string]*Template{}
	for _, c := range cases.Models {
		if parsed[c.Model] == nil {
			source, err := os.ReadFile("../testdata/templates/models/" + c.Model)
			if err != nil {
				t.Fatal(err)
			}
			if parsed[c.Model], err = Parse(string(source), Tokens{BOS: "<s>", EOS: "</s>"}); err != nil {
				t.Errorf("%s: %v", c.Model, err)
				return
			}
		}
		messages, vars, err := DecodeConversation(cases.Conversations[c.Conversation])
		if err != nil {
			t.Fatal(err)
		}
		got, err := parsed[c.Model].Render(messages, vars)
		c.check(t, fmt.Sprintf("%s, conversation %d", c.Model, c.Conversation), got.Text, err)
	}
}

func TestStrftime(t *testing.T) {
	for _, row := range readCases(t).Strftime {
		n := [7]int{}
		for i := range n {
			n[i] = int(row[i+1].(float64))
		}
		at := time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], n[6]*1000, time.UTC)
		m := &machine{budget: newBudget(DefaultLimits)}
		got, err := m.strftime(at, plain(row[0].(string)))
		if s, _ := got.(str); err != nil || s.s != row[8] {
			t.Errorf("%s at %v: %q, %v, want %q", row[0], at, got, err, row[8])
		}
	}
}
