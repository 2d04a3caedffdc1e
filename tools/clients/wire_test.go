package clients

import (
	"bytes"
	"io"
	"net/http"
	"sync"
	"time"
)

// wire is a transport that notes what comes over it.
type wire struct {
	mu       sync.Mutex
	statuses []int
	times    []time.Time
	body     bytes.Buffer
	seen     func(status int) // may be nil
}

func (w *wire) client() *http.Client { return &http.Client{Transport: w} }

// RoundTrip implements [http.RoundTripper].
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.statuses, w.times = append(w.statuses, resp.StatusCode), append(w.times, time.Now())
	w.mu.Unlock()
	if w.seen != nil {
		w.seen(resp.StatusCode)
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.TeeReader(resp.Body, &w.body), resp.Body}
	return resp, nil
}
