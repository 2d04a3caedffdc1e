package repl

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/chzyer/readline"

	"github.com/mil-run/mil/chat"
)

// command is something typed behind a slash.
type command struct {
	name, args, help string
	run              func(r *repl, arg string) error
}

// commands is filled by init, since /help lists it.
var commands []command

func init() {
	commands = []command{
		{"help", "", "show this", (*repl).help},
		{"reset", "", "forget the conversation, keep the system message", func(r *repl, _ string) error {
			r.c.Reset()
			r.notice("the conversation begins anew")
			return r.sync()
		}},
		{"system", "[TEXT]", "show or set the system message; - removes it", (*repl).system},
		{"regen", "", "make the last reply anew", func(r *repl, _ string) error {
			return r.answer(r.c.Regenerate)
		}},
		{"undo", "", "take the last message and its reply back", (*repl).undo},
		{"save", "NAME", "save the session (to a path, when NAME looks like one; to x.json the messages)", (*repl).save},
		{"load", "NAME", "go on where a session was saved", (*repl).load},
		{"set", "[NAME VALUE]", "show or change a setting", (*repl).setting},
		{"stats", "", "show speed and tokens", (*repl).stats},
		{"quit", "", "leave (or Ctrl-D)", func(*repl, string) error { return errQuit }},
	}
}

// command runs what was typed behind a slash.
func (r *repl) command(line string) error {
	name, arg, _ := strings.Cut(line[1:], " ")
	if n, rest, ok := strings.Cut(name, "\n"); ok {
		name, arg = n, rest+" "+arg
	}
	for _, c := range commands {
		if c.name == name {
			return c.run(r, strings.TrimSpace(arg))
		}
	}
	return fmt.Errorf("there is no command /%s; /help lists them", Visible(name))
}

func (r *repl) help(string) error {
	for _, c := range commands {
		fmt.Fprintf(r.Out, "  %-20s %s\n", strings.TrimSpace("/"+c.name+" "+c.args), c.help)
	}
	fmt.Fprintf(r.Out, "  %-20s several lines, up to the next %s; Alt-Enter begins a\n  %-20s new line too, and what is pasted stays together\n", quotes, quotes, "")
	return nil
}

func (r *repl) system(arg string) error {
	switch arg {
	case "":
		if m := r.c.Messages(); len(m) > 0 && m[0].Role == "system" {
			fmt.Fprintln(r.Out, Visible(m[0].Content))
		} else {
			r.notice("there is no system message")
		}
	case "-":
		r.c.System("")
	default:
		r.c.System(arg)
	}
	return r.sync()
}

func (r *repl) undo(string) error {
	text, err := r.c.Undo()
	if err != nil {
		return err
	}
	if first, _, more := strings.Cut(text, "\n"); more {
		text = first + " ..."
	}
	r.notice("taken back: " + Visible(text))
	return r.sync()
}

func (r *repl) save(arg string) error {
	if arg == "" {
		return errors.New("/save needs a name")
	}
	if len(r.c.Messages()) == 0 {
		return errors.New("there is nothing to save yet")
	}
	path, err := r.store.save(arg, r.c)
	if err == nil {
		r.unkept = nil
		r.notice("saved " + path)
	}
	return err
}

func (r *repl) load(arg string) error {
	if arg == "" {
		if names := r.store.names(); len(names) > 0 {
			return fmt.Errorf("/load needs a name (saved: %s)", strings.Join(names, ", "))
		}
		return errors.New("/load needs a name; nothing is saved yet")
	}
	found, err := r.store.load(arg, r.c)
	if err != nil {
		return err
	}
	r.notice(found)
	return r.sync()
}

func (r *repl) stats(string) error {
	if r.last.GeneratedTokens == 0 {
		return errors.New("there are no statistics yet")
	}
	fmt.Fprintln(r.Out, "last reply:", r.last)
	fmt.Fprintf(r.Out, "this chat:  prompt %d tokens %.1f tok/s, generated %d tokens\n", r.total.PromptTokens, r.total.PromptSpeed(), r.total.GeneratedTokens)
	return nil
}

// settings are what /set knows.
var settings = []struct {
	name string
	show func(s *chat.Settings) string
	set  func(s *chat.Settings, v string) error
}{
	{"temp", func(s *chat.Settings) string { return show(s.Sampling.Temp) }, func(s *chat.Settings, v string) error { return float(&s.Sampling.Temp, v) }},
	{"top-k", func(s *chat.Settings) string { return show(s.Sampling.TopK) }, func(s *chat.Settings, v string) error { return integer(&s.Sampling.TopK, v) }},
	{"top-p", func(s *chat.Settings) string { return show(s.Sampling.TopP) }, func(s *chat.Settings, v string) error { return float(&s.Sampling.TopP, v) }},
	{"min-p", func(s *chat.Settings) string { return show(s.Sampling.MinP) }, func(s *chat.Settings, v string) error { return float(&s.Sampling.MinP, v) }},
	{"repeat-penalty", func(s *chat.Settings) string { return show(s.Sampling.RepeatPenalty) }, func(s *chat.Settings, v string) error { return float(&s.Sampling.RepeatPenalty, v) }},
	{"seed", func(s *chat.Settings) string { return show(s.Sampling.Seed) }, func(s *chat.Settings, v string) (err error) {
		s.Sampling.Seed, err = strconv.ParseUint(v, 10, 64)
		return err
	}},
	{"max-tokens", func(s *chat.Settings) string { return show(s.MaxTokens) }, func(s *chat.Settings, v string) error { return integer(&s.MaxTokens, v) }},
	{"stop", func(s *chat.Settings) string { return fmt.Sprintf("%q", s.Stop) }, func(s *chat.Settings, v string) error {
		s.Stop = slices.DeleteFunc([]string{v}, func(v string) bool { return v == "-" })
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
	value = strings.TrimSpace(value)
	known := false
	for _, s := range settings {
		if name != "" && name != s.name {
			continue
		}
		known = true
		if value == "" {
			fmt.Fprintf(r.Out, "  %-16s %s\n", s.name, s.show(&set))
		} else if err := s.set(&set, value); err != nil {
			return fmt.Errorf("/set %s: %q is not a value it takes", name, value)
		}
	}
	if !known {
		return fmt.Errorf("there is no setting %q (known: %s)", name, strings.Join(settingNames(), ", "))
	}
	if err := set.Sampling.Check(); err != nil {
		return fmt.Errorf("/set: %w", err)
	}
	if value != "" {
		r.c.Set(set)
	}
	return nil
}

// completer offers commands and settings behind a tab.
func completer() readline.AutoCompleter {
	var items []readline.PrefixCompleterInterface
	for _, c := range commands {
		var kids []readline.PrefixCompleterInterface
		switch c.name {
		case "set":
			for _, n := range settingNames() {
				kids = append(kids, readline.PcItem(n))
			}
		case "load":
			kids = append(kids, readline.PcItemDynamic(func(string) []string { return newStore().names() }))
		}
		items = append(items, readline.PcItem("/"+c.name, kids...))
	}
	return readline.NewPrefixCompleter(items...)
}
