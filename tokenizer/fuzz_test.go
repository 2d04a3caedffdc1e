package tokenizer

import (
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/internal/show"
)

// probe is encoded by every tokenizer that fuzzing makes.
const probe = "<s>ab  a\u2581b\n'S e\u0301 \xff<|eot_id|>12345\u4e2d<0x0A>"

// FuzzFromFiles: a tokenizer.json gives one line of error, or a tokenizer that works and
// is the same after a trip through GGUF's keys.
func FuzzFromFiles(f *testing.F) {
	f.Add([]byte(tinyJSON("")))
	f.Add([]byte(tinyJSON(`"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]},`)))
	f.Add([]byte(tinyJSON(`"pre_tokenizer":{"type":"Metaspace","prepend_scheme":"first","split":false},"decoder":{"type":"Metaspace"},`)))
	f.Add([]byte(tinyJSON(`"pre_tokenizer":{"type":"ByteLevel"},"decoder":{"type":"ByteLevel"},"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}}],"special_tokens":{"<s>":{"ids":[3]}}},`)))
	f.Add([]byte(tinyJSON(`"decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},`)))
	f.Add([]byte(`{"added_tokens":[{"id":3,"content":" b ","lstrip":true,"rstrip":true,"normalized":true,"single_word":true},{"id":5,"content":"a","special":true}],"model":{"vocab":{"a":5,"b":1,"ab":2,"?":0},"merges":[["a","b"]],"unk_token":"?","byte_fallback":true,"ignore_merges":true}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		tok, err := parseTokenizer(data)
		if err != nil {
			oneLine(t, err)
			return
		}
		ids := exercise(t, tok)
		kv, err := tok.GGUF(tok.Size())
		if err != nil {
			oneLine(t, err)
			return
		}
		back, err := FromGGUF(mapMeta(kv))
		if err != nil {
			t.Fatalf("what GGUF wrote does not load: %v", err)
		}
		if again := exercise(t, back); !slices.Equal(again, ids) {
			t.Errorf("%q is %v, behind GGUF %v", probe, ids, again)
		}
	})
}

// FuzzFromGGUF: GGUF's keys give one line of error or a tokenizer that works.
func FuzzFromGGUF(f *testing.F) {
	f.Add("llama", "default", "", "<s>\na\nb\n▁\nab\n<0x0A>", []byte{3, 1, 1, 1, 1, 6}, "", uint32(0))
	f.Add("gpt2", "llama-bpe", "", "a\nb\nab\n<|eot_id|>", []byte{1, 1, 1, 4}, "a b", uint32(3))
	f.Add("gpt2", "olmo", "", "a\nb\nĠ\n  \n[PAD4]", []byte{1, 1, 1, 4, 5}, "", uint32(9))
	f.Add("gpt2", "gpt-2", `{"model":{"type":"BPE","vocab":{"a":0},"unk_token":"a"}}`, "a\nb", []byte{3, 1}, "", uint32(0))
	f.Fuzz(func(t *testing.T, model, pre, own, tokens string, types []byte, merges string, bos uint32) {
		kv := mapMeta{"tokenizer.ggml.model": model, "tokenizer.ggml.pre": pre, "tokenizer.ggml.bos_token_id": bos}
		list := strings.Split(tokens, "\n")
		kinds, scores := make([]int32, len(types)), make([]float32, len(list))
		for i, b := range types {
			kinds[i] = int32(int8(b))
		}
		for i := range scores {
			scores[i] = float32(-i % 5)
		}
		kv["tokenizer.ggml.tokens"], kv["tokenizer.ggml.token_type"] = list, kinds
		if own != "" {
			kv[ownKey] = own
		}
		if merges != "" || model == "gpt2" {
			kv["tokenizer.ggml.merges"] = strings.Split(merges, "\n")
		} else {
			kv["tokenizer.ggml.scores"] = scores
		}
		tok, err := FromGGUF(kv)
		if err != nil {
			oneLine(t, err)
			return
		}
		exercise(t, tok)
	})
}

// exercise calls everything once and returns the ids of probe.
func exercise(t *testing.T, tok *Tokenizer) []int32 {
	ids := tok.Encode(probe, EncodeOptions{AddSpecial: true, ParseSpecial: true, Outside: [][2]int{{1, 3}}})
	ids = append(ids, tok.Encode(probe, EncodeOptions{})...)
	for _, id := range ids {
		if id < 0 || int(id) >= tok.Size() {
			t.Fatalf("%q has id %d of %d", probe, id, tok.Size())
		}
		tok.Piece(id)
	}
	ids = append(ids, int32(tok.Size()), -1)
	whole := tok.Decode(ids, false)
	s := tok.Stream(false)
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(s.Push(id))
	}
	b.WriteString(s.Flush())
	if b.String() != whole {
		t.Fatalf("stream gives %q, Decode %q", b.String(), whole)
	}
	tok.Special()
	tok.EndOfTurn()
	return ids
}

func oneLine(t *testing.T, err error) {
	if text := err.Error(); !show.Plain(text) || len(text) > 400 {
		t.Errorf("not one line: %q", text)
	}
}

// mapMeta is metadata as GGUF returns it and format.Meta would read it.
type mapMeta map[string]any

func getAs[T any](m mapMeta, key string) (v T, ok bool, err error) {
	v, ok = m[key].(T)
	return v, ok, nil
}

func convert[T, U any](m mapMeta, key string, one func(T) U) ([]U, bool, error) {
	from, ok := m[key].([]T)
	to := make([]U, len(from))
	for i, v := range from {
		to[i] = one(v)
	}
	return to, ok, nil
}

func (m mapMeta) String(key string) (string, bool, error)    { return getAs[string](m, key) }
func (m mapMeta) Strings(key string) ([]string, bool, error) { return getAs[[]string](m, key) }
func (m mapMeta) Bool(key string) (bool, bool, error)        { return getAs[bool](m, key) }
func (m mapMeta) Uint(key string) (uint64, bool, error) {
	v, ok, err := getAs[uint32](m, key)
	return uint64(v), ok, err
}
func (m mapMeta) Ints(key string) ([]int64, bool, error) {
	return convert(m, key, func(v int32) int64 { return int64(v) })
}
func (m mapMeta) Floats(key string) ([]float64, bool, error) {
	return convert(m, key, func(v float32) float64 { return float64(v) })
}
