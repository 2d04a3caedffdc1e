package page

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Everything can be done by keys.
func TestKeyboard(t *testing.T) {
	p := newTab(t, open, true)
	p.write("one")
	p.press(enter, chromedp.ModifierShift)
	p.write("two")
	if got := value[string](p, "document.querySelector('#input').value"); got != "one\ntwo" {
		t.Errorf("shift and enter made %q", got)
	}
	p.press(enter)
	p.tell("answer")
	p.shows(".note", "40 tokens")
	p.wait("document.activeElement.matches('#input')")
	p.press(up)
	p.wait("document.activeElement.matches('.editing textarea')")
	if got := value[string](p, "document.activeElement.value"); got != "one\ntwo" {
		t.Errorf("arrow up edits %q", got)
	}
	p.press(escape)
	p.wait("!document.querySelector('.editing') && document.activeElement.getAttribute('aria-label') === 'Edit'")
	p.press("k", chromedp.ModifierCtrl)
	p.wait("document.activeElement.matches('#find')")
	p.press(down)
	p.wait("document.activeElement.matches('#list .open')")
	p.press(up)
	p.wait("document.activeElement.matches('#find')")
	p.press(enter) // nothing is searched for
	p.wait("document.querySelector('.start') && document.activeElement.matches('#input')")
	p.write("three")
	p.press(enter)
	q := p.next()
	q.text("on and")
	p.shows(".md", "on and")
	p.press(escape)
	p.left(q)
	p.shows(".trouble", "You stopped")
	p.press("O", chromedp.ModifierCtrl, chromedp.ModifierShift)
	p.wait("document.querySelector('.start') && document.activeElement.matches('#input')")
	// By tabs alone, once around the page: each stop has a visible outline and a name.
	seen := map[string]bool{}
	p.js("document.activeElement.blur(); window.edge = getComputedStyle(document.querySelector('#form')).borderColor")
	for range 60 {
		p.press(tabKey)
		at := value[string](p, "(() => { const e = document.activeElement; const s = getComputedStyle(e); return e === document.body ? '' : (e.getAttribute('aria-label') || e.textContent || e.id) + '|' + (s.outlineStyle !== 'none' || e.id === 'input' && getComputedStyle(e.form).borderColor !== edge) })()")
		name, outlined, _ := strings.Cut(at, "|")
		if at != "" && outlined != "true" {
			t.Errorf("%q has the focus, and nothing shows it", name)
		}
		seen[strings.TrimSpace(name)] = true
	}
	for _, name := range []string{"Skip to the message", "New conversation", "Search titles of conversations", "Import", "Export all", "Switch between light and dark", "Settings of this conversation"} {
		if !seen[name] {
			t.Errorf("tabs never reach %q: %v", name, seen)
		}
	}
}

// On a screen of 360 pixels nothing is cut off, and the list slides in.
func TestPhone(t *testing.T) {
	p := newTab(t, open, true)
	p.size(360, 640)
	p.say("A long word: " + strings.Repeat("abcdefghij", 20))
	p.tell("```\n" + strings.Repeat("wide code ", 40) + "\n```\n\n| a | b | c | d | e | f |\n|---|---|---|---|---|---|\n| " + strings.Repeat("wide cell | ", 6) + "\n\n" + strings.Repeat("longword", 30) + "\n\n$$" + strings.Repeat("x + ", 60) + "y$$")
	p.shows(".note", "40 tokens")
	wide := "[...document.querySelectorAll('body *')].filter((e) => e.checkVisibility({visibilityProperty: true}) && !e.closest('pre, .table, .formula, nav, .unseen, .skip') && e.getBoundingClientRect().right > 360.5).map((e) => e.localName + '.' + e.className)"
	if bad := value[[]string](p, wide); len(bad) > 0 {
		t.Errorf("wider than the screen: %q", bad)
	}
	if value[bool](p, "document.documentElement.scrollWidth > 360 || document.querySelector('main').scrollWidth > document.querySelector('main').clientWidth") {
		t.Error("the page scrolls sideways")
	}
	small := "[...document.querySelectorAll('button, select, #input')].filter((e) => e.checkVisibility({visibilityProperty: true})).filter((e) => { const r = e.getBoundingClientRect(); return r.width < 24 || r.height < 24 }).map((e) => e.getAttribute('aria-label') || e.textContent)"
	if bad := value[[]string](p, small); len(bad) > 0 {
		t.Errorf("too small for fingers: %q", bad)
	}
	p.wait("!document.querySelector('nav').checkVisibility({visibilityProperty: true})") // once it has slid out
	p.click("Conversations")
	p.wait("document.querySelector('nav').getBoundingClientRect().left === 0 && document.querySelector('#page').inert")
	p.wait("document.activeElement.matches('#new')")
	if bad := value[[]string](p, small); len(bad) > 0 {
		t.Errorf("too small for fingers: %q", bad)
	}
	p.press(escape)
	p.wait("!document.querySelector('nav').checkVisibility({visibilityProperty: true}) && !document.querySelector('#page').inert")
	p.click("Settings of this conversation")
	p.wait("document.querySelector('dialog[open]')")
	if bad := value[[]string](p, wide); len(bad) > 0 {
		t.Errorf("wider than the screen: %q", bad)
	}
	p.press(escape)
}

