//go:build linux

package main

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// said is what the runs on damaged files are asked: long enough that a prompt
// cache keeps it.
var said = strings.Repeat("hello again ", 40)

// targets prepares a good file of every kind, with the binary that is tried.
func (a *abuse) targets() []*target {
	llama, mamba := a.convertFixture("llama", "q8_0"), a.convertFixture("mamba2-merged", "q8_0")
	list := []*target{a.ggufTarget("gguf", llama), a.ggufTarget("gguf hybrid", mamba), a.foreignTarget(llama)}
	list = append(list, a.partsTarget(llama))
	list = append(list, a.sessionTarget(mamba), a.cacheTarget(mamba), a.imatrixTarget(llama))
	list = append(list, a.checkpointTargets()...)
	return append(list, a.textTargets()...)
}

// file puts a target into its folder under a name.
func file(name string) func(dir string, data []byte) {
	return func(dir string, data []byte) { must(0, os.WriteFile(filepath.Join(dir, name), data, 0o600)) }
}

// refused is what must come of a file all of whose bytes are under checksums:
// nobody calls it whole, and nothing is made from it.
func refused(m mutation, call string, o outcome) string {
	if m.changed && !m.mended && o.code == 0 && slices.Contains([]string{"verify", "convert", "logits"}, call) {
		return "damaged, and it succeeds"
	}
	return ""
}

// refuseModel are the calls that see every byte.
var refuseModel = []string{"verify DIR/x.bin", "convert DIR/x.bin -o OUT --type f32", "logits DIR/x.bin --tokens 1 -o OUT"}

var modelCalls = []string{"verify DIR/x.bin", "info DIR/x.bin", "info --json --plan DIR/x.bin", "tokenize DIR/x.bin hello", "run DIR/x.bin --max-tokens 1 --ctx 64 --temp 0 hello",
	"logits DIR/x.bin --tokens 1,2 -o OUT", "convert DIR/x.bin -o OUT --type q8_0", "convert DIR/x.bin -o OUT --type f32"}

func (a *abuse) ggufTarget(name, path string) *target {
	whole := must(os.ReadFile(path))
	w := must(walk(whole))
	return &target{name: name, weight: 3, whole: whole, offsets: w.offsets, place: file("x.bin"), calls: modelCalls, strict: refuseModel, wrong: refused,
		mend: func(data []byte) { mendTensors(data, whole, w); mend(data[:w.data], w.checksum) }}
}

// foreignTarget is the same file as other programs make them: without checksums.
func (a *abuse) foreignTarget(path string) *target {
	whole := must(os.ReadFile(path))
	w := must(walk(whole))
	copy(whole, bytes.ReplaceAll(whole[:w.data], []byte("mil."), []byte("xyz.")))
	return &target{name: "gguf made elsewhere", weight: 2, whole: whole, offsets: w.offsets, place: file("x.bin"), calls: modelCalls}
}

// partsTarget is a model in two parts; the calls name either.
func (a *abuse) partsTarget(path string) *target {
	first, second := split(must(os.ReadFile(path)))
	t := &target{name: "gguf in parts", weight: 2, whole: first, offsets: walkAny(first).offsets,
		place: func(dir string, data []byte) {
			file("x-00001-of-00002.gguf")(dir, data)
			file("x-00002-of-00002.gguf")(dir, second)
		}}
	for i, call := range modelCalls {
		t.calls = append(t.calls, strings.ReplaceAll(call, "DIR/x.bin", []string{"DIR/x-00001-of-00002.gguf", "DIR/x-00002-of-00002.gguf"}[i%2]))
	}
	return t
}

func (a *abuse) sessionTarget(model string) *target {
	path := a.path("good.session")
	for range 2 {
		a.works(call{args: []string{"chat", model, "--session", path, "--temp", "0", "--max-tokens", "2", "--ctx", "256"}, stdin: strings.NewReader("hi\nyou\n")})
	}
	whole := must(os.ReadFile(path))
	return &target{name: "session", weight: 3, whole: whole, offsets: sessionOffsets(whole), mend: mendSession, place: file("x.session"),
		calls: []string{"chat " + model + " --session DIR/x.session --temp 0 --max-tokens 1 --ctx 256 <x\n"}}
}

