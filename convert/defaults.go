package convert

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/mil-run/mil/internal/jsonscan"
	"github.com/mil-run/mil/sample"
	"github.com/mil-run/mil/tokenizer"
)

// ErrNoTokenizer is wrapped by the error for a checkpoint without tokenizer files.
var ErrNoTokenizer = errors.New("no tokenizer.json here")

// addTokenizer puts the tokenizer into the plan. Its list of tokens is as long
// as the embedding has rows.
func (p *plan) addTokenizer(dir, other string) error {
	from := dir
	if other != "" {
		from = other
	} else if !tokenizer.Exists(dir) {
		return inFolder(dir, ErrNoTokenizer)
	}
	t, err := tokenizer.FromFiles(from)
	if err != nil {
		return err
	}
	if t.Size() > p.config.Vocab {
		return fmt.Errorf("%s: the tokenizer has ids up to %d, the weights only %d rows", from, t.Size()-1, p.config.Vocab)
	}
	kv, err := t.GGUF(p.config.Vocab)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	for _, k := range tokenizer.SortedKeys(kv) {
		p.set(k, kv[k])
	}
	p.eos = t.EndOfTurn()
	return nil
}

// generation is the part of generation_config.json beside the parameters.
type generation struct {
	DoSample *bool           `json:"do_sample"`
	EOS      json.RawMessage `json:"eos_token_id"`
}

// addParameters puts the parameters' defaults in generation_config.json.
func (p *plan) addParameters(dir string) error {
	list := slices.DeleteFunc(sample.Params(), func(p *sample.Param) bool { return !p.Checkpoint })
	var s sample.Settings
	var fields []reflect.StructField
	for i, param := range list {
		kind := reflect.TypeFor[*float64]()
		if _, whole := param.Field(&s).(*int); whole {
			kind = reflect.TypeFor[*int]()
		}
		fields = append(fields, reflect.StructField{Name: fmt.Sprintf("P%d", i), Type: kind, Tag: reflect.StructTag(fmt.Sprintf("json:%q", param.JSON))})
	}
	file := reflect.New(reflect.StructOf(fields))
	if _, err := optional(dir, "generation_config.json", file.Interface()); err != nil {
		return err
	}
	for i, param := range list {
		v := file.Elem().Field(i)
		if v.IsNil() {
			continue
		}
		switch to := param.Field(&s).(type) {
		case *float32:
			*to = float32(v.Elem().Float())
			p.set(param.Key(), *to)
		case *int:
			*to = int(v.Elem().Int())
			p.set(param.Key(), int32(*to))
		}
	}
	if err := s.Check(); err != nil {
		return fmt.Errorf("generation_config.json: %w", err)
	}
	return nil
}

// addDefaults puts the generation defaults and every id that ends a turn:
// config.json's, generation_config.json's and the tokenizer's, each once.
func (p *plan) addDefaults(in *input) error {
	var g generation
	if _, err := optional(in.dir, "generation_config.json", &g); err != nil {
		return err
	}
	var ends []int32
	for _, from := range []struct {
		file string
		raw  json.RawMessage
	}{{"config.json", in.config.EOS}, {"generation_config.json", g.EOS}} {
		list, err := ids(from.raw)
		if err != nil {
			return fmt.Errorf("%s: eos_token_id: %w", from.file, err)
		}
		for _, id := range list {
			if id < 0 || int(id) >= p.config.Vocab {
				return fmt.Errorf("%s: eos_token_id %d is not among the %d tokens", from.file, id, p.config.Vocab)
			}
		}
		ends = append(ends, list...)
	}
	p.setEnds(append(ends, p.eos...))
	if err := p.addParameters(in.dir); err != nil {
		return err
	}
	if g.DoSample != nil {
		p.set("mil.generation.do_sample", *g.DoSample)
	}
	return nil
}

// setEnds sets the ids that end a turn, in order, each once.
func (p *plan) setEnds(ends []int32) {
	var once []int32
	for _, id := range ends {
		if !slices.Contains(once, id) {
			once = append(once, id)
		}
	}
	if len(once) > 0 {
		p.set("mil.eos_token_ids", once)
	}
}

// ids reads a token id that may be null, a number or a list.
func ids(raw json.RawMessage) ([]int32, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var one int32
	if json.Unmarshal(raw, &one) == nil {
		return []int32{one}, nil
	}
	if n := jsonscan.Commas(raw, 1) + 1; n > maxEnds {
		return nil, fmt.Errorf("%d ids; at most %d are taken", n, maxEnds)
	}
	var many []int32
	if err := json.Unmarshal(raw, &many); err != nil {
		return nil, fmt.Errorf("%.60q is neither a token id nor a list of them", raw)
	}
	return many, nil
}

// license is the model card's or the config's licence.
func license(dir string, c *config) string {
	path := filepath.Join(dir, "README.md")
	if st, err := os.Stat(path); err != nil || !st.Mode().IsRegular() { // opening a pipe would wait
		return c.License
	}
	f, err := os.Open(path)
	if err != nil {
		return c.License
	}
	defer f.Close()
	card, _ := io.ReadAll(io.LimitReader(f, 64<<10)) // its header is at the top
	header, ok := strings.CutPrefix(strings.ReplaceAll(string(card), "\r\n", "\n"), "---\n")
	if !ok {
		return c.License
	}
	header, _, _ = strings.Cut(header, "\n---")
	for line := range strings.SplitSeq(header, "\n") {
		if v, ok := strings.CutPrefix(line, "license:"); ok {
			return strings.Trim(strings.TrimSpace(v), `"'`)
		}
	}
	return c.License
}
