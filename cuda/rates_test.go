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

// chain is the time of one of many products that follow each other.
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
	x1 := e.(*exec)
	launches := planned(t, x1, nil, tokens)
	products := slices.DeleteFunc(launches, func(l launch) bool { return slices.Contains([]string{"embed", "prepare", "spread"}, l.kernel) })
	best := time.Hour
	err = b.do(func() error {
		g, err := x1.record(1, products)
		if err != nil {
			return err
		}
		for range 6 {
			start := time.Now()
			if err := b.d.GraphLaunch(g, b.stream); err != nil {
				return err
			}
			if err := b.d.StreamSynchronize(b.stream); err != nil {
				return err
			}
			best = min(best, time.Since(start))
		}
		return b.d.GraphExecDestroy(g)
	})
	if err != nil {
		t.Fatal(err)
	}
	return best.Seconds() / matrices
}

// rate is that of products of one shape.
func rate(t *testing.T, b *Backend, kind quant.Type, rows, cols, tokens int, way string) {
	spec, _ := kind.Spec()
	sec := chain(t, b, kind, rows, cols, tokens)
	gb := float64(rows*spec.RowBytes(cols)) / sec / 1e9
	t.Logf("%s %dx%d %d tokens%s: %.1f us, %.0f GB/s, %.1f TFLOP/s", spec.Name, rows, cols, tokens, way, sec*1e6, gb, 2e-12*float64(rows*cols*tokens)/sec)
}

// Rates of products with a few tokens on the device; -v shows them.
func TestProductRates(t *testing.T) {
	b := device(t)
	for _, kind := range quant.Types() {
		for _, s := range [][2]int{{4096, 4096}, {28672, 4096}, {4096, 14336}} {
			for _, tokens := range []int{1, 5, 16} {
				rate(t, b, kind, s[0], s[1], tokens, "")
			}
		}
	}
}

// The same with many tokens, both ways where the chip has two.
func TestPromptProductRates(t *testing.T) {
	b := device(t)
	for _, kind := range quant.Types() {
		spec, _ := kind.Spec()
		for _, tokens := range []int{128, 512, 2048} {
			if spec.Block > 1 && tokens < 2048 {
				unpackFirst(t, false)
				rate(t, b, kind, 14336, 4096, tokens, "")
			}
			if b.device.cc == hopper {
				unpackFirst(t, true)
				rate(t, b, kind, 14336, 4096, tokens, ", unpacked first")
			}
		}
	}
}
