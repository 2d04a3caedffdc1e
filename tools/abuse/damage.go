//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"

	"github.com/mil-run/mil/convert"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/quant"
)

// fixtures are small models: one of each mixer, and a checkpoint of each kind
// of file.
var (
	modelFixtures      = []string{"mamba2-merged", "mamba1-merged", "llama"}
	checkpointFixtures = []string{"mamba2-half", "mamba1-half"}
)

// convertFixture packs a fixture into the part's folder.
func (a *abuse) convertFixture(name, mix string) string {
	path := a.path(name + ".bin")
	o := convert.Options{Output: path, Type: must(quant.ParseMix(mix))}
	must(convert.Run(context.Background(), filepath.Join(a.data, "fixtures", name), o))
	return path
}

// damagedModels cuts and flips model files. A file of ours refuses every change
// of its header by its checksum. With the checksum made right again, as for a
// file made elsewhere, the code behind it must survive every value.
func damagedModels(a *abuse) {
	for i, name := range modelFixtures {
		if a.short && i > 0 {
			break
		}
		path := a.convertFixture(name, "q8_0")
		whole := must(os.ReadFile(path))
		w := must(walk(whole))
		if a.share == 1 {
			a.cuts(whole, w)
		}
		a.flips(whole, w)
	}
}

// cuts opens the file cut at and around every structural offset.
func (a *abuse) cuts(whole []byte, w *layout) {
	at := slices.Clone(w.offsets)
	f := must(format.Parse(whole, "whole"))
	for _, t := range f.Tensors() {
		at = append(at, int(t.Offset), int(t.Offset+t.Size)-1)
	}
	path := a.path("cut.bin")
	for i, n := range at {
		for _, d := range []int{-1, 0, 1} {
			if n+d < 0 || n+d >= len(whole)-int(format.Alignment) {
				continue // behind the last tensor nothing is missed
			}
			a.count++
			if _, err := use(whole[:n+d]); err == nil {
				a.fail("a model cut to %d of %d bytes opens", n+d, len(whole))
			}
		}
		if i%max(1, len(at)/a.some(3, 20)) == 0 {
			os.WriteFile(path, whole[:n], 0o600)
			for _, args := range [][]string{{"info", path}, {"verify", path}, {"run", path, "x"}, {"convert", path, "-o", a.path("o.bin")}} {
				a.fails("cut.bin", call{args: args})
			}
		}
	}
}

// flips changes every byte of the header.
func (a *abuse) flips(whole []byte, w *layout) {
	f := must(format.Parse(whole, "whole"))
	size, crc := f.Header()
	if got := headerSum(whole[:size], w.checksum); got != crc {
		panic(fmt.Sprintf("the header's checksum is %08x, computed as %08x", crc, got))
	}
	bad := slices.Clone(whole)
	path := a.path("flipped.bin")
	every := a.some(101, a.of)
	samples := max(1, size/a.some(8, 300))
	for i := (a.share - 1) % every; i < size; i += every {
		if i > w.end && i%64 != 0 {
			continue // padding
		}
		bit := byte(1) << a.rand.IntN(8)
		bad[i] ^= bit
		a.count++
		if _, err := use(bad); err == nil && (i < w.checksum || i >= w.checksum+4) {
			a.fail("byte %d of the header changed by %#x, and the model opens", i, bit)
		}
		for _, v := range []byte{bad[i], 0, 0xff} {
			bad[i] = v
			mend(bad[:size], w.checksum)
			a.count++
			use(bad)
		}
		if i/samples != (i-every)/samples {
			os.WriteFile(path, bad, 0o600)
			a.ends(call{args: []string{"run", path, "--max-tokens", "2", "--ctx", "64", "x"}})
		}
		bad[i] = whole[i]
		mend(bad[:size], w.checksum)
	}
}

var processor = llm.NewMachine(llm.Options{Backend: "cpu", Threads: 1})

// use does the same with a file as a chat does, in this process. A panic ends
// it and shows where.
func use(data []byte) (reply string, err error) {
	debug.SetPanicOnFault(true)
	f, err := format.Parse(format.Aligned(data), "damaged")
	if err != nil {
		return "", err
	}
	m, err := processor.Load(f, llm.Options{Context: 64})
	if err != nil {
		return "", err
	}
	defer m.Close()
	for p, err := range m.Chat(context.Background(), llm.User("x"), func(s *llm.Settings) { *s = llm.Settings{MaxTokens: 2} }) {
		if err != nil {
			return reply, err
		}
		reply += p.Text
	}
	return reply, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// headerSum is the header's checksum, whose own bytes count as zero.
func headerSum(header []byte, at int) uint32 {
	h := slices.Clone(header)
	clear(h[at : at+4])
	return crc32.Checksum(h, castagnoli)
}

// mend makes a changed header's checksum right.
func mend(header []byte, at int) {
	binary.LittleEndian.PutUint32(header[at:], headerSum(header, at))
}

// damagedCheckpoints converts folders whose weight files are cut or changed.
func damagedCheckpoints(a *abuse) {
	for _, name := range checkpointFixtures {
		from, folder := filepath.Join(a.data, "fixtures", name), a.path(name)
		must(0, os.CopyFS(folder, os.DirFS(from)))
		for _, e := range must(os.ReadDir(folder)) {
			if e.Name() != "expected.safetensors" {
				a.damagedFile(folder, e.Name())
			}
		}
	}
}

// damagedFile converts a folder in which one file is damaged: some are still
// good, since a bit of a weight is a weight.
func (a *abuse) damagedFile(folder, name string) {
	path := filepath.Join(folder, name)
	whole := must(os.ReadFile(path))
	defer os.WriteFile(path, whole, 0o600)
	out := a.path("out")
	must(0, os.MkdirAll(out, 0o700))
	try := func(data []byte) {
		must(0, os.WriteFile(path, data, 0o600))
		a.count++
		_, err := convert.Run(context.Background(), folder, convert.Options{Output: filepath.Join(out, "x.bin"), Type: must(quant.ParseMix("f32"))})
		if err != nil {
			a.leftovers(fmt.Sprintf("%s damaged: %v", name, err), out)
		}
		os.Remove(filepath.Join(out, "x.bin"))
	}
	for range a.some(4, 60) {
		try(whole[:a.rand.IntN(len(whole))])
	}
	// Headers are at the beginning, a zip's at the end too.
	for range a.some(12, 1500) {
		bad := slices.Clone(whole)
		near := min(len(bad), 4096)
		i := a.rand.IntN(near)
		if a.rand.IntN(3) == 0 {
			i = len(bad) - 1 - i
		}
		bad[i] ^= byte(1 + a.rand.IntN(255))
		try(bad)
	}
	must(0, os.WriteFile(path, whole[:len(whole)/2], 0o600))
	a.fails("", call{args: []string{"convert", folder, "-o", a.path("o.bin")}})
}
