package chat

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mil-run/mil/jinja"
	"github.com/mil-run/mil/toolcall"
)

// toolTemplate is what a chat template does with functions.
type toolTemplate struct {
	format *toolcall.Format
	// What the template writes itself: the functions' descriptions, calls, and results. The
	// rest goes into the texts of messages.
	describes, calls, results bool
	text                      bool // it takes arguments as a text, not as an object
	system                    bool // it shows a system message
}

// ErrNoTools is the error of functions that a model's template has no place for.
var ErrNoTools = errors.New("the model's chat template shows neither functions nor a system message")

// Texts that probe looks for in what the template writes.
const described, answered, instructed = "mil_described", "mil_answered", "mil_instructed"

// probeTools tries what a template does with functions: it renders a conversation that
// has some, and looks for them.
func probeTools(t *jinja.Template, source string) *toolTemplate {
	to := &toolTemplate{format: toolcall.Plain}
	call := toolcall.Probe()
	user := Message{Role: "user", Content: "x"}
	offer := &toolcall.Offer{Tools: []toolcall.Tool{{Name: call.Name, Description: described}}}
	talk := []Message{user, {Role: "assistant", ToolCalls: []toolcall.Call{call}}}
	result := Message{Role: "tool", Content: answered, ToolCallID: call.ID, Name: call.Name}
	written := func(as toolTemplate, messages ...Message) string {
		text, err := as.render(t, messages, offer)
		if err != nil {
			return ""
		}
		return text.Text
	}
	to.system = strings.Contains(written(toolTemplate{describes: true, calls: true, results: true}, Message{Role: "system", Content: instructed}, user), instructed)
	to.describes = strings.Contains(written(toolTemplate{describes: true}, user), described)
	if !to.describes {
		return to
	}
	for _, text := range []bool{false, true} {
		as := toolTemplate{describes: true, calls: true, results: true, text: text}
		found := written(as, append(talk, result)...)
		f := toolcall.Detect(found)
		if f == nil {
			found = written(as, talk...)
			f = toolcall.Detect(found)
		}
		if f != nil {
			to.format, to.calls, to.text = f, true, text
			to.results = strings.Contains(found, answered)
			return to
		}
	}
	if to.format = toolcall.Hint(source); to.format == nil {
		return &toolTemplate{format: toolcall.Plain, system: to.system}
	}
	as := toolTemplate{describes: true, results: true, format: to.format}
	to.results = strings.Contains(written(as, append(talk, result)...), answered)
	return to
}

// render is the text of messages with functions.
func (t *toolTemplate) render(template *jinja.Template, messages []Message, offer *toolcall.Offer) (jinja.Rendered, error) {
	vars := map[string]any{"add_generation_prompt": true}
	if offer.Calls() {
		if t.describes {
			var list []any
			for _, one := range offer.Tools {
				j, err := one.JSON()
				if err != nil {
					return jinja.Rendered{}, err
				}
				list = append(list, j)
			}
			vars["tools"] = list
		} else {
			var err error
			if messages, err = t.instructed(messages, offer); err != nil {
				return jinja.Rendered{}, err
			}
		}
	}
	messages = t.spelled(named(messages))
	list := plain(messages)
	for i, m := range messages {
		if err := t.add(list[i], m); err != nil {
			return jinja.Rendered{}, fmt.Errorf("messages[%d]: %w", i, err)
		}
	}
	return template.Render(list, vars)
}

// instructed is messages whose system message describes the functions.
func (t *toolTemplate) instructed(messages []Message, offer *toolcall.Offer) ([]Message, error) {
	if !t.system {
		return nil, ErrNoTools
	}
	text, err := t.format.Instructions(offer)
	if err != nil {
		return nil, err
	}
	if len(messages) > 0 && messages[0].Role == "system" {
		messages = slices.Clone(messages)
		messages[0].Content += "\n\n" + text
		return messages, nil
	}
	return append([]Message{{Role: "system", Content: text}}, messages...), nil
}

// spelled is messages in which calls and results that the template does not write stand
// in the texts. Results are the user's then: roles of many templates take turns.
func (t *toolTemplate) spelled(messages []Message) []Message {
	if t.calls && t.results {
		return messages
	}
	var out []Message
	joined := false // the last message is the user's with results
	for _, m := range messages {
		if !t.calls && len(m.ToolCalls) > 0 {
			if m.Content != "" {
				m.Content += "\n"
			}
			m.Content += t.format.Write(m.ToolCalls)
			m.ToolCalls = nil
		}
		result := !t.results && m.Role == "tool"
		if result {
			m = Message{Role: "user", Content: "Result of " + cmp.Or(m.Name, "the call") + ":\n" + m.Content}
		}
		if joined && m.Role == "user" {
			out[len(out)-1].Content += "\n\n" + m.Content
		} else {
			out = append(out, m)
		}
		joined = result || joined && m.Role == "user"
	}
	return out
}

// add gives a template's message its calls, or the call that it is the result of.
func (t *toolTemplate) add(to jinja.Message, m Message) error {
	if m.Role == "tool" {
		to.Set("tool_call_id", toolcall.ShortID(m.ToolCallID))
		if m.Name != "" {
			to.Set("name", m.Name)
		}
	}
	if len(m.ToolCalls) == 0 {
		return nil
	}
	var list []any
	for i, c := range m.ToolCalls {
		object, err := c.Object()
		if err != nil {
			return fmt.Errorf("tool_calls[%d]: %w", i, err)
		}
		if err := toolcall.CheckName(c.Name); err != nil {
			return fmt.Errorf("tool_calls[%d]: %w", i, err)
		}
		function := new(jinja.Map)
		function.Set("name", c.Name)
		if function.Set("arguments", object); t.text {
			function.Set("arguments", string(object))
		}
		one := new(jinja.Map)
		one.Set("id", toolcall.ShortID(c.ID))
		one.Set("type", "function")
		one.Set("function", function)
		list = append(list, one)
	}
	to.Set("tool_calls", list)
	return nil
}

// named fills in the names of results' functions, which some APIs leave out, from the
// calls before them.
func named(messages []Message) []Message {
	names := map[string]string{}
	var out []Message
	for i, m := range messages {
		for _, c := range m.ToolCalls {
			names[c.ID] = c.Name
		}
		if m.Role == "tool" && m.Name == "" && names[m.ToolCallID] != "" {
			if out == nil {
				out = slices.Clone(messages)
			}
			out[i].Name = names[m.ToolCallID]
		}
	}
	if out == nil {
		return messages
	}
	return out
}
