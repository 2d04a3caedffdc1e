package repl

import (
	"strings"
	"testing"

	"github.com/mil-run/mil/internal/testutil/vt"
)

// Wherever the cursor goes in a line of several rows, the terminal has it behind
// what stands before it, and the line stands once, also after the terminal has
// become wider.
func TestScreen(t *testing.T) {
	text := "smile \U0001F642\U0001F468\u200D\U0001F469\u200D\U0001F467 cafe\u0301 漢字 " + strings.Repeat("word ", 10) + "\U0001F642"
	for _, escapes := range []bool{true, false} {
		for columns := 9; columns < 90; columns += 8 {
			v := vt.New(columns, 60)
			wide := columns
			s := &screen{out: v, size: func() (int, int) { return wide, 60 }, escapes: escapes}
			v.Write([]byte("before\n"))
			s.Begin(prompt, "")
			s.Again()
			line := []rune(text)
			for i := range line {
				s.changed(line[:i+1:i+1], i+1, line[i], false)
			}
			for pos := len(line); pos >= 0; pos-- {
				if from, _ := around(line, pos); pos < len(line) && from < pos {
					continue // within a cluster
				}
				s.changed(line, pos, 2, false)
				s.mu.Lock()
				if s.later != nil { // not to wait for it
					s.draw(false)
				}
				s.mu.Unlock()
				_, before := v.Cursor()
				want := prompt + string(line[:pos])
				if !strings.HasSuffix(want, before) || before == "" && pos > 0 && !escapes {
					t.Fatalf("%d columns: at %d the cursor is behind %q", columns, pos, before)
				}
			}
			if escapes {
				wide = columns + 5
				v.Resize(wide, 60)
				s.Resized()
				if got := strings.Join(v.Lines()[1:], ""); strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(prompt+text, " ", "") {
					t.Errorf("%d columns: the screen holds %q", columns, v.Text())
				}
			} else if strings.Contains(v.Raw(), "\033") {
				t.Errorf("escapes in %q", v.Raw())
			}
			if v.Lines()[0] != "before" {
				t.Errorf("%d columns: what stood above is gone: %q", columns, v.Text())
			}
		}
	}
}

// Text that is drawn as one character is passed and deleted as one.
func TestWholeClusters(t *testing.T) {
	const family = "\U0001F468\u200D\U0001F469\u200D\U0001F467"
	line := []rune("a" + family + "e\u0301")
	for _, c := range []struct {
		at    int // before the key
		line  string
		pos   int // as readline has made both
		key   rune
		want  string
		wantP int
	}{
		{8, "a" + family + "e", 7, 127, "a" + family, 6},
		{6, "a\U0001F468\u200D\U0001F469\u200De\u0301", 5, 127, "ae\u0301", 1},
		{6, string(line), 5, 2, string(line), 1},
		{1, string(line), 2, 6, string(line), 6},
		{1, string(line), 1, deleteKey, "ae\u0301", 1},
		{8, string(line), 8, deleteKey, string(line), 8},
	} {
		s := &screen{out: vt.New(80, 24), size: func() (int, int) { return 80, 24 }, escapes: true}
		s.Begin(prompt, string(line))
		s.pos = c.at
		s.changed([]rune(c.line), c.pos, c.key, false)
		if string(s.line) != c.want || s.pos != c.wantP {
			t.Errorf("key %d at %d: %q at %d, want %q at %d", c.key, c.at, string(s.line), s.pos, c.want, c.wantP)
		}
	}
}

// A line begins as a command only where its first word is no path.
func TestIsCommand(t *testing.T) {
	for line, want := range map[string]bool{"/help": true, "/save /a/b": true, "/": true, "/home/me/notes.txt summarise": false, "//": false, "a /b": false, "/SET temp 1/2": true} {
		if isCommand(line) != want {
			t.Errorf("%q is a command: %v", line, !want)
		}
	}
}
