package cpu

import (
	"slices"
	"testing"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/kernel"
	"github.com/mil-run/mil/quant"
)

// What a token gives within a window depends neither on the passes in which it and
// those before it came, nor on the length of the ring or where it begins anew, nor
// on the threads or the set.
func TestWindowBits(t *testing.T) {
	for _, kv := range []quant.Type{quant.F16, quant.F32, quant.Q8_0} {
		for _, window := range []int{1, 40, 300, 530} {
			h := backend.Heads{Heads: 12, KVHeads: 2, Dim: 64, KVType: kv, Window: window}
			for _, pos := range []int{0, 25, 505, 1015, 1500} {
				windowBits(t, h, pos)
			}
		}
	}
}

func windowBits(t *testing.T, h backend.Heads, pos int) {
	const prompt = 100
	var short, long []float32
	sets := kernel.Sets()
	if testing.Short() {
		sets = []*kernel.Set{kernel.Best()}
	}
	for _, s := range sets {
		for threads, context := range map[int]int{1: 4 * backend.RingUnit, 2: (h.Window + prompt + backend.RingUnit - 1) / backend.RingUnit * backend.RingUnit} {
			b, err := NewISA(threads, s.Name)
			if err != nil {
				t.Fatal(err)
			}
			h.Context = context
			a := newAttentionTest(t, b, h, prompt)
			passes := func(n, most int) (out []float32) {
				for i := 0; i < n; i += most {
					out = append(out, a.feed(t, pos+i, min(most, n-i))...)
				}
				return out
			}
			a.to(t, 0, pos, []int{100, 37}[threads-1])
			if short == nil {
				short = passes(backend.MaxVerify, backend.MaxVerify)
				long = passes(prompt, prompt)
			}
			for _, n := range []int{1, 2, 3, 7, 16} {
				if !slices.Equal(passes(backend.MaxVerify, n), short) {
					t.Errorf("%s, %v, window %d of %d, %d threads: %d tokens a pass at %d give other bits", s.Name, h.KVType, h.Window, h.Context, threads, n, pos)
				}
			}
			for _, n := range []int{20, 27, 50, 83, 100} { // no last pass is a short one
				if !slices.Equal(passes(prompt, n), long) {
					t.Errorf("%s, %v, window %d of %d, %d threads: prompts of %d at %d give other bits", s.Name, h.KVType, h.Window, h.Context, threads, n, pos)
				}
			}
			b.Close()
		}
	}
}

// What lies in the ring outside a token's window does not reach it, were it
// infinite. Scales of int8 are of finite values alone.
func TestWindowReadsNothingUnseen(t *testing.T) {
	for _, kv := range []quant.Type{quant.F16, quant.F32} {
		h := backend.Heads{Heads: 4, KVHeads: 2, Dim: 32, Window: 70, Context: backend.RingUnit, KVType: kv}
		for _, s := range kernel.Sets() {
			b, err := NewISA(1, s.Name)
			if err != nil {
				t.Fatal(err)
			}
			a := newAttentionTest(t, b, h, 100)
			for _, n := range []int{1, 16, 30} {
				a.to(t, 0, 700, 100)
				want := a.feed(t, 700, n)
				for _, node := range a.run.(*exec).p.Nodes {
					attend, ok := node.(*backend.Attend)
					if !ok {
						continue
					}
					for _, s := range []*backend.State{attend.KCache, attend.VCache} {
						if err := a.seq.Buffer(s).Write(0, infinities(s.Bytes, kv)); err != nil {
							t.Fatal(err)
						}
					}
				}
				a.to(t, 700-h.Window+1, 700, 100) // all that the first token sees
				if got := a.feed(t, 700, n); !slices.Equal(got, want) {
					t.Errorf("%s, %v, %d tokens: %v, before %v", s.Name, kv, n, got[:4], want[:4])
				}
			}
			b.Close()
		}
	}
}

func infinities(bytes int, t quant.Type) []byte {
	out := make([]byte, bytes)
	for i := 0; i < bytes; i += 2 {
		switch {
		case t == quant.F16:
			out[i+1] = 0x7c
		case i%4 == 2:
			out[i], out[i+1] = 0x80, 0x7f
		}
	}
	return out
}
