package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/internal/bounded"
	"github.com/mil-run/mil/internal/jsonscan"
	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/internal/units"
	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/speculate"
)

// draftBenchmark is the JSON of `mil bench --draft` for a model: greedy replies
// with and without the draft, in turn.
type draftBenchmark struct {
	Model   string       `json:"model"`
	Draft   string       `json:"draft"`
	K       int          `json:"k"` // -1 adapts
	Replies []draftReply `json:"replies"`
	// Speedup is the time of all replies without the draft, divided by that
	// with it.
	Speedup       float64 `json:"speedup"`
	PlainTokS     float64 `json:"plain_tok_s"`
	DraftTokS     float64 `json:"draft_tok_s"`
	Acceptance    float64 `json:"acceptance"`
	TokensPerPass float64 `json:"tokens_per_pass"`
	// PassCost is the time of a pass by its number of tokens, and DraftCost
	// that of drafting a token. Both are divided by the time of a pass of one
	// token.
	PassCost  map[int]float64 `json:"pass_cost"`
	DraftCost float64         `json:"draft_cost"`
	KCounts   map[int]int     `json:"k_counts"` // passes by tokens proposed
}

type draftReply struct {
	Tokens        int     `json:"tokens"`
	PlainTokS     float64 `json:"plain_tok_s"`
	DraftTokS     float64 `json:"draft_tok_s"`
	Speedup       float64 `json:"speedup"`
	Acceptance    float64 `json:"acceptance"`
	TokensPerPass float64 `json:"tokens_per_pass"`
	Same          bool    `json:"same"` // the texts, as they must be
}

// drafts compares every model with and without the draft.
func (f *benchFlags) drafts(c *cobra.Command, paths []string) error {
	list := []*draftBenchmark{}
	for _, path := range paths {
		b, err := f.draftModel(c, path)
		if err != nil {
			return err
		}
		list = append(list, b)
		if !f.asJSON {
			if err := b.print(c.OutOrStdout()); err != nil {
				return err
			}
		}
	}
	if f.asJSON {
		return printJSON(c.OutOrStdout(), list)
	}
	return nil
}

// draftModel times one model with the draft.
func (f *benchFlags) draftModel(c *cobra.Command, path string) (*draftBenchmark, error) {
	errs := c.ErrOrStderr()
	prompts, err := readPrompts(f.messages)
	if err != nil {
		return nil, err
	}
	o := f.options()
	f.draftFlags.put(c, &o)
	m, err := f.on().Open(path, o)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if err := m.CanChat(); err != nil {
		return nil, err
	}
	greedy := llm.Settings{MaxTokens: f.gen}
	session, err := m.NewSession(func(s *llm.Settings) { *s = greedy })
	if errors.Is(err, llm.ErrDraft) {
		return nil, flagged(err)
	}
	if err != nil {
		return nil, m.File().Named(flagged(err))
	}
	defer session.Close()
	b := &draftBenchmark{Model: m.File().Name(), Draft: f.draft, K: f.k, PassCost: map[int]float64{}, KCounts: map[int]int{}}
	note := noter(errs)
	var total struct{ plain, draft time.Duration }
	var all speculate.Stats
	tokens := 0
	// One conversation decodes with the draft throughout, so that it keeps in
	// the next reply what it learned in the last.
	plain, drafted := m.Engine().Converse(session.Timeline().Session, greedy), session.Conversation()
	for i, messages := range append([][]chat.Message{prompts[0]}, prompts...) {
		one, err := answer(plain, messages)
		if err != nil {
			return nil, err
		}
		two, err := answer(drafted, messages)
		if err != nil {
			return nil, err
		}
		note(fmt.Sprintf("reply %d of %d", i, len(prompts)))
		if i == 0 {
			continue // warm-up
		}
		st := two.Stats.Speculation
		r := draftReply{Tokens: one.Stats.GeneratedTokens, PlainTokS: one.Stats.GenerationSpeed(), DraftTokS: two.Stats.GenerationSpeed(),
			Acceptance: st.Rate(), TokensPerPass: st.PerPass(), Same: one.Text == two.Text}
		r.Speedup = one.Stats.GenerationTime.Seconds() / two.Stats.GenerationTime.Seconds()
		b.Replies = append(b.Replies, r)
		total.plain += one.Stats.GenerationTime
		total.draft += two.Stats.GenerationTime
		tokens += one.Stats.GeneratedTokens - 1
		all.Passes += st.Passes
		all.Tokens += st.Tokens
		all.Proposed += st.Proposed
		all.Accepted += st.Accepted
		for k, n := range st.K {
			b.KCounts[k] += n
		}
	}
	note("")
	b.Speedup = total.plain.Seconds() / total.draft.Seconds()
	b.PlainTokS, b.DraftTokS = float64(tokens)/total.plain.Seconds(), float64(tokens)/total.draft.Seconds()
	b.Acceptance, b.TokensPerPass = all.Rate(), all.PerPass()
	alone, _ := plain.Costs()
	costs, draftCost := drafted.Costs()
	costs[1] = alone[1]
	for n, seconds := range costs {
		b.PassCost[n] = seconds / costs[1]
	}
	b.DraftCost = draftCost / costs[1]
	return b, nil
}

