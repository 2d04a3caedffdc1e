package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/mil-run/mil/backend"
)

// Limits on a file, so that reading it takes memory by its length. They are
// above those of any chat.
const (
	maxMessages = 1 << 20 // in all
	maxPoints   = 64      // of one record
	maxTimeline = 1024    // points in all that are remembered
)

// messages is a list of messages whose elements are counted before anything is
// allocated for them.
type messages []json.RawMessage

// UnmarshalJSON implements [json.Unmarshaler].
func (m *messages) UnmarshalJSON(raw []byte) error {
	if string(raw) == "null" {
		return nil
	}
	if raw[0] != '[' {
		return errors.New("messages are no list")
	}
	n := elements(raw, nil)
	if n > maxMessages {
		return fmt.Errorf("%d messages, more than %d", n, maxMessages)
	}
	*m = make([]json.RawMessage, 0, n)
	elements(slices.Clone(raw), func(e []byte) { *m = append(*m, e) })
	return nil
}

// points is a list of points, counted likewise.
type points []pointInfo

// UnmarshalJSON implements [json.Unmarshaler].
func (p *points) UnmarshalJSON(raw []byte) error {
	if n := elements(raw, nil); n > maxPoints {
		return fmt.Errorf("%d points, more than %d", n, maxPoints)
	}
	return json.Unmarshal(raw, (*[]pointInfo)(p))
}

// elements counts the elements of an array in valid JSON, and gives them to each
// where it is set.
func elements(raw []byte, each func([]byte)) (n int) {
	from, depth, text := 0, 0, false
	end := func(i int) {
		if e := bytes.TrimSpace(raw[from:i]); len(e) > 0 {
			n++
			if each != nil {
				each(e)
			}
		}
		from = i + 1
	}
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '[' || c == '{':
			if depth++; depth == 1 {
				from = i + 1
			}
		case c == ']' || c == '}':
			if depth--; depth == 0 {
				end(i)
			}
		case c == ',' && depth == 1:
			end(i)
		}
	}
	return n
}

// addPoints takes in the points of one record, its end last. Their memory is
// checked against the sections that are there.
func (c *content) addPoints(list []section, in *info) error {
	parts := len(c.states)
	places := make([]place, len(in.Points)+1)
	places[0].pointInfo = pointInfo{len(c.tokens), in.Logged, in.Dropped, len(c.messages), in.Note}
	for i, p := range in.Points {
		places[i+1].pointInfo = p
	}
	for _, s := range list {
		switch {
		case s.kind != kindState && s.kind != kindLogits:
			continue
		case s.from >= len(places):
			return errors.New("a state of no point")
		}
		p := &places[s.from]
		switch {
		case s.kind == kindLogits:
			p.logits = s
			continue
		case p.state == nil:
			p.state = make([]section, 0, parts)
		}
		if s.part != len(p.state) || s.part >= parts || s.size != c.states[s.part] {
			return errors.New("a part of the state that it has not")
		}
		p.state = append(p.state, s)
	}
	if len(places[0].state) == 0 && parts > 0 { // the state is that of the record before
		if n := len(c.points); n > 0 && c.points[n-1].Tokens == len(c.tokens) {
			places[0].state = c.points[n-1].state
		} else if len(c.tokens) > 0 {
			return errors.New("its state is missing")
		}
	}
	// Points behind the kept tokens are in no timeline any more.
	old := len(c.points)
	for old > 0 && (c.points[old-1].Tokens > in.Keep || c.points[old-1].Tokens == len(c.tokens)) {
		old--
	}
	clear(c.points[old:])
	c.points = c.points[:old]
	slices.SortStableFunc(places[1:], func(a, b place) int { return a.Tokens - b.Tokens })
	for _, p := range append(places[1:], places[0]) {
		switch {
		case p.Tokens < 0 || p.Tokens > len(c.tokens) || p.Messages < 0 || p.Dropped < 0 || p.Dropped > p.Tokens || p.Logged < 0 || p.Logged > min(backend.MaxVerify, p.Tokens):
			return errors.New("a point that cannot be")
		case p.Tokens == 0:
			continue
		case len(p.state) != parts || p.Tokens < min(in.Keep, len(c.tokens)):
			return errors.New("a point that cannot be")
		}
		c.points = append(c.points, p)
	}
	if n := len(c.points); n > 2*maxTimeline { // going back further means reading anew
		c.points = slices.Delete(c.points, 0, n-maxTimeline)
	}
	return nil
}
