package clients

import (
	"encoding/json"
	"io"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/ollama/ollama/api"
	openai1 "github.com/openai/openai-go"
	option1 "github.com/openai/openai-go/option"
	shared1 "github.com/openai/openai-go/shared"
	openai2 "github.com/openai/openai-go/v2"
	option2 "github.com/openai/openai-go/v2/option"
	shared2 "github.com/openai/openai-go/v2/shared"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"
	other "github.com/sashabaranov/go-openai"
)

// fly is a function that each client offers and the server must call: the demo knows
// nothing of functions, but is held to the form of a call.
const fly = "fly_to"

var flySchema = map[string]any{
	"type": "object", "required": []string{"planet", "days"}, "additionalProperties": false,
	"properties": map[string]any{"planet": map[string]any{"type": "string", "enum": []string{"Mars", "Venus"}}, "days": map[string]any{"type": "integer", "minimum": 1, "maximum": 99}},
}

// flies checks a call's name, id and arguments.
func flies(t *testing.T, id, name, arguments string) {
	t.Helper()
	var v struct {
		Planet string
		Days   int
	}
	if err := json.Unmarshal([]byte(arguments), &v); err != nil || id == "" || name != fly || v.Planet != "Mars" && v.Planet != "Venus" || v.Days < 1 || v.Days > 99 {
		t.Fatalf("%s: %s %s: %v", id, name, arguments, err)
	}
}

// openai-go calls a function, whole and streamed, and sends its result.
func TestToolsOpenAI(t *testing.T) {
	c := openAI()
	p := params()
	p.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{Name: fly, Parameters: flySchema, Strict: openai.Bool(true)})}
	p.MaxCompletionTokens, p.ParallelToolCalls = openai.Int(200), openai.Bool(false)
	p.ToolChoice = openai.ChatCompletionToolChoiceOptionUnionParam{OfAuto: openai.String("required")}
	r, err := c.Chat.Completions.New(t.Context(), p)
	if err != nil || len(r.Choices[0].Message.ToolCalls) != 1 || r.Choices[0].FinishReason != "tool_calls" {
		t.Fatalf("%v, %+v", err, r)
	}
	call := r.Choices[0].Message.ToolCalls[0]
	flies(t, call.ID, call.Function.Name, call.Function.Arguments)
	p.ToolChoice = openai.ToolChoiceOptionFunctionToolChoice(openai.ChatCompletionNamedToolChoiceFunctionParam{Name: fly})
	stream, all := c.Chat.Completions.NewStreaming(t.Context(), p), openai.ChatCompletionAccumulator{}
	finished := 0
	for stream.Next() {
		if !all.AddChunk(stream.Current()) {
			t.Errorf("a chunk does not fit: %s", stream.Current().RawJSON())
		}
		if one, ok := all.JustFinishedToolCall(); ok {
			flies(t, one.ID, one.Name, one.Arguments)
			finished++
		}
	}
	if err := stream.Err(); err != nil || len(all.Choices[0].Message.ToolCalls) != 1 || all.Choices[0].FinishReason != "tool_calls" || finished != 1 {
		t.Fatalf("%v, %d, %+v", err, finished, all.ChatCompletion)
	}
	p.Messages = append(p.Messages, r.Choices[0].Message.ToParam(), openai.ToolMessage("red", call.ID))
	p.ToolChoice, p.MaxCompletionTokens = openai.ChatCompletionToolChoiceOptionUnionParam{OfAuto: openai.String("auto")}, openai.Int(8)
	if r, err = c.Chat.Completions.New(t.Context(), p); err != nil || r.Usage.CompletionTokens == 0 {
		t.Fatalf("behind the result: %v, %+v", err, r)
	}
}

