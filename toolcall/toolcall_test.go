package toolcall

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// offer is functions whose arguments are texts, numbers and anything.
func offer() *Offer {
	schema := json.RawMessage(`{"type":"object","properties":{"text":{"type":"string"},"n":{"type":"number"},"more":{}},"required":["text"]}`)
	return &Offer{Tools: []Tool{{Name: "get_weather", Description: "Weather <b>", Parameters: schema}, {Name: "get", Parameters: schema}, {Name: "a.b-c"}}}
}

var texts = []string{"", "Zürich", "a \"quote\" \\ and }", "]}</tool_call>", "{\"name\": \"get\"", "line\nbreak\t", "日本語 🙂", "[TOOL_CALLS]", `\u0041`, "<x>&"}

// random is calls whose arguments are as templates write them.
func random(r *rand.Rand, o *Offer, most int) (calls []Call) {
	for range 1 + r.IntN(most) {
		text := texts[r.IntN(len(texts))]
		args := []string{`"text": ` + quoted(text)}
		if r.IntN(2) == 0 {
			args = append(args, fmt.Sprintf(`"n": %g`, r.NormFloat64()*1000))
		}
		if r.IntN(2) == 0 {
			args = append(args, fmt.Sprintf(`"more": {"list": [1, %s, null, {"}": true}]}`, quoted(texts[r.IntN(len(texts))])))
		}
		calls = append(calls, Call{ID: NewID(), Name: o.Tools[r.IntN(len(o.Tools))].Name, Arguments: "{" + strings.Join(args, ", ") + "}"})
	}
	return calls
}

func quoted(text string) string {
	v, err := plainJSON(text)
	if err != nil {
		panic(err)
	}
	return string(v)
}

// read is a reply that comes in pieces.
func read(f *Format, o *Offer, pieces ...string) (text string, calls []Call, p *Parser) {
	p = f.Parse(o)
	var parts []Part
	for _, piece := range pieces {
		parts = append(parts, p.Push(piece)...)
	}
	parts = append(parts, p.Flush()...)
	for _, one := range parts {
		switch {
		case one.Text != "":
			text += one.Text
		case one.Name != "":
			if one.Call != len(calls) || one.ID == "" {
				panic(fmt.Sprintf("call %d comes behind %d: %+v", one.Call, len(calls), one))
			}
			calls = append(calls, Call{ID: one.ID, Name: one.Name})
		default:
			calls[one.Call].Arguments += one.Arguments
		}
	}
	return text, calls, p
}

// same compares calls, apart from their ids and the spelling of their JSON.
func same(t *testing.T, got, want []Call) bool {
	t.Helper()
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		var a, b any
		if got[i].Name != want[i].Name || json.Unmarshal([]byte(got[i].Arguments), &a) != nil || json.Unmarshal([]byte(want[i].Arguments), &b) != nil || !reflect.DeepEqual(a, b) {
			return false
		}
	}
	return true
}

// What a format writes is read back, wherever the text is cut.
func TestRoundTrip(t *testing.T) {
	o := offer()
	for i, f := range formats {
		t.Run(f.Name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(i), 7))
			for n := range 6 {
				most := 3
				if f.single {
					most = 1
				}
				want, before := random(r, o, most), ""
				if f.values && strings.Contains(fmt.Sprint(want), closeParameter) {
					continue
				}
				if f.Start != "" && n%2 == 0 {
					before = []string{"I look it up.", "a < b [TOOL", "é\n\nb <tool_"}[n%3]
				}
				whole := before + "\n" + f.Write(want) + "\n"
				if before == "" {
					whole = strings.TrimPrefix(whole, "\n")
				}
				check := func(pieces ...string) {
					t.Helper()
					text, calls, p := read(f, o, pieces...)
					if text != before || !same(t, calls, want) || !reflect.DeepEqual(calls, p.Calls()) || p.Cut() {
						t.Fatalf("%q: text %q, calls %q, want %q", pieces, text, calls, want)
					}
				}
				check(whole)
				check(strings.Split(whole, "")...)
				for at := range len(whole) {
					check(whole[:at], whole[at:])
				}
			}
		})
	}
}

