package cmd_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mil-run/mil/cmd"
)

// goWords are of Go's and not of people's.
var goWords = regexp.MustCompile(`strconv|ParseInt|ParseFloat|ParseBool|parsing|invalid syntax|\b(u?int|float)(8|16|32|64)\b|stringArray|intSlice|\[\]|Go value|json:|%!|map\[|<nil>`)

// A command line that makes no sense ends with status 2, in words that say what
// would.
func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args string
		want string
	}{
		{"sing", `unknown command "sing"`}, {"caht", "did you mean chat?"}, {"sing --loud", `unknown command "sing"`}, {"help nosuch", `unknown command "nosuch"`},
		{"help rnu", "did you mean run?"}, {"completion foo", `unknown command "foo"`},
		{"--nosuch", "unknown flag: --nosuch"}, {"run --nosuch x", "unknown flag: --nosuch (see mil run --help)"},
		{"run --max-tokns 3 x", "did you mean --max-tokens?"}, {"run --temperatur 3 x", "did you mean --temp?"}, {"run -Z x", "unknown flag: -Z"}, {"run --=x", "is no flag"}, {"run -5", "goes behind --"},
		{"run x --ctx", "--ctx needs a value"}, {"run x --ctx abc", "--ctx abc is not a whole number between 0 and 268435456"},
		{"run x --ctx 1.5", "--ctx 1.5 is not a whole number"}, {"run x --ctx 99999999999999999999", "is not a whole number between"}, {"run x -c -1", "--ctx -1 is not"},
		{"run x --threads 5000", "between 0 and 4096"}, {"run x --seed -1", "--seed -1 is not a whole number between 0 and 18446744073709551615"},
		{"run x --temp hot", "--temp hot is not a number"}, {"run x --temperature hot", "--temp hot is not a number"}, {"run x --temp -1", "temperature -1"}, {"run x --top-p 2", "top-p 2"},
		{"run x --stats=maybe", "--stats maybe is neither true nor false"}, {"run x --kv q4_0", "none of f16, q8_0"}, {"run x --isa z80", "none of go"}, {"run x --backend vulkan", "none of auto, cpu"},
		{"run x --on-full burst", "none of stop, slide"}, {"run x --draft-k 99", "between -1 and 15"}, {"run x --stop=", "--stop"}, {"run x --prompt-cache-size 0", "between 1 and"},
		{"run", "there is no prompt"}, {"run --raw --system x y", "exclude each other"}, {"run --no-stdin --messages -", "exclude each other"}, {"run -p x -m demo y", "the prompt is given twice"},
		{"run -m demo --kv", "--kv needs a value"}, {"info a b", "takes MODEL at most"}, {"info --cpu demo", "takes no argument"}, {"info --cpu --devices", "exclude each other"},
		{"verify", "mil verify takes MODEL"}, {"eval", "nothing to measure"}, {"eval a b -f x", "takes MODEL at most"}, {"eval --needle-lengths x", "separated by commas"}, {"bench --depths 1,b", "separated by commas"},
		{"convert", "takes CHECKPOINT"}, {"convert x --type q3", "unknown type"}, {"convert x --tensor-type y", "--tensor-type"}, {"logits demo", "mil logits needs --tokens"}, {"logits demo --tokens 1,x", "is not a token id"},
		{"imatrix demo", "mil imatrix needs --file and --output"}, {"tokenize", "takes MODEL_OR_FOLDER"}, {"tokenize demo --decode", "--jsonl"}, {"selftest x", "takes no argument"}, {"list x", "takes no argument"}, {"rm", "takes NAME"},
	} {
		out, errs, err := mil(t, "", strings.Fields(c.args)...)
		if err == nil || !strings.Contains(err.Error(), c.want) || cmd.Status(err) != 2 {
			t.Errorf("mil %s: %v (status %d), want %q and 2", c.args, err, cmd.Status(err), c.want)
			continue
		}
		if out != "" || errs != "" || strings.Contains(err.Error(), "\n") || goWords.MatchString(err.Error()) {
			t.Errorf("mil %s: %q, printed %q and %q", c.args, err, out, errs)
		}
	}
	if cmd.Status(nil) != 0 {
		t.Error("success")
	}
}

// Help speaks of numbers, files and texts, not of Go's types.
func TestHelp(t *testing.T) {
	commands := regexp.MustCompile(`(?m)^  ([a-z]+) +[A-Z]`).FindAllStringSubmatch(must(t, "", "--help"), -1)
	if len(commands) < 15 {
		t.Fatalf("commands: %q", commands)
	}
	for _, c := range commands {
		help := must(t, "", c[1], "--help")
		if found := regexp.MustCompile(`--[a-z-]+ (u?int\d*|float\d*|strings?\w*|ints|duration)\b|true\|false|%!`).FindString(help); found != "" {
			t.Errorf("mil %s --help has %q", c[1], found)
		}
		for _, line := range strings.Split(help, "\n") {
			if len(line) > 120 {
				t.Errorf("mil %s --help has a line of %d characters: %q", c[1], len(line), line)
			}
		}
		if again := must(t, "", "help", c[1]); c[1] != "help" && again != help {
			t.Errorf("mil help %s is not mil %s --help", c[1], c[1])
		}
	}
}

