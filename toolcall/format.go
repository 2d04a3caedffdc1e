package toolcall

import (
	"crypto/sha256"
	"encoding/json"
	"math/big"
	"regexp"
	"slices"
	"strings"

	"github.com/mil-run/mil/internal/jsonscan"
)

// Format is one way to write calls. A reply's calls are
//
//	begin  open NAME mid ARGUMENTS close  next  open ... close  end
//
// and between the parts of JSON there may be white space.
type Format struct {
	Name string
	// Start is the text that starts calls. Where it is "", a call starts with open, at
	// the reply's beginning alone.
	Start string

	begin, open, mid, close, next, end string

	single bool // templates know one call a message
	id     bool // a call's id of nine letters and digits stands behind the arguments
	// values says that arguments come one by one, as <parameter=KEY> on a line, the
	// value, and </parameter>; a text stands there as it is.
	values bool
}

// Plain is the format for templates that know nothing of functions. [Format.Instructions]
// explain it to a model.
var Plain = &Format{Name: "plain", open: `{"name": "`, mid: `", "arguments": `, close: "}", next: "\n"}

// formats are those of published templates, those with longer texts first: the first
// one that a template writes is its own.
var formats = []*Format{
	{Name: "qwen-xml", Start: "<tool_call>", open: "<tool_call>\n<function=", mid: ">\n", close: "</function>\n</tool_call>", next: "\n", values: true},
	{Name: "deepseek-v3", Start: "<｜tool▁calls▁begin｜>", begin: "<｜tool▁calls▁begin｜>", open: "<｜tool▁call▁begin｜>function<｜tool▁sep｜>", mid: "\n```json\n",
		close: "\n```<｜tool▁call▁end｜>", next: "\n", end: "<｜tool▁calls▁end｜>"},
	{Name: "deepseek-v3.1", Start: "<｜tool▁calls▁begin｜>", begin: "<｜tool▁calls▁begin｜>", open: "<｜tool▁call▁begin｜>", mid: "<｜tool▁sep｜>",
		close: "<｜tool▁call▁end｜>", end: "<｜tool▁calls▁end｜>"},
	list("nemotron", "<TOOLCALL>", "[", "]</TOOLCALL>", false),
	list("apriel", "<tool_calls>", "[", "]</tool_calls>", true),
	list("apriel-without-ids", "<tool_calls>", "[", "]</tool_calls>", false),
	list("phi", "<|tool_call|>", "[", "]<|/tool_call|>", false),
	list("mistral", "[TOOL_CALLS]", " [", "]", true),
	list("mistral-v7", "[TOOL_CALLS]", "[", "]", true),
	list("mistral-without-ids", "[TOOL_CALLS]", "[", "]", false),
	list("granite", "<|tool_call|>", "[", "]", false),
	list("granite-tags", "<tool_call>", "[", "]", false),
	{Name: "mistral-v11", Start: "[TOOL_CALLS]", open: "[TOOL_CALLS]", mid: "[ARGS]"},
	{Name: "hermes", Start: "<tool_call>", open: "<tool_call>\n{\"name\": \"", mid: `", "arguments": `, close: "}\n</tool_call>", next: "\n"},
	{Name: "llama3", open: `{"name": "`, mid: `", "parameters": `, close: "}", single: true},
	Plain,
}

// list is a format whose calls are objects in a list behind a tag.
func list(name, tag, begin, end string, id bool) *Format {
	return &Format{Name: name, Start: tag, begin: tag + begin, open: `{"name": "`, mid: `", "arguments": `, close: "}", next: ", ", end: end, id: id}
}

// probe is a call that Detect looks for.
var probe = Call{ID: "a1b2c3d4e", Name: "mil_probe", Arguments: `{"probe": "value"}`}

// Probe is the call that a template is to write, for [Detect].
func Probe() Call { return probe }

// Detect is the format of the text that a template made of a message with [Probe], nil
// where it is none of the known ones.
func Detect(text string) *Format {
	for _, f := range formats {
		if strings.Contains(text, f.Write([]Call{probe})) {
			return f
		}
	}
	return nil
}

