package llm_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/mil-run/mil/constrain"
	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/toolcall"
)

// planets is functions that the demo knows nothing of.
func planets(choice toolcall.Choice) *llm.Offer {
	return &llm.Offer{Choice: choice, Tools: []llm.Tool{
		{Name: "visit", Description: "Visits a planet.", Parameters: json.RawMessage(
			`{"type":"object","properties":{"planet":{"enum":["Mars","Venus"]},"days":{"type":"integer","minimum":1,"maximum":99}},"required":["planet","days"],"additionalProperties":false}`)},
		{Name: "wait", Parameters: json.RawMessage(`{"type":"object","properties":{},"additionalProperties":false}`)},
	}}
}

// visits checks a call of the functions above.
func visits(t *testing.T, c llm.Call) {
	t.Helper()
	var v struct {
		Planet string
		Days   int
	}
	if c.ID == "" || c.Name != "visit" && c.Name != "wait" || json.Unmarshal([]byte(c.Arguments), &v) != nil {
		t.Fatalf("%+v", c)
	}
	if c.Name == "visit" && (v.Planet != "Mars" && v.Planet != "Venus" || v.Days < 1 || v.Days > 99) {
		t.Errorf("%+v", c)
	}
}

// A required call comes whatever the model thinks of it, with a draft and without, in a
// session and in a service. A named function is called, once.
func TestToolCalls(t *testing.T) {
	ctx := context.Background()
	for seed := range uint64(4) {
		var want []llm.Call
		for _, draft := range []string{"", "demo"} {
			m := open(t, "", llm.Options{Draft: draft, Seed: seed + 1})
			set := func(s *llm.Settings) {
				s.Tools, s.MaxTokens, s.Sampling.Temp = planets(toolcall.Required), 300, 1
				s.Tools.Single = seed%2 == 0
			}
			r := whole(t, m.Chat(ctx, llm.User("Tell me about Mars."), set))
			if len(r.ToolCalls) == 0 || r.Text != "" || r.Why.Finish() != llm.FinishToolCalls && r.Cut == "" || seed%2 == 0 && (len(r.ToolCalls) != 1 || r.Cut != "") {
				t.Fatalf("%+v", r)
			}
			for i, c := range r.ToolCalls {
				if r.Cut == "" || i < len(r.ToolCalls)-1 {
					visits(t, c)
				}
				r.ToolCalls[i].ID = ""
			}
			if want == nil {
				want = r.ToolCalls
			}
			if !reflect.DeepEqual(r.ToolCalls, want) {
				t.Errorf("draft %q: %q, want %q", draft, r.ToolCalls, want)
			}
		}
	}
	m := open(t, "", llm.Options{Seed: 5})
	r := whole(t, m.Chat(ctx, llm.User("Hello"), func(s *llm.Settings) {
		s.Tools, s.Sampling.Temp = planets(toolcall.Required), 1
		s.Tools.Only, s.Tools.Single = []string{"wait"}, true
	}))
	if len(r.ToolCalls) != 1 || r.ToolCalls[0].Name != "wait" || strings.Join(strings.Fields(r.ToolCalls[0].Arguments), "") != "{}" {
		t.Errorf("%+v", r)
	}
	r = whole(t, m.Chat(ctx, llm.User("Hello"), func(s *llm.Settings) { s.Tools, s.Sampling.Temp = planets(toolcall.None), 0 }))
	if plain := whole(t, m.Chat(ctx, llm.User("Hello"), llm.Greedy)); len(r.ToolCalls) != 0 || r.Text != plain.Text {
		t.Errorf("%+v, want %q", r, plain.Text)
	}
}

