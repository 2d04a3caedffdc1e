package llm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"

	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/toolcall"
)

// The model calls a function, whose result goes back to it.
func ExampleOffer() {
	m, err := llm.Open("", llm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	offer := &llm.Offer{Choice: toolcall.Required, Single: true, Tools: []llm.Tool{{
		Name: "visit", Description: "Visits a planet.",
		Parameters: json.RawMessage(`{"type": "object", "properties": {"planet": {"enum": ["Mars"]}}, "required": ["planet"], "additionalProperties": false}`),
	}}}
	talk := llm.User("I want to see something red.")
	ask := func() (reply *llm.Reply) {
		for piece, err := range m.Chat(context.Background(), talk, llm.Greedy, func(s *llm.Settings) { s.Tools, s.MaxTokens = offer, 200 }) {
			if err != nil {
				log.Fatal(err)
			}
			reply = piece.Reply
		}
		return reply
	}
	reply := ask()
	call := reply.ToolCalls[0]
	var arguments struct{ Planet string }
	if err := json.Unmarshal([]byte(call.Arguments), &arguments); err != nil {
		log.Fatal(err)
	}
	fmt.Println(call.Name, arguments.Planet, reply.Why.Finish())

	talk = append(talk, llm.Message{Role: "assistant", ToolCalls: reply.ToolCalls}, llm.Message{Role: "tool", ToolCallID: call.ID, Content: "It is red."})
	offer.Choice = toolcall.Auto
	fmt.Println(len(ask().ToolCalls))
	// Output:
	// visit Mars tool_calls
	// 0
}
