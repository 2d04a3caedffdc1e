package serve

import (
	"encoding/json"
	"fmt"

	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/toolcall"
)

// toolField is a tool in a request: OpenAI's form has the function in a field of its
// own, that of responses has it at the top, and Anthropic's has another name for the
// schema.
type toolField struct {
	Type string `json:"type"`
	llm.Tool
	Function *llm.Tool       `json:"function"`
	Schema   json.RawMessage `json:"input_schema"`
}

// tool is the function that the field describes, nil where it is another kind of tool.
func (f *toolField) tool() *llm.Tool {
	switch {
	case f.Type != "" && f.Type != "function" && f.Type != "custom":
		return nil
	case f.Function != nil:
		return f.Function
	case f.Type == "custom" && f.Schema == nil: // of responses, with a grammar
		return nil
	case f.Schema != nil:
		f.Parameters = f.Schema
	}
	return &f.Tool
}

// offers takes the functions that the reply may call. skip leaves out other kinds of
// tools, which are refused without it.
func (q *request) offers(skip bool) error {
	var list []toolField
	if _, err := q.field("tools", &list); err != nil {
		return err
	}
	o := &llm.Offer{}
	for i, f := range list {
		t := f.tool()
		if t == nil && skip {
			continue
		}
		if t == nil {
			return bad(fmt.Sprintf("tools[%d].type", i), "tools of type %.40q are not supported; functions are", f.Type)
		}
		if null(t.Parameters) {
			t.Parameters = nil
		}
		o.Tools = append(o.Tools, *t)
	}
	if err := q.choose(o, skip); err != nil {
		return err
	}
	if err := o.Check(); err != nil {
		return err
	}
	if len(o.Tools) > 0 {
		q.offer = o
	}
	return nil
}

// toolChoice is the object that APIs choose tools by.
type toolChoice struct {
	Type     string `json:"type"`
	Name     string `json:"name"`
	Function struct {
		Name string `json:"name"`
	} `json:"function"`
	Mode    string       `json:"mode"`
	Tools   []toolChoice `json:"tools"`
	Allowed *toolChoice  `json:"allowed_tools"`
	Single  bool         `json:"disable_parallel_tool_use"`
}

func (c *toolChoice) name() string {
	if c.Name != "" {
		return c.Name
	}
	return c.Function.Name
}

// choose takes tool_choice and parallel_tool_calls.
func (q *request) choose(o *llm.Offer, skip bool) error {
	parallel := true
	if _, err := q.field("parallel_tool_calls", &parallel); err != nil {
		return err
	}
	o.Single = !parallel
	v := q.fields["tool_choice"]
	if v == nil {
		return nil
	}
	var c toolChoice
	if json.Unmarshal(v, &c.Type) != nil {
		c.Type = ""
		if json.Unmarshal(v, &c) != nil {
			return bad("tool_choice", "tool_choice is a word or an object with a type")
		}
	}
	if c.Allowed != nil { // chat completions have the list in a field of its own
		c.Mode, c.Tools = c.Allowed.Mode, c.Allowed.Tools
	}
	o.Single = o.Single || c.Single
	switch c.Type {
	case "auto":
	case "none":
		o.Choice = toolcall.None
	case "required", "any":
		o.Choice = toolcall.Required
	case "function", "tool":
		o.Choice, o.Only, o.Single = toolcall.Required, []string{c.name()}, true
	case "allowed_tools":
		if c.Mode == "required" {
			o.Choice = toolcall.Required
		} else if c.Mode != "auto" && c.Mode != "" {
			return bad("tool_choice.mode", "the mode of allowed_tools is auto or required")
		}
		o.Only = []string{}
		for _, one := range c.Tools {
			if one.Type == "function" || !skip {
				o.Only = append(o.Only, one.name())
			}
		}
	default:
		return bad("tool_choice", "tool_choice %.40q is not supported; auto, none, required and a function are", c.Type)
	}
	return nil
}

// calls are those of an assistant's message, as OpenAI's and ollama's APIs have them.
func calls(v json.RawMessage, at string) ([]llm.Call, error) {
	if v == nil || null(v) {
		return nil, nil
	}
	var raw []json.RawMessage
	if json.Unmarshal(v, &raw) != nil {
		return nil, bad(at, "%s is a list of calls", at)
	}
	var list []llm.Call
	for i, one := range raw {
		place := fmt.Sprintf("%s[%d]", at, i)
		var c llm.Call
		if err := json.Unmarshal(one, &c); err != nil {
			return nil, bad(place, "%s is no call of a function", place)
		}
		if err := checkCall(&c, place+".function.name", place+".function.arguments"); err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

// checkCall refuses calls that no template could write.
func checkCall(c *llm.Call, name, arguments string) error {
	if err := toolcall.CheckName(c.Name); err != nil {
		return bad(name, "%s: %v", name, err)
	}
	if _, err := c.Object(); err != nil {
		return bad(arguments, "%s: %v", arguments, err)
	}
	return nil
}

// calling is calls that are put together from their parts.
type calling []llm.Call

// add takes the next part, and says whether the last call is whole with it.
func (l *calling) add(part *toolcall.Part) (whole bool) {
	if part.Name != "" {
		*l = append(*l, llm.Call{ID: part.ID, Name: part.Name})
	}
	(*l)[len(*l)-1].Arguments += part.Arguments
	return part.Done
}

// link finds the call that each result belongs to, and gives ids where an API has none.
func link(messages []llm.Message, place func(i int) string) error {
	var open []llm.Call // calls without a result
	made := 0
	for i := range messages {
		m := &messages[i]
		for n := range m.ToolCalls {
			if c := &m.ToolCalls[n]; c.ID == "" {
				made++
				c.ID = fmt.Sprintf("call_%d", made)
			}
		}
		if open = append(open, m.ToolCalls...); m.Role != "tool" {
			continue
		}
		at := -1
		for n, c := range open {
			if m.ToolCallID == c.ID || m.ToolCallID == "" && (m.Name == "" || m.Name == c.Name) {
				at = n
				break
			}
		}
		if at < 0 {
			return bad(place(i), "%s is the result of no call before it", place(i))
		}
		m.ToolCallID, m.Name = open[at].ID, open[at].Name
		open = append(open[:at:at], open[at+1:]...)
	}
	return nil
}