// contrast is the texts whose colour differs too little from what is behind them (WCAG 2,
// 1.4.3: 4.5 to 1).
const contrast = `(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const rgba = (c) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => { for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor); if (c[3] === 255) return c; } return [255, 255, 255]; };
  const out = [];
  let n = 0;
  for (const e of document.querySelectorAll('body *')) {
    if (!e.checkVisibility({ visibilityProperty: true }) || e.disabled || e.closest('.unseen, svg, progress, option')) continue;
    const text = [...e.childNodes].some((k) => k.nodeType === 3 && k.data.trim()) || e.placeholder;
    if (!text) continue;
    n++;
    const a = light(rgba(e.placeholder ? getComputedStyle(e, '::placeholder').color : getComputedStyle(e).color)), b = light(behind(e));
    const c = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (c < 4.5) out.push(e.localName + '.' + e.className + ' ' + c.toFixed(2));
  }
  return n < 15 ? ['few texts: ' + n] : out;
})()`

// Readers of screens find landmarks, headings and names, hear whole sentences, and eyes
// find enough contrast in both themes.
func TestAccessible(t *testing.T) {
	p := newTab(t, open, true)
	p.say("Say something.")
	q := p.next()
	q.text("The first sen")
	p.shows(".md", "The first sen")
	if got := value[string](p, "document.querySelector('#spoken').textContent"); got != "" {
		t.Errorf("half a sentence is read: %q", got)
	}
	p.wait("document.querySelector('.turn.assistant').ariaBusy === 'true'")
	q.text("tence. And **half** of")
	p.wait("document.querySelector('#spoken').textContent === 'The first sentence.'")
	q.text(" another.\n\n```js\nx()\n```\n[link](https://example.org)")
	q.end("length")
	p.shows("#spoken", "And half of another.")
	p.shows("#spoken", "The reply is not whole.")
	if value[string](p, "document.querySelector('#spoken').ariaLive") != "polite" {
		t.Error("nothing is read")
	}
	p.wait("document.activeElement.matches('#input')")
	p.click("Settings of this conversation")
	for _, theme := range []string{"light", "dark"} {
		command(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}})
		if bad := value[[]string](p, contrast); len(bad) > 0 {
			t.Errorf("%s: too little contrast: %q", theme, bad)
		}
	}
	p.named(nil)
	p.press(escape)
	p.wait("!document.querySelector('dialog')")
	p.wait("document.activeElement.getAttribute('aria-label') === 'Settings of this conversation'")
	p.named(map[string]bool{"navigation": false, "main": false, "banner": false, "form": false, "article": false, "status": false, "heading": false, "progressbar": false})
	if n := value[int](p, "document.querySelectorAll('h1').length"); n != 1 || value[string](p, "document.documentElement.lang") != "en" {
		t.Errorf("%d headings of the first level", n)
	}
	// The switch says more than the system.
	before := value[string](p, "getComputedStyle(document.body).backgroundColor")
	p.click("Switch between light and dark")
	if after := value[string](p, "getComputedStyle(document.body).backgroundColor"); after == before {
		t.Error("the switch changes nothing")
	} else if p.reload(); value[string](p, "getComputedStyle(document.body).backgroundColor") != after {
		t.Error("the theme is forgotten")
	}
}

// named says which controls have no name. The roles of want must be there.
func (p *tab) named(want map[string]bool) {
	p.t.Helper()
	controls := map[string]bool{"button": true, "textbox": true, "searchbox": true, "combobox": true, "link": true, "dialog": true, "article": true, "navigation": true, "main": true, "group": true, "progressbar": true, "form": true}
	tree := command(p, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	for _, n := range tree.Nodes {
		if n.Ignored || n.Role == nil {
			continue
		}
		role := strings.Trim(string(n.Role.Value), `"`)
		if _, ok := want[role]; ok {
			want[role] = true
		}
		if controls[role] && (n.Name == nil || strings.Trim(string(n.Name.Value), `" `) == "") {
			p.t.Errorf("a %s has no name", role)
		}
	}
	for role, there := range want {
		if !there {
			p.t.Errorf("there is no %s", role)
		}
	}
}
