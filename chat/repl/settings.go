package repl

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/internal/nearest"
)

// settings are what /set knows.
var settings = []struct {
	name  string
	takes string // which values, in words
	show  func(s *chat.Settings) string
	set   func(s *chat.Settings, v string) error
}{
	{"temp", "from 0; 0 always takes the best token",
		func(s *chat.Settings) string { return show(s.Sampling.Temp) },
		func(s *chat.Settings, v string) error { return float(&s.Sampling.Temp, v) }},
	{"top-k", "a whole number from 0; 0 is off",
		func(s *chat.Settings) string { return show(s.Sampling.TopK) },
		func(s *chat.Settings, v string) error { return integer(&s.Sampling.TopK, v) }},
	{"top-p", "between 0 and 1; both are off",
		func(s *chat.Settings) string { return show(s.Sampling.TopP) },
		func(s *chat.Settings, v string) error { return float(&s.Sampling.TopP, v) }},
	{"min-p", "between 0 and 1; 0 is off",
		func(s *chat.Settings) string { return show(s.Sampling.MinP) },
		func(s *chat.Settings, v string) error { return float(&s.Sampling.MinP, v) }},
	{"repeat-penalty", "from 0; 0 and 1 are off",
		func(s *chat.Settings) string { return show(s.Sampling.RepeatPenalty) },
		func(s *chat.Settings, v string) error { return float(&s.Sampling.RepeatPenalty, v) }},
	{"seed", "a whole number from 0",
		func(s *chat.Settings) string { return show(s.Sampling.Seed) },
		func(s *chat.Settings, v string) (err error) {
			s.Sampling.Seed, err = strconv.ParseUint(v, 10, 64)
			return err
		}},
	{"max-tokens", "a whole number from 0; 0 goes on to the context's end",
		func(s *chat.Settings) string { return show(s.MaxTokens) },
		func(s *chat.Settings, v string) error { return integer(&s.MaxTokens, v) }},
	{"stop", "a text that ends a reply; - is none",
		func(s *chat.Settings) string {
			if len(s.Stop) == 0 {
				return "-"
			}
			return strings.Trim(fmt.Sprintf("%q", s.Stop), "[]")
		},
		func(s *chat.Settings, v string) error {
			if s.Stop = []string{v}; v == "-" {
				s.Stop = nil
			}
			return nil
		}},
}

func show[T float32 | int | uint64](v T) string { return fmt.Sprint(v) }

func float(into *float32, v string) error {
	f, err := strconv.ParseFloat(v, 32)
	*into = float32(f)
	return err
}

func integer(into *int, v string) error {
	n, err := strconv.Atoi(v)
	if err == nil && n < 0 {
		return errors.New("negative")
	}
	*into = n
	return err
}

func settingNames() []string {
	var out []string
	for _, s := range settings {
		out = append(out, s.name)
	}
	return out
}

func (r *repl) setting(arg string) error {
	set := r.c.Settings()
	name, value, _ := strings.Cut(arg, " ")
	name, value = strings.ToLower(name), strings.TrimSpace(value)
	known := false
	for _, s := range settings {
		if name != "" && name != s.name {
			continue
		}
		known = true
		if value == "" {
			r.entry(fmt.Sprintf("%-16s %s", s.name, s.show(&set)), s.takes)
			continue
		}
		if s.set(&set, value) != nil || set.Sampling.Check() != nil {
			return fmt.Errorf("/set %s: %q is not a value it takes (%s)", name, value, s.takes)
		}
		r.c.Set(set)
		r.notice(s.name + " is " + s.show(&set))
	}
	if !known {
		if near := nearest.Of(name, settingNames()); near != "" {
			return fmt.Errorf("there is no setting %q; did you mean %s? (known: %s)", name, near, strings.Join(settingNames(), ", "))
		}
		return fmt.Errorf("there is no setting %q (known: %s)", name, strings.Join(settingNames(), ", "))
	}
	return nil
}
