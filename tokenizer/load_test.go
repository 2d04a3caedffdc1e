package tokenizer

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tinyJSON is a tokenizer.json with room for one more field at its start.
func tinyJSON(field string) string {
	return `{` + field + `"added_tokens":[{"id":3,"content":"<s>","special":true}],` +
		`"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}`
}

func TestFromFiles(t *testing.T) {
	dir := t.TempDir()
	if Exists(dir) {
		t.Error("an empty folder has a tokenizer")
	}
	if _, err := FromFiles(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty folder: %v", err)
	}
	write(t, dir, "tokenizer.json", tinyJSON(""))
	write(t, dir, "tokenizer_config.json", `{"bos_token":null,"eos_token":{"content":"<s>"},"chat_template":"config"}`)
	if !Exists(dir) {
		t.Error("the folder's tokenizer is not seen")
	}
	for _, path := range []string{dir, filepath.Join(dir, "tokenizer.json")} {
		tok, err := FromFiles(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := tok.BOS(); ok || tok.EOSToken() != "<s>" || tok.ChatTemplate() != "config" || tok.Size() != 4 {
			t.Errorf("bos %q, eos %q, template %q, size %d", tok.BOSToken(), tok.EOSToken(), tok.ChatTemplate(), tok.Size())
		}
	}
	write(t, dir, "tokenizer_config.json", `{"chat_template":[{"name":"tool_use","template":"tools"},{"name":"default","template":"named"}]}`)
	if tok, err := FromFiles(dir); err != nil || tok.ChatTemplate() != "named" || tok.BOSToken() != "<s>" {
		t.Errorf("template %q, bos %q, %v", tok.ChatTemplate(), tok.BOSToken(), err)
	}
	write(t, dir, "chat_template.jinja", "file\n")
	if tok, err := FromFiles(dir); err != nil || tok.ChatTemplate() != "file\n" {
		t.Errorf("template %q, %v", tok.ChatTemplate(), err)
	}
	write(t, dir, "tokenizer_config.json", `{"eos_token":"</s>"}`)
	_, err := FromFiles(dir)
	checkError(t, "eos_token", err, `tokenizer_config.json: eos_token: "</s>" is not in the vocabulary`)
	write(t, dir, "tokenizer_config.json", `{"eos_token":7}`)
	_, err = FromFiles(dir)
	checkError(t, "eos_token", err, "tokenizer_config.json: eos_token")
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestHostile: whatever tokenizer.json says, the answer is a tokenizer or one clear line.
func TestHostile(t *testing.T) {
	model := func(inside string) string { return `{"model":{"type":"BPE",` + inside + `}}` }
	nest := func(kind, list string, n int) string {
		return tinyJSON(`"` + kind + `":` + strings.Repeat(`{"type":"Sequence","`+list+`":[`, n) + `{"type":"None"}` + strings.Repeat(`]}`, n) + `,`)
	}
	for name, c := range map[string]struct{ text, want string }{
		"nothing":                 {"", "end of JSON"},
		"not an object":           {"[]", "not a JSON object"},
		"no model":                {"{}", "no model"},
		"model is a string":       {`{"model":"x"}`, "model: "},
		"cut":                     {tinyJSON("")[:60], "end of JSON"},
		"unigram":                 {`{"model":{"type":"Unigram","vocab":[]}}`, `model type "Unigram" is not known`},
		"no vocab":                {model(`"merges":[]`), "model has no vocab"},
		"no merges":               {model(`"vocab":{"a":0}`), "model has no merges"},
		"vocab is a list":         {model(`"vocab":[],"merges":[]`), "model.vocab"},
		"id is a string":          {model(`"vocab":{"a":"0"},"merges":[]`), "model.vocab"},
		"id is negative":          {model(`"vocab":{"a":-1},"merges":[]`), `token "a" has id -1`},
		"id is huge":              {model(`"vocab":{"a":4000000000},"merges":[]`), `token "a" has id 4000000000`},
		"id beyond int64":         {model(`"vocab":{"a":99999999999999999999},"merges":[]`), "model.vocab"},
		"id is a fraction":        {model(`"vocab":{"a":0.5},"merges":[]`), "model.vocab"},
		"id twice":                {model(`"vocab":{"a":0,"b":0},"merges":[]`), "id 0 belongs to two tokens"},
		"merge of nothing":        {model(`"vocab":{"a":0},"merges":["a b"]`), `merge 0 needs token "b"`},
		"merge to nothing":        {model(`"vocab":{"a":0,"b":1},"merges":["a b"]`), `merge 0 needs token "ab"`},
		"merge of one":            {model(`"vocab":{"a":0},"merges":["a"]`), "merge 0 is not two tokens"},
		"merge of three":          {model(`"vocab":{"a":0},"merges":[["a","a","a"]]`), "merge 0 is not two tokens"},
		"merges mixed":            {model(`"vocab":{"a":0},"merges":["a a",["a","a"]]`), "model.merges"},
		"merges are numbers":      {model(`"vocab":{"a":0},"merges":[1]`), "model.merges"},
		"merges are null":         {model(`"vocab":{"a":0},"merges":null`), ""},
		"dropout":                 {model(`"dropout":0.1,"vocab":{"a":0},"merges":[]`), "dropout"},
		"unk is missing":          {model(`"unk_token":"?","vocab":{"a":0},"merges":[]`), `unk_token "?"`},
		"flag is a string":        {model(`"byte_fallback":"yes","vocab":{"a":0},"merges":[]`), "model: "},
		"added id is huge":        {strings.Replace(tinyJSON(""), `"id":3`, `"id":3000000000`, 1), `added token "<s>" has id 3000000000`},
		"added id is far":         {strings.Replace(tinyJSON(""), `"id":3`, `"id":999999`, 1), "up to id 999999 with 4 tokens"},
		"added id is taken":       {strings.Replace(tinyJSON(""), `"id":3`, `"id":1`, 1), "id 1 belongs to two tokens"},
		"added is an object":      {strings.Replace(tinyJSON(""), `[{"id":3,"content":"<s>","special":true}]`, `{}`, 1), "added_tokens"},
		"normalizer":              {tinyJSON(`"normalizer":{"type":"Precompiled"},`), `normalizer "Precompiled" is not known`},
		"normalizer is a list":    {tinyJSON(`"normalizer":[],`), "normalizer"},
		"regexp normalizer":       {tinyJSON(`"normalizer":{"type":"Replace","pattern":{"Regex":"(a"},"content":"b"},`), "regular expression"},
		"empty pattern":           {tinyJSON(`"normalizer":{"type":"Replace","pattern":{"String":""},"content":"b"},`), "no pattern"},
		"normalizer that doubles": {tinyJSON(`"normalizer":{"type":"Sequence","normalizers":[` + strings.Repeat(`{"type":"Replace","pattern":{"String":"a"},"content":"aa"},`, 60) + `{"type":"NFC"}]},`), "times longer"},
		"mark that is long":       {tinyJSON(`"pre_tokenizer":{"type":"Metaspace","replacement":"` + strings.Repeat("x", 300) + `"},`), "times longer"},
		"decoder that doubles":    {tinyJSON(`"decoder":{"type":"Sequence","decoders":[` + strings.Repeat(`{"type":"Replace","pattern":{"String":"a"},"content":"aa"},`, 60) + `{"type":"Fuse"}]},`), "times longer"},
		"template of many":        {tinyJSON(`"post_processor":{"type":"TemplateProcessing","single":[` + strings.Repeat(`{"SpecialToken":{"id":"x"}},`, 300) + `{"Sequence":{"id":"A"}}],"special_tokens":{"x":{"ids":[3]}}},`), "adds 257 tokens"},
		"pre_tokenizer":           {tinyJSON(`"pre_tokenizer":{"type":"UnicodeScripts"},`), `pre_tokenizer "UnicodeScripts" is not known`},
		"split of no kind":        {tinyJSON(`"pre_tokenizer":{"type":"Split","pattern":{"Regex":"x"}},`), `behavior "" is not known`},
		"split that is wrong":     {tinyJSON(`"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(x"},"behavior":"Isolated"},`), `the regular expression "(x"`},
		"split that is huge":      {tinyJSON(`"pre_tokenizer":{"type":"Split","pattern":{"Regex":"((a{99}){99}){99}"},"behavior":"Isolated"},`), "more than 4096 states"},
		"many splits":             {tinyJSON(`"pre_tokenizer":{"type":"Sequence","pretokenizers":[` + strings.Repeat(`{"type":"Digits"},`, 1000) + `{"type":"Digits"}]},`), "more than 64 steps"},
		"level twice":             {tinyJSON(`"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"ByteLevel"}]},`), "not known behind ByteLevel"},
		"spaces everywhere":       {tinyJSON(`"pre_tokenizer":{"type":"Sequence","pretokenizers":[` + strings.Repeat(`{"type":"Metaspace"},`, 9) + `{"type":"ByteLevel"}]},`), "times longer"},
		"post_processor":          {tinyJSON(`"post_processor":{"type":"BertProcessing"},`), `post_processor "BertProcessing" is not known`},
		"template of nothing":     {tinyJSON(`"post_processor":{"type":"TemplateProcessing","single":[]},`), "no sequence"},
		"template unnamed":        {tinyJSON(`"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x"}}]},`), `"x" is not among its special_tokens`},
		"template id":             {tinyJSON(`"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x"}},{"Sequence":{"id":"A"}}],"special_tokens":{"x":{"ids":[77]}}},`), "id 77, which no token has"},
		"decoder":                 {tinyJSON(`"decoder":{"type":"CTC"},`), `decoder "CTC" is not known`},
		"long name":               {tinyJSON(`"decoder":{"type":"` + strings.Repeat("x", 1000) + `"},`), "is not known"},
		"long field":              {tinyJSON(`"decoder":[` + strings.Repeat(`{},`, maxField/3) + `{}],`), "more than any tokenizer needs"},
		"deep":                    {tinyJSON(`"decoder":` + strings.Repeat("[", 200000) + strings.Repeat("]", 200000) + `,`), "max depth"},
		"deep normalizer":         {nest("normalizer", "normalizers", 2000), `normalizer "None" is not known`},
		"deep pre_tokenizer":      {nest("pre_tokenizer", "pretokenizers", 2000), "more than 64 steps"},
		"deep post_processor":     {nest("post_processor", "processors", 2000), "Sequence in a Sequence"},
		"deep decoder":            {nest("decoder", "decoders", 2000), `decoder "Sequence" is not known`},
		"not UTF-8":               {"{\"model\":{\"vocab\":{\"\xff\":0},\"merges\":[]}}", ""},
	} {
		_, err := parseTokenizer([]byte(c.text))
		checkError(t, name, err, c.want)
	}
}

// TestBomb: a small file that unpacks to a huge one is refused.
func TestBomb(t *testing.T) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(make([]byte, 1<<20+1)); err != nil {
		t.Fatal(err)
	}
	z.Close()
	dir := t.TempDir()
	write(t, dir, "tokenizer.json.gz", b.String())
	_, err = readFile(filepath.Join(dir, "tokenizer.json.gz"), 1<<20)
	checkError(t, "bomb", err, "tokenizer.json.gz: it is larger than 1 MiB")
	write(t, dir, "tokenizer.json.gz", "no gzip")
	_, err = FromFiles(dir)
	checkError(t, "not gzip", err, "tokenizer.json.gz: not gzip")
}