// cacheTarget: a prompt's beginning that cannot be used is as if it were not
// there.
func (a *abuse) cacheTarget(model string) *target {
	cache := a.path("cache")
	line := "run " + model + " --temp 0 --max-tokens 2 --ctx 512 "
	args := strings.Fields(line)
	reply := a.works(call{args: args, stdin: strings.NewReader(said)}).out
	a.works(call{args: append(args, "--prompt-cache", cache), stdin: strings.NewReader(said)})
	name, whole := "", []byte(nil)
	for _, e := range must(os.ReadDir(cache)) {
		if b := must(os.ReadFile(filepath.Join(cache, e.Name()))); len(b) > len(whole) {
			name, whole = e.Name(), b
		}
	}
	if name == "" {
		a.fail("a prompt of %d letters leaves nothing in the cache", len(said))
	}
	return &target{name: "prompt cache", weight: 2, whole: whole, offsets: sessionOffsets(whole), mend: mendSession,
		place: func(dir string, data []byte) {
			must(0, os.RemoveAll(filepath.Join(dir, "cache")))
			must(0, os.MkdirAll(filepath.Join(dir, "cache"), 0o700))
			file(filepath.Join("cache", name))(dir, data)
		},
		calls: []string{line + "--prompt-cache DIR/cache <" + said},
		wrong: func(m mutation, _ string, o outcome) string {
			if o.code != 0 || !m.mended && o.out != reply {
				return "another reply than without the cache"
			}
			return ""
		}}
}

func (a *abuse) imatrixTarget(model string) *target {
	text, path := a.path("text"), a.path("good.imatrix")
	must(0, os.WriteFile(text, []byte(said), 0o600))
	a.works(call{args: []string{"imatrix", model, "-f", text, "-o", path}})
	whole := must(os.ReadFile(path))
	w := must(walk(whole))
	return &target{name: "imatrix", weight: 2, whole: whole, offsets: w.offsets, place: file("x.imatrix"), wrong: refused,
		mend:  func(data []byte) { mendTensors(data, whole, w); mend(data[:w.data], w.checksum) },
		calls: []string{"verify DIR/x.imatrix", "convert " + model + " --imatrix DIR/x.imatrix --type q4_0 -o OUT"}}
}

// checkpointTargets are the files of weights.
func (a *abuse) checkpointTargets() []*target {
	fixture := func(name string) string { return filepath.Join(a.data, "fixtures", name) }
	convert := []string{"convert DIR -o OUT --type q8_0"}
	weights := must(os.ReadFile(filepath.Join(fixture("llama"), "model.safetensors")))
	n := 8 + int(binary.LittleEndian.Uint64(weights))
	head := make([]int, 0, 64)
	for i := range 64 {
		head = append(head, i*n/64)
	}
	torch := must(os.ReadFile(filepath.Join(fixture("mamba1-half"), "pytorch_model.bin")))
	code := zipEntry(torch, "/data.pkl")
	return []*target{
		{name: "safetensors", weight: 2, whole: weights, offsets: append(head, 0, 4), around: fixture("llama"), place: file("model.safetensors"), calls: convert},
		{name: "safetensors header", weight: 2, whole: weights[8:n], rewrite: rewriteJSON, around: fixture("llama"), calls: convert,
			place: func(dir string, data []byte) {
				b := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
				file("model.safetensors")(dir, append(append(b, data...), weights[n:]...))
			}},
		{name: "index", weight: 1, whole: must(os.ReadFile(filepath.Join(fixture("mamba2-half"), "model.safetensors.index.json"))), rewrite: rewriteJSON,
			around: fixture("mamba2-half"), place: file("model.safetensors.index.json"), calls: convert},
		{name: "zip", weight: 2, whole: torch, offsets: zipOffsets(torch), around: fixture("mamba1-half"), place: file("pytorch_model.bin"), calls: convert},
		{name: "pickle", weight: 2, whole: code, around: fixture("mamba1-half"), calls: convert,
			place: func(dir string, data []byte) { file("pytorch_model.bin")(dir, rezip(torch, "/data.pkl", data)) }},
	}
}