// Where prompts come from, by the names of flags that other programs have too.
func TestRunSources(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		os.WriteFile(path, []byte(text), 0o600)
		return path
	}
	file := write("prompt.txt", "What is 2 plus 3?\n")
	half := write("half.txt", "2 plus 3?\n")
	messages := `[{"role":"user","content":"My name is Opal."},{"role":"assistant","content":"Nice to meet you, Opal!"},{"role":"user","content":[{"type":"text","text":"What is "},{"type":"text","text":"my name?"}]}]`
	const five, opal = "2 + 3 = 5.\n", "Your name is Opal.\n"
	for name, c := range map[string]struct {
		stdin string
		args  []string
		want  string
	}{
		"model and prompt":         {"", []string{"-m", "demo", "-p", "What is 2 plus 3?"}, five},
		"model flag":               {"", []string{"-m", "demo", "What is 2 plus 3?"}, five},
		"prompt flag, model":       {"", []string{"demo", "--prompt", "What is 2 plus 3?"}, five},
		"file":                     {"", []string{"-f", file}, five},
		"file, model":              {"", []string{"demo", "--file", file}, five},
		"file behind the prompt":   {"", []string{"-p", "What is", "-f", half}, five},
		"file, then the pipe":      {"2 plus 3?\n", []string{"-m", "demo", "-f", write("first.txt", "What is")}, five},
		"file from the pipe":       {"What is 2 plus 3?", []string{"-f", "-"}, five},
		"no stdin":                 {"Tell me a story.", []string{"--no-stdin", "What is 2 plus 3?"}, five},
		"pipe behind the argument": {"2 plus 3?", []string{"What is"}, five},
		"messages":                 {"", []string{"--messages", write("m.json", messages)}, opal},
		"messages from the pipe":   {messages, []string{"--messages", "-"}, opal},
		"an object with messages":  {`{"messages": ` + messages + `}`, []string{"demo", "--messages", "-"}, opal},
		"short flags":              {"", []string{"-n", "3", "-c", "512", "-t", "1", "-s", "1", "--temperature", "0", "Tell me a story."}, "Once upon a\n"},
		"a dash behind two dashes": {"", []string{"-m", "demo", "--", "-p"}, ""},
	} {
		args := append([]string{"run", "--temp", "0"}, c.args...)
		if out := must(t, c.stdin, args...); c.want != "" && out != c.want {
			t.Errorf("%s: %q, want %q", name, out, c.want)
		}
	}
	for want, in := range map[string]string{
		"standard input: messages[1].foo is not known":    `[{"role":"user","content":"x"},{"role":"user","foo":1}]`,
		`standard input: messages[0].role "x" is not`:     `[{"role":"x","content":"x"}]`,
		"standard input: not JSON":                        `[{"role":`,
		"standard input: messages[0].name is not support": `[{"role":"user","content":"x","name":"<|eot_id|>"}]`,
	} {
		if _, _, err := mil(t, in, "run", "--messages", "-"); err == nil || !strings.Contains(err.Error(), want) || cmd.Status(err) != 1 {
			t.Errorf("%s: %v, want %q", in, err, want)
		}
	}
}

func TestRunJSON(t *testing.T) {
	var got struct {
		Text         string
		FinishReason string `json:"finish_reason"`
		Tokens       struct{ Prompt, Cached, Generated int }
		Times        struct {
			Prompt, Generation, Total float64
			FirstToken                float64 `json:"first_token"`
		}
		Model string
		Cut   string
	}
	run := func(args ...string) string {
		t.Helper()
		out, errs, err := mil(t, "", append([]string{"run", "--json", "--temp", "0", "--stats"}, args...)...)
		if err != nil || strings.Count(out, "\n}\n") != 1 {
			t.Fatalf("%q, %v", out, err)
		}
		d := json.NewDecoder(strings.NewReader(out))
		got.Cut = ""
		if err := d.Decode(&got); err != nil || d.More() {
			t.Fatalf("%s: %v", out, err)
		}
		return errs
	}
	cache := t.TempDir()
	errs := run("--prompt-cache", cache, "What is 2 plus 3?")
	if got.Text != "2 + 3 = 5." || got.FinishReason != "stop" || got.Model != "demo" || got.Tokens.Prompt != 18 || got.Tokens.Cached != 0 || got.Tokens.Generated != 9 || got.Cut != "" {
		t.Errorf("%+v", got)
	}
	if !strings.Contains(errs, "prompt 18 tokens") {
		t.Errorf("statistics: %q", errs)
	}
	if s := got.Times; !(0 < s.Prompt && s.Prompt <= s.FirstToken && s.FirstToken <= s.Total && 0 < s.Generation && s.Generation < s.Total) {
		t.Errorf("%+v", s)
	}
	run("--prompt-cache", cache, "What is 2 plus 3?")
	if got.Tokens.Prompt != 18 || got.Tokens.Cached == 0 {
		t.Errorf("with a cache: %+v", got.Tokens)
	}
	errs = run("-n", "3", "Tell me a story.")
	if got.Text != "Once upon a" || got.FinishReason != "length" || got.Tokens.Generated != 3 || got.Cut == "" || !strings.Contains(errs, "cut at max-tokens 3") {
		t.Errorf("cut: %+v, %q", got, errs)
	}
	run("--raw", "-n", "2", "Once upon")
	if got.Text != " a time" || got.FinishReason != "length" {
		t.Errorf("raw: %+v", got)
	}
	run("--stop", "=", "What is 2 plus 3?")
	if got.Text != "2 + 3 " && got.Text != "2 + 3" || got.FinishReason != "stop" {
		t.Errorf("stop string: %+v", got)
	}
}
