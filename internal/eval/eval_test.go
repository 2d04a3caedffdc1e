package eval

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/demo"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/model"
)

func open(t *testing.T, f *format.File, context int) (*chat.Engine, *model.Session) {
	t.Helper()
	mc := llm.NewMachine(llm.Options{Backend: "cpu"})
	m, err := mc.Load(f, llm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := mc.Timeline(m.Engine().Model, model.Options{Context: context})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); mc.Close() })
	return m.Engine(), s.Session
}

func openDemo(t *testing.T, context int) (*chat.Engine, *model.Session) {
	t.Helper()
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	return open(t, f, context)
}

func heldout(t *testing.T, e *chat.Engine, bytes int) Text {
	t.Helper()
	return NewText(e.Tokenizer, heldoutBytes(t, bytes), true)
}

func heldoutBytes(t testing.TB, n int) string {
	t.Helper()
	b, err := os.ReadFile(testutil.Data("eval", "heldout.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func ignore(int, int) {}

func TestWindows(t *testing.T) {
	for _, lead := range []bool{false, true} {
		for n := range 40 {
			for size := 2; size < 9; size++ {
				for _, overlap := range []int{1, size / 2} {
					next := 1
					if lead {
						next = 0
					}
					for _, w := range windows(n, size, overlap, lead) {
						if w.from != next || w.end <= w.from || w.end-w.start > size || w.start > 0 && w.from-w.start != overlap {
							t.Fatalf("n %d, size %d, overlap %d: window %v after %d", n, size, overlap, w, next)
						}
						next = w.end
					}
					if n > 1 && next != n {
						t.Fatalf("n %d, size %d, overlap %d: ends at %d", n, size, overlap, next)
					}
				}
			}
		}
	}
}

// One window, and several, give the results that feeding token by token and textbook
// formulas give.
func TestMeasure(t *testing.T) {
	second, _ := testutil.Convert(t, testutil.Data("demo", "hybrid-mamba2"), "f32")
	first, _ := testutil.Convert(t, testutil.Data("demo", "hybrid-mamba1"), "f32")
	e, s := open(t, second, 64)
	_, other := open(t, first, 64)
	text := heldout(t, e, 1500)
	got, err := Measure(context.Background(), text, other, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	list, err := text.cut(64, true)
	if err != nil {
		t.Fatal(err)
	}
	var loss, baseLoss, kl float64
	n, same := 0, 0
	for _, w := range list {
		p := rows(t, other, text, w)
		q := rows(t, s, text, w)
		for i := w.from; i < w.end; i++ {
			a, b := p[i-w.start], q[i-w.start]
			loss -= math.Log(a[text.IDs[i]])
			baseLoss -= math.Log(b[text.IDs[i]])
			for v := range a {
				kl += b[v] * math.Log(b[v]/a[v])
			}
			if likeliest(a) == likeliest(b) {
				same++
			}
			n++
		}
	}
	count := float64(n)
	near := func(what string, got, want float64) {
		if math.Abs(got-want) > 1e-4*math.Abs(want) { // passes of other lengths round otherwise
			t.Errorf("%s is %g, want %g", what, got, want)
		}
	}
	if n != len(text.IDs) || got.Tokens != n {
		t.Errorf("%d of %d tokens", got.Tokens, n)
	}
	near("perplexity", got.Perplexity.Value, math.Exp(loss/count))
	near("the reference's perplexity", got.Divergence.Perplexity.Value, math.Exp(baseLoss/count))
	near("divergence", got.Divergence.Mean.Value, kl/count)
	near("agreement", got.Divergence.Top1.Value, float64(same)/count)
	for _, i := range []Interval{got.Perplexity, got.Divergence.Mean, got.Divergence.P99, got.Divergence.Top1} {
		if !(i.Low <= i.Value && i.Value <= i.High && i.Low < i.High) {
			t.Errorf("interval %v", i)
		}
	}
}

// rows are probabilities of each of a window's tokens, fed one by one.
func rows(t *testing.T, s *model.Session, text Text, w window) (out [][]float64) {
	t.Helper()
	if err := s.Reset(); err != nil {
		t.Fatal(err)
	}
	in := append(append([]int32(nil), text.Lead...), text.IDs[w.start:w.end]...)
	for i, id := range in[:len(in)-1] {
		logits, err := s.Feed([]int32{id}, model.WantLast)
		if err != nil {
			t.Fatal(err)
		}
		if i+1 < len(text.Lead) {
			continue
		}
		p := make([]float64, len(logits))
		var sum float64
		for v, l := range logits {
			p[v] = math.Exp(float64(l))
			sum += p[v]
		}
		for v := range p {
			p[v] /= sum
		}
		out = append(out, p)
	}
	return out
}

func likeliest(p []float64) (best int) {
	for i, v := range p {
		if v > p[best] {
			best = i
		}
	}
	return best
}

// A model does not diverge from itself.
func TestSelf(t *testing.T) {
	e, s := openDemo(t, 128)
	_, again := openDemo(t, 128)
	got, err := Measure(context.Background(), heldout(t, e, 2000), s, again, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := got.Divergence; d.Mean.Value > 1e-12 || d.Top1.Value != 1 || d.Perplexity != got.Perplexity {
		t.Errorf("divergence from itself: %+v", d)
	}
}

func TestMeasureErrors(t *testing.T) {
	e, s := openDemo(t, 64)
	text := heldout(t, e, 500)
	f, _ := testutil.Convert(t, testutil.Data("fixtures", "llama"), "f32")
	_, other := open(t, f, 64)
	if _, err := Measure(context.Background(), text, s, other, nil); err == nil || !strings.Contains(err.Error(), "vocabulary") {
		t.Errorf("another vocabulary: %v", err)
	}
	if _, err := Measure(context.Background(), Text{Lead: text.Lead}, s, nil, nil); err == nil {
		t.Error("an empty text has a perplexity")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Measure(ctx, text, s, nil, nil); !errors.Is(err, ErrInterrupted) {
		t.Errorf("interrupted: %v", err)
	}
}

func TestStatistics(t *testing.T) {
	m := mean([]float64{1, 2, 3, 4})
	if e := 1.959964 * math.Sqrt(5.0/3/4); m.Value != 2.5 || math.Abs(m.High-2.5-e) > 1e-6 || math.Abs(2.5-m.Low-e) > 1e-6 {
		t.Errorf("mean %v", m)
	}
	x := make([]float64, 1000)
	for i := range x {
		x[i] = float64((i*7)%1000 + 1)
	}
	if q := quantile(x, 0.99); q.Value != 990 || q.Low != 984 || q.High != 997 {
		t.Errorf("quantile %v", q)
	}
	// Wilson's interval for 8 of 10.
	if p := proportion(8, 10); math.Abs(p.Low-0.4902) > 1e-4 || math.Abs(p.High-0.9433) > 1e-4 {
		t.Errorf("proportion %v", p)
	}
}

func TestAsk(t *testing.T) {
	e, s := openDemo(t, 512)
	path := filepath.Join(t.TempDir(), "qa.jsonl")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"kind":"sum","messages":[{"role":"user","content":"What is 2 plus 3?"}],"answer":" 2 + 3 = 5.\n"}

{"kind":"wrong","messages":[{"role":"user","content":"What is 2 plus 3?"}],"answer":"2 + 3 = 6."}
{"kind":"sum","messages":[{"role":"user","content":"Tell me a story."}],"answer":"No."}
`)
	list, err := ReadQuestions(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Ask(context.Background(), e, s, list, ignore)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0] != (Count{"sum", 1, 2}) || got[1] != (Count{"wrong", 0, 1}) || got.Total() != (Count{"", 1, 3}) {
		t.Errorf("answers %v", got)
	}
	for text, want := range map[string]string{
		"":                  "it has no questions",
		"{}\n":              `line 1: it has no "messages"`,
		"\n{\"kind\":3}\n":  "line 2: ",
		"x":                 "line 1: ",
		`{"messages":[{}]}`: `it has no "answer"`,
	} {
		write(text)
		if _, err := ReadQuestions(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// The demo finds a fact that is hidden anywhere in a few hundred tokens.
func TestNeedle(t *testing.T) {
	e, s := openDemo(t, 512)
	g, err := Needle(context.Background(), e, s, []int{128, 256}, 1, ignore)
	if err != nil {
		t.Fatal(err)
	}
	if c := g.Total(); c.Asked != 10 || c.Correct < 9 {
		t.Errorf("found %d of %d: %v", c.Correct, c.Asked, g.Found)
	}
	if _, err := Needle(context.Background(), e, s, []int{500}, 1, ignore); !errors.Is(err, model.ErrContext) {
		t.Errorf("a text longer than the context: %v", err)
	}
	var b strings.Builder
	if err := g.SVG(&b, `a <model> & "b"`+"\x1b"); err != nil {
		t.Fatal(err)
	}
	cells := 0
	for d := xml.NewDecoder(strings.NewReader(b.String())); ; {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if el, ok := tok.(xml.StartElement); ok && el.Name.Local == "rect" {
			cells++
		}
	}
	if cells != 1+10 {
		t.Errorf("%d rectangles", cells)
	}
}

func TestLengths(t *testing.T) {
	if got := Lengths(2048); len(got) != 3 || got[2] != 1024 || Lengths(300) != nil {
		t.Errorf("lengths %v, %v", got, Lengths(300))
	}
}
