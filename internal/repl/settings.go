package repl

import (
	"fmt"
	"strings"

	"github.com/mil-run/mil/internal/nearest"
	"github.com/mil-run/mil/sample"
)

func settingNames() []string {
	var out []string
	for _, p := range sample.Params() {
		out = append(out, p.Name)
	}
	return out
}

func (r *repl) setting(arg string) error {
	set := r.c.Settings()
	name, value, _ := strings.Cut(arg, " ")
	name, value = strings.ToLower(name), strings.TrimSpace(value)
	known := false
	for _, p := range sample.Params() {
		if name != "" && name != p.Name {
			continue
		}
		known = true
		if value == "" {
			r.entry(fmt.Sprintf("%-16s %s", p.Name, p.Text(&set)), p.Values)
			continue
		}
		if p.Parse(&set, value) != nil || set.Check() != nil {
			return fmt.Errorf("/set %s: %q is not a value it takes (%s)", name, value, p.Values)
		}
		r.c.Set(set)
		r.notice(p.Name + " is " + p.Text(&set))
	}
	if !known {
		if near := nearest.Of(name, settingNames()); near != "" {
			return fmt.Errorf("there is no setting %q; did you mean %s? (known: %s)", name, near, strings.Join(settingNames(), ", "))
		}
		return fmt.Errorf("there is no setting %q (known: %s)", name, strings.Join(settingNames(), ", "))
	}
	return nil
}
