package serve

import (
	"encoding/json"
	"net/http"
)

// events writes the parts of an answer. After the first error it writes nothing.
type events struct {
	w   http.ResponseWriter // its writes end in bounded time
	c   *http.ResponseController
	err error
}

// newEvents begins an answer of server-sent events.
func newEvents(w http.ResponseWriter) *events { return newParts(w, "text/event-stream") }

// newParts begins an answer that comes in parts.
func newParts(w http.ResponseWriter, kind string) *events {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	return &events{w: w, c: http.NewResponseController(w)}
}

// data writes an event, and named one with a name.
func (e *events) data(v any) { e.json("data: ", v, "\n\n") }

func (e *events) named(name string, v map[string]any) {
	v["type"] = name
	e.json("event: "+name+"\ndata: ", v, "\n\n")
}

// line writes JSON alone.
func (e *events) line(v any) { e.json("", v, "\n") }

func (e *events) json(before string, v any, after string) {
	data, err := json.Marshal(v)
	if err != nil {
		e.err = err
		return
	}
	e.write(before + string(data) + after)
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