// openai-go calls a function by responses, whole and as events, and sends its output.
func TestToolsResponses(t *testing.T) {
	c := openAI()
	ask := responses.ResponseNewParams{Model: "demo", Temperature: openai.Float(0), MaxOutputTokens: openai.Int(200), ParallelToolCalls: openai.Bool(false),
		Tools:      []responses.ToolUnionParam{responses.ToolParamOfWebSearch(responses.WebSearchToolTypeWebSearch), responses.ToolParamOfFunction(fly, flySchema, true)},
		ToolChoice: responses.ResponseNewParamsToolChoiceUnion{OfFunctionTool: &responses.ToolChoiceFunctionParam{Name: fly}},
		Input:      responses.ResponseNewParamsInputUnion{OfString: openai.String(prompt)}}
	r, err := c.Responses.New(t.Context(), ask)
	if err != nil || len(r.Output) != 1 || r.Output[0].Type != "function_call" || r.Status != "completed" {
		t.Fatalf("%v, %+v", err, r)
	}
	call := r.Output[0].AsFunctionCall()
	flies(t, call.CallID, call.Name, call.Arguments)
	events, deltas, done := c.Responses.NewStreaming(t.Context(), ask), "", ""
	for events.Next() {
		switch e := events.Current(); e.Type {
		case "response.function_call_arguments.delta":
			deltas += e.Delta
		case "response.function_call_arguments.done":
			done = e.Arguments
		case "response.completed":
			one := e.Response.Output[0].AsFunctionCall()
			flies(t, one.CallID, one.Name, one.Arguments)
		}
	}
	if err := events.Err(); err != nil || deltas != call.Arguments || done != deltas {
		t.Fatalf("%v: %q, %q, want %q", err, deltas, done, call.Arguments)
	}
	ask.ToolChoice = responses.ResponseNewParamsToolChoiceUnion{OfToolChoiceMode: openai.Opt(responses.ToolChoiceOptionsAuto)}
	ask.MaxOutputTokens = openai.Int(8)
	output := responses.ResponseInputItemParamOfFunctionCallOutput("red")
	output.OfFunctionCallOutput.CallID = openai.String(call.CallID)
	ask.Input = responses.ResponseNewParamsInputUnion{OfInputItemList: responses.ResponseInputParam{
		responses.ResponseInputItemParamOfMessage(prompt, "user"), responses.ResponseInputItemParamOfFunctionCall(call.Arguments, call.CallID, call.Name),
		output}}
	if r, err = c.Responses.New(t.Context(), ask); err != nil || r.Usage.OutputTokens == 0 {
		t.Fatalf("behind the output: %v, %+v", err, r)
	}
}

// Earlier versions of openai-go call a function.
func TestToolsOpenAIEarlier(t *testing.T) {
	c1 := openai1.NewClient(option1.WithBaseURL(address+"/v1"), option1.WithAPIKey(key), option1.WithMaxRetries(0))
	r1, err := c1.Chat.Completions.New(t.Context(), openai1.ChatCompletionNewParams{Model: "demo", MaxCompletionTokens: openai1.Int(200), ParallelToolCalls: openai1.Bool(false),
		Messages: []openai1.ChatCompletionMessageParamUnion{openai1.UserMessage(prompt)}, ToolChoice: openai1.ChatCompletionToolChoiceOptionUnionParam{OfAuto: openai1.String("required")},
		Tools: []openai1.ChatCompletionToolParam{{Function: shared1.FunctionDefinitionParam{Name: fly, Parameters: flySchema}}}})
	if err != nil || len(r1.Choices[0].Message.ToolCalls) != 1 {
		t.Fatalf("%v, %+v", err, r1)
	}
	one := r1.Choices[0].Message.ToolCalls[0]
	flies(t, one.ID, one.Function.Name, one.Function.Arguments)
	c2 := openai2.NewClient(option2.WithBaseURL(address+"/v1"), option2.WithAPIKey(key), option2.WithMaxRetries(0))
	stream := c2.Chat.Completions.NewStreaming(t.Context(), openai2.ChatCompletionNewParams{Model: "demo", MaxCompletionTokens: openai2.Int(200), ParallelToolCalls: openai2.Bool(false),
		Messages: []openai2.ChatCompletionMessageParamUnion{openai2.UserMessage(prompt)}, ToolChoice: openai2.ChatCompletionToolChoiceOptionUnionParam{OfAuto: openai2.String("required")},
		Tools: []openai2.ChatCompletionToolUnionParam{openai2.ChatCompletionFunctionTool(shared2.FunctionDefinitionParam{Name: fly, Parameters: flySchema})}})
	all := openai2.ChatCompletionAccumulator{}
	for stream.Next() {
		all.AddChunk(stream.Current())
	}
	if err := stream.Err(); err != nil || len(all.Choices[0].Message.ToolCalls) != 1 {
		t.Fatalf("%v, %+v", err, all.ChatCompletion)
	}
	two := all.Choices[0].Message.ToolCalls[0]
	flies(t, two.ID, two.Function.Name, two.Function.Arguments)
}

