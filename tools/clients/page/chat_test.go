package page

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// A reply of the demo is shown as the API gives it, with its figures, and is there again
// after a reload. The parameters and the system prompt count.
func TestReply(t *testing.T) {
	p := newTab(t, open, false)
	p.click("Settings of this conversation")
	p.run(chromedp.Focus("#param-temperature"))
	p.write("0")
	p.run(chromedp.Focus("#param-max_tokens"))
	p.write("24")
	p.run(chromedp.Focus("#system"))
	p.write("You tell tales.")
	p.press(escape)
	p.wait("!document.querySelector('dialog')")
	p.say("Tell me a tale about a fox.")
	p.shows(".turn.assistant .trouble", "longest length")
	c := p.kept(func(c kept) bool { return len(c.Messages) == 2 && c.Messages[c.Current].Finish == "length" })
	var want struct {
		Choices []struct{ Message struct{ Content string } }
	}
	p.api("POST", "/v1/chat/completions", map[string]any{"temperature": 0, "max_tokens": 24, "messages": []any{
		map[string]string{"role": "system", "content": "You tell tales."}, map[string]string{"role": "user", "content": "Tell me a tale about a fox."}}}, &want)
	if got := c.Messages[c.Current].Content; got != want.Choices[0].Message.Content {
		t.Errorf("%q, want %q", got, want.Choices[0].Message.Content)
	}
	if c.Title != "Tell me a tale about a fox." || c.Settings["system"] != "You tell tales." {
		t.Errorf("%+v", c)
	}
	seen := value[string](p, "document.querySelector('.turn.assistant .md').innerText")
	if strings.Join(strings.Fields(seen), " ") != strings.Join(strings.Fields(want.Choices[0].Message.Content), " ") {
		t.Errorf("the page shows %q", seen)
	}
	p.shows("#meter", "tok/s")
	p.shows("#meter", "of 8,192")
	p.shows("#meter", "of drafts")
	p.reload()
	p.shows(".turn.assistant .md", seen)
	p.shows("#list li.now", "Tell me a tale about a fox.")
	if n := value[int](p, "document.querySelectorAll('.turn').length"); n != 2 {
		t.Errorf("%d messages after a reload", n)
	}
	p.say("And another one.")
	p.wait("document.querySelectorAll('.turn.assistant').length === 2")
	p.shows(".turn:last-child .note", "token")
}

// A reply is shown as it comes. Esc ends the request, what there is of it stays, and
// Continue goes on from there.
func TestStop(t *testing.T) {
	p := newTab(t, open, true)
	p.say("Count.")
	q := p.next()
	q.text("One, **two")
	p.shows(".md", "One, **two")
	q.chunk(map[string]any{"content": "**, three"}, "timings", map[string]any{"prompt_n": 7, "cache_n": 0, "predicted_n": 3, "predicted_per_second": 12.5, "prompt_ms": 30, "draft_n": 4, "draft_n_accepted": 3})
	p.shows(".md strong", "two")
	p.shows("#meter", "13 tok/s")
	p.shows("#meter", "75% of drafts")
	if value[bool](p, "document.querySelector('[aria-label=Stop]').hidden") {
		t.Error("there is no button to stop")
	}
	p.press(escape)
	p.left(q)
	p.shows(".trouble", "You stopped this reply.")
	c := p.kept(func(c kept) bool { return c.Messages[c.Current].Finish == "stopped" })
	if got := c.branch(); !slices.Equal(got, []string{"Count.", "One, **two**, three"}) {
		t.Errorf("%q", got)
	}
	p.click("Continue")
	q = p.next()
	if n := len(q.Messages); !q.Continue || n != 2 || q.Messages[1].Role != "assistant" || q.Messages[1].Content != "One, **two**, three" {
		t.Errorf("%+v", q)
	}
	q.text(", four.")
	q.end("stop")
	p.shows(".md", "One, two, three, four.")
	p.wait("!document.querySelector('.trouble')")
	c = p.kept(func(c kept) bool { return c.Messages[c.Current].Finish == "stop" })
	if got := c.branch(); !slices.Equal(got, []string{"Count.", "One, **two**, three, four."}) {
		t.Errorf("%q", got)
	}
	p.shows("#meter", "1,240 of 8,192")
	p.shows("#meter", "1,024 cached")
}

