package batch

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
)

// Answer is a line of the output.
type Answer struct {
	ID       string    `json:"id"`
	CustomID string    `json:"custom_id"`
	Response *Response `json:"response"`
	Error    *Failure  `json:"error"` // why there is no response; mil always gives one
}

// Response is what mil serve would have answered.
type Response struct {
	Status    int             `json:"status_code"`
	RequestID string          `json:"request_id"`
	Body      json.RawMessage `json:"body"`
}

// Failure is what other programs write where there is no response.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// line is the answer as it is written, with its newline.
func (a *Answer) line() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(a)
	return b.Bytes(), err
}

// newAnswer makes the line of a request's response.
func newAnswer(customID string, e *entry, run runSum, status int, body []byte) *Answer {
	return &Answer{
		ID: answerID(e.sum, run), CustomID: customID,
		Response: &Response{Status: status, RequestID: "req_" + hex.EncodeToString(e.id[:]), Body: bytes.TrimSpace(body)},
	}
}

// usage is the tokens of a response's prompt and reply.
func usage(body []byte) (prompt, made int64) {
	var b struct {
		Usage struct {
			Prompt     int64 `json:"prompt_tokens"`
			Completion int64 `json:"completion_tokens"`
			Input      int64 `json:"input_tokens"`
			Output     int64 `json:"output_tokens"`
		} `json:"usage"`
	}
	_ = json.Unmarshal(body, &b) // an error's body has none
	return b.Usage.Prompt + b.Usage.Input, b.Usage.Completion + b.Usage.Output
}

// reason is the code and the message of an error's body.
func reason(body []byte) (code, message string) {
	var b struct {
		Error struct{ Code, Message string } `json:"error"`
	}
	_ = json.Unmarshal(body, &b) // some other body has none
	return b.Error.Code, b.Error.Message
}

// compact is JSON without spaces, or what it is instead.
func compact(v json.RawMessage) []byte {
	var b bytes.Buffer
	if json.Compact(&b, v) != nil {
		return v
	}
	return b.Bytes()
}
