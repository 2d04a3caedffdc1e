package serve

import (
	"encoding/json"
	"net/http"
)

// events writes server-sent events. After the first error it writes nothing.
type events struct {
	w   http.ResponseWriter // its writes end in bounded time
	c   *http.ResponseController
	err error
}

func newEvents(w http.ResponseWriter) *events {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	return &events{w: w, c: http.NewResponseController(w)}
}

// data writes an event.
func (e *events) data(v any) {
	data, err := json.Marshal(v)
	if err != nil {
		e.err = err
		return
	}
	e.write("data: " + string(data) + "\n\n")
}

// ping writes a comment. Some clients take an empty line behind it for an event.
func (e *events) ping() { e.write(": ping\n") }

func (e *events) done() { e.write("data: [DONE]\n\n") }

func (e *events) write(text string) {
	if e.err != nil {
		return
	}
	if _, e.err = e.w.Write([]byte(text)); e.err == nil {
		e.err = e.c.Flush()
	}
}