// answer makes a greedy reply to messages in an empty session.
func answer(c *chat.Conversation, messages []chat.Message) (chat.Reply, error) {
	c.Load(messages)
	return c.Reply(context.Background(), func(string) {})
}

// readPrompts reads JSON lines of {"messages": [...]}, or a JSON list of them.
// For "" it gives twenty requests for a tale.
func readPrompts(path string) ([][]chat.Message, error) {
	if path == "" {
		return tales(), nil
	}
	var out [][]chat.Message
	err := bounded.Lines(path, func(b []byte) error {
		var line struct {
			Messages []chat.Message `json:"messages"`
		}
		if err := json.Unmarshal(b, &line); err != nil {
			return jsonscan.Plain(err)
		}
		if len(line.Messages) == 0 {
			return errors.New(`it has no "messages"`)
		}
		out = append(out, line.Messages)
		return nil
	})
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("%s: there are no messages", path)
	}
	return out, err
}

func tales() (out [][]chat.Message) {
	names := []string{"Leo", "Milo", "Bea", "Dot", "Opal", "Rosa", "Hugo", "Otis", "Tess", "Bruno"}
	animals := []string{"fox", "hare", "wolf", "badger", "goat", "swan", "mole", "otter", "lion", "deer"}
	for i := range names {
		out = append(out,
			[]chat.Message{{Role: "user", Content: "Tell me a tale about a " + animals[i] + " named " + names[i] + "."}},
			[]chat.Message{{Role: "user", Content: "Can you tell me a story about a gentle " + animals[(i+3)%10] + "?"}})
	}
	return out
}

func (b *draftBenchmark) print(out io.Writer) error {
	show.Fprintf(out, "%s with draft %s, greedy, %d replies:\n", b.Model, b.Draft, len(b.Replies))
	show.Fprintf(out, "  without  %s tok/s\n  with     %s tok/s, %.2f times\n", units.Rate(b.PlainTokS), units.Rate(b.DraftTokS), b.Speedup)
	show.Fprintf(out, "  %.0f%% of the proposed tokens accepted, %.2f tokens a pass; drafting a token costs %.3f passes\n", 100*b.Acceptance, b.TokensPerPass, b.DraftCost)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "tokens a pass\t")
	var sizes []int
	for n := range b.PassCost {
		sizes = append(sizes, n)
	}
	slices.Sort(sizes)
	for _, n := range sizes {
		show.Fprintf(w, "%d\t", n)
	}
	fmt.Fprint(w, "\ncost\t")
	for _, n := range sizes {
		show.Fprintf(w, "%.2f\t", b.PassCost[n])
	}
	fmt.Fprint(w, "\npasses\t")
	for _, n := range sizes {
		show.Fprintf(w, "%d\t", b.KCounts[n-1])
	}
	fmt.Fprintln(w)
	if err := w.Flush(); err != nil {
		return err
	}
	for i, r := range b.Replies {
		if !r.Same {
			show.Fprintf(out, "  reply %d differs with the draft: a fault worth a report\n", i+1)
		}
	}
	return nil
}