// Editing a message and making another reply begin branches, between which the page
// turns. The server keeps all of them, and the one in view.
func TestBranches(t *testing.T) {
	p := newTab(t, open, true)
	p.say("first question")
	p.tell("first answer")
	p.shows(".turn:last-child .note", "40 tokens")
	p.say("second question")
	q := p.tell("second answer")
	if len(q.Messages) != 3 || q.Messages[1].Content != "first answer" {
		t.Errorf("%+v", q.Messages)
	}
	p.shows(".turn:last-child .md", "second answer")
	p.click("Make another reply")
	if q = p.tell("second answer, again"); len(q.Messages) != 3 || q.Messages[2].Content != "second question" || q.Continue {
		t.Errorf("%+v", q.Messages)
	}
	p.shows(".turn:last-child .branch", "2 / 2")
	p.wait("!document.querySelector('.turn:last-child [aria-label=\"Make another reply\"]').disabled")
	// The first message again: the arrow edits the last of the reader's own, so go by the button.
	p.js("document.querySelector('.turn.user [aria-label=Edit]').click()")
	p.wait("document.activeElement.matches('.editing textarea')")
	if got := value[string](p, "document.activeElement.value"); got != "first question" {
		t.Errorf("%q is edited", got)
	}
	p.js("document.activeElement.select()")
	p.write("another question")
	p.press(enter)
	if q = p.tell("another answer"); len(q.Messages) != 1 || q.Messages[0].Content != "another question" {
		t.Errorf("%+v", q.Messages)
	}
	c := p.kept(func(c kept) bool { return len(c.Messages) == 7 && c.Messages[c.Current].Finish == "stop" })
	if got := c.branch(); !slices.Equal(got, []string{"another question", "another answer"}) {
		t.Errorf("%q", got)
	}
	p.shows(".turn.user .branch", "2 / 2")
	p.click("The version before")
	p.shows(".turn.user .said", "first question")
	p.shows(".turn:last-child .md", "second answer, again")
	p.click("The version before")
	p.wait("document.querySelector('.turn:last-child .md').textContent === 'second answer'")
	c = p.kept(func(c kept) bool { return c.Messages[c.Current].Content == "second answer" })
	p.reload()
	p.shows(".turn:last-child .md", "second answer")
	if got := value[[]string](p, "[...document.querySelectorAll('.said')].map((e) => e.innerText.trim())"); !slices.Equal(got, c.branch()) {
		t.Errorf("after a reload %q, want %q", got, c.branch())
	}
}

// A page that goes away while a reply comes leaves what there was of it.
func TestReload(t *testing.T) {
	p := newTab(t, open, true)
	p.say("Go on.")
	q := p.next()
	q.text("This much ")
	q.text("has come")
	p.shows(".md", "This much has come")
	p.reload()
	p.left(q)
	p.shows(".trouble", "This reply was cut off.")
	p.shows(".md", "This much has come")
	p.shows(".trouble button", "Regenerate")
	p.click("Continue")
	q = p.next()
	if !q.Continue || q.Messages[1].Content != "This much has come" {
		t.Errorf("%+v", q)
	}
	q.text(" and this.")
	q.end("stop")
	p.shows(".md", "This much has come and this.")
	p.kept(func(c kept) bool { return c.Messages[c.Current].Content == "This much has come and this." })
}

// Thoughts are folded, and are not sent back.
func TestThoughts(t *testing.T) {
	p := newTab(t, open, true)
	p.say("Think.")
	q := p.next()
	q.chunk(map[string]any{"reasoning_content": "Let me *see*."})
	p.shows("summary", "Thinking")
	q.text("Done.")
	q.end("stop")
	p.shows("summary", "Thoughts")
	p.shows(".md", "Done.")
	if value[bool](p, "document.querySelector('details').open") {
		t.Error("thoughts are not folded")
	}
	p.js("document.querySelector('summary').click()")
	p.shows("details em", "see")
	p.kept(func(c kept) bool { return c.Messages[c.Current].Reasoning == "Let me *see*." })
	p.wait("!document.querySelector('[aria-label=Send]').hidden")
	p.say("And now?")
	if q = p.tell("Yes."); len(q.Messages) != 3 || q.Messages[1].Content != "Done." {
		t.Errorf("%+v", q.Messages)
	}
	p.shows(".turn:last-child .md", "Yes.")
	p.wait("!document.querySelector('[aria-label=Send]').hidden")
	p.say("Think again.")
	q = p.next()
	q.chunk(map[string]any{"reasoning_content": "Again"})
	q.text("I")
	p.shows(".turn:last-child .md", "I")
	p.press(escape)
	p.shows(".turn:last-child .trouble", "You stopped")
	p.shows(".turn:last-child .trouble", "Regenerate")
	p.hides(".turn:last-child .trouble", "Continue")
}

