package llm_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mil-run/mil/internal/testutil"
)

// Only the door, with its table of devices, imports what computes. Everything
// else goes through it, or through package backend's contract.
func TestOnlyTheDoorImportsBackends(t *testing.T) {
	const module = "github.com/mil-run/mil/"
	backends := []string{"backend/cpu", "backend/ref", "backend/split", "cuda", "metal"}
	may := []string{"llm", "internal/devices"}
	root := testutil.Data("..")
	seen := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		dir = filepath.ToSlash(dir)
		within := func(list ...string) bool {
			return slices.ContainsFunc(list, func(p string) bool { return dir == p || strings.HasPrefix(dir, p+"/") })
		}
		for _, i := range f.Imports {
			name, _ := strconv.Unquote(i.Path.Value)
			name, ours := strings.CutPrefix(name, module)
			if !ours || !slices.Contains(backends, name) {
				continue
			}
			if seen++; !within(may...) && !within("backend", "cuda", "metal") {
				t.Errorf("%s imports %s", path, name)
			}
		}
		return nil
	})
	if err != nil || seen < 5 {
		t.Errorf("%d imports, %v", seen, err)
	}
}
