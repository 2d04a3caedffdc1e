package serve_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/serve"
)

// endless is a bias against the tokens that end the demo's replies.
var endless = map[string]float32{}

func init() {
	f, err := llm.Open("", llm.Options{Backend: "cpu", Threads: 1})
	if err != nil {
		panic(err)
	}
	defer f.Close()
	for id := range f.Engine().Ends() {
		endless[fmt.Sprint(id)] = -100
	}
}

// random is a request of some kind, and whether it streams.
func random(r *rand.Rand, tokens int) (path, body string, stream bool) {
	shared := []string{"Once upon a time there was a fox. ", "Tell me a tale. ", ""}
	text := strings.Repeat(shared[r.IntN(3)], 1+r.IntN(8)) + []string{"The mole", "A lamp", "Who is it?", "Two friends", "The sea"}[r.IntN(5)]
	fields := map[string]any{"max_tokens": 1 + r.IntN(tokens), "temperature": []float64{0, 0.8, 1.3}[r.IntN(3)], "seed": r.IntN(1000)}
	if stream = r.IntN(2) == 0; stream {
		fields["stream"] = true
	}
	if r.IntN(4) == 0 {
		fields["stop"] = []string{" the", "."}
	}
	if r.IntN(4) == 0 {
		fields["presence_penalty"], fields["top_p"] = 0.5, 0.9
	}
	path = "/v1/completions"
	switch kind := r.IntN(16); {
	case kind == 0 && tokens > 40: // its reply grows by two pages of memory, so that others make room
		fields["prompt"] = strings.Repeat(text, 1+200/len(text))
		fields["max_tokens"], fields["logit_bias"] = 1100, endless
	case kind%2 == 0:
		path = "/v1/chat/completions"
		fields["messages"] = []map[string]string{{"role": "user", "content": text}}
	default:
		fields["prompt"] = text
	}
	data, _ := json.Marshal(fields)
	return path, string(data), stream
}

// reply is the text and the end of a request, whole or streamed. If the client leaves
// after some bytes, it is what came until then.
func reply(url, body string, stream bool, leave int) (string, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, "POST", url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	q.Header.Set("Content-Type", "application/json")
	if leave == 0 {
		cancel()
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if leave > 0 {
		_, err := io.CopyN(io.Discard, resp.Body, int64(leave))
		return "", err
	}
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		return "", fmt.Errorf("%d %s: %v", resp.StatusCode, data, err)
	}
	events := []string{string(data)}
	if stream {
		events = strings.Split(strings.TrimSuffix(string(data), "data: [DONE]\n\n"), "\n\n")
	}
	text, end := "", ""
	for _, e := range events {
		var c struct {
			Choices []struct {
				Text           string
				Message, Delta struct{ Content string }
				FinishReason   string `json:"finish_reason"`
			}
		}
		if e = strings.TrimPrefix(strings.ReplaceAll(e, ": ping\n", ""), "data: "); e == "" {
			continue
		}
		if err := json.Unmarshal([]byte(e), &c); err != nil || len(c.Choices) != 1 {
			return "", fmt.Errorf("%q: %v", e, err)
		}
		one := c.Choices[0]
		text += one.Text + one.Message.Content + one.Delta.Content
		end += one.FinishReason
	}
	return text + "|" + end, nil
}

