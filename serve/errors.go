package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/internal/mistake"
	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/toolcall"
)

// apiError is an error as clients read it.
type apiError struct {
	status                  int
	kind, code, param, text string
	retry                   int // seconds after which asking again may help, or 0
}

func (e *apiError) Error() string { return e.text }

// bad is a request that is wrong, at the named field.
func bad(param, format string, args ...any) error {
	return &apiError{status: http.StatusBadRequest, kind: "invalid_request_error", code: "invalid_value", param: param, text: fmt.Sprintf(format, args...)}
}

// toAPI gives an error the form that clients know.
func toAPI(err error) *apiError {
	var e *apiError
	var ours *mistake.Error
	var large *http.MaxBytesError
	var offer *toolcall.OfferError
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &offer):
		return toAPI(bad(offer.Place, "%v", offer))
	case errors.As(err, &ours): // the scheduler has told the owner
		return errPanic
	case errors.As(err, &large):
		return &apiError{status: http.StatusRequestEntityTooLarge, kind: "invalid_request_error", code: "request_too_large", text: fmt.Sprintf("the request has more than %d bytes", large.Limit)}
	case errors.Is(err, llm.ErrQueue):
		return &apiError{status: http.StatusTooManyRequests, kind: "rate_limit_error", code: "queue_full", text: err.Error(), retry: 1}
	case errors.Is(err, model.ErrContext):
		return &apiError{status: http.StatusBadRequest, kind: "invalid_request_error", code: "context_length_exceeded", param: "messages", text: err.Error()}
	case errors.Is(err, llm.ErrPrompt), errors.Is(err, llm.ErrParam), errors.Is(err, llm.ErrAskMemory), errors.Is(err, llm.ErrNoTemplate), errors.Is(err, chat.ErrFormat):
		return &apiError{status: http.StatusBadRequest, kind: "invalid_request_error", code: "invalid_value", text: err.Error()}
	case errors.Is(err, llm.ErrEnded), errors.Is(err, context.Canceled):
		return &apiError{status: http.StatusServiceUnavailable, kind: "server_error", code: "shutting_down", text: "the server is ending", retry: 5}
	case errors.Is(err, llm.ErrMemory):
		return &apiError{status: http.StatusServiceUnavailable, kind: "server_error", code: "too_little_memory", text: err.Error(), retry: 5}
	}
	return &apiError{status: http.StatusInternalServerError, kind: "server_error", code: "internal_error", text: err.Error()}
}

// body is the error's JSON.
func (e *apiError) body() map[string]any {
	one := map[string]any{"message": show.Text(e.text), "type": e.kind, "code": e.code, "param": nil}
	if e.param != "" {
		one["param"] = show.Text(e.param)
	}
	return map[string]any{"type": "error", "error": one} // type is Anthropic's
}

// inOllama is the error as ollama's API has it: a text, which names the field.
func (e *apiError) inOllama() map[string]any {
	text := e.text
	if !strings.Contains(text, e.param) {
		text = e.param + ": " + text
	}
	return map[string]any{"error": show.Text(text)}
}

// fail answers with an error, in the form of the API that the path belongs to.
func fail(w http.ResponseWriter, path string, err error) *apiError {
	e := toAPI(err)
	if e.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.retry))
	}
	if e.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	body := e.body()
	if strings.HasPrefix(path, "/api/") {
		body = e.inOllama()
	}
	_ = send(w, e.status, body) // the client may be gone
	return e
}

// send answers with JSON.
func send(w http.ResponseWriter, status int, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, err = w.Write(append(data, '\n'))
	return err
}
