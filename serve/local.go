package serve

import (
	"bytes"
	"cmp"
	"context"
	"net/http"
)

// Local answers a POST to a path that came over no network, with the status and the
// body that a client without a key would get. The error is ctx's, or says that the server
// ends.
func (s *Server) Local(ctx context.Context, path string, body []byte) (status int, answer []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	w := &recorder{head: http.Header{}}
	defer func() {
		if p := recover(); p == http.ErrAbortHandler { // an answer that broke off
			status, answer, err = 0, nil, cmp.Or(context.Cause(ctx), context.Canceled)
		} else if p != nil {
			panic(p)
		}
	}()
	s.ServeHTTP(w, r)
	switch {
	case ctx.Err() != nil:
		return 0, nil, context.Cause(ctx)
	case s.ending.Err() != nil:
		return 0, nil, context.Canceled
	}
	return w.status, w.body.Bytes(), nil
}

// Check looks at a request as Local does, and does not run it. The status is 200 where
// it would be handed in.
func (s *Server) Check(ctx context.Context, path string, body []byte) (status int, answer []byte, err error) {
	status, answer, err = s.Local(context.WithValue(ctx, checkKey{}, true), path, body)
	if status == http.StatusNoContent {
		return http.StatusOK, nil, err
	}
	return status, answer, err
}

type checkKey struct{}

// checks says whether a request is only looked at.
func checks(ctx context.Context) bool { return ctx.Value(checkKey{}) != nil }

// errRight ends a request that is only looked at, and right.
var errRight error = &apiError{status: http.StatusNoContent, text: "the request is right"}

// recorder keeps an answer.
type recorder struct {
	head   http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.head }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *recorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}