// textTargets are the files of JSON and of templates.
func (a *abuse) textTargets() []*target {
	fixture := func(name string) string { return filepath.Join(a.data, "fixtures", name) }
	read := func(path ...string) []byte { return must(os.ReadFile(filepath.Join(path...))) }
	const chat = `{"messages":[{"role":"system","content":"s"},{"role":"user","content":"a b"},{"role":"assistant","content":"c"},{"role":"user","content":"d"}],"add_generation_prompt":true}` + "\n"
	tokenize := []string{"tokenize DIR hello", "tokenize DIR --jsonl --chat <" + chat, "convert DIR -o OUT --type q8_0"}
	convert := tokenize[2:]
	generation := []byte(`{"temperature":0.7,"top_k":40,"top_p":0.9,"min_p":0.05,"repetition_penalty":1.1,"do_sample":true,"eos_token_id":[3,4]}`)
	messages := []byte(`[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"a"}]},{"role":"assistant","content":"b"},{"role":"user","content":"c"}]`)
	model := a.path("llama.bin")
	jsons := func(name, around, file_ string, whole []byte, calls []string) *target {
		return &target{name: name, weight: 2, whole: whole, rewrite: rewriteJSON, around: around, place: file(file_), calls: calls}
	}
	return []*target{
		jsons("tokenizer.json", fixture("llama"), "tokenizer.json", read(fixture("llama"), "tokenizer.json"), tokenize),
		jsons("tokenizer_config.json", fixture("llama"), "tokenizer_config.json", read(fixture("llama"), "tokenizer_config.json"), tokenize),
		jsons("special_tokens_map.json", fixture("llama"), "special_tokens_map.json", []byte(`{"bos_token":"<|begin_of_text|>","eos_token":{"content":"<|eot_id|>"},"additional_special_tokens":["<|eot_id|>"]}`), tokenize),
		jsons("chat_template.json", fixture("llama"), "chat_template.json", []byte(`{"chat_template":"{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}"}`), tokenize[1:]),
		jsons("config.json", fixture("llama"), "config.json", read(fixture("llama"), "config.json"), convert),
		jsons("config.json of mamba", fixture("pure-mamba1"), "config.json", read(fixture("pure-mamba1"), "config.json"), convert),
		jsons("mamba_config.json", fixture("mamba2-half"), "mamba_config.json", read(fixture("mamba2-half"), "mamba_config.json"), convert),
		jsons("generation_config.json", fixture("llama"), "generation_config.json", generation, convert),
		jsons("messages", "", "x.json", messages, []string{"run " + model + " --temp 0 --max-tokens 1 --ctx 512 --messages DIR/x.json", "chat " + model + " --temp 0 --max-tokens 1 --ctx 512 <hi\n/load DIR/x.json\nhi\n"}),
		{name: "tokenizer of SentencePiece's kind", weight: 1, whole: read(a.data, "tokenizers", "mistral", "tokenizer.json"), rewrite: rewriteJSON, place: file("tokenizer.json"), calls: tokenize[:1]},
		{name: "packed tokenizer", weight: 1, whole: read(a.data, "tokenizers", "gptneox", "tokenizer.json.gz"), place: file("tokenizer.json.gz"), calls: tokenize[:1]},
		{name: "template", weight: 2, whole: read(a.data, "templates", "models", "turns.jinja"), rewrite: rewriteTemplate, around: fixture("llama"), place: file("chat_template.jinja"), calls: tokenize[1:]},
		{name: "template of tools", weight: 2, whole: read(a.data, "templates", "models", "typed_tools.jinja"), rewrite: rewriteTemplate, around: fixture("llama"), place: file("chat_template.jinja"), calls: tokenize[1:2]},
	}
}

