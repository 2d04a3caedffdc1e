package repl

import (
	"bytes"
	"io"
	"regexp"
)

// Keys that have no control character of their own are private use characters on
// their way through readline.
const (
	// newline stands for a line's end within a line being edited: readline knows
	// single lines only.
	newline = '\uE4EA'
	// deleteKey is Delete, which at an empty line is not the input's end.
	deleteKey = '\uE4EB'
)

// keyReader passes input on to readline. Terminals send one key in several
// sequences, and readline knows only some of them. Each becomes the control
// character that does the same. Sequences without a meaning here are dropped. Line ends of pasted text
// (which the terminal marks, see pasteOn) do not end the line that is edited, nor
// does a line end behind an escape, as Alt-Enter sends it.
type keyReader struct {
	in     io.ReadCloser
	long   *pastes
	inside bool
	last   byte   // passed on inside
	raw    []byte // read, not yet looked at: maybe the beginning of a sequence
	pasted []byte // inside, up to now
	ready  []byte // for the caller
}

var (
	pasteBegin = []byte("\033[200~")
	pasteEnd   = []byte("\033[201~")
)

func (k *keyReader) Read(b []byte) (int, error) {
	for len(k.ready) == 0 {
		var buf [4096]byte
		n, err := k.in.Read(buf[:])
		k.raw = append(k.raw, buf[:n]...)
		if k.split(); err != nil {
			k.ready, k.pasted = append(k.ready, k.pasted...), nil
		}
		if err != nil && len(k.ready) == 0 {
			return 0, err
		}
	}
	n := copy(b, k.ready)
	k.ready = k.ready[n:]
	return n, nil
}

func (k *keyReader) Close() error { return k.in.Close() }

// split moves the beginning of raw that is understood to ready.
func (k *keyReader) split() {
	for len(k.raw) > 0 {
		at := bytes.IndexByte(k.raw, '\033')
		if at < 0 {
			at = len(k.raw)
		}
		k.pass(k.raw[:at])
		if k.raw = k.raw[at:]; len(k.raw) == 0 {
			return
		}
		n := k.paste()
		if n == 0 && !k.inside {
			n = k.key()
		}
		if n < 0 {
			return // the rest comes with the next read
		}
		if n == 0 {
			k.pass(k.raw[:1])
			n = 1
		}
		k.raw = k.raw[n:]
	}
}

// paste takes the mark of a pasted text's begin or end and returns its length: 0
// where raw begins with none, -1 where that is not known yet.
func (k *keyReader) paste() int {
	mark := pasteBegin
	if k.inside {
		mark = pasteEnd
	}
	switch {
	case bytes.HasPrefix(k.raw, mark):
		k.inside = !k.inside
		k.ready = append(k.ready, k.long.keep(string(k.pasted))...)
		k.pasted = k.pasted[:0]
		return len(mark)
	case bytes.HasPrefix(mark, k.raw):
		return -1
	}
	return 0
}

// pass is for bytes that belong to no sequence.
func (k *keyReader) pass(b []byte) {
	if !k.inside {
		// A NUL is Ctrl-Space, or a Ctrl-D typed before raw mode. Readline takes
		// it for the input's end, but closes only after another key.
		k.ready = append(k.ready, bytes.ReplaceAll(b, []byte{0}, nil)...)
		return
	}
	for _, c := range b {
		switch {
		case c == '\n' && k.last == '\r': // one line end
		case c == '\n' || c == '\r':
			k.pasted = append(k.pasted, string(newline)...)
		case c == '\t': // would complete
			k.pasted = append(k.pasted, "    "...)
		case c >= ' ' && c != 0x7f: // other control characters would be commands
			k.pasted = append(k.pasted, c)
		}
		k.last = c
	}
}

// sequence is an escape sequence: CSI, of the Linux console with a second
// bracket, of rxvt with a dollar sign; or SS3, which may hold a modifier. partial
// is the beginning of one.
var (
	sequence = regexp.MustCompile("^\033+(?:\\[\\[.|\\[([0-9;:<=>?]*)[ !\"#%&'()*+,./-]*([$@-Z\\\\-~])|O([0-9;]*)([A-Za-z]))")
	partial  = regexp.MustCompile("^\033+(?:\\[[0-9;:<=>?]*[ !\"#%&'()*+,./-]*|\\[\\[|O[0-9;]*)?$")
)

// longestKey bounds a sequence: more than that is none.
const longestKey = 64

// key takes a key that is sent as a sequence and returns its length: 0 where raw
// begins with none, -1 where that is not known yet.
func (k *keyReader) key() int {
	head := k.raw[:min(len(k.raw), longestKey)]
	m := sequence.FindSubmatch(head)
	if m == nil {
		if len(head) < longestKey && partial.Match(head) {
			return -1
		}
		if n := bytes.IndexFunc(head, func(r rune) bool { return r != '\033' }); n > 1 {
			return n - 1 // Escape pressed several times
		}
		if head[1] == '\r' || head[1] == '\n' { // Alt-Enter
			k.ready = append(k.ready, string(newline)...)
			return 2
		}
		return 0 // readline's: Alt and a letter
	}
	arg, kind := string(m[1])+string(m[3]), string(m[2])+string(m[4])
	k.ready = append(k.ready, meaning(arg, kind, len(m[4]) > 0)...)
	return len(m[0])
}

// meaning is readline's key for a sequence: "" for one that has none.
// Of a modified key the modifier is the second number: 2 is Shift, 3 Alt, 5
// Control.
func meaning(arg, kind string, ss3 bool) string {
	number, modifier, _ := bytes.Cut([]byte(arg), []byte(";"))
	byWord := string(modifier) == "3" || string(modifier) == "5" || ss3 && (arg == "3" || arg == "5")
	switch kind {
	case "A":
		return "\x10"
	case "B":
		return "\x0e"
	case "C":
		if byWord {
			return "\033f"
		}
		return "\x06"
	case "D":
		if byWord {
			return "\033b"
		}
		return "\x02"
	case "H":
		return "\x01"
	case "F":
		return "\x05"
	case "~", "$", "^", "@": // the latter three are rxvt's with Shift, Control, both
		switch string(number) {
		case "1", "7":
			return "\x01"
		case "4", "8":
			return "\x05"
		case "3":
			if byWord || kind == "^" {
				return "\033d"
			}
			return string(deleteKey)
		case "27": // xterm's modifyOtherKeys: 27;modifier;character
			if _, c, _ := bytes.Cut(modifier, []byte(";")); string(c) == "13" {
				return string(newline)
			}
		}
	case "u": // kitty's: character;modifier
		if string(number) == "13" {
			return string(newline)
		}
	}
	if !ss3 {
		return ""
	}
	switch c := kind[0]; { // the keypad, and rxvt's arrows with Control
	case c == 'M':
		return "\r"
	case c == 'c':
		return "\033f"
	case c == 'd':
		return "\033b"
	case c >= 'j' && c <= 'y':
		return string(rune(c - 'j' + '*'))
	}
	return ""
}
