package batch

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mil-run/mil/internal/jsonscan"
	"github.com/mil-run/mil/internal/show"
)

// Request is a line of the input.
type Request struct {
	CustomID string          `json:"custom_id"` // no other request of the file has it
	Method   string          `json:"method"`    // POST
	URL      string          `json:"url"`       // one of [URLs]
	Body     json.RawMessage `json:"body"`
}

// URLs are the endpoints that a request may name.
var URLs = []string{"/v1/chat/completions", "/v1/completions", "/v1/responses"}

// maxID is the bytes of a custom_id.
const maxID = 512

// parse reads a line of the input. The error says why the file as a whole cannot be run.
// What is wrong within the request is left for its answer.
func parse(line []byte) (*Request, error) {
	r := &Request{}
	if err := jsonscan.Plain(json.Unmarshal(line, r)); err != nil {
		return nil, err
	}
	switch {
	case strings.ContainsRune(r.CustomID, utf8.RuneError) && !utf8.Valid(line):
		return nil, errors.New("its custom_id is not UTF-8")
	case r.CustomID == "":
		return nil, errors.New(`it has no "custom_id"`)
	case len(r.CustomID) > maxID:
		return nil, fmt.Errorf("its custom_id has %d bytes, at most %d are taken", len(r.CustomID), maxID)
	}
	return r, nil
}

// idKey stands for a custom_id.
type idKey [16]byte

func keyOf(customID string) idKey {
	sum := sha256.Sum256([]byte(customID))
	return idKey(sum[:16])
}

// bodySum stands for what a request asks: its method, address and body.
type bodySum [12]byte

func (r *Request) sum() bodySum {
	h := sha256.New()
	for _, part := range []string{r.Method, r.URL, string(compact(r.Body))} {
		fmt.Fprintf(h, "%d %s", len(part), part)
	}
	return bodySum(h.Sum(nil)[:12])
}

// runSum stands for what else decides a text: the model and the settings of the run.
type runSum [8]byte

// sumOf is the sum of the settings and of the run's seed.
func sumOf(settings string, seed uint64) runSum {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", seed, settings))
	return runSum(sum[:8])
}

// answerID is the id of an answer's line. It tells a later run whether the line answers
// the same request under the same settings.
func answerID(body bodySum, run runSum) string {
	return idPrefix + hex.EncodeToString(body[:]) + "-" + hex.EncodeToString(run[:])
}

const idPrefix = "batch_req_"

// parseID is the inverse of answerID.
func parseID(id string) (body bodySum, run runSum, ok bool) {
	const n, m = 2 * len(body), 2 * len(run)
	if len(id) != len(idPrefix)+n+1+m || id[:len(idPrefix)] != idPrefix || id[len(idPrefix)+n] != '-' {
		return body, run, false
	}
	rest := id[len(idPrefix):]
	_, err := hex.Decode(body[:], []byte(rest[:n]))
	_, err2 := hex.Decode(run[:], []byte(rest[n+1:]))
	return body, run, err == nil && err2 == nil
}

// shape is what the order of work and the choice of a model need to know of a body.
type shape struct {
	model string
	text  []byte // by which prompts with the same beginning are found
	cost  int    // about how many tokens it is, the reply's included
}

// guess is taken for the tokens of a reply that has no limit.
const guess = 256

// shape reads a body, which may be anything.
func (r *Request) shape() (s shape) {
	var b map[string]json.RawMessage
	_ = json.Unmarshal(r.Body, &b) // no object says nothing here
	_ = json.Unmarshal(b["model"], &s.model)
	s.text = append([]byte(r.URL), ' ')
	for _, part := range []string{"tools", "instructions", "messages", "prompt", "input"} {
		s.text = append(s.text, compact(b[part])...)
	}
	reply := float64(guess)
	for _, limit := range []string{"max_tokens", "max_completion_tokens", "max_output_tokens"} {
		var n float64
		if v := b[limit]; v != nil && json.Unmarshal(v, &n) == nil && n >= 0 {
			reply = min(n, 1<<20)
		}
	}
	s.cost = len(s.text)/4 + int(reply)
	return s
}

// refusal is an answer that needs no model.
type refusal struct {
	status int
	body   []byte
}

func refuse(status int, code, param, format string, args ...any) *refusal {
	text := show.Text(fmt.Sprintf(format, args...))
	body, _ := json.Marshal(map[string]any{"error": map[string]any{"message": text, "type": "invalid_request_error", "code": code, "param": param}})
	return &refusal{status, body}
}

// prepare makes the body that the server gets: the model has the name by which it is
// served, and a request without a seed gets one of its own. served is "" where the
// request's model is not there.
func (r *Request) prepare(served string, seed uint64) ([]byte, *refusal) {
	switch {
	case r.Method != http.MethodPost:
		return nil, refuse(http.StatusBadRequest, "invalid_value", "method", "method is POST in a batch")
	case !slices.Contains(URLs, r.URL):
		return nil, refuse(http.StatusBadRequest, "invalid_value", "url", "url is one of %v in a batch", URLs)
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(r.Body, &fields) != nil || fields == nil {
		return nil, refuse(http.StatusBadRequest, "invalid_value", "body", "body is no JSON object")
	}
	if stream := fields["stream"]; stream != nil && string(stream) != "null" && string(stream) != "false" {
		return nil, refuse(http.StatusBadRequest, "invalid_value", "stream", "stream is not supported in a batch")
	}
	switch model := fields["model"]; {
	case served != "":
	case model == nil || string(model) == "null" || string(model) == `""`:
		return nil, refuse(http.StatusBadRequest, "invalid_value", "model", "model is missing; name one in the body, or all requests' with --model")
	default:
		return nil, refuse(http.StatusNotFound, "model_not_found", "model", "there is no model %s here; mil list shows those that are", show.Text(string(model)))
	}
	fields["model"], _ = json.Marshal(served)
	if s := fields["seed"]; s == nil || string(s) == "null" {
		fields["seed"], _ = json.Marshal(r.seed(seed))
	}
	body, err := json.Marshal(fields)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "invalid_value", "body", "body cannot be read: %v", err)
	}
	return body, nil
}

// seed is a request's own, which follows from that of the run.
func (r *Request) seed(run uint64) uint64 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", run, r.CustomID))
	return binary.LittleEndian.Uint64(sum[:]) >> 11 // a number that every reader of JSON keeps
}
