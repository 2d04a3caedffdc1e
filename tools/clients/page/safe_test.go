package page

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/chromedp"
)

// hostile is a reply that tries to be more than text.
const hostile = `<script>window.hit = 1</script> <img src=x onerror="window.hit = 2"> <svg onload="window.hit = 3">
<iframe srcdoc="<script>parent.hit = 4</script>"></iframe> <style>body { display: none }</style>

[one](javascript:window.hit=5) [two](JaVaScRiPt:window.hit=6) [three](data:text/html,<script>window.hit=7</script>)
[four](vbscript:x) [five](&#106;avascript:window.hit=8) [six]( javascript:window.hit=9) [seven](//foreign.example/x)
[eight](https://foreign.example/"onmouseover="window.hit=10) <https://foreign.example/nine> https://foreign.example/ten
![picture](https://foreign.example/pixel.png) ![](data:image/svg+xml,<svg/onload=1>) <a href="javascript:window.hit=11">x</a>

# <img src=x onerror=window.hit=12>

| <b onclick=window.hit=13>a</b> | [b](javascript:1) |
|---|---|
| <link rel=stylesheet href=https://foreign.example/a.css> | x |

$\href{javascript:window.hit=14}{x}$ $$\text{<img src=x onerror=window.hit=15>}$$

~~~<script>window.hit=16</script>
</code></pre><script>window.hit = 17</script>
~~~

<base href="https://foreign.example/"><meta http-equiv=refresh content="0;url=https://foreign.example/">
<form action=https://foreign.example/><button>Send</button></form>`

// What a reply, a message or a title holds is text. Nothing of it runs, loads, or leads
// elsewhere than to web and mail addresses. Every tab's cleanup sees requests and
// violations of the policy.
func TestHostile(t *testing.T) {
	p := newTab(t, open, true)
	before := value[int](p, "document.querySelectorAll('script, style, link, meta, base').length")
	p.say(hostile)
	q := p.next()
	q.chunk(map[string]any{"reasoning_content": hostile})
	for _, part := range strings.SplitAfter(hostile, " ") { // half a tag must not become one either
		q.text(part)
	}
	q.end("stop")
	p.shows(".note", "40 tokens")
	p.js("document.querySelector('details').open = true")
	p.shows("details .md", "window.hit = 17")
	if n := value[int](p, "document.querySelectorAll('script, style, link, meta, base').length"); n != before {
		t.Errorf("%d elements more in the page", n-before)
	}
	allowed := "article,h2,h3,h4,h5,h6,div,p,ul,ol,li,blockquote,hr,br,em,strong,del,code,pre,figure,figcaption,span,button,svg,path,table,thead,tbody,tr,th,td,a,details,summary,math,mrow,mi,mn,mo,mtext,mspace"
	if bad := value[[]string](p, "[...document.querySelectorAll('#thread *')].map((e) => e.localName).filter((n) => !'"+allowed+"'.split(',').includes(n))"); len(bad) > 0 {
		t.Errorf("a reply became %q", bad)
	}
	if bad := value[[]string](p, "[...document.querySelectorAll('#thread *')].flatMap((e) => [...e.attributes]).map((a) => a.name).filter((n) => n.startsWith('on') || n === 'style' || n === 'src' || n === 'srcdoc')"); len(bad) > 0 {
		t.Errorf("a reply has the attributes %q", bad)
	}
	links := value[[]string](p, "[...document.querySelectorAll('#thread a')].map((a) => a.rel + ' ' + a.target + ' ' + a.getAttribute('href'))")
	for _, link := range links {
		if !strings.HasPrefix(link, "noopener noreferrer nofollow _blank https://foreign.example/") {
			t.Errorf("a link %q", link)
		}
	}
	if len(links) < 6 {
		t.Errorf("links are not links: %q", links)
	}
	p.js("document.querySelectorAll('#thread [href], #thread button').forEach((e) => e.dispatchEvent(new MouseEvent('mouseover', {bubbles: true})))")
	p.shows("#list .open", "window.hit = 1")
	if value[bool](p, "'hit' in window") {
		t.Error("a script of a reply ran")
	}
	p.reload()
	p.shows(".turn.user .said", "window.hit = 17")
	if value[bool](p, "'hit' in window") {
		t.Error("a script of a reply ran after a reload")
	}
	// What another program keeps on the server may hold anything beside what the server checks.
	var made struct{ ID string }
	odd := map[string]any{"parent": nil, "role": "assistant", "content": "odd", "reasoning": 5, "finish": []int{1}, "figures": "x", "created": "x", "model": map[string]int{"<b>": 1}, "error": 7}
	p.api("POST", "/v1/mil/conversations", map[string]any{"title": "<img src=x onerror='window.hit = 18'>", "model": "<b>none</b>", "current": "a",
		"settings": map[string]any{"system": 5, "params": []int{1}}, "messages": map[string]any{"a": odd}}, &made)
	p.js("location.hash = '#/c/" + made.ID + "'")
	p.shows(".turn.assistant .md", "odd")
	p.shows("h1", "<img src=x")
	p.shows("#model option", "<b>none</b> (not here)")
	p.click("Settings of this conversation")
	p.wait("document.querySelector('dialog[open]')")
	p.press(escape)
	p.wait("!document.querySelector('dialog') && !('hit' in window)")
	// That violations are seen: the policy stops what a mistake of the page would do.
	p.allow = "Applying inline style violates the following Content Security Policy"
	p.js("document.body.setAttribute('style', 'color: red')")
	p.wait("true")
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.ContainsFunc(p.errors, func(e string) bool { return strings.Contains(e, p.allow) }) {
		t.Errorf("violations are not seen: %q", p.errors)
	}
}

