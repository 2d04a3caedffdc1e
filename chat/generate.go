package chat

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/units"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
	"github.com/mil-run/mil/speculate"
	"github.com/mil-run/mil/toolcall"
)

// Settings say how replies are made.
type Settings = sample.Settings

// Reason says why a reply ended.
type Reason string

// Why replies end.
const (
	EndOfTurn   Reason = "end of turn"
	ToolCalls   Reason = "tool calls" // the model ended its turn, which calls functions
	StopString  Reason = "stop string"
	MaxTokens   Reason = "token limit"
	ContextFull Reason = "context full"
	Interrupted Reason = "interrupted"
)

// Finish reasons, as the field's APIs name them.
const (
	FinishStop        = "stop"        // the model ended its turn, or a stop string came
	FinishToolCalls   = "tool_calls"  // the model ended its turn, which calls functions
	FinishLength      = "length"      // a limit cut the reply
	FinishInterrupted = "interrupted" // somebody did
)

// Finish is the reason in the words of the field's APIs, "finish_reason".
func (r Reason) Finish() string {
	switch r {
	case MaxTokens, ContextFull:
		return FinishLength
	case ToolCalls:
		return FinishToolCalls
	case Interrupted:
		return FinishInterrupted
	}
	return FinishStop
}

// Reply is the result of one generation.
type Reply struct {
	Text string
	// ToolCalls are the functions that the reply calls, behind its text. The last one's
	// arguments may end early where the reply was cut.
	ToolCalls []toolcall.Call
	Why       Reason
	// Cut says in one line which limit cut the reply. It is "" where none did.
	Cut   string
	Stats Stats

	raw   string // as the model wrote it, with the calls
	whole bool   // the session was fed exactly the tokens of raw, but unfed
	last  int    // the calls that are whole
	// unfed is the last token, where nothing came after it.
	unfed []int32
}

// Stats is the work of one reply.
type Stats struct {
	PromptTokens    int           `json:"prompt_tokens"` // fed for this reply
	ReusedTokens    int           `json:"reused_tokens"` // of the prompt, already in the session
	PromptTime      time.Duration `json:"prompt_ns"`
	GeneratedTokens int           `json:"generated_tokens"`
	GenerationTime  time.Duration `json:"generation_ns"`       // of all tokens but the first
	FirstToken      time.Duration `json:"first_token_time_ns"` // from the request to the first token
	// Speculation is the draft's statistics, nil without a draft.
	Speculation *speculate.Stats `json:"speculation,omitempty"`
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
	line := fmt.Sprintf("prompt %d tokens (%d reused) %s tok/s, generated %d tokens %s tok/s, first token after %s",
		s.PromptTokens, s.ReusedTokens, units.Rate(s.PromptSpeed()), s.GeneratedTokens, units.Rate(s.GenerationSpeed()), s.FirstToken.Round(time.Millisecond))
	if s.Speculation != nil {
		line += "; " + s.Speculation.String()
	}
	return line
}

// telling is a reply while it is made.
type telling struct {
	c    *Conversation
	r    Reply
	raw  strings.Builder
	out  strings.Builder
	text *Text
	tool *toolcall.Parser // nil where no call may come
	emit func(string)
}

// show adds text to the reply.
func (t *telling) show(text string) {
	if text == "" {
		return
	}
	t.raw.WriteString(text)
	if t.tool == nil {
		t.say(text)
		return
	}
	t.parts(t.tool.Push(text))
}

// parts shows the texts of parts.
func (t *telling) parts(list []toolcall.Part) {
	for _, part := range list {
		if part.Text != "" {
			t.say(part.Text)
		}
	}
}

func (t *telling) say(text string) {
	t.out.WriteString(text)
	t.c.e.yield(func() { t.emit(text) })
}

// take shows a token and says whether it ends the reply. last says that the
// session has no other after it.
func (t *telling) take(id int32, last bool) Reason {
	s, most := t.c.s, t.c.set.MaxTokens
	if t.c.e.ends[id] {
		return EndOfTurn
	}
	text, stopped := t.text.Push(id)
	t.show(text)
	switch {
	case stopped:
		return StopString
	case most > 0 && t.r.Stats.GeneratedTokens >= most:
		return MaxTokens
	case last && s.Room() <= 0:
		return ContextFull
	case s.Slides() && t.r.Stats.GeneratedTokens >= s.Context(): // a reply that slides on might never end
		return ContextFull
	}
	return ""
}

// end shows the text that was held back, and completes the reply.
func (t *telling) end() {
	r := &t.r
	if r.Why != StopString {
		t.show(t.text.Flush())
	}
	if t.tool != nil {
		t.parts(t.tool.Flush())
		r.ToolCalls = t.tool.Calls()
		if r.last = len(r.ToolCalls); t.tool.Cut() {
			r.last--
		}
		if r.Why == EndOfTurn && r.last > 0 {
			r.Why = ToolCalls
		}
	}
	r.Text, r.raw = t.out.String(), t.raw.String()
	r.whole = r.Why != StopString
	switch r.Why {
	case MaxTokens:
		r.Cut = fmt.Sprintf("the reply was cut at max-tokens %d", t.c.set.MaxTokens)
	case ContextFull:
		r.Cut = fmt.Sprintf("the reply was cut where the context of %d tokens is full", t.c.s.Context())
	}
}

// generate goes on from the point that the decoder was begun with until the
// reply ends. emit is given the text as it comes, in whole characters.
func (c *Conversation) generate(ctx context.Context, thinks bool, emit func(string)) (Reply, error) {
	t := &telling{c: c, text: c.e.Text(&c.set), tool: c.e.Calls(c.set.Tools), emit: emit}
	if _, end, ok := c.e.thinking(); ok && t.tool != nil && thinks {
		t.tool.Think(end)
	}
	d, r := c.decoder, &t.r
	start := time.Now()
	first := start
	before := d.Stats()
	if w, ok := c.draft.Draft.(interface{ Watch(*model.Watch) }); ok { // it reads the prompt, too
		w.Watch(&model.Watch{Stop: func() bool { return ctx.Err() != nil }})
		defer w.Watch(nil)
	}
	for r.Why == "" {
		var made []int32
		err := ctx.Err()
		if err == nil {
			made, err = d.Next()
		}
		if ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, backend.ErrStopped)) {
			r.Why = Interrupted
			if id, ok := d.Pending(); ok {
				r.unfed = []int32{id}
			}
			break
		}
		if err != nil {
			return *r, err
		}
		for i, id := range made {
			if r.Stats.GeneratedTokens++; r.Stats.GeneratedTokens == 1 {
				first = time.Now()
			}
			last := i == len(made)-1
			if r.Why = t.take(id, last); r.Why == "" {
				continue
			}
			// The session ends before this token, as it does without a draft.
			if r.Why != EndOfTurn {
				r.unfed = []int32{id}
			}
			if err := d.Keep(i); err != nil {
				return *r, err
			}
			break
		}
	}
	r.Stats.FirstToken = first.Sub(start)
	if c.draft.Draft != nil {
		did := d.Stats().Since(before)
		r.Stats.Speculation = &did
	}
	t.end()
	r.Stats.GenerationTime = time.Since(first)
	return *r, nil
}
