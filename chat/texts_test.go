package chat

import (
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/internal/testutil"
)

// llama has a template with roles from messages, which trims, and special tokens.
func llama(t testing.TB) *Engine {
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
	// The same text is another if somebody typed all of it, or one special token.
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

// Texts are found again in their file, in the order of their use. Lines that were torn,
// changed or never written by us are passed over.
func TestTextsFile(t *testing.T) {
	e := llama(t)
	path := filepath.Join(t.TempDir(), "texts.jsonl")
	open := func(most int) *Texts {
		x := NewTexts(most)
		if err := x.Open(e, path, func(err error) { t.Error(err) }); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { x.Close() })
		return x
	}
	talks := make([][]Message, 4)
	had := make([][]int32, 4)
	x := open(1 << 20)
	for i := range talks {
		talk := []Message{said("user", fmt.Sprint("Hello ", i))}
		p := prompt(t, x, e, "a", talk)
		ids, reply := made(e, rand.New(rand.NewPCG(uint64(i), 3)), 100, true)
		x.Keep(e, "a", p, &Settings{}, reply, ids)
		talks[i] = append(talk, said("assistant", reply), said("user", "b"))
		had[i] = slices.Concat(p.Tokens, ids)
	}
	has := func(x *Texts, key string, i int) bool {
		p := prompt(t, x, e, key, talks[i])
		return len(p.Tokens) > len(had[i]) && slices.Equal(p.Tokens[:len(had[i])], had[i])
	}
	all := func(x *Texts) (list [4]bool) {
		for i := range list {
			list[i] = has(x, "a", i)
		}
		return list
	}
	x.Close()
	x = open(1 << 20)
	if got := all(x); got != [4]bool{true, true, true, true} || has(x, "b", 0) {
		t.Errorf("found again: %v", got)
	}
	x.Close()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(data), "\n")
	changed := []byte(lines[0])
	changed[len(changed)/2] ^= 1
	forged := strings.Replace(lines[1][9:len(lines[1])-1], `"tokens":[`, `"tokens":[99999999,`, 1)
	forged = fmt.Sprintf("%08x %s\n", crc32.ChecksumIEEE([]byte(forged)), forged)
	if err := os.WriteFile(path, []byte(string(changed)+forged+"\nx\n"+lines[2]+lines[3][:len(lines[3])/2]), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := all(open(1 << 20)); got != [4]bool{false, false, true, false} {
		t.Errorf("of a damaged file: %v", got)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := all(open(3000)); got != [4]bool{false, false, false, true} {
		t.Errorf("with less memory: %v", got)
	}
}

// A file that others wrote never breaks reading it.
func FuzzTextsLine(f *testing.F) {
	e := llama(f)
	x := NewTexts(1 << 20)
	p, err := x.Prompt(e, "", []Message{said("user", "a")}, nil, "")
	if err != nil {
		f.Fatal(err)
	}
	x.Keep(e, "", p, &Settings{}, "b c", []int32{1, 2})
	data, err := line("", x.keys[""].Front().Value.(*told))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data[9 : len(data)-1])
	f.Fuzz(func(t *testing.T, text []byte) {
		r := parseLine(fmt.Appendf(nil, "%08x %s", crc32.ChecksumIEEE(text), text))
		if r == nil || !r.check(e) {
			return
		}
		x := NewTexts(1 << 20)
		x.add("", r.told())
		for _, talk := range [][]Message{{said("user", "a"), said("assistant", "b c"), said("user", "d")}, {said("user", "a")}} {
			if _, err := x.Prompt(e, "", talk, nil, ""); err != nil {
				t.Fatal(err)
			}
		}
	})
}
