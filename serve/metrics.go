package serve

import (
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/mil-run/mil/schedule"
)

// counters count since the server began.
type counters struct {
	requests, failures, left     atomic.Int64
	prompt, cached, generated    atomic.Int64
	draftProposed, draftAccepted atomic.Int64
	madeRoom                     atomic.Int64
}

func (c *counters) request(status int) {
	c.requests.Add(1)
	switch {
	case status == statusGone:
		c.left.Add(1)
	case status >= 400:
		c.failures.Add(1)
	}
}

func (c *counters) tokens(prompt, cached, made, proposed, accepted int) {
	c.prompt.Add(int64(prompt))
	c.cached.Add(int64(cached))
	c.generated.Add(int64(made))
	c.draftProposed.Add(int64(proposed))
	c.draftAccepted.Add(int64(accepted))
}

// loads are those of the models that are loaded, by id.
func (s *Server) loads() map[string]schedule.Load {
	out := map[string]schedule.Load{}
	for _, one := range s.models.loaded() {
		if l, err := one.s.Load(); err == nil {
			out[one.id] = l
		}
	}
	return out
}

// slots is GET /slots.
func (s *Server) slots(w http.ResponseWriter, _ *http.Request) error {
	return send(w, http.StatusOK, s.loads())
}

// metrics is GET /metrics, as Prometheus reads it.
func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	c := &s.count
	for _, m := range []struct {
		name, help string
		v          *atomic.Int64
	}{
		{"mil_requests_total", "requests answered", &c.requests},
		{"mil_request_failures_total", "requests answered with an error", &c.failures},
		{"mil_requests_left_total", "requests whose client left before the answer's end", &c.left},
		{"mil_prompt_tokens_total", "tokens of prompts", &c.prompt},
		{"mil_cached_tokens_total", "tokens of prompts that were not read again", &c.cached},
		{"mil_generated_tokens_total", "tokens of replies", &c.generated},
		{"mil_draft_proposed_total", "tokens that drafts proposed", &c.draftProposed},
		{"mil_made_room_total", "times that a request made room for others", &c.madeRoom},
		{"mil_draft_accepted_total", "tokens of drafts that were accepted", &c.draftAccepted},
	} {
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s counter\n%s %d\n", m.name, m.help, m.name, m.name, m.v.Load())
	}
	const bodies = "mil_body_bytes"
	fmt.Fprintf(w, "# HELP %s memory of the bodies of requests\n# TYPE %s gauge\n%s %d\n", bodies, bodies, bodies, s.bodies.Load())
	loads := s.loads()
	for _, g := range []struct {
		name, help string
		v          func(schedule.Load) int64
	}{
		{"mil_requests_waiting", "requests that wait", func(l schedule.Load) int64 { return int64(l.Waiting) }},
		{"mil_requests_reading", "requests whose prompt is read", func(l schedule.Load) int64 { return int64(l.Reading) }},
		{"mil_requests_decoding", "requests whose reply is made", func(l schedule.Load) int64 { return int64(l.Decoding) }},
		{"mil_memory_bytes", "memory of conversations", func(l schedule.Load) int64 { return l.Memory }},
		{"mil_prefix_bytes", "memory of kept prefixes", func(l schedule.Load) int64 { return l.Prefixes }},
	} {
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s gauge\n", g.name, g.help, g.name)
		for _, one := range s.models.list {
			if l, ok := loads[one.id]; ok {
				fmt.Fprintf(w, "%s{model=%q} %d\n", g.name, one.id, g.v(l))
			}
		}
	}
	return nil
}