// Markdown becomes the elements that it means, and code can be copied.
func TestMarkdown(t *testing.T) {
	p := newTab(t, open, true)
	p.say("Show me.")
	p.tell("# Title\n\nSome *soft* and **loud** `code`.\n\n- one\n  1. inner\n- two\n\n> said\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n```go\nfunc main() {}\n```\n\n$x^2$ and $$\\frac{1}{2}$$ [link](https://example.org/) <b>")
	p.shows(".note", "40 tokens")
	for selector, text := range map[string]string{"h3.h1": "Title", "p em": "soft", "p strong": "loud", "p code": "code", "ul > li": "one", "ul ol > li": "inner",
		"blockquote p": "said", "th": "a", "td.right": "2", "figure.code pre code": "func main() {}", "figcaption span": "go", "msup mn": "2", "mfrac": "12", "p a": "link", ".md p": "<b>"} {
		p.shows(".turn.assistant "+selector, text)
	}
	p.js("Object.defineProperty(navigator, 'clipboard', {value: {writeText: async (t) => { window.copied = t }}})")
	p.click("Copy")
	p.wait("window.copied?.startsWith('# Title')")
	p.js("document.querySelector('figcaption button').click()")
	p.wait("window.copied === 'func main() {}'")
	p.shows("figcaption button", "Copied")
}

// The page asks for the key of a server, says where one is wrong, and keeps it in the tab.
func TestKey(t *testing.T) {
	p := newTab(t, locked, false)
	p.allow = "401"
	p.wait("document.querySelector('dialog[open] #key')")
	p.write("a wrong key")
	p.press(enter)
	p.shows("dialog [role=alert]", "The server does not know this key.")
	p.wait("document.activeElement.matches('#key')")
	p.write(key)
	p.press(enter)
	p.wait("!document.querySelector('dialog')")
	p.wait("document.activeElement.matches('#input')")
	if value[string](p, "sessionStorage.getItem('mil-key')") != key || value[int](p, "Object.values(localStorage).filter((v) => v.includes('key of')).length") > 0 || strings.Contains(value[string](p, "document.cookie"), "key") {
		t.Error("the key is not kept in the tab alone")
	}
	p.say("Hello!")
	p.shows(".turn.assistant .note", "token")
	p.reload()
	p.shows(".turn.user .said", "Hello!")
	if value[bool](p, "Boolean(document.querySelector('dialog'))") {
		t.Error("the key is asked for again after a reload")
	}
}

