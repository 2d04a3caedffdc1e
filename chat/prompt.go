package chat

import (
	"strings"
	"unicode/utf8"

	"github.com/mil-run/mil/chat/template"
	"github.com/mil-run/mil/tokenizer"
)

// Message is one turn of a conversation.
type Message struct {
	Role    string `json:"role"` // system, user, assistant or what the template knows
	Content string `json:"content"`
}

// render gives the conversation's text up to where a reply begins. Special
// tokens that somebody typed are broken up by the shield, which [Engine.encode]
// takes out again.
func (e *Engine) render(messages []Message, shield string) (string, error) {
	if err := e.CanChat(); err != nil {
		return "", err
	}
	list := make([]template.Message, len(messages))
	for i, m := range messages {
		list[i] = template.NewMessage(m.Role, e.shielded(m.Content, shield))
	}
	return e.template.Render(list, map[string]any{"add_generation_prompt": true})
}

// encode turns rendered text into ids.
func (e *Engine) encode(text, shield string) []int32 {
	return e.Tokenizer.Encode(text, tokenizer.EncodeOptions{ParseSpecial: true, Shield: shield})
}

// shielded puts the shield inside everything in text that reads as a special
// token, so that it stays text.
func (e *Engine) shielded(text, shield string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	special := e.Tokenizer.Special()
	var out strings.Builder
	last := 0
	for i := range text {
		for _, s := range special {
			if strings.HasPrefix(text[i:], s) {
				_, n := utf8.DecodeRuneInString(text[i:])
				out.WriteString(text[last : i+n])
				out.WriteString(shield)
				last = i + n
				break
			}
		}
	}
	out.WriteString(text[last:])
	return out.String()
}

// newShield is a text of private use characters that stands in no message.
func newShield(messages []Message) string {
	shield := "\uE4F1\uE0B3"
	for i := 0; i < len(messages); {
		if strings.Contains(messages[i].Content, shield) {
			shield += "\uE4F1"
			i = 0
			continue
		}
		i++
	}
	return shield
}
