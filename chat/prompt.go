package chat

import (
	"github.com/mil-run/mil/jinja"
	"github.com/mil-run/mil/tokenizer"
)

// Message is one turn of a conversation.
type Message struct {
	Role    string `json:"role"` // system, user, assistant or a role that the template knows
	Content string `json:"content"`
}

// render gives the conversation's text up to the beginning of a reply, and
// marks the parts that are the messages'.
func (e *Engine) render(messages []Message) (jinja.Rendered, error) {
	if err := e.CanChat(); err != nil {
		return jinja.Rendered{}, err
	}
	list := make([]jinja.Message, len(messages))
	for i, m := range messages {
		list[i] = jinja.NewMessage(m.Role, m.Content)
	}
	return e.template.Render(list, map[string]any{"add_generation_prompt": true})
}

// encode turns rendered text into ids. Special tokens are those that the
// template wrote.
func (e *Engine) encode(text jinja.Rendered) []int32 {
	return e.Tokenizer.Encode(text.Text, tokenizer.EncodeOptions{ParseSpecial: true, Outside: text.Outside})
}
