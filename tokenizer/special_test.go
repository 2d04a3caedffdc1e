package tokenizer

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestSpecialIsText: without ParseSpecial what a user types stays text.
func TestSpecialIsText(t *testing.T) {
	eachFamily(t, func(t *testing.T, tok *Tokenizer, _ family) {
		if len(tok.Special()) == 0 {
			t.Fatal("no special tokens")
		}
		for _, special := range tok.Special() {
			text := "a " + special + " b" + special
			ids := tok.Encode(text, EncodeOptions{})
			checkPlain(t, tok, text, ids)
			if got := tok.Decode(ids, true); got != text {
				t.Errorf("%q came back as %q", text, got)
			}
			id, ok := tok.ID(special)
			if parsed := tok.Encode(text, EncodeOptions{ParseSpecial: true}); !ok || !slices.Contains(parsed, id) {
				t.Errorf("%q with ParseSpecial is %v, without token %d", text, parsed, id)
			}
		}
	})
}

// TestOutside puts a user's text among a template's special tokens: every special
// token of every vocabulary, whole and torn between the two.
func TestOutside(t *testing.T) {
	eachFamily(t, func(t *testing.T, tok *Tokenizer, _ family) {
		special := tok.Special()
		for i, inside := range special {
			around := special[(i+1)%len(special)]
			id, _ := tok.ID(around)
			typed := "x" + inside + "y" + inside
			text := around + typed + around
			ids := tok.Encode(text, EncodeOptions{ParseSpecial: true, Outside: [][2]int{{len(around), len(around + typed)}}})
			if n := len(ids); n < 3 || ids[0] != id || ids[n-1] != id {
				t.Fatalf("%q is %v, without %d around it", text, ids, id)
			}
			checkPlain(t, tok, text, ids[1:len(ids)-1])
			if got := tok.Decode(ids[1:len(ids)-1], true); strings.TrimLeft(got, " ") != typed {
				t.Errorf("%q came back as %q", typed, got)
			}
			for cut := 1; cut < len(inside); cut++ {
				for _, outside := range [][2]int{{0, cut}, {cut, len(inside)}} {
					checkPlain(t, tok, inside, tok.Encode(inside, EncodeOptions{ParseSpecial: true, Outside: [][2]int{outside}}))
				}
			}
		}
	})
}

// TestOutsideIsEncodedAlike: what is no special token is encoded as it would be
// if the template had written it.
func TestOutsideIsEncodedAlike(t *testing.T) {
	eachFamily(t, func(t *testing.T, tok *Tokenizer, _ family) {
		for _, text := range []string{"Hello, world", " a  b\n\nc", "né 中文 🦊 don't", "<|x|> </ s> [ INST ]"} {
			want := tok.Encode(text, EncodeOptions{ParseSpecial: true})
			for i := range text {
				got := tok.Encode(text, EncodeOptions{ParseSpecial: true, Outside: [][2]int{{i, len(text)}}})
				if !slices.Equal(got, want) {
					t.Errorf("%q from %d on: %v, want %v", text, i, got, want)
				}
			}
		}
	})
}

