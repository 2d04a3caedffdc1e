package cmd

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mil-run/mil/internal/jsonscan"
	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/jinja"
	"github.com/mil-run/mil/tokenizer"
)

func tokenizeCommand() *cobra.Command {
	var jsonl, decode, asChat, special bool
	c := &cobra.Command{
		Use:   "tokenize MODEL_OR_FOLDER [TEXT]",
		Short: "Show how text becomes tokens",
		Long: `Show the ids and pieces of a text, from the argument or from a pipe.
MODEL_OR_FOLDER is a model file, a folder with tokenizer files, a
tokenizer.json or a tokenizer.model.

--jsonl is for scripts, one JSON object a line on both sides:
  --jsonl           {"text", "add_special"}           gives {"ids"}
  --jsonl --decode  {"ids", "skip_special"}           gives {"text"}
  --jsonl --chat    {"messages", "add_generation_prompt", template variables}
                    gives {"text", "ids"}, or {"error"} where the template refuses`,
		Example: `  mil tokenize model.bin "Once upon a time"
  echo '{"text":"Hello","add_special":true}' | mil tokenize model.bin --jsonl`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("mil tokenize takes MODEL_OR_FOLDER, and a text; see mil tokenize --help")
			}
			return nil
		},
		ValidArgsFunction: completeModels(1),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case (decode || asChat) && !jsonl || decode && asChat:
				return usagef("--decode and --chat go with --jsonl, one of them")
			case jsonl && len(args) > 1:
				return usagef("--jsonl reads standard input and takes no text")
			}
			t, err := openTokenizer(c, args[0])
			if err != nil {
				return err
			}
			out := bufio.NewWriter(c.OutOrStdout())
			switch {
			case jsonl && decode:
				err = eachLine(c.InOrStdin(), out, t.decodeLine)
			case jsonl && asChat:
				err = eachLine(c.InOrStdin(), out, t.chatLine)
			case jsonl:
				err = eachLine(c.InOrStdin(), out, t.encodeLine)
			default:
				text := ""
				if text, err = readPrompt(strings.Join(args[1:], " "), c.InOrStdin()); err == nil {
					err = t.show(out, text, special)
				}
			}
			return errors.Join(err, out.Flush())
		},
	}
	c.Flags().BoolVar(&jsonl, "jsonl", false, "read and write JSON lines")
	c.Flags().BoolVar(&decode, "decode", false, "with --jsonl: turn ids into text")
	c.Flags().BoolVar(&asChat, "chat", false, "with --jsonl: render messages through the chat template")
	c.Flags().BoolVar(&special, "special", false, "read the names of special tokens in the text as those tokens")
	return c
}

// textTool is a tokenizer and, once needed, its chat template.
type textTool struct {
	*tokenizer.Tokenizer
	parsed *jinja.Template
}

// isTokenizer reports whether the argument means a folder and not a model of
// that name.
func isTokenizer(c *cobra.Command, dir string) bool {
	_, named := shortName(c, dir)
	return !named || tokenizer.Exists(dir)
}

func openTokenizer(c *cobra.Command, arg string) (*textTool, error) {
	st, err := os.Stat(arg)
	var t *tokenizer.Tokenizer
	if err == nil && (st.IsDir() && isTokenizer(c, arg) || strings.HasSuffix(arg, ".json") || strings.HasSuffix(arg, ".json.gz") || filepath.Base(arg) == "tokenizer.model") {
		t, err = tokenizer.FromFiles(arg)
		return &textTool{Tokenizer: t}, err
	}
	path, err := findModel(c, arg)
	if err != nil {
		return nil, err
	}
	file, err := openModel(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if t, err = tokenizer.FromGGUF(file.KV()); err != nil {
		return nil, file.Named(err)
	}
	return &textTool{Tokenizer: t}, nil
}

// show prints a line a token.
func (t *textTool) show(out io.Writer, text string, special bool) error {
	ids := t.Encode(strings.ToValidUTF8(text, "\uFFFD"), tokenizer.EncodeOptions{AddSpecial: true, ParseSpecial: special})
	width := 2
	if len(ids) > 0 {
		width += len(strconv.Itoa(int(slices.Max(ids))))
	}
	for _, id := range ids {
		if _, err := show.Fprintf(out, "%*d  %s\n", width, id, show.Own(strconv.Quote(t.Piece(id)))); err != nil {
			return err
		}
	}
	return nil
}

// eachLine answers every line of JSON with one.
func eachLine(in io.Reader, out io.Writer, answer func(line []byte) (any, error)) error {
	s := bufio.NewScanner(in)
	s.Buffer(nil, maxPrompt) // lines come and go, as many as there are
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for n := 1; s.Scan(); n++ {
		if len(bytes.TrimSpace(s.Bytes())) == 0 {
			continue
		}
		v, err := answer(s.Bytes())
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		b.Reset()
		if err := enc.Encode(v); err != nil {
			return err
		}
		if _, err := out.Write(show.JSON(b.Bytes())); err != nil {
			return err
		}
	}
	if errors.Is(s.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("a line is over %d MB long", maxPrompt>>20)
	}
	return s.Err()
}

type idsLine struct {
	IDs []int32 `json:"ids"`
}

func (t *textTool) encodeLine(line []byte) (any, error) {
	q := struct {
		Text       *string `json:"text"`
		AddSpecial bool    `json:"add_special"`
	}{AddSpecial: true}
	if err := json.Unmarshal(line, &q); err != nil {
		return nil, jsonscan.Plain(err)
	}
	if q.Text == nil {
		return nil, errors.New(`there is no "text"`)
	}
	return idsLine{t.Encode(*q.Text, tokenizer.EncodeOptions{AddSpecial: q.AddSpecial, ParseSpecial: true})}, nil
}

func (t *textTool) decodeLine(line []byte) (any, error) {
	var q struct {
		IDs         []int32 `json:"ids"`
		SkipSpecial bool    `json:"skip_special"`
	}
	if err := json.Unmarshal(line, &q); err != nil {
		return nil, jsonscan.Plain(err)
	}
	if q.IDs == nil {
		return nil, errors.New(`there is no "ids"`)
	}
	return struct {
		Text string `json:"text"`
	}{t.Decode(q.IDs, q.SkipSpecial)}, nil
}

func (t *textTool) chatLine(line []byte) (any, error) {
	if t.parsed == nil {
		if t.ChatTemplate() == "" {
			return nil, errors.New("there is no chat template")
		}
		p, err := jinja.Parse(t.ChatTemplate(), jinja.Tokens{BOS: t.BOSToken(), EOS: t.EOSToken(), Named: t.Named()})
		if err != nil {
			return nil, err
		}
		t.parsed = p
	}
	messages, vars, err := jinja.DecodeConversation(line)
	if err != nil {
		return nil, jsonscan.Plain(err)
	}
	text, err := t.parsed.Render(messages, vars)
	if err != nil {
		return struct {
			Error string `json:"error"`
		}{err.Error()}, nil
	}
	return struct {
		Text string  `json:"text"`
		IDs  []int32 `json:"ids"`
	}{text.Text, t.Encode(text.Text, tokenizer.EncodeOptions{ParseSpecial: true, Outside: text.Outside})}, nil
}
