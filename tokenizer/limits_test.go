package tokenizer

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mil-run/mil/internal/alloc"
)

// list is a JSON list or object of n times the same entry.
func list(n int, open, close, entry string) string {
	return open + strings.Repeat(entry+",", n-1) + entry + close
}

// What only nonsense holds is refused before it takes memory of many times its
// bytes, and said.
func TestTooMany(t *testing.T) {
	model := func(inside string) string { return `{"model":{"type":"BPE",` + inside + `}}` }
	for name, c := range map[string]struct{ text, want string }{
		"tokens": {model(`"merges":[],"vocab":` + list(maxTokens+1, "{", "}", `"a":0`)), "model.vocab has 1048577 entries; at most 1048576 are taken"},
		"merges": {model(`"vocab":{"a":0},"merges":` + list(maxMerges+1, "[", "]", `"a a"`)), "model.merges has 2097153 entries; at most 2097152 are taken"},
		"pairs":  {model(`"vocab":{"a":0},"merges":` + list(maxMerges+1, "[", "]", `["a","a"]`)), "model.merges has 2097153 entries"},
		"parts":  {model(`"vocab":{"a":0},"merges":[` + list(4*maxMerges, "[", "]", `"a"`) + "]"), "model.merges has"},
		"added":  {`{"model":{},"added_tokens":` + list(maxAdded+1, "[", "]", "{}") + "}", "262145 added tokens; at most 262144 are taken"},
		"long":   {`{"model":{},"added_tokens":[{"id":0,"content":"` + strings.Repeat("x", maxAddedBytes+1) + `"}]}`, "has 257 bytes; at most 256 are taken"},
		"keys":   {list(6_000_000, "{", "}", `"a":1`), "6000000 keys; at most 1024 are taken"},
		"inner":  {model(list(maxMembers, "", "", `"a":1`)), "keys; at most 1024 are taken"},
		"steps":  {tinyJSON(`"normalizer":{"type":"Sequence","normalizers":` + list(maxSteps+1, "[", "]", `{"type":"Replace","pattern":{"String":"a"},"content":"b"}`) + "},"), "more than 64 steps"},
		"nulls":  {tinyJSON(`"normalizer":{"type":"Sequence","normalizers":` + list(maxParts+2, "[", "]", "{}") + "},"), "more than any tokenizer needs"},
	} {
		data := []byte(c.text)
		var err error
		grown := alloc.Bytes(func() { _, err = parseTokenizer(data) })
		checkError(t, name, err, c.want)
		if most := uint64(len(data)/4 + 1<<20); grown > most {
			t.Errorf("%s: %d bytes of file took %d of memory", name, len(data), grown)
		}
	}
}

func TestTooManyInGGUF(t *testing.T) {
	repeat := func(n int) []string { return make([]string, n) }
	kv := func(n int, more mapMeta) mapMeta {
		m := mapMeta{"tokenizer.ggml.model": "llama", "tokenizer.ggml.scores": make([]float32, n), "tokenizer.ggml.tokens": repeat(n)}
		for k, v := range more {
			m[k] = v
		}
		return m
	}
	user := make([]int32, maxAdded+1)
	for i := range user {
		user[i] = typeUserDefined
	}
	// Every text of two letters: all splits of each are tokens.
	var dense []string
	for n := 1; n <= 18; n++ {
		for i := range 1 << n {
			dense = append(dense, strings.NewReplacer("0", "a", "1", "b").Replace(fmt.Sprintf("%0*b", n, i)))
		}
	}
	long := repeat(1 << 17)
	for i := range long {
		long[i] = fmt.Sprintf("%0256d", i)
	}
	for name, c := range map[string]struct {
		kv   mapMeta
		want string
	}{
		"tokens":   {kv(maxTokens+1, nil), "tokenizer.ggml.tokens has 1048577 entries; at most 1048576 are taken"},
		"merges":   {kv(1, mapMeta{"tokenizer.ggml.merges": repeat(maxMerges + 1)}), "tokenizer.ggml.merges has 2097153 entries"},
		"user":     {kv(len(user), mapMeta{"tokenizer.ggml.token_type": user}), "more than 262144 tokens are control or user tokens"},
		"derived":  {kv(len(dense), mapMeta{"tokenizer.ggml.tokens": dense}), "more than 4194304 merges"},
		"long":     {kv(len(long), mapMeta{"tokenizer.ggml.tokens": long}), "bytes to derive merges from; at most 16777216 are taken"},
		"template": {kv(1, mapMeta{"tokenizer.chat_template": strings.Repeat("x", maxTemplate+1)}), "tokenizer.chat_template has 1048577 bytes"},
	} {
		bytes := 0
		for _, s := range c.kv["tokenizer.ggml.tokens"].([]string) {
			bytes += 8 + len(s)
		}
		var err error
		grown := alloc.Bytes(func() { _, err = FromGGUF(c.kv) })
		checkError(t, name, err, c.want)
		if most := uint64(32*bytes + 256<<20); grown > most {
			t.Errorf("%s: %d bytes of tokens took %d of memory", name, bytes, grown)
		}
	}
}

// As many tokens as are taken, most of them looked for in text as they stand.
func TestManyUserTokens(t *testing.T) {
	const n = 30_000
	m := mapMeta{"tokenizer.ggml.model": "llama", "tokenizer.ggml.scores": make([]float32, n)}
	tokens, types := make([]string, n), make([]int32, n)
	size := 0
	for i := range tokens {
		tokens[i], types[i] = fmt.Sprintf("<|audio_token_%d|>", i), typeUserDefined
		size += 8 + 4 + 4 + len(tokens[i])
	}
	m["tokenizer.ggml.tokens"], m["tokenizer.ggml.token_type"] = tokens, types
	var tok *Tokenizer
	var err error
	if grown := alloc.Bytes(func() { tok, err = FromGGUF(m) }); grown > 64*uint64(size) {
		t.Errorf("%d bytes of file took %d of memory", size, grown)
	}
	if err != nil {
		t.Fatal(err)
	}
	if ids := tok.Encode("<|audio_token_29999|><|audio_token_7|>", EncodeOptions{}); len(ids) != 2 || ids[0] != n-1 || ids[1] != 7 {
		t.Errorf("%v", ids)
	}
}

// The matcher finds what trying every token at every place finds.
func TestMatcher(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "ab<\xff"[r.IntN(4)]
		}
		return string(b)
	}
	for range 3000 {
		m := newMatcher()
		want := map[string]addedToken{}
		for i := range r.IntN(12) {
			tok := addedToken{ID: int64(i), Content: word(r.IntN(6)), Special: r.IntN(2) == 0}
			m.add(tok.Content, tok)
			want[tok.Content] = tok // the later one counts
		}
		m.seal()
		s := word(r.IntN(20))
		for i := range len(s) {
			for _, special := range []bool{false, true} {
				id, end := int64(-1), 0
				for n := 1; i+n <= len(s); n++ {
					if tok, ok := want[s[i:i+n]]; ok && (special || !tok.Special) {
						id, end = tok.ID, i+n
					}
				}
				got := int64(-1)
				index, at := m.longest(s, i, specials{none: !special})
				if index >= 0 {
					got = m.entries[index].token.ID
				}
				if got != id || index >= 0 && at != end {
					t.Fatalf("%v at %d of %q: token %d to %d, want %d to %d", m.entries, i, s, got, at, id, end)
				}
			}
		}
	}
}
