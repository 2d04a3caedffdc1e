package session

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/quant"
)

// shape3B writes a model whose sessions have the size of the 3B hybrid's, or of
// fewer of its 28 layers. Half of them are attention and half Mamba-2. The weights
// are next to nothing.
func shape3B(b testing.TB, layers int) *model.Model {
	const width, q, kv, inner, xb, rank = 64, 3072, 1024, 3072, 1024, 24
	path := filepath.Join(b.TempDir(), "model.bin")
	w := format.NewWriter(path, false)
	w.Set("general.architecture", format.Arch)
	heads := make([]uint32, layers)
	for i := range heads {
		heads[i] = uint32(i % 2 * 8)
	}
	w.Set(format.Arch+".attention.head_count_kv", heads)
	w.Set(format.Arch+".attention.layer_norm_rms_epsilon", float32(1e-5))
	w.Set(format.Arch+".ssm.repeat_before_conv", false)
	for key, v := range map[string]uint32{"block_count": uint32(layers), "embedding_length": width, "context_length": 32768, "feed_forward_length": width,
		"attention.head_count": 24, "attention.key_length": 128, "ssm.version": 2, "ssm.conv_kernel": 4, "ssm.inner_size": inner, "ssm.state_size": 128,
		"ssm.time_step_rank": rank, "ssm.group_count": rank, "ssm.xb_size": xb} {
		w.Set(format.Arch+"."+key, v)
	}
	var values []int
	add := func(name string, dims ...uint64) {
		w.Add(name, quant.F32, dims...)
		n := 1
		for _, d := range dims {
			n *= int(d)
		}
		values = append(values, n)
	}
	add("token_embd.weight", width, 512)
	add("output_norm.weight", width)
	for i, kvHeads := range heads {
		blk := func(name string, dims ...uint64) { add(fmt.Sprintf("blk.%d.%s", i, name), dims...) }
		blk("attn_norm.weight", width)
		blk("ffn_norm.weight", width)
		blk("ffn_gate.weight", width, width)
		blk("ffn_up.weight", width, width)
		blk("ffn_down.weight", width, width)
		if kvHeads > 0 {
			blk("attn_q.weight", width, q)
			blk("attn_k.weight", width, kv)
			blk("attn_v.weight", width, kv)
			blk("attn_output.weight", q, width)
			continue
		}
		blk("ssm_in.weight", width, 2*inner+2*xb+rank)
		blk("ssm_conv1d.weight", 4, 2*xb+inner)
		blk("ssm_conv1d.bias", 2*xb+inner)
		blk("ssm_out.weight", inner, width)
		blk("ssm_dt.bias", rank)
		blk("ssm_a", rank)
		blk("ssm_d", rank)
		blk("ssm_norm.weight", inner)
	}
	if err := w.Begin(); err != nil {
		b.Fatal(err)
	}
	for _, n := range values {
		if _, err := w.Write(make([]byte, 4*n)); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Finish(); err != nil {
		b.Fatal(err)
	}
	f, err := format.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	m, err := model.Open(f)
	if err != nil {
		b.Fatal(err)
	}
	return m
}

// pretend makes a session one that has read n tokens, all 0.
func pretend(b testing.TB, s *model.Session, tokens int) {
	state := [][]byte{}
	for i, p := range s.Parts() {
		if !p.Cache {
			state = append(state, make([]byte, p.Bytes))
			continue
		}
		page := make([]byte, Page/backend.CacheUnit*p.Bytes)
		for from := 0; from < tokens; from += Page {
			for j := range page {
				page[j] = byte(i*j+from/Page) & 0x37 // small numbers, not all alike
			}
			if err := s.WriteCache(i, from, from+Page, page); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := s.Begin(make([]int32, tokens), state, 0, 0); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkResume takes up a chat of 20,000 tokens of the 3B shape from a warm file
// and feeds one token, which looks at all of its keys and values:
//
//	go test ./session -run none -bench Resume
func BenchmarkResume(b *testing.B) {
	const tokens, context = 20000, 20480
	m := shape3B(b, 28)
	machine := cpu.New(0)
	defer machine.Close()
	begin := func() *model.Session {
		s, err := m.NewSession(machine, model.Options{Context: context, KV: model.KVF16})
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	path := filepath.Join(b.TempDir(), "talk")
	s := begin()
	pretend(b, s, tokens)
	if err := Save(path, s, Turn{Note: json.RawMessage("{}")}); err != nil {
		b.Fatal(err)
	}
	want := feed(b, s, []int32{1})
	s.Close()
	st, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(st.Size())
	for b.Loop() {
		s := begin()
		f, found, err := Open(path, s)
		if err != nil || found.Tokens != tokens {
			b.Fatal(found, err)
		}
		got := feed(b, s, []int32{1})
		b.StopTimer()
		if got[0] != want[0] {
			b.Fatal("other logits")
		}
		f.Close()
		s.Close()
		b.StartTimer()
	}
}

// BenchmarkCacheFind takes a prompt of 5,000 tokens of the same shape out of a
// warm folder and feeds one more.
func BenchmarkCacheFind(b *testing.B) {
	const tokens, context = 5000, 5120
	m := shape3B(b, 28)
	machine := cpu.New(0)
	defer machine.Close()
	begin := func() *model.Session {
		s, err := m.NewSession(machine, model.Options{Context: context, KV: model.KVF16})
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	c := cacheIn(b, b.TempDir(), 1<<40)
	s := begin()
	pretend(b, s, tokens)
	c.Keep(s, make([]float32, s.Vocab()))
	want := feed(b, s, []int32{1})
	s.Close()
	ids := make([]int32, tokens)
	for b.Loop() {
		s := begin()
		if n, _, err := c.Find(s, ids, 0); err != nil || n != tokens {
			b.Fatal(n, err)
		}
		got := feed(b, s, []int32{1})
		b.StopTimer()
		if got[0] != want[0] {
			b.Fatal("other logits")
		}
		s.Close()
		b.StartTimer()
	}
}
