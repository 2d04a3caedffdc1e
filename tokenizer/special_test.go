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

// TestShield puts a user's text among a template's special tokens.
func TestShield(t *testing.T) {
	const shield = "\uE000\uE001"
	eachFamily(t, func(t *testing.T, tok *Tokenizer, _ family) {
		special := tok.Special()
		for i, inside := range special {
			around := special[(i+1)%len(special)]
			half := len(inside) / 2
			text := around + "x" + inside[:half] + shield + inside[half:] + "y" + around
			id, _ := tok.ID(around)
			want := slices.Concat([]int32{id}, tok.Encode("x"+inside+"y", EncodeOptions{}), []int32{id})
			if got := tok.Encode(text, EncodeOptions{ParseSpecial: true, Shield: shield}); !slices.Equal(got, want) {
				t.Errorf("%q\n got %v\nwant %v", text, got, want)
			}
		}
		if got := tok.Encode(shield, EncodeOptions{ParseSpecial: true, Shield: shield}); len(got) != 0 {
			t.Errorf("a lone shield is %v", got)
		}
	})
}

// TestShieldNormalized: a special token that is looked for in normalized text must not
// come about by taking the shield away.
func TestShieldNormalized(t *testing.T) {
	tok, err := parseTokenizer([]byte(`{"added_tokens":[{"id":4,"content":"<a>","normalized":true,"special":true}],
		"model":{"vocab":{"<":0,"a":1,">":2,"?":3},"merges":[]}}`))
	if err != nil {
		t.Fatal(err)
	}
	got := tok.Encode("<a><?a><a>", EncodeOptions{ParseSpecial: true, Shield: "?"})
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