// Errors are a line that says what to do, and the reply can be asked for again.
func TestErrors(t *testing.T) {
	p := newTab(t, open, true)
	p.allow = "Failed to load resource"
	p.say("Too much.")
	p.next().fail(429, `{"error":{"message":"too many requests wait; try again later","code":"queue_full"}}`, "Retry-After", "3")
	p.shows(".trouble.bad", "Too many requests wait; try again later. Try again in 3 s.")
	p.click("Try again")
	p.next().fail(400, `{"error":{"message":"the context holds 40 tokens","code":"context_length_exceeded"}}`)
	p.shows(".turn:last-child .trouble.bad", "The context holds 40 tokens. Begin a new conversation, or edit an earlier message.")
	p.click("Try again")
	q := p.next()
	q.text("Half of")
	q.send(map[string]any{"error": map[string]any{"message": "the server is ending", "code": "shutting_down"}})
	close(q.done)
	p.shows(".turn:last-child .trouble.bad", "The server is ending. Start mil serve again, then go on.")
	p.click("Regenerate")
	q = p.next()
	q.text("Half of another")
	p.shows(".turn:last-child .md", "Half of another")
	close(q.done) // without the end of the stream
	p.shows(".turn:last-child .trouble.bad", "The connection broke off. Check that mil serve is running, then continue or regenerate.")
	p.click("Continue")
	q = p.tell(" one.")
	if !q.Continue {
		t.Errorf("%+v", q)
	}
	p.shows(".turn:last-child .md", "Half of another one.")
	p.wait("!document.querySelector('.turn:last-child .trouble')")
}

// A conversation that the server has forgotten is kept again when it goes on.
func TestForgotten(t *testing.T) {
	p := newTab(t, open, true)
	p.allow = "404"
	p.say("Remember this.")
	p.tell("I do.")
	p.kept(func(c kept) bool { return c.Messages[c.Current].Finish == "stop" })
	id := value[string](p, "location.hash.slice(4)")
	var gone struct{ Deleted bool }
	if p.api("DELETE", "/v1/mil/conversations/"+id, nil, &gone); !gone.Deleted {
		t.Fatal("it cannot be deleted")
	}
	p.say("Still?")
	q := p.next()
	p.wait("location.hash.startsWith('#/c/') && location.hash.slice(4) !== '" + id + "'")
	q.text("Yes.")
	q.end("stop")
	c := p.kept(func(c kept) bool { return c.Messages[c.Current].Finish == "stop" })
	if got := c.branch(); !slices.Equal(got, []string{"Remember this.", "I do.", "Still?", "Yes."}) {
		t.Errorf("%q", got)
	}
}

// A reply goes on while another conversation is in view.
func TestTwoAtOnce(t *testing.T) {
	p := newTab(t, open, true)
	p.say("The first.")
	one := p.next()
	one.text("One is")
	p.shows(".md", "One is")
	p.kept(func(c kept) bool { return len(c.Messages) == 2 })
	p.click("New conversation")
	p.wait("document.querySelector('.start')")
	p.say("The second.")
	two := p.next()
	two.text("Two is made.")
	two.end("stop")
	p.shows(".md", "Two is made.")
	p.hides(".md", "One")
	one.text(" made.")
	one.end("stop")
	time.Sleep(50 * time.Millisecond)
	p.hides(".md", "One")
	p.click("The first.")
	p.shows(".md", "One is made.")
	p.kept(func(c kept) bool { return c.Messages[c.Current].Content == "One is made." })
}