// What is no call is text, whole, wherever it is cut.
func TestNoCall(t *testing.T) {
	o := offer()
	o.Only = []string{"get"}
	for _, f := range formats {
		for _, text := range []string{
			"", " ", "Hello.\n", "{", "{}", `{"name": "x"}`, `{"name": 7, "arguments": {}}`, `["a"]`, "a\n\n{\"name\": \"get\", \"arguments\": {}}?", "<tool_call>", "<tool_call>\n{", "[TOOL_CALLS] [7]",
			"[TOOL_CALLS]\n\nx <TOOLCALL>[]</TOOLCALL>", "<<tool_call", "  {\"no\": 1}  ", f.Start, f.Start + f.Start, f.begin + f.open, f.begin + f.open + "get", f.begin + f.open + "get" + strings.Repeat("x", 200),
			f.begin + f.open + "get" + f.mid + "7" + f.close, f.Write([]Call{{Name: "get_weather", Arguments: "{}"}}), f.Write([]Call{{Name: "unknown", Arguments: `{"a": 1}`}}),
		} {
			if f.Start == "" && strings.HasPrefix(text, "a\n\n") || f.values && strings.Contains(text, "get"+f.mid+"7") {
				continue
			}
			for at := range len(text) + 1 {
				if got, calls, _ := read(f, o, text[:at], text[at:]); got != text || len(calls) > 0 {
					if f.open+f.mid == Plain.open+Plain.mid && strings.Contains(text, `"name": "get", "arg`) {
						continue // it is a call here
					}
					t.Errorf("%s: %q cut at %d: %q, %q", f.Name, text, at, got, calls)
				}
			}
		}
	}
}

// Models leave out white space and add some.
func TestLoose(t *testing.T) {
	o := offer()
	want := []Call{{Name: "get", Arguments: `{"text": "x"}`}, {Name: "get", Arguments: `{}`}}
	for name, text := range map[string]string{
		"hermes":      "<tool_call>{\"name\":\"get\",\"arguments\":{\"text\":\"x\"}}</tool_call><tool_call>\n\n{ \"name\" : \"get\" ,\n\"arguments\" : { } }\n</tool_call>",
		"mistral":     "[TOOL_CALLS][{\"name\":\"get\",\"arguments\":{\"text\":\"x\"},\"id\":\"abcdefghi\"},{\"name\":\"get\",\"arguments\":{}}]",
		"nemotron":    "<TOOLCALL>[ {\"name\": \"get\", \"arguments\": {\"text\":\"x\"}},\n {\"name\": \"get\", \"arguments\": {}} ] </TOOLCALL>",
		"plain":       " {\"name\":\"get\",\"arguments\":{\"text\":\"x\"}} {\"name\":\"get\",\"arguments\":{}}",
		"qwen-xml":    "<tool_call><function=get><parameter=text>x</parameter></function></tool_call>\n<tool_call>\n<function=get>\n</function>\n</tool_call>",
		"deepseek-v3": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get\n```json\n{\"text\":\"x\"}\n```<｜tool▁call▁end｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
	} {
		if got, calls, _ := read(named(t, name), o, text); strings.TrimSpace(got) != "" || !same(t, calls, want) {
			t.Errorf("%s: %q, %q", name, got, calls)
		}
	}
}

func named(t *testing.T, name string) *Format {
	t.Helper()
	for _, f := range formats {
		if f.Name == name {
			return f
		}
	}
	t.Fatal("no format ", name)
	return nil
}

// A reply that is cut within a call tells the call so far.
func TestCut(t *testing.T) {
	o := offer()
	for _, f := range formats {
		whole := f.Write([]Call{{ID: "abcdefghi", Name: "get", Arguments: `{"text": "a b c"}`}})
		text, calls, p := read(f, o, whole[:strings.Index(whole, "b c")])
		if text != "" || len(calls) != 1 || !p.Cut() || calls[0].Name != "get" || !f.values && calls[0].Arguments != `{"text": "a ` {
			t.Errorf("%s: %q, %q, cut %t", f.Name, text, calls, p.Cut())
		}
		if _, err := calls[0].Object(); err == nil {
			t.Errorf("%s: a cut object passes", f.Name)
		}
	}
}

// A call more than may be made is none.
func TestSingle(t *testing.T) {
	o := offer()
	o.Single = true
	two := []Call{{ID: "abcdefghi", Name: "get", Arguments: "{}"}, {ID: "abcdefghi", Name: "get", Arguments: "{}"}}
	for _, f := range formats {
		if _, calls, _ := read(f, o, f.Write(two)); len(calls) != 1 {
			t.Errorf("%s: %d calls", f.Name, len(calls))
		}
	}
}

