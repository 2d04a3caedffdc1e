package eval

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/internal/bounded"
	"github.com/mil-run/mil/internal/jsonscan"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/tokenizer"
)

// Question is a conversation and the exact answer it should get.
type Question struct {
	Kind     string         `json:"kind"`
	Messages []chat.Message `json:"messages"`
	Answer   string         `json:"answer"`
}

// ReadQuestions reads a file of JSON lines.
func ReadQuestions(path string) ([]Question, error) {
	var list []Question
	err := bounded.Lines(path, func(line []byte) error {
		var q Question
		err := jsonscan.Plain(json.Unmarshal(line, &q))
		switch {
		case err != nil:
			return err
		case len(q.Messages) == 0:
			return errors.New(`it has no "messages"`)
		case strings.TrimSpace(q.Answer) == "":
			return errors.New(`it has no "answer"`)
		}
		list = append(list, q)
		return nil
	})
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("%s: it has no questions", path)
	}
	return list, err
}

// Count is how many of a kind of questions were answered right.
type Count struct {
	Kind    string `json:"kind"`
	Correct int    `json:"correct"`
	Asked   int    `json:"asked"`
}

// Answers are counts by kind, in the order of the questions.
type Answers []Count

// Total is the sum over the kinds.
func (a Answers) Total() (t Count) {
	for _, c := range a {
		t.Correct += c.Correct
		t.Asked += c.Asked
	}
	return t
}

// Rate is the share of right answers.
func (c Count) Rate() Interval { return proportion(c.Correct, c.Asked) }

func (a *Answers) add(kind string, right bool) {
	i := slices.IndexFunc(*a, func(c Count) bool { return c.Kind == kind })
	if i < 0 {
		i = len(*a)
		*a = append(*a, Count{Kind: kind})
	}
	(*a)[i].Asked++
	if right {
		(*a)[i].Correct++
	}
}

// Ask puts every question to the model in a conversation of its own. It counts
// replies that equal the answer, ignoring white space around it. Sampling is
// greedy.
func Ask(ctx context.Context, e *chat.Engine, s *model.Session, list []Question, progress func(done, total int)) (Answers, error) {
	var counts Answers
	for i, q := range list {
		text, err := ask(ctx, e, s, q)
		if err != nil {
			return nil, fmt.Errorf("question %d: %w", i+1, err)
		}
		counts.add(q.Kind, strings.TrimSpace(text) == strings.TrimSpace(q.Answer))
		progress(i+1, len(list))
	}
	return counts, nil
}

// ask returns the reply, cut where it is longer than any right one.
func ask(ctx context.Context, e *chat.Engine, s *model.Session, q Question) (string, error) {
	if err := s.Reset(); err != nil {
		return "", err
	}
	most := len(e.Tokenizer.Encode(q.Answer, tokenizer.EncodeOptions{}))
	c := e.Converse(s, chat.Settings{MaxTokens: 2*most + 16})
	c.Load(q.Messages)
	r, err := c.Reply(ctx, func(string) {})
	if ctx.Err() != nil {
		return "", ErrInterrupted
	}
	return r.Text, err
}
