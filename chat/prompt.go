package chat

import (
	"slices"

	"github.com/mil-run/mil/jinja"
	"github.com/mil-run/mil/tokenizer"
	"github.com/mil-run/mil/toolcall"
)

// Message is one turn of a conversation.
type Message struct {
	Role    string `json:"role"` // system, user, assistant, tool, or a role that the template knows
	Content string `json:"content"`
	// Reasoning is what the assistant thought before it. The template says whether
	// later turns see it.
	Reasoning string `json:"reasoning_content,omitempty"`
	// ToolCalls are those of an assistant's message.
	ToolCalls []toolcall.Call `json:"tool_calls,omitempty"`
	// ToolCallID is the call whose result a tool's message is, and Name its function.
	ToolCallID string `json:"tool_call_id,omitempty"`
	Name       string `json:"name,omitempty"`
}

// Equal reports whether two messages are the same.
func (m Message) Equal(o Message) bool {
	calls, others := m.ToolCalls, o.ToolCalls
	m.ToolCalls, o.ToolCalls = nil, nil
	return slices.Equal(calls, others) && m.plain() == o.plain()
}

func (m *Message) plain() [5]string {
	return [5]string{m.Role, m.Content, m.Reasoning, m.ToolCallID, m.Name}
}

// render gives the conversation's text up to the beginning of a reply, which may call
// functions, and marks the parts that are the messages' and the functions'.
func (e *Engine) render(messages []Message, offer *toolcall.Offer) (jinja.Rendered, error) {
	if err := e.CanChat(); err != nil {
		return jinja.Rendered{}, err
	}
	if !offer.Calls() && !slices.ContainsFunc(messages, func(m Message) bool { return m.Role == "tool" || len(m.ToolCalls) > 0 }) {
		return e.template.Render(plain(messages), map[string]any{"add_generation_prompt": true})
	}
	return e.tools().render(e.template, messages, offer)
}

// plain is messages as templates take them, without calls.
func plain(messages []Message) []jinja.Message {
	list := make([]jinja.Message, len(messages))
	for i, m := range messages {
		list[i] = jinja.NewMessage(m.Role, m.Content)
		if m.Reasoning != "" {
			list[i].Set("reasoning_content", m.Reasoning)
		}
	}
	return list
}

// encode turns rendered text into ids. Special tokens are those that the
// template wrote.
func (e *Engine) encode(text jinja.Rendered) []int32 {
	return e.Tokenizer.Encode(text.Text, options(text))
}

func options(text jinja.Rendered) tokenizer.EncodeOptions {
	return tokenizer.EncodeOptions{ParseSpecial: true, Outside: text.Outside}
}