// Each format is recognized by what it writes, and no other one writes it.
func TestDetect(t *testing.T) {
	for _, f := range formats {
		if got := Detect("user\nx\nassistant\n" + f.Write([]Call{probe}) + "<|end|>"); got != f {
			t.Errorf("%s is taken for %v", f.Name, got)
		}
	}
	if got := Detect(`calls: mil_probe({"probe": "value"})`); got != nil {
		t.Error(got)
	}
	for source, want := range map[string]string{
		"{{ '<tool_call>\\n<function=' }}": "qwen-xml", "{{ '<tool_call>' }}": "hermes", "<TOOLCALL>[": "nemotron", "[TOOL_CALLS] [": "mistral", "<tool_call>[": "granite-tags",
		"[TOOL_CALLS]' + name + '[ARGS]": "mistral-v11",
	} {
		if f := Hint(source); f == nil || f.Name != want {
			t.Errorf("%q: %v, want %s", source, f, want)
		}
	}
}

func TestCheck(t *testing.T) {
	many := make([]Tool, MostTools+1)
	for i := range many {
		many[i].Name = fmt.Sprint("f", i)
	}
	for want, o := range map[string]Offer{
		"tools: 129 functions, at most 128 can be offered":                  {Tools: many},
		"tools[0].name: \"a b\" is no name of a function":                   {Tools: []Tool{{Name: "a b"}}},
		"tools[1].name: another function is called f":                       {Tools: []Tool{{Name: "f"}, {Name: "f"}}},
		"tools[0].parameters: it is no JSON object":                         {Tools: []Tool{{Name: "f", Parameters: json.RawMessage(`[]`)}}},
		"tools[0]: descriptions and schemas have more than":                 {Tools: []Tool{{Name: "f", Description: strings.Repeat("x", MostBytes)}}},
		"tool_choice: there is no function \"g\" to choose":                 {Tools: []Tool{{Name: "f"}}, Only: []string{"g"}},
		"tool_choice: a call is required, and there is no function to call": {Choice: Required},
	} {
		if err := o.Check(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if err := offer().Check(); err != nil {
		t.Error(err)
	}
}

// Calls are written and read as OpenAI's API has them.
func TestJSON(t *testing.T) {
	c := Call{ID: "x", Name: "f", Arguments: `{"a":1}`}
	data, err := json.Marshal(c)
	if want := `{"id":"x","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}`; err != nil || string(data) != want {
		t.Errorf("%s %v", data, err)
	}
	for _, text := range []string{string(data), `{"id":"x","function":{"name":"f","arguments":{"a":1}}}`} {
		var got Call
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != c {
			t.Errorf("%s: %+v %v", text, got, err)
		}
	}
	tool := offer().Tools[0]
	tool.Strict = true
	j, err := tool.JSON()
	if want := `{"type":"function","function":{"name":"get_weather","description":"Weather <b>","parameters":{"type":"object","properties":{"text":{"type":"string"},"n":{"type":"number"},"more":{}},"required":["text"]}}}`; err != nil || string(j) != want {
		t.Errorf("%s %v", j, err)
	}
}

// Any text in any pieces: nothing is lost but white space and what belongs to calls.
func FuzzParse(f *testing.F) {
	for i, one := range formats {
		f.Add(i, one.Write([]Call{{ID: "abcdefghi", Name: "get", Arguments: `{"text": "a"}`}}), 3)
	}
	f.Fuzz(func(t *testing.T, format int, text string, cut int) {
		if format < 0 || cut < 0 || cut > len(text) {
			return
		}
		one := formats[format%len(formats)]
		a, calls, _ := read(one, offer(), text)
		b, more, _ := read(one, offer(), text[:cut], text[cut:])
		if a != b || len(calls) != len(more) {
			t.Fatalf("%q and %q", a, b)
		}
		for i := range calls {
			if calls[i].Name != more[i].Name || calls[i].Arguments != more[i].Arguments {
				t.Fatalf("%q and %q", calls, more)
			}
		}
		if len(calls) == 0 && a != text {
			t.Fatalf("%q, want %q", a, text)
		}
	})
}

// Calls come behind thoughts, wherever the text is cut.
func TestThink(t *testing.T) {
	for _, f := range formats {
		call := f.Write([]Call{{ID: "abcdefghi", Name: "get", Arguments: `{"text": "a"}`}})
		whole := call + " I think </th\n</think>\n\n" + call
		for at := range len(whole) + 1 {
			p := f.Parse(offer()).Think("</think>")
			text := ""
			for _, piece := range []string{whole[:at], whole[at:]} {
				for _, part := range p.Push(piece) {
					text += part.Text
				}
			}
			if p.Flush(); text != call+" I think </th\n</think>" || len(p.Calls()) != 1 {
				t.Fatalf("%s: %q, %q", f.Name, text, p.Calls())
			}
		}
	}
}
