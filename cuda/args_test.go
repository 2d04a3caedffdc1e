package cuda

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/mil-run/mil/backend/gpu"
)

// argStructs are all argument structs. A test finds those that are missing here.
var argStructs = []any{loadArgs{}, embedArgs{}, quantizedArgs{}, prepareArgs{}, matVecArgs{}, spreadArgs{}, expandArgs{}, wgmmaArgs{}, productArgs{},
	rankArgs{}, ropeArgs{}, ropeManyArgs{}, finishPartArgs{}, finishArgs{}, attendArgs{}, convArgs{}, scan1Args{}, scan2Args{}, convScan2Args{}, after1Args{}, after2Args{},
	deltaArgs{}, afterDeltaArgs{}, reorderArgs{}}

func TestArgumentsAreAllListed(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "args.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var declared, listed []string
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.TypeSpec); ok && strings.HasSuffix(s.Name.Name, "Args") {
			declared = append(declared, s.Name.Name)
		}
		return true
	})
	for _, v := range argStructs {
		listed = append(listed, reflect.TypeOf(v).Name())
	}
	slices.Sort(declared)
	slices.Sort(listed)
	if len(declared) < 19 || !slices.Equal(declared, listed) {
		t.Errorf("args.go declares %v, the tests know %v", declared, listed)
	}
}

// Argument structs have the same fields, in the same order, of the same types to
// Go as to CUDA.
func TestArgumentsAreOne(t *testing.T) {
	files, err := filepath.Glob("kernels/*.*")
	if err != nil {
		t.Fatal(err)
	}
	var sources strings.Builder
	for _, f := range files {
		if ext := filepath.Ext(f); ext == ".h" || ext == ".cu" {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			sources.Write(text)
		}
	}
	for _, v := range argStructs {
		name := strings.TrimSuffix(reflect.TypeOf(v).Name(), "Args")
		name = strings.ToUpper(name[:1]) + name[1:]
		if cuda, here := cudaFields(sources.String(), name), goFields(reflect.TypeOf(v)); here == "" || cuda != here {
			t.Errorf("%s is\n%s, to Go\n%s", name, cuda, here)
		}
	}
}

var (
	comment     = regexp.MustCompile(`//.*`)
	declaration = regexp.MustCompile(`(\w+) ([^;{}]+);`)
	arrayOf     = regexp.MustCompile(`^(\w+)\[(\d+)\]$`)
	otherNames  = map[string]string{"map": "channelMap", "type": "kind", "type2": "kind2"} // words of Go
)

// cudaFields writes a struct's fields one after the other, "u64 x, i32 cols".
func cudaFields(text, name string) string {
	_, body, _ := strings.Cut(text, "\nstruct "+name+" {")
	body, _, _ = strings.Cut(body, "\n};")
	var out []string
	for _, d := range declaration.FindAllStringSubmatch(comment.ReplaceAllString(body, ""), -1) {
		for field := range strings.SplitSeq(d[2], ",") {
			kind, field := strings.ToLower(d[1]), strings.TrimSpace(field)
			if m := arrayOf.FindStringSubmatch(field); m != nil {
				kind, field = kind+"["+m[2]+"]", m[1]
			}
			if other, ok := otherNames[field]; ok {
				field = other
			}
			out = append(out, kind+" "+field)
		}
	}
	return strings.Join(out, ", ")
}

func goFields(t reflect.Type) string {
	var out []string
	for i := range t.NumField() {
		if f := t.Field(i); f.Name != "_" {
			out = append(out, kindOf(f.Type)+" "+f.Name)
		}
	}
	return strings.Join(out, ", ")
}

func kindOf(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[ref]() || t.Kind() == reflect.Uint64:
		return "u64"
	case t.Kind() == reflect.Int32:
		return "i32"
	case t.Kind() == reflect.Float32:
		return "float"
	case t.Kind() == reflect.Array:
		return fmt.Sprintf("%s[%d]", kindOf(t.Elem()), t.Len())
	}
	return strings.ToLower(strings.TrimSuffix(t.Name(), "Args"))
}

// Structs are packed as C lays them out, and the addresses are where C has them.
func TestPack(t *testing.T) {
	type inner struct {
		p ref
		n int32
	}
	type outer struct {
		a    int32
		in   inner
		v    [2]float32
		last ref
	}
	type c struct {
		a    int32
		p    uint64
		n    int32
		_    int32
		v    [2]float32
		last uint64
	}
	p, last := ref{Area: gpu.Params, Off: 3}, ref{Area: gpu.Values}
	data, refs, at := gpu.Pack(outer{1, inner{p, 2}, [2]float32{3, 4}, last})
	if len(data) != int(unsafe.Sizeof(c{})) || !slices.Equal(refs, []ref{p, last}) || !slices.Equal(at, []int{8, 32}) {
		t.Fatalf("%d bytes, %v at %v", len(data), refs, at)
	}
	if got := *(*c)(unsafe.Pointer(&data[0])); got.a != 1 || got.n != 2 || got.v != [2]float32{3, 4} || got.p != 0 {
		t.Errorf("%+v", got)
	}
}