// Hint is the format that a template's source speaks of, nil where it is none. It is for
// templates that do not write calls themselves.
func Hint(source string) *Format {
	for _, f := range formats {
		open, _, _ := strings.Cut(f.open, "{")
		parts := append(strings.Fields(open), f.begin)
		if !strings.Contains(f.mid, `"`) {
			parts = append(parts, strings.TrimSpace(f.mid))
		}
		if f.Start != "" && !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(source, part) }) {
			return f
		}
	}
	return nil
}

// Single says that a message may hold one call at most.
func (f *Format) Single() bool { return f.single }

// Marks says whether a special token's text belongs to what is written around calls.
func (f *Format) Marks(token string) bool {
	return strings.Contains(strings.Join([]string{f.begin, f.open, f.mid, f.close, f.next, f.end}, "\x00"), token)
}

// Write is the text of calls, whose arguments are JSON objects.
func (f *Format) Write(calls []Call) string {
	var b strings.Builder
	b.WriteString(f.begin)
	for i, c := range calls {
		if i > 0 {
			b.WriteString(f.next)
		}
		b.WriteString(f.open + c.Name + f.mid + f.arguments(c) + f.close)
	}
	b.WriteString(f.end)
	return b.String()
}

// arguments is the text between mid and close.
func (f *Format) arguments(c Call) string {
	if !f.values {
		if f.id {
			return c.Arguments + `, "id": "` + ShortID(c.ID) + `"`
		}
		return c.Arguments
	}
	var b strings.Builder
	_ = jsonscan.Members([]byte(c.Arguments), len(c.Arguments), func(key string, v []byte) error {
		var text string
		if json.Unmarshal(v, &text) != nil {
			text = string(v)
		}
		b.WriteString(openParameter + key + ">\n" + text + "\n" + closeParameter + "\n")
		return nil
	})
	return b.String()
}

// What stands around a value, where arguments come one by one.
const openParameter, closeParameter = "<parameter=", "</parameter>"

var shortID = regexp.MustCompile(`^[A-Za-z0-9]{9}$`)

// ShortID is an id of nine letters and digits, which some templates ask for: the id
// itself, or one that is made of it.
func ShortID(id string) string {
	if shortID.MatchString(id) {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	text := "000000000" + new(big.Int).SetBytes(sum[:]).Text(62)
	return text[len(text)-9:]
}

// Instructions tell a model how to call functions in this format. They are for
// templates that do not.
func (f *Format) Instructions(o *Offer) (string, error) {
	var b strings.Builder
	b.WriteString("You can call these functions. Each line describes one, with a JSON Schema of its arguments.\n\n")
	for _, t := range o.Tools {
		j, err := t.JSON()
		if err != nil {
			return "", err
		}
		b.Write(j)
		b.WriteByte('\n')
	}
	b.WriteString("\nTo call a function, answer with nothing but its name and its arguments, in this form:\n")
	b.WriteString(f.Write([]Call{{Name: "NAME", Arguments: `{"ARGUMENT": "VALUE"}`, ID: probe.ID}}))
	if !f.single && !o.Single {
		b.WriteString("\nSeveral calls follow each other in the same form.")
	}
	b.WriteString("\nThe results come in the next message. Answer in plain words where no function helps.")
	return b.String(), nil
}

// JSON is the tool as templates take it: {"type": "function", "function": {...}}.
func (t *Tool) JSON() (json.RawMessage, error) {
	var j struct {
		Type     string `json:"type"`
		Function struct {
			Name        string          `json:"name"`
			Description string          `json:"description"` // templates count on it
			Parameters  json.RawMessage `json:"parameters"`
		} `json:"function"`
	}
	j.Type, j.Function.Name, j.Function.Description, j.Function.Parameters = "function", t.Name, t.Description, t.schema()
	return plainJSON(j)
}

// schema is that of the arguments.
func (t *Tool) schema() json.RawMessage {
	if len(t.Parameters) == 0 {
		return json.RawMessage(`{"type":"object","properties":{}}`)
	}
	return t.Parameters
}
