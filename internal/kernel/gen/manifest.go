package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// manifest holds, by a source's name, what its files were made of and what they
// are. It lies beside them, so that a change that leaves the code as it is
// rewrites one line and no assembly.
type manifest map[string]digests

type digests struct{ source, files string }

const manifestFile = "zz_sources.txt"

func readManifest(dir string) (manifest, error) {
	m := manifest{}
	b, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		var name string
		var d digests
		if _, err := fmt.Sscan(s.Text(), &name, &d.source, &d.files); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", manifestFile, s.Text(), err)
		}
		m[name] = d
	}
	return m, err
}

func (m manifest) write(dir string) error {
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintln(&b, name, m[name].source, m[name].files)
	}
	return os.WriteFile(filepath.Join(dir, manifestFile), b.Bytes(), 0o644)
}

// digestsOf are those of a source and of its files as they are.
func digestsOf(dir, src string) (d digests, err error) {
	if d.source, err = digest(src); err != nil {
		return d, err
	}
	h := sha256.New()
	for _, f := range filesOf(dir, src) {
		b, err := os.ReadFile(f)
		if err != nil {
			return d, err
		}
		fmt.Fprintf(h, "%s %d\n%s", filepath.Base(f), len(b), b)
	}
	d.files = fmt.Sprintf("%x", h.Sum(nil)[:16])
	return d, nil
}

// filesOf lists the files generated from a source, in the order of their names.
func filesOf(dir, src string) []string {
	list, _ := filepath.Glob(filepath.Join(dir, "zz_"+base(src)+"_*")) // the pattern is right
	return list
}
