//go:build linux

package metal

import (
	"fmt"
	"maps"
	"os"
	osexec "os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mil-run/mil/internal/clang"
)

// compiler is the clang that builds the stand-in, found once.
var compiler = sync.OnceValues(clang.Find)

// needClang returns the compiler; without it the test is skipped, unless
// MIL_NEED_CLANG is set, as tools/check.sh does.
func needClang(t testing.TB) string {
	t.Helper()
	path, err := compiler()
	switch {
	case err == nil:
		return path
	case os.Getenv("MIL_NEED_CLANG") != "":
		t.Fatal("the stand-in for Metal needs a compiler: ", err)
	}
	t.Skip("the stand-in for Metal needs a compiler: ", err)
	return ""
}

// sources are all modules' texts.
func sources(t testing.TB) map[string]string {
	t.Helper()
	files, err := texts.ReadDir("kernels")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), ".metal"); ok {
			found, text, ok := module(name)
			if !ok || found != name {
				t.Fatalf("module %s is not found", name)
			}
			out[name] = text
		}
	}
	return out
}

var definition = regexp.MustCompile(`(?m)^#define (\w+)`)

// unit is modules as one text, each in a namespace and rid of its macros at the
// end, so that one run of the compiler does for many.
func unit(modules map[string]string) string {
	var b strings.Builder
	b.WriteString("#include <metal_stdlib>\n")
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		text := guarded(modules[name])
		fmt.Fprintf(&b, "namespace module_%s {\n%s", name, strings.Replace(text, "#include <metal_stdlib>\n", "", 1))
		for _, m := range definition.FindAllStringSubmatch(text, -1) {
			if m[1] != "UNROLL" && m[1] != "SHARED" && m[1] != "TRAP" { // which are the stand-in's
				fmt.Fprintf(&b, "#undef %s\n", m[1])
			}
		}
		fmt.Fprintf(&b, "} // module_%s\n", name)
	}
	return b.String()
}

var sharedArrays = regexp.MustCompile(`SHARED (\w+) ([^;]+);`)

// guarded puts words behind every array of a threadgroup that run.cpp knows by
// their value and lets nobody touch.
func guarded(text string) string {
	words := strings.TrimSuffix(strings.Repeat("STANDIN_GUARD, ", 16), ", ")
	return sharedArrays.ReplaceAllStringFunc(text, func(line string) string {
		m := sharedArrays.FindStringSubmatch(line)
		list, _ := enclosed(m[2] + ")")
		var b strings.Builder
		for _, array := range list {
			name, _, _ := strings.Cut(strings.TrimSpace(array), "[")
			fmt.Fprintf(&b, "SHARED %s %s; [[maybe_unused]] SHARED uint behind_%s[] = {%s}; ", m[1], array, name, words)
		}
		return b.String()
	})
}

// alone is each of the named modules as a unit, which tests that change one of
// them compile once.
func alone(names ...string) (units []map[string]string) {
	for _, name := range names {
		_, text, _ := module(name)
		units = append(units, map[string]string{name: text})
	}
	return units
}

// halves are modules in two units, for two processors.
func halves(modules map[string]string) []map[string]string {
	units := []map[string]string{{}, {}}
	for i, name := range slices.Sorted(maps.Keys(modules)) {
		units[i%2][name] = modules[name]
	}
	return units
}

var flags = []string{"-x", "c++", "-std=c++17", "-Wall", "-Werror", "-Wno-unknown-attributes", "-Wno-unused-function", "-Wno-pass-failed",
	"-fsigned-char", "-fno-exceptions", "-fno-rtti", "-isystem", "standin"}

// hooked is how kernels are compiled so that every access of memory is a call:
// the sanitizer's instrumentation without the sanitizer. It leaves out wide
// accesses, so none may be made.
var hooked = []string{"-DUNROLL=", "-O2", "-fno-math-errno", "-fPIC", "-fsanitize=thread", "-mllvm", "-tsan-instrument-func-entry-exit=0",
	"-fno-vectorize", "-fno-slp-vectorize"}

