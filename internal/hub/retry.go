package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	maxTries = 6               // in a row that bring nothing
	maxWait  = 5 * time.Minute // that a server may ask for
)

// again is an error after which another try may succeed; after is what the server
// asked to wait.
type again struct {
	error
	after time.Duration
}

func (a again) Unwrap() error { return a.error }

// progressed is again after something came in: such tries do not count.
type progressed struct{ error }

func (p progressed) Unwrap() error { return p.error }

// retry runs f until it succeeds, fails for good, or failed too often in a row.
func (c *Client) retry(ctx context.Context, f func() error) error {
	for try := 1; ; try++ {
		err := f()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		a, ok := errors.AsType[again](err)
		if !ok {
			return err
		}
		if errors.As(err, new(progressed)) {
			try = 1
		}
		if try >= maxTries {
			return fmt.Errorf("%w (tried %d times; the same command goes on from here)", a.error, try)
		}
		wait := time.Second << (try - 1)
		if a.after > 0 {
			wait = a.after
		}
		if wait > maxWait {
			return fmt.Errorf("%w; the server asks to wait %v: try again then", a.error, wait)
		}
		if c.Notice != nil {
			c.Notice(fmt.Sprintf("%s; trying again in %v", show(a.Error()), wait))
		}
		if err := c.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// refused is the error for an answer that is not the file.
func (c *Client) refused(r Ref, resp *http.Response) error {
	code := resp.Header.Get("X-Error-Code")
	page := c.endpoint.String() + "/" + r.Repo
	switch s := resp.StatusCode; {
	case s == http.StatusUnauthorized && code == "RepoNotFound", s == http.StatusNotFound && code != "EntryNotFound" && code != "RevisionNotFound":
		private := "a private one needs HF_TOKEN"
		if c.token != "" {
			private = "HF_TOKEN may not read it"
		}
		return fmt.Errorf("%s: %w: %s has no such repository or revision; check the spelling (if it is there, %s)", r, ErrMissing, c.endpoint.Host, private)
	case s == http.StatusNotFound && code == "RevisionNotFound":
		return fmt.Errorf("%s: %w: the repository has no revision %s", r, ErrMissing, show(r.Revision))
	case s == http.StatusNotFound:
		return fmt.Errorf("%s: %w: the repository has no such file", r, ErrMissing)
	case (s == http.StatusUnauthorized || s == http.StatusForbidden) && c.token == "":
		return fmt.Errorf("%s: %w: it is gated or private; accept its licence at %s and set HF_TOKEN to a token of yours (%s/settings/tokens)", r, ErrDenied, page, c.endpoint)
	case s == http.StatusUnauthorized || s == http.StatusForbidden:
		return fmt.Errorf("%s: %w: HF_TOKEN is not enough; accept the licence at %s with the token's account, and see that the token may read gated repositories", r, ErrDenied, page)
	case s == http.StatusTooManyRequests, s == http.StatusRequestTimeout, s >= 500:
		return again{fmt.Errorf("%s: %w: status %d", r, ErrServer, s), retryAfter(resp.Header.Get("Retry-After"))}
	default:
		return fmt.Errorf("%s: %w: status %d", r, ErrServer, s)
	}
}

// retryAfter reads the header, which holds seconds or a date.
func retryAfter(v string) time.Duration {
	if s, err := strconv.Atoi(strings.TrimSpace(v)); err == nil && s >= 0 {
		return time.Duration(min(s, 1<<20)) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(t).Round(time.Second))
	}
	return 0
}

// show is a text from a server for a message.
func show(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "..."
	}
	return s
}
