package chat

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/internal/testutil"
)

// llama has a template with roles from messages, which trims, and special tokens.
func llama(t *testing.T) *Engine {
	t.Helper()
	f, _ := testutil.Convert(t, testutil.Data("families", "llama"), "q8_0")
	e, err := Open(f)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// made is a reply of random tokens, and its text. A whole one has no
// broken characters, and nothing that a template trims.
func made(e *Engine, r *rand.Rand, n int, whole bool) (ids []int32, text string) {
	for len(ids) < n {
		id := int32(r.IntN(e.Tokenizer.Size()))
		odd := strings.Contains(e.Tokenizer.Decode([]int32{id}, true), "\uFFFD")
		if !e.ends[id] && !(odd && whole) {
			ids = append(ids, id)
		}
	}
	if text = e.Tokenizer.Decode(ids, true); whole && text != strings.TrimFunc(text, space) {
		return made(e, r, n, whole)
	}
	return ids, text
}

func said(role, text string) Message { return Message{Role: role, Content: text} }

func prompt(t *testing.T, x *Texts, e *Engine, key string, messages []Message) *Prompt {
	t.Helper()
	p, err := x.Prompt(e, key, messages, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A conversation that goes on keeps the tokens of all its replies, under its key. One
// that begins otherwise, or whose replies were changed, has the tokens of its text.
func TestTexts(t *testing.T) {
	e := llama(t)
	odd := 0
	for seed := range uint64(60) {
		r, whole := rand.New(rand.NewPCG(seed, 1)), seed%2 == 0
		x := NewTexts(1 << 20)
		talk := []Message{said("system", "Be brief."), said("user", fmt.Sprint("Hello ", seed))}
		for range 4 {
			p := prompt(t, x, e, "a", talk)
			ids, reply := made(e, r, 1+r.IntN(200), whole)
			x.Keep(e, "a", p, &Settings{}, reply, ids)
			had := slices.Concat(p.Tokens, ids)
			talk = append(talk, said("assistant", reply), said("user", strings.Repeat("More. ", 1+r.IntN(3))))
			natural, err := e.Prompt(talk)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(natural[:min(len(natural), len(had))], had) {
				odd++
			}
			next := prompt(t, x, e, "a", talk)
			if strings.TrimFunc(reply, space) == "" {
				continue // nothing of it is in the text
			}
			if len(next.Tokens) < len(had) || !slices.Equal(next.Tokens[:len(had)], had) {
				t.Fatalf("seed %d: the reply %q has other tokens", seed, reply)
			}
			if !slices.Equal(next.Tokens[len(had):], e.encode(next.text.From(next.cuts[len(next.cuts)-1].bytes))) {
				t.Fatalf("seed %d: the rest of %q is not encoded", seed, next.text.Text)
			}
			if other := prompt(t, x, e, "b", talk); !slices.Equal(other.Tokens, natural) {
				t.Fatalf("seed %d: another key has these tokens", seed)
			}
			// The reply is made longer, or changed at its beginning.
			for _, changed := range []string{reply + "x", "x" + reply} {
				edited := append(slices.Clone(talk[:len(talk)-2]), said("assistant", changed), talk[len(talk)-1])
				got := prompt(t, x, e, "a", edited)
				want := e.Tokenizer.Decode(e.encode(got.text), true)
				if text := e.Tokenizer.Decode(got.Tokens, true); whole && text != want {
					t.Fatalf("seed %d: %q has the tokens of %q", seed, want, text)
				}
			}
		}
	}
	if odd < 100 {
		t.Errorf("only %d replies had other tokens than their text", odd)
	}
}

// Typed text that looks like special tokens does not take the tokens of a text in which
// they were special, nor the other way around.
func TestTextsOrigin(t *testing.T) {
	e := llama(t)
	x := NewTexts(1 << 20)
	first := []Message{said("user", "a")}
	p := prompt(t, x, e, "", first)
	ids, reply := made(e, rand.New(rand.NewPCG(7, 7)), 20, true)
	x.Keep(e, "", p, &Settings{}, reply, ids)
	next := append(first, said("assistant", reply), said("user", "b"))
	whole := prompt(t, x, e, "", next)
	if tokens, _ := x.find("", whole); tokens == nil {
		t.Fatal("nothing is remembered")
	}
	// The same text, of which all was typed, or one special token.
	for _, to := range []int{len(whole.text.Text), 2} {
		text := whole.text
		text.Outside = append([][2]int{{0, to}}, text.Outside...)
		if to > 2 {
			text.Outside = text.Outside[:1]
		}
		if tokens, _ := x.find("", e.prompt(text)); tokens != nil {
			t.Errorf("typed text has the tokens %v", tokens)
		}
	}
}

// The memory holds its bound: what was used longest ago goes.
func TestTextsBound(t *testing.T) {
	e := llama(t)
	const most = 40_000
	x := NewTexts(most)
	key, name := func(i int) string { return fmt.Sprint(i % 3) }, func(i int) string { return fmt.Sprint("x", i, "x") }
	keeps := func(i int) bool {
		p := prompt(t, x, e, "none", []Message{said("user", fmt.Sprint("Talk ", i)), said("assistant", name(i)), said("user", "b")})
		tokens, _ := x.find(key(i), p)
		return tokens != nil
	}
	for i := range 300 {
		p := prompt(t, x, e, key(i), []Message{said("user", fmt.Sprint("Talk ", i))})
		x.Keep(e, key(i), p, &Settings{}, name(i), []int32{int32(i)})
		keeps(0) // refreshes it
		if x.bytes > most || x.bytes < 0 {
			t.Fatalf("%d bytes after %d", x.bytes, i)
		}
	}
	if !keeps(0) || keeps(1) || !keeps(299) {
		t.Errorf("kept: 0 %v, 1 %v, 299 %v", keeps(0), keeps(1), keeps(299))
	}
	x.Keep(e, "", prompt(t, x, e, "", []Message{said("user", strings.Repeat("a", most))}), &Settings{}, "b", []int32{1})
	if x.bytes > most || x.bytes < 0 {
		t.Errorf("%d bytes after one that is too large", x.bytes)
	}
}