// objects are the compiled files, by text: mutants of one kernel share the rest.
var objects = struct {
	dir  string
	path map[string]string
}{path: map[string]string{}}

func TestMain(m *testing.M) {
	code := m.Run()
	if objects.dir != "" {
		os.RemoveAll(objects.dir)
	}
	os.Exit(code)
}

// place is a new file's path.
func place(t testing.TB, suffix string) string {
	t.Helper()
	if objects.dir == "" {
		var err error
		if objects.dir, err = os.MkdirTemp("", "mil-standin"); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.CreateTemp(objects.dir, "*"+suffix)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	return f.Name()
}

// written is a file with that text.
func written(t testing.TB, text string) string {
	t.Helper()
	path := place(t, ".cpp")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// library compiles units into a shared object.
func library(t testing.TB, units []map[string]string) string {
	t.Helper()
	cc := needClang(t)
	var arch []string
	if runtime.GOARCH == "amd64" {
		arch = []string{"-march=x86-64-v3"}
	}
	var jobs []func() error
	var list []string
	add := func(text string, job func(object string) error) {
		object, ok := objects.path[text]
		if !ok {
			object = place(t, ".o")
			objects.path[text] = object
			jobs = append(jobs, func() error { return job(object) })
		}
		list = append(list, object)
	}
	compile := func(source, object string, options []string) error {
		return command(cc, slices.Concat(flags, arch, options, []string{"-c", source, "-o", object})...)
	}
	add("run.cpp", func(object string) error { return compile("standin/run.cpp", object, []string{"-O2", "-fPIC"}) })
	for _, modules := range units {
		text := unit(modules)
		source := written(t, text)
		add(text, func(object string) error {
			glue, err := calls(cc, text)
			if err == nil {
				err = spaces(text)
			}
			if err == nil {
				err = os.WriteFile(source, []byte(text+glue), 0o600)
			}
			if err == nil {
				err = check(cc, source)
			}
			if err == nil {
				err = compile(source, object, hooked)
			}
			return err
		})
	}
	if err := together(jobs); err != nil {
		t.Fatal(err)
	}
	so := place(t, ".so")
	if err := command(cc, slices.Concat([]string{"-shared", "-o", so}, list, []string{"-lm"})...); err != nil {
		t.Fatal(err)
	}
	return so
}

var (
	functionHead = regexp.MustCompile(`\w\(([^(){};]*(?:\([^(){};]*\)[^(){};]*)*)\) \{`)
	spaceNamed   = regexp.MustCompile(`\b(thread|device|constant|threadgroup)\b`)
	twoSpaces    = regexp.MustCompile(`\b(thread|device|constant|threadgroup) (const )?(thread|device|constant|threadgroup)\b`)
)

// spaces sees to it that parameters name the address space of what they point
// to, which to clang may be left out.
func spaces(text string) error {
	for _, m := range functionHead.FindAllStringSubmatch(text, -1) {
		list, _ := enclosed(m[1] + ")")
		for _, p := range list {
			if strings.ContainsAny(p, "*&") && !strings.ContainsAny(p, "<=>") && !spaceNamed.MatchString(p) || twoSpaces.MatchString(p) {
				return fmt.Errorf("%q does not name one address space", strings.TrimSpace(p))
			}
		}
	}
	return nil
}

// check compiles with address spaces as parts of types, as Metal does.
func check(cc, source string) error {
	return command(cc, append(append([]string{}, flags...), "-DSPACES", "-fsyntax-only", source)...)
}

func command(name string, args ...string) error {
	out, err := osexec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// together runs jobs on all processors and returns the first error.
func together(jobs []func() error) error {
	var wait sync.WaitGroup
	errs := make(chan error, len(jobs))
	slots := make(chan bool, runtime.GOMAXPROCS(0))
	for _, j := range jobs {
		slots <- true
		wait.Go(func() {
			defer func() { <-slots }()
			if err := j(); err != nil {
				errs <- err
			}
		})
	}
	wait.Wait()
	close(errs)
	return <-errs
}

var (
	kernelHead = regexp.MustCompile(`namespace (module_\w+) \{|kernel void (\w+)\(`)
	attribute  = regexp.MustCompile(`^(.*?)(\w+) \[\[(\w+)(?:\((\d+)\))?\]\]$`)
	places     = map[string]string{
		"threadgroup_position_in_grid": "p.group", "thread_index_in_threadgroup": "p.tid",
		"thread_index_in_simdgroup": "p.lane", "simdgroup_index_in_threadgroup": "p.simd",
	}
)

// calls writes the calls of a text's kernels and a list of their parameters,
// from their declarations as the preprocessor leaves them.
func calls(cc, text string) (string, error) {
	c := osexec.Command(cc, "-E", "-P", "-x", "c++", "-DUNROLL=", "-DSHARED=", "-")
	c.Stdin = strings.NewReader(strings.Replace(text, "#include <metal_stdlib>\n", "", 1))
	expanded, err := c.Output()
	if err != nil {
		return "", err
	}
	var glue strings.Builder
	glue.WriteString("#ifndef SPACES\n")
	var space string
	for _, m := range kernelHead.FindAllSubmatchIndex(expanded, -1) {
		if m[2] >= 0 {
			space = string(expanded[m[2]:m[3]])
			continue
		}
		name := string(expanded[m[4]:m[5]])
		list, err := enclosed(string(expanded[m[1]:]))
		if err != nil {
			return "", fmt.Errorf("kernel %s: %w", name, err)
		}
		var values, parameters []string
		for _, p := range list {
			f := attribute.FindStringSubmatch(strings.Join(strings.Fields(p), " "))
			if f == nil {
				return "", fmt.Errorf("kernel %s: what is %q?", name, p)
			}
			declared, word, number := strings.TrimSpace(f[1]), f[3], f[4]
			if word != "buffer" {
				values = append(values, places[word])
				continue
			}
			element := strings.TrimRight(declared, "*& ")
			for _, space := range []string{"device ", "constant ", "const "} {
				element = strings.TrimPrefix(element, space)
			}
			pointer, written := strings.HasSuffix(declared, "*"), !strings.Contains(declared, "const")
			if pointer {
				values = append(values, fmt.Sprintf("(%s *)b[%s]", element, number))
			} else {
				values = append(values, fmt.Sprintf("*(%s *)b[%s]", element, number))
			}
			parameters = append(parameters, fmt.Sprintf("{%s, sizeof(%s), alignof(%s), %v, %v}", number, element, element, pointer, written))
		}
		fmt.Fprintf(&glue, `namespace %[5]s {
__attribute__((disable_sanitizer_instrumentation)) static void call_%[1]s(void **b, const StandinPlace &p) { %[1]s(%[2]s); }
static const StandinParameter parameters_%[1]s[] = {%[3]s};
static StandinKernel kernel_%[1]s = {"%[1]s", call_%[1]s, %[4]d, parameters_%[1]s, 0};
__attribute__((constructor)) static void register_%[1]s() { standin_register(&kernel_%[1]s); }
}
`, name, strings.Join(values, ", "), strings.Join(parameters, ", "), len(parameters), space)
	}
	glue.WriteString("#endif\n")
	return glue.String(), nil
}

// enclosed splits the text before the closing bracket at commas.
func enclosed(s string) (list []string, err error) {
	depth, from := 0, 0
	for i, c := range s {
		switch c {
		case '(', '[':
			depth++
		case ']':
			depth--
		case ',':
			if depth == 0 {
				list = append(list, s[from:i])
				from = i + 1
			}
		case ')':
			if depth == 0 {
				return append(list, s[from:i]), nil
			}
			depth--
		}
	}
	return nil, fmt.Errorf("its parameters do not end")
}
