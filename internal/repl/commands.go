package repl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/chzyer/readline"

	"github.com/mil-run/mil/internal/nearest"
	"github.com/mil-run/mil/sample"
)

// command is something typed behind a slash, in any case.
type command struct {
	name, args, help string
	others           []string // further names
	more             string   // that /help NAME says besides
	run              func(r *repl, arg string) error
}

// commands is filled by init, since /help lists it.
var commands []command

func init() {
	commands = []command{
		{"help", "[COMMAND]", "list the commands, or explain one", []string{"?"}, "", (*repl).help},
		{"reset", "", "forget the conversation, keep the system message", []string{"clear"}, "", func(r *repl, _ string) error {
			r.c.Reset()
			r.notice("the conversation begins anew")
			return r.sync()
		}},
		{"system", "[TEXT]", "show or set the system message; - removes it", nil,
			"The model reads it before the conversation. A new one applies from the next reply.", (*repl).system},
		{"regen", "", "make the last reply anew", nil, "It is sampled with the next seed.", (*repl).regen},
		{"undo", "", "take back the last message and its reply", nil, "", (*repl).undo},
		{"save", "NAME", "save the session", nil, "NAME is a name for /load, or a path where it has a slash or ends in .session or .json.\n" +
			"A .json file gets the messages alone. An existing file is overwritten only after a\nquestion; /save! does not ask.",
			func(r *repl, arg string) error { return r.save(arg, false) }},
		{"save!", "NAME", "save the session, over an existing file, too", nil, "", func(r *repl, arg string) error { return r.save(arg, true) }},
		{"load", "NAME", "go on where a session was saved", nil, "NAME is the name given to /save.", (*repl).load},
		{"set", "[NAME [VALUE]]", "show or change a setting", nil, "", (*repl).setting},
		{"stats", "", "show speed and tokens", nil, "", (*repl).stats},
		{"quit", "", "leave (or Ctrl-D)", []string{"exit", "bye"}, "", func(*repl, string) error { return errQuit }},
	}
}

// find is the command of that name.
func find(name string) (command, error) {
	name = strings.ToLower(strings.TrimPrefix(name, "/"))
	var known []string
	for _, c := range commands {
		if c.name == name || slices.Contains(c.others, name) {
			return c, nil
		}
		known = append(append(known, c.name), c.others...)
	}
	said := Visible(name)
	if near := nearest.Of(name, known); near != "" {
		return command{}, fmt.Errorf("there is no command /%s; did you mean /%s? /help lists them", said, near)
	}
	return command{}, fmt.Errorf("there is no command /%s; /help lists them", said)
}

// command runs the command typed behind a slash.
func (r *repl) command(line string) error {
	name, arg := line[1:], ""
	if at := strings.IndexAny(name, " \t\n"); at >= 0 {
		name, arg = name[:at], strings.ReplaceAll(name[at+1:], "\n", " ")
	}
	c, err := find(name)
	if err != nil {
		return err
	}
	return c.run(r, strings.TrimSpace(arg))
}

func (r *repl) help(name string) error {
	if name != "" {
		c, err := find(name)
		if err != nil {
			return err
		}
		names := "/" + c.name
		for _, o := range c.others {
			names += ", /" + o
		}
		r.print(strings.TrimSpace(names+" "+c.args) + "\n  " + c.help + "\n")
		if c.more != "" {
			r.print("  " + strings.ReplaceAll(c.more, "\n", "\n  ") + "\n")
		}
		if c.name == "set" {
			for _, p := range sample.Params() {
				r.print(fmt.Sprintf("  %-16s %s\n", p.Name, p.Values))
			}
		}
		return nil
	}
	for _, c := range commands {
		r.entry("/"+c.name+" "+c.args, c.help)
	}
	r.entry(quotes, "several lines, up to the next "+quotes+"; Alt-Enter also begins a new line, and pasted text stays together")
	r.entry("Ctrl-C", "stop a reply; at an empty line twice: leave")
	return nil
}

// entry prints a name and its meaning, below each other where there is no room
// side by side.
func (r *repl) entry(name, meaning string) {
	const side, room = 22, 60
	name = strings.TrimSpace(name)
	if columns := r.columns(); columns > 0 && columns < room {
		r.print("  " + name + "\n    " + meaning + "\n")
		return
	}
	r.print(fmt.Sprintf("  %-*s %s\n", side, name, meaning))
}

// columns is the terminal's width, 0 where there is none.
func (r *repl) columns() int {
	if r.term == nil {
		return 0
	}
	return r.term.text.columns()
}

func (r *repl) regen(string) error {
	err := r.answer(r.c.Regenerate)
	if r.term != nil && errors.Is(err, context.Canceled) {
		r.notice("stopped; the last reply stays")
		return nil
	}
	return err
}

func (r *repl) system(arg string) error {
	switch arg {
	case "":
		if m := r.c.Messages(); len(m) > 0 && m[0].Role == "system" {
			r.print(Visible(m[0].Content) + "\n")
		} else {
			r.notice("there is no system message")
		}
	case "-":
		r.c.System("")
		r.notice("the system message is removed")
	default:
		r.c.System(arg)
		r.notice("the system message is set; it applies from the next reply")
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

func (r *repl) save(arg string, over bool) error {
	if arg == "" {
		return errors.New("/save needs a name")
	}
	if len(r.c.Messages()) == 0 {
		return errors.New("there is nothing to save yet")
	}
	path, err := r.store.path(arg)
	if err != nil {
		return err
	}
	if !over && fileExists(path) {
		if r.term == nil {
			return fmt.Errorf("/save: %s exists; /save! %s overwrites it", path, arg)
		}
		if !r.term.Ask("overwrite " + path + "?") {
			r.notice("not saved")
			return nil
		}
	}
	path, err = r.store.save(arg, r.c)
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
	r.print(fmt.Sprintln("last reply:", r.last))
	r.print(fmt.Sprintf("this chat:  prompt %d tokens %.1f tok/s, generated %d tokens\n", r.total.PromptTokens, r.total.PromptSpeed(), r.total.GeneratedTokens))
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
		case "help":
			for _, c := range commands {
				kids = append(kids, readline.PcItem(c.name))
			}
		case "load":
			kids = append(kids, readline.PcItemDynamic(func(string) []string { return newStore().names() }))
		}
		for _, name := range append([]string{c.name}, c.others...) {
			items = append(items, readline.PcItem("/"+name, kids...))
		}
	}
	return readline.NewPrefixCompleter(items...)
}
