package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/mil-run/mil/internal/jsonscan"
	"github.com/mil-run/mil/internal/pyjson"
)

// roles are the special tokens that have a name, as templates know them.
var roles = []string{"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}

// more is the name of the list of further special tokens.
const more = "additional_special_tokens"

// readConfig takes the chat template and the special tokens from the files beside
// tokenizer.json. What tokenizer_config.json does not say, special_tokens_map.json does,
// and an old processor's chat_template.json.
func (t *Tokenizer) readConfig(dir string) error {
	template, err := optional(dir, "chat_template.jinja", maxTemplate)
	if err != nil {
		return err
	}
	t.chatTemplate = string(template)
	t.guessEnds() // once more: the template tells which token ends a turn
	t.named = map[string]any{}
	for _, file := range []string{"tokenizer_config.json", "special_tokens_map.json", "chat_template.json"} {
		data, err := optional(dir, file, maxConfig)
		if err != nil {
			return err
		}
		if data == nil {
			continue
		}
		if err := t.parseConfig(pyjson.Clean(data), file); err != nil {
			return fmt.Errorf("%s: %w", filepath.Join(dir, file), err)
		}
	}
	for name, v := range t.named {
		if v == nil {
			delete(t.named, name)
		}
	}
	return nil
}

// optional reads a file of at most most bytes that need not be there; nil then.
func optional(dir, name string, most int64) ([]byte, error) {
	data, err := readFile(filepath.Join(dir, name), most)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// parseConfig takes from one of the files what no earlier one said.
func (t *Tokenizer) parseConfig(data []byte, file string) error {
	config, err := fieldsOf(data)
	if err != nil {
		return err
	}
	if field := config["chat_template"]; t.chatTemplate == "" && file != "special_tokens_map.json" {
		if t.chatTemplate, err = parseTemplate(field); err != nil {
			return fmt.Errorf("chat_template: %w", err)
		}
	}
	if file == "chat_template.json" {
		return nil
	}
	for _, name := range roles {
		field, said := config[name]
		if _, known := t.named[name]; known || !said {
			continue
		}
		text, err := parseToken(field)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		id, ok := t.ID(text)
		if text == "" {
			id = -1 // null: there is none
		} else if !ok && file == "special_tokens_map.json" {
			continue // a list beside the tokenizer's own, perhaps an older one
		}
		into := map[string]*int32{"bos_token": &t.bos, "eos_token": &t.eos}[name]
		if into != nil {
			if text != "" && !ok {
				return fmt.Errorf("%s: %s is not in the vocabulary", name, quote(text))
			}
			*into = id
		}
		t.named[name] = nil
		if text != "" {
			t.named[name] = text
		}
	}
	return t.parseMore(config[more])
}

// fieldsOf are an object's values by key.
func fieldsOf(data []byte) (map[string]json.RawMessage, error) {
	fields := map[string]json.RawMessage{}
	err := jsonscan.Valid(data)
	if err == nil {
		err = jsonscan.Members(data, maxMembers, func(key string, value []byte) error {
			fields[key] = value
			return nil
		})
	}
	return fields, err
}

// parseMore takes the list of further special tokens.
func (t *Tokenizer) parseMore(field json.RawMessage) error {
	if _, known := t.named[more]; known || len(field) == 0 || string(field) == "null" {
		return nil
	}
	if err := atMost(more, jsonscan.Commas(field, 1)+1, maxAdded); err != nil {
		return err
	}
	var list []json.RawMessage
	if err := json.Unmarshal(field, &list); err != nil {
		return fmt.Errorf("%s: %w", more, err)
	}
	names := []string{}
	for _, raw := range list {
		text, err := parseToken(raw)
		if err != nil {
			return fmt.Errorf("%s: %w", more, err)
		}
		names = append(names, text)
	}
	if len(names) > 0 {
		t.named[more] = names
	}
	return nil
}

// parseTemplate takes a template written as a string or as a list of named ones. Of a list
// without "default" it takes the first that is not for tools or documents alone.
func parseTemplate(field json.RawMessage) (string, error) {
	if len(field) == 0 || string(field) == "null" {
		return "", nil
	}
	if len(field) > maxTemplate {
		return "", fmt.Errorf("it has %d bytes; at most %d are taken", len(field), maxTemplate)
	}
	if field[0] == '"' {
		var template string
		err := json.Unmarshal(field, &template)
		return template, err
	}
	if err := atMost("it", jsonscan.Commas(field, 1)+1, maxSteps); err != nil {
		return "", err
	}
	var list []struct{ Name, Template string }
	if err := json.Unmarshal(field, &list); err != nil {
		return "", err
	}
	first, chat := "", ""
	for _, named := range list {
		if named.Name == "default" {
			return named.Template, nil
		}
		if first == "" {
			first = named.Template
		}
		if chat == "" && !strings.Contains(named.Name, "tool") && !strings.Contains(named.Name, "rag") {
			chat = named.Template
		}
	}
	if chat != "" {
		return chat, nil
	}
	return first, nil
}

// parseToken takes a token written as a string or as an object with its content; "" is
// null, which says that there is none.
func parseToken(field json.RawMessage) (string, error) {
	var token struct{ Content string }
	var err error
	switch {
	case string(field) == "null":
	case field[0] == '"':
		err = json.Unmarshal(field, &token.Content)
	default:
		err = json.Unmarshal(field, &token)
	}
	return token.Content, err
}

// Named returns the special tokens by the names that templates know them by: bos_token,
// eos_token, pad_token and so on as strings, additional_special_tokens as a list. Those
// that the tokenizer lacks are not in it.
func (t *Tokenizer) Named() map[string]any {
	named := map[string]any{}
	for name, v := range t.named {
		named[name] = v
	}
	for name, id := range map[string]int32{"bos_token": t.bos, "eos_token": t.eos} {
		delete(named, name)
		if id >= 0 {
			named[name] = t.content(id)
		}
	}
	if _, ok := named["unk_token"]; !ok && t.unk >= 0 {
		named["unk_token"] = t.content(t.unk)
	}
	return named
}

var (
	textStarts = []string{"<|begin_of_text|>", "<s>", "<bos>", "<|endoftext|>"}
	turnEnds   = []string{"<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<end_of_turn>", "<|end_of_turn|>", "<|end|>"}
	textEnds   = []string{"<|end_of_text|>", "<|endoftext|>", "</s>", "<eos>"}
)

// guessEnds finds BOS and EOS where only tokenizer.json tells of them: in the
// post-processor, else by the names that the families in use give them.
func (t *Tokenizer) guessEnds() {
	first := func(names []string, in string) int32 {
		for _, name := range names {
			if id, ok := t.added.byContent[name]; ok && strings.Contains(in, name) {
				return id
			}
		}
		return -1
	}
	if before := t.template.before; len(before) > 0 {
		t.bos = before[0]
	} else {
		t.bos = first(textStarts, strings.Join(textStarts, ""))
	}
	if after := t.template.after; len(after) > 0 {
		t.eos = after[len(after)-1]
	} else if t.eos = first(turnEnds, t.chatTemplate); t.eos < 0 {
		t.eos = first(textEnds, strings.Join(textEnds, ""))
	}
}
