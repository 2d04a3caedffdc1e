package demo

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
)

// clear is the least gap between the two best logits of a transcript's tokens,
// in float32, from which on neither quantization nor int8 activations decide.
const clear = 1

//go:embed transcripts.jsonl
var transcripts []byte

// Message is one turn of a conversation.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Transcript is a conversation and the demo's greedy reply to it.
type Transcript struct {
	Messages []Message `json:"messages"`
	Text     string    `json:"text"`
}

// Transcripts are conversations whose replies every backend makes word for word.
func Transcripts() []Transcript {
	var list []Transcript
	for line := range bytes.Lines(transcripts) {
		var t Transcript
		if err := json.Unmarshal(line, &t); err != nil {
			panic(fmt.Sprintf("demo: transcripts.jsonl: %v", err)) // which a test would have found
		}
		list = append(list, t)
	}
	return list
}
