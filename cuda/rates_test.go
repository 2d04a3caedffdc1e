package cuda

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/quant"
)

// chain is a program of many products, so that a pass's time is theirs.
func chain(t *testing.T, b *Backend, kind quant.Type, rows, cols, tokens int) float64 {
	spec, _ := kind.Spec()
	const matrices = 16
	size := rows * spec.RowBytes(cols)
	size = (size + 63) &^ 63
	data := make([]byte, 4*cols*4+matrices*size)
	r := rand.New(rand.NewPCG(1, 2))
	for i := 0; i+8 <= min(len(data), 1<<20); i += 8 {
		binary.LittleEndian.PutUint64(data[i:], r.Uint64()&0x3fff3fff3fff3fff)
	}
	for n := 1 << 20; n < len(data); n *= 2 {
		copy(data[n:], data[:n])
	}
	table := &backend.Tensor{Name: "table", Type: quant.F32, Rows: 4, Cols: cols}
	buf, err := b.Map(data)
	if err != nil {
		t.Fatal(err)
	}
	table.Buf = buf
	c := backend.NewRecorder(tokens, 1)
	x := c.Embed(table)
	for i := range matrices {
		w := &backend.Tensor{Name: fmt.Sprint("w", i), Type: kind, Rows: rows, Cols: cols, Buf: buf, Off: 4*cols*4 + i*size}
		c.MatMul(c.All(x), nil, backend.None, w)
	}
	head := &backend.Tensor{Name: "head", Type: quant.F32, Rows: 4, Cols: cols, Buf: buf}
	c.Logits(c.All(x), nil, head)
	e, err := b.Compile(c.Program())
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var times []float64
	ids := make([]int32, tokens)
	for i := range 9 {
		start := time.Now()
		if _, err := e.Run(&backend.Params{Tokens: ids, Logits: 1}); err != nil {
			t.Fatal(err)
		}
		if i > 2 {
			times = append(times, time.Since(start).Seconds())
		}
	}
	slices.Sort(times)
	return times[len(times)/2] / matrices
}

// Rates of products on the device; -v shows them. Those with many tokens are
// taken both ways where the chip has two.
func TestProductRates(t *testing.T) {
	b := device(t)
	for _, kind := range []quant.Type{quant.BF16, quant.Q8_0, quant.Q6_K, quant.Q5_K, quant.Q4_K, quant.Q4_0} {
		spec, _ := kind.Spec()
		rate := func(rows, cols, tokens int, way string) {
			sec := chain(t, b, kind, rows, cols, tokens)
			gb := float64(rows*spec.RowBytes(cols)) / sec / 1e9
			t.Logf("%s %dx%d %d tokens%s: %.1f us, %.0f GB/s, %.1f TFLOP/s", spec.Name, rows, cols, tokens, way, sec*1e6, gb, 2e-12*float64(rows*cols*tokens)/sec)
		}
		for _, s := range [][2]int{{4096, 4096}, {14336, 4096}, {4096, 14336}} {
			for _, tokens := range []int{1, 5, 16} {
				rate(s[0], s[1], tokens, "")
			}
		}
		for _, tokens := range []int{128, 512, 2048} {
			if spec.Block > 1 && tokens < 2048 {
				unpackFrom(t, 1<<20)
				rate(14336, 4096, tokens, "")
			}
			if b.device.cc == hopper {
				unpackFrom(t, backend.Verify+1)
				rate(14336, 4096, tokens, ", unpacked first")
			}
		}
	}
}
