package hub

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"
)

// devices are names that Windows keeps for itself, with any ending.
var devices = []string{"con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9",
	"lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9"}

// checkName refuses a name that is no plain file name on some system.
func checkName(name string) error {
	base, _, _ := strings.Cut(strings.ToLower(name), ".")
	switch {
	case name == "" || len(name) > 200 || name[0] == '.' || strings.HasSuffix(name, ".") || strings.HasSuffix(name, " "),
		strings.ContainsAny(name, `/\:*?"<>|`), slices.Contains(devices, base),
		strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }):
		return fmt.Errorf("%q: %w", show(name), ErrName)
	}
	return nil
}

// checkPath is checkName for each part of a path within a repository.
func checkPath(p string) error {
	if p != path.Clean(p) || len(p) > 500 {
		return fmt.Errorf("%q: %w", show(p), ErrName)
	}
	for part := range strings.SplitSeq(p, "/") {
		if err := checkName(part); err != nil {
			return err
		}
	}
	return nil
}

// checkNames refuses files whose names here are not plain, or differ in case alone:
// one would take another's place.
func checkNames(files []File) error {
	seen := map[string]string{}
	for _, f := range files {
		if err := checkPath(f.Path); err != nil {
			return err
		}
		name := path.Base(f.Path)
		folded := strings.ToLower(name)
		if other, ok := seen[folded]; ok {
			return fmt.Errorf("%q and %q would be one file here: %w", show(other), show(f.Path), ErrName)
		}
		seen[folded] = f.Path
	}
	return nil
}
