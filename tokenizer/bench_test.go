package tokenizer

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// benchTexts are a few megabytes of prose, and a megabyte each of what is hard for a
// merge loop, a splitter or a normalizer that is not linear.
func benchTexts(tb testing.TB) map[string]string {
	random := rand.New(rand.NewPCG(3, 4))
	noise := make([]byte, 1<<20)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	letters := make([]byte, 1<<20)
	for i := range letters {
		letters[i] = 'a' + byte(random.IntN(26))
	}
	han := make([]rune, 1<<20/3)
	for i := range han {
		han[i] = 0x4E00 + random.Int32N(0x5000)
	}
	marks := make([]rune, 1<<20/2)
	for i := range marks {
		marks[i] = 0x300 + random.Int32N(0x45)
	}
	fill := func(s string) string { return strings.Repeat(s, 1<<20/len(s)) }
	return map[string]string{
		"prose":       prose(tb, 4<<20),
		"one letter":  fill("a"),
		"letters":     string(letters),
		"spaces":      fill(" "),
		"space runs":  fill(" a  b   c    "),
		"digits":      fill("0123456789"),
		"newlines":    fill("\n"),
		"blank lines": fill(" \n\t"),
		"punctuation": fill("!?.,-=*#"),
		"dashes":      fill("-"),
		"quotes":      fill("'"),
		"noise":       string(noise),
		"han":         string(han),
		"marks":       "a" + string(marks),
		"one mark":    "a" + fill("\u0301"),
		"accents":     fill("e\u0301\u0323"),
		"hangul":      fill("\u1100\u1161\u11a8"),
		"emoji":       fill("👩‍👩‍👧‍👦"),
		"special":     fill("<|eot_id|></s><|endoftext|>"),
		"half token":  fill("<|reserved_special_token_<|"),
		"space marks": fill(spaceMark),
	}
}

// prose is the text of the demo's questions and tales, repeated to n bytes.
func prose(tb testing.TB, n int) string {
	type question struct {
		Messages []struct{ Content string }
	}
	var b strings.Builder
	for b.Len() < n {
		for _, q := range readLines[question](tb, "../testdata/demo/eval.jsonl") {
			for _, m := range q.Messages {
				b.WriteString(m.Content)
				b.WriteString("\n\n")
			}
		}
	}
	return b.String()[:n]
}

func BenchmarkEncode(b *testing.B) {
	texts := benchTexts(b)
	for _, fam := range families {
		if _, err := os.Stat(fam.path); err != nil {
			continue
		}
		tok := load(b, fam.path)
		for name, text := range texts {
			b.Run(fam.name+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					tok.Encode(text, EncodeOptions{ParseSpecial: true})
				}
			})
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, fam := range families {
		if _, err := os.Stat(fam.path); err != nil {
			continue
		}
		tok := load(b, fam.path)
		ids := tok.Encode(prose(b, 1<<20), EncodeOptions{})
		b.Run(fam.name, func(b *testing.B) {
			b.SetBytes(1 << 20)
			for b.Loop() {
				tok.Decode(ids, false)
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	for _, fam := range families {
		if _, err := os.Stat(fam.path); err != nil {
			continue
		}
		b.Run(fam.name+"/files", func(b *testing.B) {
			for b.Loop() {
				if _, err := FromFiles(fam.path); err != nil {
					b.Fatal(err)
				}
			}
		})
		meta := writeGGUF(b, load(b, fam.path), load(b, fam.path).Size())
		b.Run(fam.name+"/gguf", func(b *testing.B) {
			for b.Loop() {
				if _, err := FromGGUF(meta); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
