package cmd_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unicode"

	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/internal/testutil"
)

// What a command prints goes through package show: fmt prints constants alone.
// Plots are made of numbers and have an escape of their own for XML.
func TestPrintsThroughTheGate(t *testing.T) {
	files, _ := filepath.Glob("*.go")
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || name == "plot.go" {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !strings.HasPrefix(sel.Sel.Name, "Fprint") && !strings.HasPrefix(sel.Sel.Name, "Print") {
				return true
			}
			if from, ok := sel.X.(*ast.Ident); !ok || from.Name != "fmt" {
				return true
			}
			for _, arg := range call.Args[min(1, len(call.Args)):] {
				if _, constant := arg.(*ast.BasicLit); !constant {
					t.Errorf("%s: fmt.%s of what may come from outside; use package show", name, sel.Sel.Name)
				}
			}
			return true
		})
	}
}

// tame tells whether a terminal only draws what was printed.
func tame(t *testing.T, what, text string) {
	t.Helper()
	for _, c := range text {
		if c != '\n' && c != '\t' && unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) {
			t.Errorf("%s prints %q: %.200q", what, c, text)
			return
		}
	}
}

// File names that would move a terminal's cursor reach none, through any command.
func TestNamesWithEscapes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("file names have no control characters here")
	}
	dir := t.TempDir()
	_, model := testutil.Convert(t, testutil.Data("fixtures", "llama"), "q8_0")
	for _, name := range []string{"m\x1b[2J\x1b]0;owned\x07.bin", "m\u009b31m\u202e.bin", "m\rx\n\x7f.bin", strings.Repeat("long ", 40) + ".bin", "m\xff\x9b.bin"} {
		path := filepath.Join(dir, name)
		b, err := os.ReadFile(model)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Skipf("no such file names here: %v", err)
		}
		text := filepath.Join(dir, "text"+name)
		if err := os.WriteFile(text, []byte(strings.Repeat("Some words. ", 20)), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{
			{"verify", path}, {"verify", path, path}, {"info", path}, {"info", path, "--json"}, {"imatrix", path, "-f", text, "-o", path + ".stats"},
			{"chat", path, "--max-tokens", "1", "--session", path + ".session"}, {"run", path, "--max-tokens", "1", "--stats", "Hi"},
			{"eval", path, "-f", text, "--json"}, {"bench", path, "--depths", name}, {"run", path + ".no", "Hi"}, {"verify", path + ".no", path},
			{"list", "--models", dir}, {"convert", dir, "-o", path}, {"run", path, "--messages", text}, {name}, {"run", "--" + name},
			{"tokenize", path, "a\x1b[2J\u202e"}, {"chat", path, "--draft", path + ".no"},
		} {
			out, errs, err := mil(t, "Hi\n", args...)
			if err != nil {
				line := show.Line(err)
				tame(t, args[0]+"'s error", line)
				if n := len([]rune(line)); n > 3*show.MaxText || strings.Contains(line, "\n") {
					t.Errorf("%s: an error of %d characters: %.300q", args[0], n, line)
				}
			}
			tame(t, args[0]+"'s stderr", errs)
			if args[0] != "run" && args[0] != "chat" { // to a pipe, a reply goes as it is
				tame(t, args[0]+"'s output", out)
			}
			if strings.Contains(out, "\n{") && len(args) > 2 && args[2] == "--json" && !json.Valid([]byte(out)) {
				t.Errorf("%s: not JSON: %.300q", args[0], out)
			}
		}
	}
}

// What a template raises and what a config says is a short line, whatever its
// length.
func TestLongErrorsAreShort(t *testing.T) {
	for _, source := range []string{
		"{{ raise_exception('\\x1b[2J' ~ 'a' * 1000000) }}", "{{ raise_exception('many words ' * 100000) }}", "{{ raise_exception('\\n' * 1000000) }}",
	} {
		_, _, err := mil(t, "", "run", templated(t, source), "Hi")
		if err == nil {
			t.Fatal("no error")
		}
		line := show.Line(err)
		tame(t, "run's error", line)
		if n := len([]rune(line)); n > 3*show.MaxText {
			t.Errorf("%d characters: %.200q", n, line)
		}
	}
}