// A conversation goes on behind the results of its calls. It is kept in a file with the
// calls, and undone as a whole. A session that comes back reads nothing again.
func TestToolConversation(t *testing.T) {
	m := open(t, "", llm.Options{Seed: 3})
	required := func(s *llm.Settings) {
		s.Tools, s.MaxTokens, s.Sampling.Temp = planets(toolcall.Required), 200, 1
		s.Tools.Single = true
	}
	s, err := m.NewSession(required)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	whole(t, s.Say(ctx, "Tell me about Mars."))
	list := s.Messages()
	if len(list) != 2 || len(list[1].ToolCalls) != 1 || list[1].Content != "" {
		t.Fatalf("%+v", list)
	}
	visits(t, list[1].ToolCalls[0])
	set := s.Settings()
	offer := *set.Tools
	offer.Choice = toolcall.Auto
	set.Tools, set.MaxTokens = &offer, 12
	if err := s.Set(set); err != nil {
		t.Fatal(err)
	}
	before := len(s.Tokens())
	list = append(list, llm.Message{Role: "tool", ToolCallID: list[1].ToolCalls[0].ID, Content: "<|eot_id|>red"})
	r := whole(t, s.Chat(ctx, list))
	if len(r.ToolCalls) != 0 || r.Stats.ReusedTokens < before {
		t.Errorf("%+v: %d tokens were read before", r, before)
	}
	path := filepath.Join(t.TempDir(), "session")
	if err := s.Save(path); err != nil {
		t.Fatal(err)
	}
	again, err := m.NewSession(func(o *llm.Settings) { o.Tools, o.MaxTokens = &offer, 12 })
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if _, err := again.Load(path); err != nil {
		t.Fatal(err)
	}
	if got := again.Messages(); len(got) != 4 || !got[1].Equal(list[1]) || !got[2].Equal(list[2]) || got[3].Content != r.Text {
		t.Fatalf("%+v, want %+v", got, list)
	}
	one, two := whole(t, s.Say(ctx, "Thank you.")), whole(t, again.Say(ctx, "Thank you."))
	if one.Text != two.Text || two.Stats.PromptTokens != one.Stats.PromptTokens {
		t.Errorf("%+v, and behind a file %+v", one, two)
	}
	other := planets(toolcall.Auto) // with other functions the whole prompt is another
	other.Tools = other.Tools[1:]
	if err := again.Set(llm.Settings{Tools: other, MaxTokens: 4}); err != nil {
		t.Fatal(err)
	}
	if r := whole(t, again.Say(ctx, "So?")); r.Stats.ReusedTokens > 200 {
		t.Errorf("%+v", r.Stats)
	}
	for _, want := range []string{"Thank you.", "Tell me about Mars."} {
		if text, err := s.Conversation().Undo(); err != nil || text != want {
			t.Errorf("%q %v, want %q", text, err, want)
		}
	}
	if len(s.Messages()) != 0 {
		t.Errorf("%+v", s.Messages())
	}
}

// Offers that cannot be followed are errors of the call, and a form stays one beside
// functions.
func TestToolSettings(t *testing.T) {
	m := open(t, "", llm.Options{})
	var e *toolcall.OfferError
	for place, o := range map[string]*llm.Offer{
		"tools[0].name":       {Tools: []llm.Tool{{Name: "a b"}}},
		"tools[0].parameters": {Tools: []llm.Tool{{Name: "a", Parameters: json.RawMessage(`{"type":"string"}`)}}},
		"tool_choice":         {Choice: toolcall.Required},
	} {
		if _, err := m.NewSession(func(s *llm.Settings) { s.Tools = o }); !errors.As(err, &e) || e.Place != place {
			t.Errorf("%s: %v", place, err)
		}
	}
	form, err := constrain.Choice([]string{"red", "blue"})
	if err != nil {
		t.Fatal(err)
	}
	r := whole(t, m.Chat(t.Context(), llm.User("Hello"), func(s *llm.Settings) {
		s.Tools, s.Format, s.Sampling.Temp, s.MaxTokens = planets(toolcall.Auto), form, 0, 200
	}))
	if r.Text != "red" && r.Text != "blue" && len(r.ToolCalls) == 0 {
		t.Errorf("%+v", r)
	}
}
