package serve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mil-run/mil/constrain"
	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/sample"
)

// request is the fields that chat completions and completions share.
type request struct {
	Model         string    `json:"model"`
	Messages      []message `json:"messages"`
	Stream        bool      `json:"stream"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	// Continue makes the reply go on with the last message, which is the assistant's.
	Continue bool `json:"continue_final_message"`
	// Times asks for the times so far in each chunk.
	Times     bool               `json:"timings_per_token"`
	N         *int               `json:"n"`
	LogitBias map[string]float32 `json:"logit_bias"`
	Echo      bool               `json:"echo"`

	fields map[string]json.RawMessage // all, without those that are null
	form   *constrain.Grammar         // of the reply, or nil
	offer  *llm.Offer                 // functions that the reply may call, or nil
	set    llm.Settings

	// Of responses: the one that it goes on from, how many messages are of those before,
	// and whether it is kept.
	previous string
	news     int
	store    bool
	reasoned string // by an item of responses, whose message comes next
}

// message is one message of a chat.
type message struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
	Images  json.RawMessage `json:"images"` // ollama's; refused
	// What the assistant thought before it: OpenAI's and ollama's names.
	Reasoning string `json:"reasoning_content"`
	Thinking  string `json:"thinking"`

	ToolCalls  json.RawMessage `json:"tool_calls"`
	ToolCallID string          `json:"tool_call_id"`
	ToolName   string          `json:"tool_name"` // ollama's
}

// refused are fields that would change the answer and cannot be followed, with the
// values that change nothing.
var refused = map[string][]string{
	"functions": {"[]"}, "function_call": {`"none"`, `"auto"`},
	"best_of": {"1"}, "suffix": {`""`},
	"modalities": {`["text"]`}, "audio": nil, "prediction": nil, "web_search_options": nil,
}

// read decodes a request and checks what does not depend on the model.
func (s *Server) read(r *http.Request) (*request, error) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(data) {
		return nil, bad("", "the request is no UTF-8")
	}
	if !json.Valid(data) {
		return nil, bad("", "the request is no JSON")
	}
	q := &request{}
	if err := json.Unmarshal(data, &q.fields); err != nil || q.fields == nil {
		return nil, bad("", "the request is no JSON object")
	}
	withoutNull(q.fields)
	if err := q.refuse(refused, ""); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, q); err != nil {
		if e, ok := err.(*json.UnmarshalTypeError); ok {
			return nil, bad(e.Field, "%s has a value of the wrong type", e.Field)
		}
		return nil, bad("", "the request cannot be read: %v", err)
	}
	if n := q.choices(); n < 1 || n > s.o.Limits.Choices {
		return nil, bad("n", "n is a whole number from 1 to %d", s.o.Limits.Choices)
	}
	return q, s.formats(q, q.forms)
}

// refuse says that a field cannot be followed, unless its value is one of those that
// change nothing. advice may be "".
func (q *request) refuse(list map[string][]string, advice string) error {
	for _, name := range slices.Sorted(maps.Keys(list)) {
		if v := q.fields[name]; v != nil && !same(v, list[name]) {
			return bad(name, "%s is not supported%s", name, advice)
		}
	}
	return nil
}

// field reads a field, and says whether it is there.
func (q *request) field(name string, to any) (bool, error) {
	v := q.fields[name]
	if v != nil && json.Unmarshal(v, to) != nil {
		return false, bad(name, "%s has a value of the wrong type", name)
	}
	return v != nil, nil
}

func null(v json.RawMessage) bool { return string(v) == "null" }

// withoutNull drops fields that are null, which is as if they were not there.
func withoutNull(fields map[string]json.RawMessage) {
	maps.DeleteFunc(fields, func(_ string, v json.RawMessage) bool { return null(v) })
}

// same says whether a value is one of some, apart from spaces.
func same(v json.RawMessage, list []string) bool {
	var b bytes.Buffer
	if json.Compact(&b, v) != nil {
		return false
	}
	return slices.Contains(list, b.String())
}

func (q *request) choices() int {
	if q.N == nil {
		return 1
	}
	return *q.N
}

// other names of parameters.
var other = map[string]string{"repetition_penalty": "repeat_penalty", "max_tokens": "max_completion_tokens"}

// settings takes the parameters over the model's own.
func (q *request) settings(m *llm.Model, l *Limits) error {
	q.set = m.Settings()
	q.set.Tools = q.offer
	q.set.Format = q.form
	for _, p := range sample.Params() {
		name, v := p.JSON, q.fields[p.JSON]
		if v == nil {
			name = other[name]
			v = q.fields[name]
		}
		if v == nil || name == "stop" || name == "" {
			continue
		}
		if name == "seed" {
			v = []byte(strings.TrimPrefix(string(v), "-")) // clients send any whole number
		}
		if err := json.Unmarshal(v, p.Field(&q.set)); err != nil {
			return bad(name, "%s is %s", name, p.Values)
		}
	}
	if v := q.set.MaxTokens; l.Tokens > 0 && (v == 0 || v > l.Tokens) {
		q.set.MaxTokens = l.Tokens
	}
	if err := q.stops(l); err != nil {
		return err
	}
	return q.bias(l)
}

// stops takes one stop string or a list.
func (q *request) stops(l *Limits) error {
	v := q.fields["stop"]
	if v == nil {
		return nil
	}
	var list []string
	if one := ""; json.Unmarshal(v, &one) == nil {
		list = []string{one}
	} else if json.Unmarshal(v, &list) != nil {
		return bad("stop", "stop is a string or a list of strings")
	}
	if len(list) > l.Stops {
		return bad("stop", "stop has %d strings, at most %d can be given", len(list), l.Stops)
	}
	for _, one := range list {
		if one == "" || len(one) > l.StopLen {
			return bad("stop", "a stop string has 1 to %d bytes", l.StopLen)
		}
	}
	q.set.Stop = list
	return nil
}

// bias takes logit_bias.
func (q *request) bias(l *Limits) error {
	if len(q.LogitBias) > l.Bias {
		return bad("logit_bias", "logit_bias has %d entries, at most %d can be given", len(q.LogitBias), l.Bias)
	}
	if len(q.LogitBias) > 0 {
		q.set.Sampling.Bias = map[int32]float32{}
	}
	for name, v := range q.LogitBias {
		id, err := strconv.ParseInt(name, 10, 32)
		if err != nil || v < -100 || v > 100 {
			return bad("logit_bias", "logit_bias gives tokens' numbers values from -100 to 100")
		}
		q.set.Sampling.Bias[int32(id)] = v
	}
	return nil
}

// roles are those of messages, as templates know them.
var roles = map[string]string{"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}

// chat is the request's messages.
func (q *request) chat() ([]llm.Message, error) {
	if len(q.Messages) == 0 {
		return nil, bad("messages", "messages is empty")
	}
	var list []llm.Message
	for i, m := range q.Messages {
		at := fmt.Sprintf("messages[%d]", i)
		role, ok := roles[m.Role]
		if !ok {
			return nil, bad(at+".role", "a message's role is system, developer, user, assistant or tool")
		}
		text, err := content(m.Content)
		if err != nil {
			return nil, bad(at+".content", "a message's content is a string or a list of parts of type text")
		}
		one := llm.Message{Role: role, Content: text}
		if role == "assistant" {
			one.Reasoning = m.Reasoning + m.Thinking
			if one.ToolCalls, err = calls(m.ToolCalls, at+".tool_calls"); err != nil {
				return nil, err
			}
		}
		if role == "tool" {
			one.ToolCallID, one.Name = m.ToolCallID, m.ToolName
		}
		list = append(list, one)
	}
	return list, link(list, func(i int) string { return fmt.Sprintf("messages[%d]", i) })
}

// content is a message's text: a string, or parts.
func content(v json.RawMessage) (string, error) {
	var text string
	if v == nil || json.Unmarshal(v, &text) == nil {
		return text, nil
	}
	var parts []struct{ Type, Text string }
	if err := json.Unmarshal(v, &parts); err != nil {
		return "", err
	}
	var b strings.Builder
	for _, p := range parts {
		if p.Type != "text" && p.Type != "input_text" && p.Type != "output_text" {
			return "", fmt.Errorf("a part of type %q", p.Type)
		}
		b.WriteString(p.Text)
	}
	return b.String(), nil
}