// Random requests, four and sixteen at a time, beside others that are cut, with little
// memory and with each kind of draft, give the texts that each gives alone.
func TestRandomCompany(t *testing.T) {
	n := 200
	if testing.Short() {
		n = 60
	}
	type request struct {
		path, body, want string
		stream           bool
	}
	list := make([]request, n)
	r := rand.New(rand.NewPCG(1, 2))
	alone := run(t, serve.Options{LLM: llm.Options{Context: 2048}, Slots: 1})
	for i := range list {
		x := &list[i]
		x.path, x.body, x.stream = random(r, 48)
		var err error
		if x.want, err = reply("http://"+alone+x.path, x.body, x.stream, -1); err != nil {
			t.Fatal(x.body, err)
		}
	}
	for _, c := range []struct {
		draft  string
		most   int
		memory int64
	}{{"", 4, 1 << 30}, {"lookup", 16, 1 << 30}, {"demo", 16, 3 * small}, {"", 16, small}} {
		t.Run(fmt.Sprintf("%s %d %d", c.draft, c.most, c.memory>>20), func(t *testing.T) {
			address := run(t, serve.Options{LLM: llm.Options{Context: 2048, Draft: c.draft}, Slots: 16, Memory: c.memory})
			over := watch(t, address, c.memory)
			next := atomic.Int64{}
			var each sync.WaitGroup
			for w := range c.most {
				r := rand.New(rand.NewPCG(3, uint64(w)))
				each.Go(func() {
					for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
						x := list[i]
						if r.IntN(4) == 0 { // another that is cut
							_, _ = reply("http://"+address+x.path, x.body, x.stream, r.IntN(400))
						}
						if got, err := reply("http://"+address+x.path, x.body, x.stream, -1); err != nil || got != x.want {
							t.Errorf("%s: %q (%v), alone %q", x.body, got, err, x.want)
						}
					}
				})
			}
			each.Wait()
			over()
			if room := metric(t, address, "mil_made_room_total"); !testing.Short() && c.memory < 1<<30 && room == 0 { // fewer requests may not need to
				t.Error("no request made room for others")
			}
			if cached := metric(t, address, "mil_cached_tokens_total"); c.memory == 1<<30 && cached == 0 {
				t.Error("no prompt was taken from the cache")
			}
			until(t, "free slots", func() bool { l := load(t, address)["demo"]; return l.Waiting+l.Reading+l.Decoding == 0 })
		})
	}
}

// metric is a number of /metrics.
func metric(t *testing.T, address, name string) (n int) {
	t.Helper()
	resp, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(data), "\n"+name+" ")
	if _, err := fmt.Sscan(rest, &n); !ok || err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// small holds a few of the requests at a time.
const small = 8 << 20

// watch holds the memory that /slots tells to the limit until it is called.
func watch(t *testing.T, address string, limit int64) (end func()) {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			l := load(t, address)["demo"]
			if l.Memory+l.Prefixes > limit {
				t.Errorf("%d bytes are held, the limit is %d", l.Memory+l.Prefixes, limit)
				return
			}
		}
	}()
	return func() { close(stop); <-done }
}

// After many requests, many of them cut, memory is as it was, no slot is lost and no
// goroutine is left.
func TestManyRequests(t *testing.T) {
	n := 10000
	if testing.Short() {
		n = 600
	}
	address := run(t, serve.Options{LLM: llm.Options{Context: 2048, Draft: "lookup"}, Slots: 8, Memory: 64 << 20})
	part := func(seed uint64, n int) {
		var each sync.WaitGroup
		for w := range 8 {
			r := rand.New(rand.NewPCG(seed, uint64(w)))
			each.Go(func() {
				for i := range n / 8 {
					path, body, stream := random(r, 6)
					leave := -1
					if i%7 == 0 {
						leave = r.IntN(300)
					}
					if _, err := reply("http://"+address+path, body, stream, leave); err != nil && leave < 0 {
						t.Error(body, err)
						return
					}
				}
			})
		}
		each.Wait()
		http.DefaultClient.CloseIdleConnections()
		until(t, "free slots", func() bool { l := load(t, address)["demo"]; return l.Waiting+l.Reading+l.Decoding == 0 })
	}
	settled := func() int { // the server's own goroutine of a connection ends behind the client's
		http.DefaultClient.CloseIdleConnections()
		runtime.Gosched()
		return runtime.NumGoroutine()
	}
	part(1, n/2) // kept prefixes fill their part of the memory
	goroutines, memory := settled(), resident(t)
	part(2, n/2)
	until(t, "the end of all goroutines", func() bool { return settled() <= goroutines })
	if now := resident(t); !testing.Short() && now > memory+memory/50 {
		t.Errorf("resident memory went from %d to %d bytes", memory, now)
	}
	if l := load(t, address)["demo"]; l.Memory != 0 {
		t.Errorf("%d bytes are held for nobody", l.Memory)
	}
}

// resident is the process's memory in bytes, 0 where the system does not tell.
func resident(t *testing.T) int64 {
	t.Helper()
	runtime.GC()
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(data), &size, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
