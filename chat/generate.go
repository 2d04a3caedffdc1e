package chat

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
)

// Settings say how replies are made.
type Settings struct {
	Sampling  sample.Options
	MaxTokens int      // of a reply; 0 goes on to the context's end
	Stop      []string // texts that end a reply and do not belong to it
}

// Reason says why a reply ended.
type Reason string

// Why replies end.
const (
	EndOfTurn   Reason = "end of turn"
	StopString  Reason = "stop string"
	MaxTokens   Reason = "token limit"
	ContextFull Reason = "context full"
	Interrupted Reason = "interrupted"
)

// Reply is what one generation gave.
type Reply struct {
	Text  string
	Why   Reason
	Stats Stats

	whole bool // the session was fed exactly the tokens of Text
}

// Stats is the work of one reply.
type Stats struct {
	PromptTokens    int           `json:"prompt_tokens"` // fed for this reply
	ReusedTokens    int           `json:"reused_tokens"` // of the prompt, already in the session
	PromptTime      time.Duration `json:"prompt_ns"`
	GeneratedTokens int           `json:"generated_tokens"`
	GenerationTime  time.Duration `json:"generation_ns"`       // of all tokens but the first
	FirstToken      time.Duration `json:"first_token_time_ns"` // from the request to the first token
}

// PromptSpeed is prompt tokens a second.
func (s Stats) PromptSpeed() float64 { return speed(s.PromptTokens, s.PromptTime) }

// GenerationSpeed is generated tokens a second, after the first.
func (s Stats) GenerationSpeed() float64 { return speed(s.GeneratedTokens-1, s.GenerationTime) }

func speed(n int, d time.Duration) float64 {
	if n <= 0 || d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// String is the one-line form.
func (s Stats) String() string {
	return fmt.Sprintf("prompt %d tokens (%d reused) %.1f tok/s, generated %d tokens %.1f tok/s, first token after %s",
		s.PromptTokens, s.ReusedTokens, s.PromptSpeed(), s.GeneratedTokens, s.GenerationSpeed(), s.FirstToken.Round(time.Millisecond))
}

// feedStep is how many prompt tokens are fed between looks at the context.
const feedStep = 256

// feed gives the session tokens in steps that can be interrupted, and returns
// the last one's logits.
func feed(ctx context.Context, s *model.Session, ids []int32, progress func(done, total int)) ([]float32, error) {
	var logits []float32
	for done := 0; done < len(ids); {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n := min(feedStep, len(ids)-done)
		want := model.WantNone
		if done+n == len(ids) {
			want = model.WantLast
		}
		var err error
		if logits, err = s.Feed(ids[done:done+n], want); err != nil {
			return nil, err
		}
		done += n
		if progress != nil {
			progress(done, len(ids))
		}
	}
	return logits, nil
}

// generate goes on from logits, the last token's, until something ends the
// reply. emit is given the text as it comes, in whole characters.
func (e *Engine) generate(ctx context.Context, s *model.Session, smp *sample.Sampler, set Settings, logits []float32, emit func(string)) (r Reply, err error) {
	var out strings.Builder
	stream := e.Tokenizer.Stream(true)
	stop := stopper{stops: set.Stop}
	show := func(text string) {
		if text != "" {
			out.WriteString(text)
			emit(text)
		}
	}
	start := time.Now()
	first := start
	for r.Why == "" {
		switch {
		case ctx.Err() != nil:
			r.Why = Interrupted
			continue
		case set.MaxTokens > 0 && r.Stats.GeneratedTokens >= set.MaxTokens:
			r.Why = MaxTokens
			continue
		}
		id := smp.Sample(logits, s.Tokens())
		r.Stats.GeneratedTokens++
		if r.Stats.GeneratedTokens == 1 {
			first = time.Now()
		}
		if e.ends[id] {
			r.Why = EndOfTurn
			continue
		}
		text, stopped := stop.push(stream.Push(id))
		show(text)
		if stopped {
			r.Why = StopString
			continue
		}
		if len(s.Tokens()) >= s.Context() {
			r.Why = ContextFull
			continue
		}
		if logits, err = s.Feed([]int32{id}, model.WantLast); err != nil {
			return r, err
		}
	}
	if r.Why != StopString {
		text, stopped := stop.push(stream.Flush())
		if !stopped {
			text += stop.flush()
		}
		show(text)
	}
	r.Stats.GenerationTime, r.Stats.FirstToken = time.Since(first), first.Sub(start)
	r.Text = out.String()
	r.whole = r.Why != StopString && r.Why != ContextFull
	return r, nil
}
