//go:build linux

package metal

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// Argument structs have the same fields, in the same order, of the same types to
// Go as to Metal.
func TestArgumentsAreOne(t *testing.T) {
	for file, structs := range map[string]map[string]any{
		"embed": {"Embed": embedArgs{}}, "copy": {"Copy": copyArgs{}}, "matvec_f32": {"MatVec": matVecArgs{}}, "gemm_f32": {"MatVec": matVecArgs{}},
		"rope": {"Rope": ropeArgs{}}, "finish": {"Finish": finishArgs{}}, "attend_f16": {"Attend": attendArgs{}}, "conv": {"Conv": convArgs{}},
		"rank": {"Rank": rankArgs{}}, "scan1": {"Scan1": scan1Args{}, "After1": after1Args{}}, "scan2": {"Scan2": scan2Args{}, "After2": after2Args{}},
		"delta": {"Delta": deltaArgs{}, "AfterDelta": afterDeltaArgs{}}, "reorder": {"Reorder": reorderArgs{}},
	} {
		_, text, _ := module(file)
		for name, args := range structs {
			if metal, here := metalFields(text, name), goFields(reflect.TypeOf(args)); here == "" || metal != here {
				t.Errorf("%s of %s is\n%s, to Go\n%s", name, file, metal, here)
			}
		}
	}
}

var (
	comment     = regexp.MustCompile(`//.*`)
	declaration = regexp.MustCompile(`(\w+) ([^;{}]+);`)
	arrayOf     = regexp.MustCompile(`^(\w+)\[(\d+)\]$`)
)

// metalFields writes a struct's fields one after the other, "int cols int kind".
func metalFields(text, name string) string {
	_, body, _ := strings.Cut(text, "\nstruct "+name+" {")
	body, _, _ = strings.Cut(body, "\n};")
	var out []string
	for _, d := range declaration.FindAllStringSubmatch(comment.ReplaceAllString(body, ""), -1) {
		for field := range strings.SplitSeq(d[2], ",") {
			kind, field := d[1], strings.TrimSpace(field)
			if m := arrayOf.FindStringSubmatch(field); m != nil {
				kind, field = kind+m[2], m[1]
			}
			out = append(out, strings.ToLower(kind)+" "+field)
		}
	}
	return strings.Join(out, ", ")
}

func goFields(t reflect.Type) string {
	var out []string
	for f := range t.NumField() {
		field := t.Field(f)
		kind := strings.TrimSuffix(field.Type.Name(), "Args")
		switch field.Type.Kind() {
		case reflect.Int32:
			kind = "int"
		case reflect.Float32:
			kind = "float"
		case reflect.Array:
			kind = fmt.Sprint("int", field.Type.Len())
		}
		out = append(out, strings.ToLower(kind)+" "+field.Name)
	}
	return strings.Join(out, ", ")
}
