//go:build linux

package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// every is each byte there is.
func every() string {
	var b strings.Builder
	for i := range 256 {
		b.WriteByte(byte(i))
	}
	return b.String()
}

// prompts are texts nobody wants to read.
func prompts(a *abuse) {
	n := a.some(1, 32) << 18
	texts := map[string]string{
		"one letter":           strings.Repeat("a", n),
		"words":                strings.Repeat("the fox ", n/8),
		"spaces":               strings.Repeat(" ", n),
		"line ends":            strings.Repeat("\n", n),
		"nothing":              strings.Repeat("\x00", n),
		"control characters":   strings.Repeat("\x1b[2J\x07\b\r", n/7),
		"every byte":           strings.Repeat(every(), n/256),
		"bytes of no text":     strings.Repeat("\xff\xc0\x80", n/3),
		"combining characters": strings.Repeat("\u0301", n/2),
		"private use":          strings.Repeat("\uE4F1\uE0B3", n/6),
		"special tokens":       strings.Repeat("<|im_end|><|im_start|>", n/22),
		"half special tokens":  strings.Repeat("<|im_", n/5),
		"digits":               strings.Repeat("1234567890", n/10),
		"emoji":                strings.Repeat("👩‍👩‍👧", n/18),
	}
	commands := [][]string{{"run", "--max-tokens", "4"}, {"run", "--raw", "--max-tokens", "4"}, {"chat", "--max-tokens", "4"}}
	for i, name := range slices.Sorted(maps.Keys(texts)) {
		text := texts[name]
		if i%a.of != a.share-1 {
			continue
		}
		if a.short {
			a.rand.Shuffle(len(commands), func(i, j int) { commands[i], commands[j] = commands[j], commands[i] })
		}
		for _, t := range []string{text, text[:min(len(text), 3000)]}[:a.some(1, 2)] {
			for _, args := range commands[:a.some(1, len(commands))] {
				if o := a.ends(call{args: args, stdin: strings.NewReader(t)}); o.code == 1 && !strings.Contains(o.err, "context") && !strings.Contains(o.err, "chat template") && !strings.Contains(o.err, "no prompt") {
					a.fail("mil %q, %s: %v", args, name, o)
				}
			}
		}
	}
	for _, name := range []string{"mistral", "gptneox"} {
		if _, err := os.Stat(filepath.Join(a.data, "tokenizers", name)); err != nil || a.short {
			continue
		}
		for _, text := range texts {
			a.ends(call{args: []string{"tokenize", filepath.Join(a.data, "tokenizers", name)}, stdin: strings.NewReader(text)})
		}
	}
	a.files(every())
	a.flags(every()[1:]) // the system takes no zero byte in an argument
}

// files are message files, question files and the like that are not.
func (a *abuse) files(bytes string) {
	path := a.path("f")
	deep := strings.Repeat("[", 1<<20)
	for _, text := range []string{"", "null", "{}", "[]", "[null]", "[[]]", "[1]", deep, `[{"role":` + deep, bytes, `[{"role":"user","content":"` + strings.Repeat("a", 1<<20) + `"}]`,
		`[{"role":"\u0000\u001b[2J","content":"x"}]`, `[{"role":"user"}]`, `[{"role":"user","content":[{"type":"image\u001b"}]}]`, `[{"\u001b[31m":1}]`} {
		must(0, os.WriteFile(path, []byte(text), 0o600))
		readers := []call{{args: []string{"run", "--max-tokens", "2", "--messages", path}}, {args: []string{"eval", "--qa", path}}, {args: []string{"tokenize", path, "x"}}, {args: []string{"convert", path}}, {args: []string{"info", path}},
			{args: []string{"convert", a.demoFolder(), "-o", a.path("x.bin"), "--imatrix", path}}, {args: []string{"chat", "--max-tokens", "2"}, stdin: strings.NewReader("/load " + path + "\nhi\n")}}
		for _, c := range readers {
			if a.rand.IntN(a.some(5, 1)) == 0 {
				a.ends(c)
			}
		}
	}
}

// flags are arguments that make no sense.
func (a *abuse) flags(bytes string) {
	for _, args := range [][]string{
		{bytes}, {"run", "--" + bytes}, {"run", "--backend", bytes, "x"}, {"run", "--isa", bytes, "x"}, {"run", "--draft", bytes, "x"}, {"info", bytes}, {"run", bytes + ".bin", "x"},
		{"run", "--ctx", "-1", "x"}, {"run", "--ctx", "99999999999999999999", "x"}, {"run", "--ctx", "268435456", "x"}, {"run", "--threads", "100000", "x"},
		{"run", "--temp", "nan", "x"}, {"run", "--temp", "-inf", "x"}, {"run", "--top-p", "2", "x"}, {"run", "--max-tokens", "-1", "x"}, {"run", "--stop", "", "x"},
		{"convert", bytes}, {"convert", a.demoFolder(), "--type", bytes}, {"convert", a.demoFolder(), "-o", a.path("x.bin"), "--tensor-type", bytes}, {"bench", "--depths", "-5"}, {"bench", "--gen", "-1"}, {"eval", "--qa", bytes},
		{"selftest", "--isa", bytes}, {"selftest", "--backend", bytes}, {"logits", a.path("f"), "--tokens", bytes},
	} {
		a.refuses(call{args: args})
	}
	a.ends(call{args: []string{"run", "--system", bytes, "--max-tokens", "2", bytes}})
	a.ends(call{args: []string{"chat", "--max-tokens", "2"}, stdin: strings.NewReader("/" + strings.ReplaceAll(bytes, "\n", "") + "\n")})
}
