package repl

import (
	"io"
	"testing"
)

// Every sequence that terminals send for a key becomes one that readline knows, also
// where it comes in pieces, and pasted text stays together.
func TestKeys(t *testing.T) {
	nl, del := string(newline), string(deleteKey)
	for in, want := range map[string]string{
		"a\rb":                             "a\rb",
		"\033[200~a\rb\r\nc\nd\033[201~\r": "a" + nl + "b" + nl + "c" + nl + "d\r",
		"\033[A\033[200~\tx\x03\033[201~y": "\x10    xy",
		"a\033\rb":                         "a" + nl + "b",
		"\x00a\x00":                        "a",
		"a\033":                            "a",
		"\033[200~\033[D\033[201~":         "[D",
		"x\033[20":                         "x",
		// Home, End, Delete: xterm, application mode, VT220 (tmux, PuTTY), rxvt.
		"\033[H\033OH\033[1~\033[7~\033[1;1H\033[1;2H\033[7$": "\x01\x01\x01\x01\x01\x01\x01",
		"\033[F\033OF\033[4~\033[8~\033[1;5F\033[8^":          "\x05\x05\x05\x05\x05\x05",
		"\033[3~\033[3;2~\033[3$":                             del + del + del,
		"\033[3;5~\033[3^":                                    "\033d\033d",
		"\033[A\033OA\033[B\033OB\033[C\033OC\033[D\033OD":    "\x10\x10\x0e\x0e\x06\x06\x02\x02",
		"\033[1;5C\033[1;3C\033O5C\033Oc":                     "\033f\033f\033f\033f",
		"\033[1;5D\033[1;3D\033O5D\033Od":                     "\033b\033b\033b\033b",
		"\033\033[A":                                          "\x10",
		"\033b\033\x7f\033\033b":                              "\033b\033\x7f\033b",
		"\033[13;2u\033[27;2;13~":                             nl + nl,
		"\033OM\033Op\033Oy\033Oj":                            "\r09*",
		// Sequences without a meaning here are dropped whole.
		"a\033[2~\033[5~\033[15~\033[[A\033OP\033[I\033[O\033[Z\033[?1;2cb": "ab",
		"\033[27;5;9~\033[97;5u": "",
	} {
		for size := 1; size <= len(in); size++ {
			k := &keyReader{in: io.NopCloser(&slow{in, size}), long: &pastes{}}
			if got, err := io.ReadAll(k); err != nil || string(got) != want {
				t.Errorf("%q in pieces of %d: %q, %v; want %q", in, size, got, err, want)
			}
		}
	}
}

func FuzzKeys(f *testing.F) {
	f.Add([]byte("\033[200~a\033[201~\033[3~\033OH\033[[A\033\033\033[1;5"), 3)
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		k := &keyReader{in: io.NopCloser(&slow{string(in), max(1, size)}), long: &pastes{}}
		if _, err := io.ReadAll(k); err != nil {
			t.Fatal(err)
		}
	})
}
