package tokenizer

import (
	"fmt"
	"slices"
	"testing"
)

// TestSmall holds rules that no published tokenizer needs all of to what the native
// library gives.
func TestSmall(t *testing.T) {
	const toMark = `"normalizer":{"type":"Replace","pattern":{"String":" "},"content":"▁"},`
	for _, c := range []struct {
		name, added, steps, model string
		text                      string
		want                      []int32
	}{
		{"lstrip and rstrip", `{"id":8,"content":"<x>","lstrip":true,"rstrip":true}`, "", "", "a <x> b", []int32{0, 8, 1}},
		{"rstrip before a token of spaces", `{"id":8,"content":"<x>","rstrip":true},{"id":9,"content":"  "}`, "", "", "<x>   b", []int32{8, 9, 6, 1}},
		{"single word", `{"id":8,"content":"bb","single_word":true}`, "", "", "bb abb bb,bb", []int32{8, 6, 2, 1, 6, 8, 8}},
		{"longest", `{"id":8,"content":"<x>"},{"id":9,"content":"<x>>"}`, "", "", "<x>>a<x>", []int32{9, 0, 8}},
		{"normalized", `{"id":8,"content":"▁b","normalized":true}`, toMark, "", "a b", []int32{0, 8}},
		{"before normalization", `{"id":8,"content":" b"}`, toMark, "", "a b ab", []int32{0, 8, 3, 2}},
		{"dropped character", "", toMark, "", "a é b  é a", []int32{0, 4, 1, 4, 5}},
		{"unk", "", "", `,"unk_token":"?"`, "éêaé", []int32{7, 7, 0, 7}},
		{"fused unk", "", "", `,"unk_token":"?","fuse_unk":true`, "éêaé", []int32{7, 0, 7}},
	} {
		tok, err := parseTokenizer(fmt.Appendf(nil, `{"added_tokens":[%s],%s"model":{"type":"BPE",`+
			`"vocab":{"a":0,"b":1,"ab":2,"▁":3,"▁▁":4,"▁a":5," ":6,"?":7},"merges":["a b","▁ ▁","▁ a"]%s}}`, c.added, c.steps, c.model))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := tok.Encode(c.text, EncodeOptions{ParseSpecial: true}); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q is %v, want %v", c.name, c.text, got, c.want)
		}
	}
}