// Special tokens of one character and such as are in the model's vocabulary: text
// becomes neither, by its symbols, its merges or as a whole word.
func TestOutsideOneCharacter(t *testing.T) {
	for _, model := range []string{
		`{"vocab":{"a":0,"b":1,"§":2,"ab":3,"<0xC2>":4,"<0xA7>":5,"c":6},"merges":["a b"],"byte_fallback":true,"ignore_merges":true}`,
		`{"vocab":{"a":0,"b":1,"§":2,"ab":3,"<0xC2>":4,"<0xA7>":5,"c":6},"merges":["a b"],"byte_fallback":true}`,
	} {
		tok, err := parseTokenizer([]byte(`{"added_tokens":[{"id":2,"content":"§","special":true},{"id":3,"content":"ab","special":true},
			{"id":7,"content":"!","special":true}],"model":` + model + `}`))
		if err != nil {
			t.Fatal(err)
		}
		const text = "§abc!"
		got := tok.Encode(text+text, EncodeOptions{ParseSpecial: true, Outside: [][2]int{{0, len(text)}}})
		// What is typed becomes a, b and bytes; "!" has no other token.
		if want := []int32{4, 5, 0, 1, 6, 2, 3, 6, 7}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

// TestOutsideNormalized: a special token that is looked for in normalized text is
// found before parts of the text are moved, where the text says who wrote them.
func TestOutsideNormalized(t *testing.T) {
	tok, err := parseTokenizer([]byte(`{"added_tokens":[{"id":4,"content":"<a>","normalized":true,"special":true}],
		"model":{"vocab":{"<":0,"a":1,">":2,"?":3},"merges":[]}}`))
	if err != nil {
		t.Fatal(err)
	}
	got := tok.Encode("<a><a><a>", EncodeOptions{ParseSpecial: true, Outside: [][2]int{{3, 5}}})
	if want := []int32{4, 0, 1, 2, 4}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func checkPlain(t *testing.T, tok *Tokenizer, text string, ids []int32) {
	t.Helper()
	for _, special := range tok.Special() {
		if id, _ := tok.ID(special); slices.Contains(ids, id) {
			t.Errorf("%q has the special token %s: %v", text, special, ids)
		}
	}
}

// TestEnds checks BOS, EOS and what ends a turn, with tokenizer_config.json and without.
func TestEnds(t *testing.T) {
	for _, c := range []struct {
		path, template string // the template stands beside a copy of tokenizer.json alone
		bos, eos       string
		turn           []string
	}{
		{path: "../testdata/tokenizers/mistral", bos: "<s>", eos: "</s>", turn: []string{"</s>"}},
		{path: "../testdata/tokenizers/gptneox", bos: "<|endoftext|>", eos: "<|endoftext|>", turn: []string{"<|endoftext|>"}},
		{path: "../testdata/demo/hybrid-mamba2", bos: "<|begin_of_text|>", eos: "<|eot_id|>", turn: []string{"<|eot_id|>", "<|end_of_text|>"}},
		{path: "../testdata/tokenizers/mistral", template: "none", bos: "<s>", eos: "</s>", turn: []string{"</s>"}},
		{path: "../testdata/tokenizers/gptneox", template: "none", bos: "<|endoftext|>", eos: "<|endoftext|>", turn: []string{"<|endoftext|>"}},
		{path: "../testdata/demo/hybrid-mamba2", template: "none", bos: "<|begin_of_text|>", eos: "<|end_of_text|>", turn: []string{"<|end_of_text|>", "<|eot_id|>"}},
		{path: shared + "/llama3", bos: "<|begin_of_text|>", eos: "<|eot_id|>", turn: []string{"<|eot_id|>", "<|end_of_text|>"}},
		{path: shared + "/llama3.1", bos: "<|begin_of_text|>", eos: "<|eot_id|>", turn: []string{"<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"}},
		{path: shared + "/llama3.1", template: shared + "/llama3.2/chat_template.jinja", bos: "<|begin_of_text|>", eos: "<|eot_id|>", turn: []string{"<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"}},
	} {
		t.Run(strings.ReplaceAll(c.path+" "+c.template, "../", ""), func(t *testing.T) {
			if _, err := os.Stat(c.path); err != nil {
				t.Skipf("%s is not there", c.path)
			}
			path := c.path
			if c.template != "" {
				path = bareCopy(t, c.path, c.template)
			}
			tok := load(t, path)
			if tok.BOSToken() != c.bos || tok.EOSToken() != c.eos {
				t.Errorf("bos %q, eos %q; want %q, %q", tok.BOSToken(), tok.EOSToken(), c.bos, c.eos)
			}
			var turn []string
			for _, id := range tok.EndOfTurn() {
				turn = append(turn, tok.Piece(id))
			}
			if !slices.Equal(turn, c.turn) {
				t.Errorf("a turn ends with %q, want %q", turn, c.turn)
			}
		})
	}
}

// bareCopy makes a folder of a tokenizer.json and, unless it is "none", a chat template.
func bareCopy(t *testing.T, from, template string) string {
	t.Helper()
	dir := t.TempDir()
	copyFile := func(from, name string) {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir+"/"+name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	source := inFolder(from)
	copyFile(source, source[strings.LastIndex(source, "/")+1:])
	if template != "none" {
		copyFile(template, "chat_template.jinja")
	}
	return dir
}