// go-openai calls a function, and puts its deltas together by their index.
func TestToolsGoOpenAI(t *testing.T) {
	c := other.NewClientWithConfig(config(key))
	ask := chat(true)
	ask.MaxCompletionTokens, ask.ParallelToolCalls, ask.ToolChoice = 200, false, other.ToolChoice{Type: other.ToolTypeFunction, Function: other.ToolFunction{Name: fly}}
	ask.Tools = []other.Tool{{Type: other.ToolTypeFunction, Function: &other.FunctionDefinition{Name: fly, Parameters: flySchema}}}
	stream, err := c.CreateChatCompletionStream(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	var call other.ToolCall
	why := other.FinishReason("")
	for {
		e, err := stream.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Choices) == 0 {
			continue
		}
		why = e.Choices[0].FinishReason
		for _, d := range e.Choices[0].Delta.ToolCalls {
			if d.Index == nil || *d.Index != 0 {
				t.Errorf("%+v", d)
			}
			call.ID, call.Function.Name, call.Function.Arguments = call.ID+d.ID, call.Function.Name+d.Function.Name, call.Function.Arguments+d.Function.Arguments
		}
	}
	if flies(t, call.ID, call.Function.Name, call.Function.Arguments); why != other.FinishReasonToolCalls {
		t.Error(why)
	}
}

// anthropic-sdk-go calls a function, whole and streamed, and sends its result.
func TestToolsAnthropic(t *testing.T) {
	c := anthropic.NewClient(anthropicoption.WithBaseURL(address), anthropicoption.WithAPIKey(key), anthropicoption.WithMaxRetries(0))
	tool := anthropic.ToolParam{Name: fly, InputSchema: anthropic.ToolInputSchemaParam{Properties: flySchema["properties"], Required: []string{"planet", "days"}, ExtraFields: map[string]any{"additionalProperties": false}}}
	p := anthropic.MessageNewParams{Model: "demo", MaxTokens: 400, Temperature: anthropic.Float(0), Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(prompt))},
		Tools: []anthropic.ToolUnionParam{{OfTool: &tool}}, ToolChoice: anthropic.ToolChoiceParamOfTool(fly)}
	m, err := c.Messages.New(t.Context(), p)
	if err != nil || len(m.Content) != 1 || m.StopReason != "tool_use" {
		t.Fatalf("%v, %+v", err, m)
	}
	use := m.Content[0].AsToolUse()
	flies(t, use.ID, use.Name, string(use.Input))
	stream, all := c.Messages.NewStreaming(t.Context(), p), anthropic.Message{}
	for stream.Next() {
		if err := all.Accumulate(stream.Current()); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.Err(); err != nil || len(all.Content) != 1 || all.StopReason != "tool_use" {
		t.Fatalf("streamed: %v, %+v", err, all)
	}
	streamed := all.Content[0].AsToolUse()
	flies(t, streamed.ID, streamed.Name, string(streamed.Input))
	p.Messages = append(p.Messages, m.ToParam(), anthropic.NewUserMessage(anthropic.NewToolResultBlock(use.ID, "red", false)))
	p.ToolChoice, p.MaxTokens = anthropic.ToolChoiceUnionParam{OfAuto: &anthropic.ToolChoiceAutoParam{}}, 8
	if m, err = c.Messages.New(t.Context(), p); err != nil || m.Usage.OutputTokens == 0 {
		t.Fatalf("behind the result: %v, %+v", err, m)
	}
}

// ollama's client offers functions and sends calls and results. It cannot require a call.
func TestToolsOllama(t *testing.T) {
	var ask api.ChatRequest
	body := `{"model":"demo","stream":false,"options":{"num_predict":8},"tools":[{"type":"function","function":{"name":"fly_to","description":"","parameters":{"type":"object","required":["planet"],
		"properties":{"planet":{"type":"string","enum":["Mars","Venus"]}}}}}],"messages":[{"role":"user","content":"Go!"},
		{"role":"assistant","content":"","tool_calls":[{"function":{"name":"fly_to","arguments":{"planet":"Mars"}}}]},{"role":"tool","tool_name":"fly_to","content":"red"}]}`
	if err := json.Unmarshal([]byte(body), &ask); err != nil {
		t.Fatal(err)
	}
	made := 0
	if err := ollama(t, key).Chat(t.Context(), &ask, func(r api.ChatResponse) error { made += r.EvalCount; return nil }); err != nil || made == 0 {
		t.Fatal(made, err)
	}
}
