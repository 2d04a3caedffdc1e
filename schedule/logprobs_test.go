package schedule

import (
	"math"
	"slices"
	"testing"

	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
)

// The log-probabilities of prompts and replies are those of the model's rows, with
// company and drafts, and wherever the prompt is cut.
func TestLogprobs(t *testing.T) {
	w := realWorld(t, "mamba2-half", model.Options{Context: 384})
	e := w.engine()
	o := w.clock(e)
	o.Prefixes = 1 << 20
	c := newCore(e, o)
	var list []*Handle
	var texts [][]int32
	for i := range 4 {
		r := Request{Tokens: words(uint64(i%2), 100+70*(i%2)), MaxTokens: 20, Draft: w.drafts[i%3], Echo: i > 0, Sampling: sample.Options{Logprobs: true, TopLogprobs: i}}
		list, texts = append(list, submit(t, c, r)), append(texts, r.Tokens)
	}
	drive(t, c)
	for i, h := range list {
		ids, probs, _ := h.NextLogprobs(t.Context())
		echo := h.Echo()
		if len(ids) != 20 || len(probs) != 20 || len(echo) != (len(texts[i])-1)*min(i, 1) || h.Result().Cached > 0 && i > 0 {
			t.Fatalf("request %d: %d tokens, %d and %d log-probabilities, %d cached", i, len(ids), len(probs), len(echo), h.Result().Cached)
		}
		s, err := e.(*engine).r.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		text := slices.Concat(texts[i], ids)
		rows, err := s.Read(texts[i], model.WantAll, nil)
		for _, id := range ids {
			if err != nil {
				t.Fatal(err)
			}
			var row []float32
			rows = slices.Clone(rows)
			row, err = s.Feed([]int32{id}, model.WantLast)
			rows = append(rows, row...)
		}
		for at, p := range slices.Concat(echo, probs) {
			pos := at + len(text) - len(echo) - 20
			v := e.Limits().Vocab
			want := sample.RowLogprobs(rows[(pos-1)*v:pos*v], text[pos], i)
			if p.Chosen.ID != text[pos] || math.Abs(p.Chosen.Logprob-want.Chosen.Logprob) > 1e-6 || len(p.Top) != i {
				t.Fatalf("request %d, token %d: %+v, the model says %+v", i, pos, p, want)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
