package oracle

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/mil-run/mil/constrain"
)

// BenchmarkReal compiles the schemas of real use and makes a mask before each token
// of a value, as a tokenizer writes it. It reports the median of the compilations,
// and mean and 99th percentile of the masks, also of those behind the first value
// of a schema, when its states are known.
func BenchmarkReal(b *testing.B) {
	for _, name := range []string{"qwen3", "o200k"} {
		b.Run(name, func(b *testing.B) {
			v := loadVocab(b, name)
			for b.Loop() {
				r := rand.New(rand.NewPCG(*seed, 5))
				var compiled, masks, later []time.Duration
				for range *schemas {
					k := realSchema(r)
					schema := []byte(style{",", ":", "", plainText}.write(k.schema))
					start := time.Now()
					g, err := constrain.Schema(schema, constrain.SchemaOptions{})
					compiled = append(compiled, time.Since(start))
					if err != nil {
						b.Fatal(err)
					}
					for i := range 3 {
						times := timeMasks(b, g, v, styles[r.IntN(len(styles))].write(k.make(r)))
						masks = append(masks, times...)
						if i > 0 {
							later = append(later, times...)
						}
					}
				}
				report(b, compiled, "compile")
				report(b, masks, "mask")
				report(b, later, "latermask")
			}
		})
	}
}

func timeMasks(b *testing.B, g *constrain.Grammar, v *vocab, text string) (times []time.Duration) {
	m := g.Matcher(v.v)
	var mask []uint32
	for _, id := range v.encode(text) {
		start := time.Now()
		var err error
		if mask, err = m.Mask(mask); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(start))
		if err := m.Accept(id); err != nil {
			ok, _ := g.Matches(text)
			b.Fatalf("%v: %q of %q, which matches: %v", err, v.tokens[id], text, ok)
		}
	}
	return times
}

// report gives microseconds.
func report(b *testing.B, times []time.Duration, name string) {
	slices.Sort(times)
	var sum time.Duration
	for _, t := range times {
		sum += t
	}
	us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
	b.ReportMetric(us(sum)/float64(len(times)), name+"-mean-us")
	b.ReportMetric(us(times[len(times)/2]), name+"-p50-us")
	b.ReportMetric(us(times[len(times)*99/100]), name+"-p99-us")
}
