package eval

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"

	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
)

// Score is how well a model predicts a text, and how its predictions differ
// from a reference model's.
type Score struct {
	Tokens     int // predicted
	Perplexity Interval
	Divergence *Divergence // nil without a reference
}

// Divergence compares a model's predictions with the reference's, in nats a
// token.
type Divergence struct {
	Perplexity Interval // the reference's
	Mean, P99  Interval // KL divergence of the model from the reference
	Top1       Interval // how often both have the same likeliest token
}

// Measure scores a text in windows of the session's context. Each window begins
// half a window before the tokens it predicts. base may be nil. All intervals
// take tokens as independent.
func Measure(ctx context.Context, t Text, s, base *model.Session, progress func(done, total int)) (*Score, error) {
	sessions := []*model.Session{s}
	if base != nil {
		if a, b := s.Vocab(), base.Vocab(); a != b {
			return nil, fmt.Errorf("the reference's vocabulary has %d rows, the model's %d", b, a)
		}
		sessions = append(sessions, base)
	}
	list, err := t.cut(s.Context(), true)
	if err != nil {
		return nil, err
	}
	var all []outcome
	for _, w := range list {
		err := t.read(ctx, w, func(at, n int, logits [][]float32) error {
			all = append(all, compare(logits, t.IDs[at:at+n], s.Vocab())...)
			if progress != nil {
				progress(at+n, len(t.IDs))
			}
			return nil
		}, sessions...)
		if err != nil {
			return nil, err
		}
	}
	return summarize(all, base != nil)
}

func summarize(all []outcome, base bool) (*Score, error) {
	loss, baseLoss, kl := make([]float64, len(all)), make([]float64, len(all)), make([]float64, len(all))
	same := 0
	for i, o := range all {
		if math.IsNaN(o.loss) || math.IsNaN(o.baseLoss) || math.IsNaN(o.kl) {
			return nil, sample.LogitsError(i)
		}
		loss[i], baseLoss[i], kl[i] = o.loss, o.baseLoss, o.kl
		if o.same {
			same++
		}
	}
	r := &Score{Tokens: len(all), Perplexity: perplexity(loss)}
	if base {
		r.Divergence = &Divergence{perplexity(baseLoss), mean(kl), quantile(kl, 0.99), proportion(same, len(all))}
	}
	return r, nil
}

func perplexity(loss []float64) Interval {
	m := mean(loss)
	return Interval{math.Exp(m.Value), math.Exp(m.Low), math.Exp(m.High)}
}

// outcome is the score of one predicted token.
type outcome struct {
	loss, baseLoss float64 // negative log likelihoods
	kl             float64 // of the model from the reference
	same           bool    // likeliest token
}

// compare judges the rows of one or two models, on all cores.
func compare(logits [][]float32, ids []int32, vocab int) []outcome {
	out := make([]outcome, len(ids))
	workers := min(runtime.GOMAXPROCS(0), len(ids))
	var wg sync.WaitGroup
	for k := range workers {
		wg.Go(func() {
			for i := k; i < len(ids); i += workers {
				row := logits[0][i*vocab : (i+1)*vocab]
				if !sample.Finite(row) {
					out[i].loss = math.NaN()
					continue
				}
				p := newDistribution(row)
				out[i].loss = -p.log(row[ids[i]])
				if len(logits) == 1 {
					continue
				}
				baseRow := logits[1][i*vocab : (i+1)*vocab]
				if !sample.Finite(baseRow) {
					out[i].baseLoss = math.NaN()
					continue
				}
				q := newDistribution(baseRow)
				out[i].baseLoss = -q.log(baseRow[ids[i]])
				out[i].kl = divergence(baseRow, row, q, p)
				out[i].same = p.best == q.best
			}
		})
	}
	wg.Wait()
	return out
}

// distribution turns a row of logits into log probabilities.
type distribution struct {
	best int     // the first of the largest logits
	norm float64 // log of the sum of exponentials
}

func newDistribution(row []float32) distribution {
	best := 0
	for i, v := range row {
		if v > row[best] {
			best = i
		}
	}
	var sum float64
	for _, v := range row {
		sum += math.Exp(float64(v) - float64(row[best]))
	}
	return distribution{best, float64(row[best]) + math.Log(sum)}
}

func (d distribution) log(logit float32) float64 { return float64(logit) - d.norm }

// divergence is the sum of q*(log q - log p). Rounding may leave it a little
// below zero, and then it is zero.
func divergence(qRow, pRow []float32, q, p distribution) float64 {
	var sum float64
	for i, v := range qRow {
		lq := q.log(v)
		if e := math.Exp(lq); e > 0 { // not tokens that the model rules out
			sum += e * (lq - p.log(pRow[i]))
		}
	}
	return max(sum, 0)
}