// Conversations can be searched, renamed, removed and brought back.
func TestList(t *testing.T) {
	p := newTab(t, open, true)
	for _, word := range []string{"Xylophones", "Yesteryear"} {
		p.click("New conversation")
		p.say(word + " of old")
		p.tell("About " + word)
		p.shows(".note", "40 tokens")
		p.shows("#list li.now .open", word)
	}
	p.press("k", chromedp.ModifierCtrl)
	p.wait("document.activeElement.matches('#find')")
	p.write("old xylo")
	p.wait("document.querySelectorAll('#list li').length === 1")
	p.press(enter)
	p.shows(".turn.assistant .md", "About Xylophones")
	p.js("document.querySelector('#find').value = ''; document.querySelector('#find').dispatchEvent(new Event('input'))")
	p.click("Rename Xylophones of old")
	p.wait("document.activeElement.matches('#name')")
	p.js("document.activeElement.select()")
	p.write("Bells")
	p.press(enter)
	p.shows("h1", "Bells")
	p.shows("#list li.now .open", "Bells")
	p.kept(func(c kept) bool { return c.Title == "Bells" })
	p.click("Delete Bells")
	p.shows(".toast", "The conversation was deleted.")
	p.hides("#list .open", "Bells")
	p.wait("document.querySelector('.start')")
	p.reload()
	p.hides("#list .open", "Bells")
	p.click("Yesteryear of old")
	p.shows(".turn.assistant .md", "About Yesteryear")
	p.click("Delete Yesteryear of old")
	p.click("Undo")
	p.shows("#list .open", "Yesteryear of old")
	p.shows(".turn.assistant .md", "About Yesteryear")
	p.js("history.back()")
	p.wait("!document.querySelector('dialog')")
}

// A conversation that was exported is the same when it is imported, with all branches.
func TestExport(t *testing.T) {
	p := newTab(t, open, true)
	p.say("Keep this.")
	p.tell("Kept.")
	p.shows(".note", "40 tokens")
	p.click("Make another reply")
	p.tell("Kept, too.")
	p.shows(".turn:last-child .branch", "2 / 2")
	want := p.kept(func(c kept) bool { return len(c.Messages) == 3 && c.Messages[c.Current].Finish == "stop" })
	dir := t.TempDir()
	command(p, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: "allow", BrowserContextID: contextOf(p), DownloadPath: dir})
	p.click("Export this conversation")
	file := filepath.Join(dir, "Keep-this.json")
	p.until(func() bool { data, err := os.ReadFile(file); return err == nil && strings.HasSuffix(string(data), "}") })
	p.click("Delete Keep this.")
	p.wait("document.querySelector('.start')")
	root := command(p, dom.GetDocument, dom.GetDocumentParams{})
	at := command(p, dom.QuerySelector, dom.QuerySelectorParams{NodeID: root.Root.NodeID, Selector: "#foot input"})
	command(p, dom.SetFileInputFiles, dom.SetFileInputFilesParams{Files: []string{file}, NodeID: at.NodeID})
	p.shows(".toast", "One conversation was imported.")
	p.shows(".turn.assistant .md", "Kept, too.")
	got := p.kept(func(kept) bool { return true })
	if got.Current != want.Current || got.Title != want.Title || len(got.Messages) != len(want.Messages) {
		t.Errorf("%+v, want %+v", got, want)
	}
	for id, m := range want.Messages {
		if g := got.Messages[id]; g.Content != m.Content || g.Role != m.Role || (g.Parent == nil) != (m.Parent == nil) || g.Parent != nil && *g.Parent != *m.Parent {
			t.Errorf("%+v, want %+v", g, m)
		}
	}
	bad := filepath.Join(dir, "bad.json")
	if err := os.WriteFile(bad, []byte("no JSON"), 0o600); err != nil {
		t.Fatal(err)
	}
	command(p, dom.SetFileInputFiles, dom.SetFileInputFilesParams{Files: []string{bad}, NodeID: at.NodeID})
	p.shows(".toast", "bad.json holds no conversations. Choose a file that this page exported.")
}
