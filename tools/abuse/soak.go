//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// piped is a chat through pipes, of which every reply is known where it ends.
type piped struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	errs strings.Builder
	stop context.CancelFunc
}

// marker is what /set max-tokens prints: nothing that a model says.
const marker = "  max-tokens       "

func (a *abuse) pipe(args ...string) *piped {
	ctx, cancel := context.WithCancel(context.Background())
	p := &piped{stop: cancel}
	p.cmd = a.command(ctx, call{args: append([]string{"chat", "--temp", "0"}, args...)})
	p.in = must(p.cmd.StdinPipe())
	p.out = bufio.NewReader(must(p.cmd.StdoutPipe()))
	p.cmd.Stderr = &p.errs
	must(0, p.cmd.Start())
	return p
}

// do sends a line and returns what it printed.
func (p *piped) do(line string) (string, error) {
	watch := time.AfterFunc(10*patience, p.stop) // it hangs
	defer watch.Stop()
	if _, err := io.WriteString(p.in, line+"\n/set max-tokens\n"); err != nil {
		return "", err
	}
	var said strings.Builder
	for {
		l, err := p.out.ReadString('\n')
		if err != nil {
			return said.String(), fmt.Errorf("it ended: %w", err)
		}
		if strings.HasPrefix(l, marker) {
			return said.String(), nil
		}
		said.WriteString(l)
	}
}

func (p *piped) end() outcome {
	p.in.Close()
	ctx := context.Background()
	return ended(ctx, p.cmd.Wait(), "", p.errs.String())
}

// held is a process's memory in KiB and its descriptors.
func (p *piped) held() (memory, descriptors int) {
	list, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	return resident(p.cmd.Process.Pid), len(list)
}

// sayings are what the soak says; some make the model repeat, which drafts like.
var sayings = []string{
	"Tell me a tale about a fox.", "Tell me another tale about the owl.", "Repeat: red blue green owl fox.", "What is 2 plus 3?",
	"My name is Opal.", "What is my name?", "Tell me a story.", "Repeat: map map honey map honey honey dragon.", "What is 17 plus 25?",
}

// drafts are how the soak's chat speculates, another way at every start.
var drafts = [][]string{
	{"--draft", "demo", "--draft-k", "4"}, {"--draft", "demo"}, {"--draft", "lookup"}, {"--draft", "demo", "--draft-k", "15"}, {"--draft", "auto"}, {},
}

// reach is how many turns a file brings back: further back a chat taken up reads
// anew what one sitting still has, and long passes round otherwise.
const reach = 4

// soak chooses the lines that are said.
type soak struct {
	now   length
	saved *length
	// Counts of replies, and of the other commands.
	replies, undone, anew, saves, loads, restarts int
}

// length is the number of a chat's turns, and of those that can be taken back.
type length struct{ said, back int }

// next are the lines to say next.
func (s *soak) next(a *abuse) (lines []string) {
	switch what := a.rand.IntN(24); {
	case what < 3 && s.now.back > 0:
		for range 1 + a.rand.IntN(min(s.now.back, 3)) {
			lines = append(lines, "/undo")
			s.now = length{s.now.said - 1, s.now.back - 1}
		}
		s.undone++
	case what < 6 && s.now.back > 0:
		lines = []string{"/regen"}
		s.replies++
		s.anew++
	case what == 6 && s.now.said > 0:
		s.saved = &length{s.now.said, min(s.now.back, reach)}
		lines = []string{"/save! %s"}
		s.saves++
	case what == 7 && s.saved != nil:
		lines = []string{"/load %s"}
		s.now = *s.saved
		s.loads++
	default:
		lines = []string{sayings[a.rand.IntN(len(sayings))]}
		s.now = length{s.now.said + 1, s.now.back + 1}
		s.replies++
	}
	return lines
}

// slidingSoak has one chat go on in a context that slides, with drafts, and
// beside it another without: both take back, make anew, save and load alike, and
// the first is also left and taken up from its file. Each says what the other says.
func slidingSoak(a *abuse) {
	turns := a.some(40, 2000)
	fixed := []string{"--ctx", "128", "--on-full", "slide", "--max-tokens", "24"}
	plain := a.pipe(fixed...)
	var chat *piped
	starts, leave := 0, 0
	begin := func() {
		chat = a.pipe(slices.Concat(fixed, []string{"--session", a.path("soak.session")}, drafts[starts%len(drafts)])...)
		starts++
		leave = a.some(5, 20) + a.rand.IntN(a.some(5, 60))
	}
	begin()
	var s soak
	var trail []string     // the last lines
	var memory, open []int // of the chat in its stretches
	for s.replies < turns {
		for _, line := range s.next(a) {
			a.count++
			trail = append(trail[max(0, len(trail)-30):], line)
			var got [2]string
			for i, p := range []*piped{plain, chat} {
				l := line
				if strings.Contains(l, "%s") {
					l = fmt.Sprintf(l, a.path([]string{"plain.saved", "drafted.saved"}[i]))
				}
				var err error
				if got[i], err = p.do(l); err != nil {
					a.fail("reply %d of %d, %q: %v; %.300q", s.replies, turns, line, err, p.errs.String())
					return
				}
			}
			if got[0] != got[1] {
				a.fail("reply %d of %d, start %d with %q, %q: it says %q, without a draft and in one sitting %q; before it %q", s.replies, turns, starts, drafts[(starts-1)%len(drafts)], line, got[1], got[0], trail)
				return
			}
		}
		if leave--; leave <= 0 {
			m, d := chat.held()
			memory, open = append(memory, m), append(open, d)
			if wrong := chat.end().sane(); wrong != "" {
				a.fail("start %d: %s", starts, wrong)
			}
			begin()
			trail = append(trail, "left and taken up")
			s.now.back = min(s.now.back, reach)
			s.restarts++
		}
	}
	m, d := plain.held()
	for _, p := range []*piped{plain, chat} {
		if wrong := p.end().sane(); wrong != "" {
			a.fail("after %d turns: %s", turns, wrong)
		}
	}
	if most := slices.Max(memory); most > slices.Min(memory)+grown {
		a.fail("memory goes from %d to %d KiB: %v", slices.Min(memory), most, memory)
	}
	if slices.Min(open) != slices.Max(open) {
		a.fail("descriptors: %v", open)
	}
	fmt.Printf("  %d replies, %d left: %d times back, %d replies anew, %d saved, %d loaded, %d restarts; %d to %d MiB, %d descriptors; in one sitting %d MiB, %d descriptors\n",
		turns, s.now.said, s.undone, s.anew, s.saves, s.loads, s.restarts, slices.Min(memory)>>10, slices.Max(memory)>>10, slices.Max(open), m>>10, d)
}
