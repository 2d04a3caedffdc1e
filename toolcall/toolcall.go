// Package toolcall knows how models call functions: how families' templates write a
// call, where one begins in a reply, and how it is read while it is made.
//
// Programs describe their functions as [Tool], and an [Offer] says which of them a
// reply may call. A [Format] is one way to write calls. Package chat finds the one that
// a checkpoint's template uses.
package toolcall

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
)

// Tool is a function that a model may call.
type Tool struct {
	Name        string          `json:"name"` // see [CheckName]
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"` // JSON Schema of the arguments, an object; nil is one that allows any
	// Strict refuses the tool where a keyword of its schema cannot be held. Without it
	// such a schema holds the arguments to a JSON object alone.
	Strict bool `json:"strict,omitempty"`
}

// Call is one call of a function in a reply.
type Call struct {
	ID        string // of this call; its result names it
	Name      string
	Arguments string // a JSON object, which ends early where the reply was cut
}

// call is the JSON of a call, as OpenAI's API writes it.
type call struct {
	ID       string `json:"id,omitempty"`
	Type     string `json:"type"`
	Function struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	} `json:"function"`
}

// MarshalJSON writes the call as OpenAI's API does, with the arguments as a text.
func (c Call) MarshalJSON() ([]byte, error) {
	j := call{ID: c.ID, Type: "function"}
	j.Function.Name = c.Name
	var err error
	if j.Function.Arguments, err = json.Marshal(c.Arguments); err != nil {
		return nil, err
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON writes. Arguments may be an object, too.
func (c *Call) UnmarshalJSON(data []byte) error {
	var j call
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	if j.Type != "" && j.Type != "function" {
		return fmt.Errorf("a call of type %.40q; function is known", j.Type)
	}
	*c = Call{ID: j.ID, Name: j.Function.Name}
	return c.SetArguments(j.Function.Arguments)
}

// SetArguments takes arguments as APIs send them: an object, a text that holds one, or
// nothing, which stands for no arguments.
func (c *Call) SetArguments(v json.RawMessage) error {
	v = bytes.TrimSpace(v)
	if len(v) == 0 || string(v) == "null" || string(v) == `""` {
		c.Arguments = "{}"
		return nil
	}
	if v[0] != '"' {
		c.Arguments = string(v)
		return nil
	}
	return json.Unmarshal(v, &c.Arguments)
}

// Object is the arguments, where they are a whole JSON object.
func (c *Call) Object() (json.RawMessage, error) {
	v := bytes.TrimSpace([]byte(c.Arguments))
	if len(v) == 0 || v[0] != '{' || !json.Valid(v) {
		return nil, errors.New("the arguments are no JSON object")
	}
	return v, nil
}

// names are those of tools.
var names = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,128}$`)

// CheckName refuses names of functions that a format could not write.
func CheckName(name string) error {
	if !names.MatchString(name) {
		return fmt.Errorf("%.140q is no name of a function: it has 1 to 128 letters, digits, and . _ -", name)
	}
	return nil
}

// Choice says whether a reply calls functions.
type Choice int

// Choices of a reply.
const (
	Auto     Choice = iota // the model decides
	None                   // it calls none
	Required               // it calls at least one
)

// Offer is the functions that a reply may call.
type Offer struct {
	Tools  []Tool
	Choice Choice
	Only   []string // of the tools, those that may be called; nil is all
	Single bool     // at most one call
}

// Limits of an offer.
const (
	MostTools = 128
	MostBytes = 512 << 10 // of all descriptions and schemas
	MostCalls = 32        // in a reply
)

// OfferError says why nobody can follow an offer.
type OfferError struct {
	Place string // "tools", a part such as "tools[2].name", or "tool_choice"
	Text  string
}

func (e *OfferError) Error() string { return e.Place + ": " + e.Text }

func offerError(place, format string, args ...any) error {
	return &OfferError{place, fmt.Sprintf(format, args...)}
}

// Check refuses offers that nobody can follow. The error is an [*OfferError].
func (o *Offer) Check() error {
	if o == nil {
		return nil
	}
	if len(o.Tools) > MostTools {
		return offerError("tools", "%d functions, at most %d can be offered", len(o.Tools), MostTools)
	}
	size := 0
	seen := map[string]bool{}
	for i, t := range o.Tools {
		place := fmt.Sprintf("tools[%d]", i)
		if err := CheckName(t.Name); err != nil {
			return offerError(place+".name", "%v", err)
		}
		if seen[t.Name] {
			return offerError(place+".name", "another function is called %s", t.Name)
		}
		seen[t.Name] = true
		if p := bytes.TrimSpace(t.Parameters); len(p) > 0 && (p[0] != '{' || !json.Valid(p)) {
			return offerError(place+".parameters", "it is no JSON object")
		}
		if size += len(t.Name) + len(t.Description) + len(t.Parameters); size > MostBytes {
			return offerError(place, "descriptions and schemas have more than %d bytes", MostBytes)
		}
	}
	for _, name := range o.Only {
		if !seen[name] {
			return offerError("tool_choice", "there is no function %.140q to choose", name)
		}
	}
	if o.Choice == Required && len(o.allowed()) == 0 {
		return offerError("tool_choice", "a call is required, and there is no function to call")
	}
	return nil
}

// allowed are the tools that may be called.
func (o *Offer) allowed() []Tool {
	switch {
	case o == nil || o.Choice == None:
		return nil
	case o.Only == nil:
		return o.Tools
	}
	return slices.DeleteFunc(slices.Clone(o.Tools), func(t Tool) bool { return !slices.Contains(o.Only, t.Name) })
}

// Calls says whether a reply may call a function.
func (o *Offer) Calls() bool { return len(o.allowed()) > 0 }

// tool is the allowed tool of a name.
func (o *Offer) tool(name string) *Tool {
	for _, t := range o.allowed() {
		if t.Name == name {
			return &t
		}
	}
	return nil
}
