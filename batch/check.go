package batch

import (
	"context"
	"fmt"
	"net/http"
	"sync"
)

// Problem is what is wrong with a request.
type Problem struct {
	Line     int    `json:"line"`
	CustomID string `json:"custom_id,omitempty"`
	Message  string `json:"message"`
}

// Checker looks at requests and does not run them; it is a [serve.Server].
type Checker interface {
	Check(ctx context.Context, path string, body []byte) (status int, answer []byte, err error)
}

// chunk is the requests that are checked at the same time.
const chunk = 64

// Check looks at every line of a file of requests as a run would, and hands over what is
// wrong, in the order of the lines within the file and within the requests. It returns
// the number of lines. open is as in [Options]; its server is a Checker.
func Check(ctx context.Context, in string, open func(names []string) (*Models, error), found func(Problem)) (total int, err error) {
	bad := 0
	x, err := openIndex(in, Shard{}, func(m *mistake) error {
		bad++
		found(Problem{Line: m.line, Message: m.err.Error()})
		return nil
	})
	if err != nil {
		return bad, err
	}
	defer x.close()
	m, err := open(x.models)
	if err != nil {
		return 0, err
	}
	defer m.Close()
	checker, ok := m.Server.(Checker)
	if !ok {
		return 0, fmt.Errorf("%T checks nothing", m.Server)
	}
	for at := 0; at < len(x.entries); at += chunk {
		list, err := x.check(ctx, at, min(at+chunk, len(x.entries)), m, checker)
		if err != nil {
			return bad, err
		}
		for _, p := range list {
			found(p)
		}
	}
	return bad + len(x.entries), nil
}

// check looks at some requests at the same time.
func (x *index) check(ctx context.Context, from, to int, m *Models, c Checker) (list []Problem, err error) {
	texts, errs := make([]string, to-from), make([]error, to-from)
	var all sync.WaitGroup
	requests := make([]*Request, to-from)
	for k := range requests {
		i := int32(from + k)
		if requests[k], err = x.load(i); err != nil {
			all.Wait()
			return nil, err
		}
		all.Go(func() {
			texts[k], errs[k] = checked(ctx, requests[k], m.Names[x.entries[i].model], c)
		})
	}
	all.Wait()
	for k, text := range texts {
		if errs[k] != nil {
			return nil, errs[k]
		}
		if text != "" {
			list = append(list, Problem{int(x.entries[from+k].line), requests[k].CustomID, text})
		}
	}
	return list, nil
}

// checked is what is wrong with a request, or "".
func checked(ctx context.Context, r *Request, served string, c Checker) (string, error) {
	body, no := r.prepare(served, 0)
	if no != nil {
		_, text := reason(no.body)
		return text, nil
	}
	status, answer, err := c.Check(ctx, r.URL, body)
	if err != nil || status == http.StatusOK {
		return "", err
	}
	code, text := reason(answer)
	if code == "model_not_loaded" {
		return "", fmt.Errorf("%s", text)
	}
	return text, nil
}