// mendTensors makes the checksums of a GGUF file's tensors right, as far as they
// lie where they lay in the whole one.
func mendTensors(data, whole []byte, w *layout) {
	for i, t := range w.tensors {
		if !bytes.Equal(data[t.from:t.to], whole[t.from:t.to]) {
			binary.LittleEndian.PutUint32(data[w.sums+4*i:], sum(data[t.from:t.to]))
		}
	}
}

// sessionOffsets are those of the numbers in a session's header and records.
func sessionOffsets(data []byte) []int {
	offsets := []int{0, 8, 12, 16}
	eachRecord(data, func(head, table, n int) {
		offsets = append(offsets, head, head+8, head+16, head+24, head+28, head+32)
		for i := range n {
			for _, d := range []int{0, 4, 8, 12, 16, 24, 32} {
				offsets = append(offsets, table+40*i+d)
			}
		}
	})
	return offsets
}

// mendSession makes a session's checksums right, as far as its parts are found.
func mendSession(data []byte) {
	if size := int(binary.LittleEndian.Uint32(data[8:])); size >= 20 && size <= len(data) {
		binary.LittleEndian.PutUint32(data[size-4:], sum(data[:size-4]))
	}
	eachRecord(data, func(head, table, n int) {
		for i := range n {
			e := data[table+40*i:]
			off, size := binary.LittleEndian.Uint64(e[16:]), binary.LittleEndian.Uint64(e[24:])
			if left := uint64(len(data) - head); off <= left && size <= left-off {
				binary.LittleEndian.PutUint32(e[32:], sum(data[head:][off:off+size]))
			}
		}
		binary.LittleEndian.PutUint32(data[head+28:], sum(data[table:table+40*n]))
		binary.LittleEndian.PutUint32(data[head+60:], sum(data[head:head+60]))
	})
}

// eachRecord calls f with where each record's head lies and its table of n.
func eachRecord(data []byte, f func(head, table, n int)) {
	at := int(binary.LittleEndian.Uint32(data[8:]))
	for at >= 0 && at+64 <= len(data) {
		size, table, n := binary.LittleEndian.Uint64(data[at+8:]), binary.LittleEndian.Uint64(data[at+16:]), int(binary.LittleEndian.Uint32(data[at+24:]))
		left := uint64(len(data) - at)
		if size > left || size < 64 || table > size || uint64(n)*40 > size-table {
			return
		}
		f(at, at+int(table), n)
		at += int(size)
	}
}

// zipOffsets are those of the numbers in a zip's directory and at its entries.
func zipOffsets(data []byte) (offsets []int) {
	for i := range len(data) - 4 {
		switch string(data[i : i+4]) {
		case "PK\x03\x04", "PK\x01\x02", "PK\x05\x06", "PK\x06\x06", "PK\x06\x07":
			for d := 4; d < 48 && i+d < len(data); d += 2 {
				offsets = append(offsets, i+d)
			}
		}
	}
	return offsets
}

// zipEntry is the content of the entry whose name ends so.
func zipEntry(data []byte, suffix string) []byte {
	for _, e := range must(zip.NewReader(bytes.NewReader(data), int64(len(data)))).File {
		if strings.HasSuffix(e.Name, suffix) {
			return must(io.ReadAll(must(e.Open())))
		}
	}
	panic("no entry " + suffix)
}

// rezip is the archive with another content in the entry whose name ends so.
func rezip(data []byte, suffix string, content []byte) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range must(zip.NewReader(bytes.NewReader(data), int64(len(data)))).File {
		to := must(w.CreateHeader(&zip.FileHeader{Name: e.Name, Method: zip.Store}))
		if strings.HasSuffix(e.Name, suffix) {
			must(to.Write(content))
		} else {
			must(io.Copy(to, must(e.Open())))
		}
	}
	must(0, w.Close())
	return b.Bytes()
}
