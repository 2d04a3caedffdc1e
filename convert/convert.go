// Package convert packs a Hugging Face style checkpoint, or another GGUF, into
// one GGUF file. Each checkpoint layout is one file that recognises its
// tensors and plans the output; the pipeline is the same for all.
package convert

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mil-run/mil/convert/source"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/quant"
	"github.com/mil-run/mil/tokenizer"
)

// Options of a conversion.
type Options struct {
	Output    string // path of the file to write
	Type      quant.Mix
	Tokenizer string // folder or tokenizer.json, when the checkpoint has none or another is wanted
	Force     bool   // overwrite Output
	// Progress is called as values are written, with the tensor at hand.
	Progress func(tensor string, done, total int64)
}

// Summary is what a conversion did.
type Summary struct {
	Arch      string
	Tensors   int
	Params    int64
	Bytes     int64
	Types     map[string]int64 // values stored in each type
	Fallbacks []string         // tensors whose rows the wanted type cannot take
	Time      time.Duration
}

// BitsPerWeight is the whole file's size over its parameters.
func (s *Summary) BitsPerWeight() float64 { return float64(s.Bytes) * 8 / float64(s.Params) }

// DefaultOutput names the file that converting path makes in the current folder:
// after the checkpoint, without an earlier type, and the type.
func DefaultOutput(path string, t quant.Mix) (string, error) {
	full, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	name := filepath.Base(full)
	for _, ext := range []string{".bin", ".gguf"} {
		name = strings.TrimSuffix(name, ext)
	}
	for _, old := range quant.MixNames() {
		name = strings.TrimSuffix(name, "-"+old)
	}
	return name + "-" + t.String() + ".bin", nil
}

// layouts are tried in order; each says whether the checkpoint is its own.
var layouts = []func(*input) (*plan, bool, error){mambaLayout, hybridLayout, llamaLayout}

// Run converts the folder or GGUF file at path. Everything that headers and
// configs can tell is checked before the first weight is read; a failed or
// cancelled run leaves nothing behind.
func Run(ctx context.Context, path string, o Options) (*Summary, error) {
	start := time.Now()
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	var p *plan
	var closer func() error
	if info.IsDir() {
		p, closer, err = planFolder(path, o)
	} else {
		p, closer, err = planGGUF(path, o)
	}
	if closer != nil {
		defer closer()
	}
	if err != nil {
		if !strings.Contains(err.Error(), path) {
			err = fmt.Errorf("%s: %w", path, err)
		}
		return nil, err
	}
	sum, err := p.write(ctx, o)
	if err != nil {
		return nil, err
	}
	sum.Time = time.Since(start)
	return sum, nil
}

// planFolder reads a checkpoint's headers, configs and tokenizer.
func planFolder(dir string, o Options) (*plan, func() error, error) {
	ck, err := source.Open(dir)
	if err != nil {
		return nil, nil, err
	}
	p, err := planCheckpoint(dir, ck, o)
	return p, ck.Close, err
}

func planCheckpoint(dir string, ck *source.Checkpoint, o Options) (*plan, error) {
	in := &input{dir: dir, takes: newTakes(ck), config: &config{}, mamba: &mambaConfig{}}
	if err := source.ReadJSON(filepath.Join(dir, "config.json"), in.config); err != nil {
		return nil, err
	}
	var err error
	if in.hasMamba, err = optional(dir, "mamba_config.json", in.mamba); err != nil {
		return nil, err
	}
	var p *plan
	for _, layout := range layouts {
		found, ok, err := layout(in)
		if err != nil {
			return nil, err
		}
		if ok {
			p = found
			break
		}
	}
	if p == nil {
		return nil, fmt.Errorf("not a layout mil knows: it has neither model.embed_tokens.weight (Llama, Mistral, hybrids) nor backbone.embedding.weight (Mamba)")
	}
	if p.name == "" {
		p.name = filepath.Base(filepath.Clean(dir))
	}
	if err := addTokenizer(p, dir, o.Tokenizer); err != nil {
		return nil, err
	}
	if err := addDefaults(p, in); err != nil {
		return nil, err
	}
	p.set("mil.source.name", p.name)
	p.set("mil.source.format", ck.Kind())
	if l := license(dir, in.config); l != "" {
		p.set("general.license", l)
	}
	return p, nil
}

// ErrNoTokenizer is returned for a checkpoint without tokenizer files.
var ErrNoTokenizer = errors.New("no tokenizer.json there; name one with --tokenizer FOLDER_OR_FILE (the base model's)")

// addTokenizer puts the tokenizer into the plan, its list of tokens as long as
// the embedding has rows.
func addTokenizer(p *plan, dir, other string) error {
	from := dir
	if other != "" {
		from = other
	} else if !tokenizer.Exists(dir) {
		return ErrNoTokenizer
	}
	t, err := tokenizer.FromFiles(from)
	if err != nil {
		return err
	}
	if t.Size() > p.vocab {
		return fmt.Errorf("%s: the tokenizer has ids up to %d, the weights %d rows", from, t.Size()-1, p.vocab)
	}
	kv, err := t.GGUF(p.vocab)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	for _, k := range tokenizer.SortedKeys(kv) {
		p.set(k, kv[k])
	}
	p.eos = t.EndOfTurn()
	return nil
}

// addDefaults puts the generation defaults and every id that ends a turn.
func addDefaults(p *plan, in *input) error {
	var g generation
	if _, err := optional(in.dir, "generation_config.json", &g); err != nil {
		return err
	}
	ends := map[int32]bool{}
	var order []int32
	add := func(file string, list []int32, err error) error {
		if err != nil {
			return fmt.Errorf("%s: eos_token_id: %w", file, err)
		}
		for _, id := range list {
			if id < 0 || int(id) >= p.vocab {
				return fmt.Errorf("%s: eos_token_id %d is not among the %d tokens", file, id, p.vocab)
			}
			if !ends[id] {
				ends[id] = true
				order = append(order, id)
			}
		}
		return nil
	}
	list, err := ids(in.config.EOS)
	if err := add("config.json", list, err); err != nil {
		return err
	}
	list, err = ids(g.EOS)
	if err := add("generation_config.json", list, err); err != nil {
		return err
	}
	if err := add("tokenizer", p.eos, nil); err != nil {
		return err
	}
	if len(order) > 0 {
		p.set("mil.eos_token_ids", order)
	}
	set := func(key string, v *float64) {
		if v != nil {
			p.set("mil.generation."+key, float32(*v))
		}
	}
	set("temperature", g.Temperature)
	set("top_p", g.TopP)
	set("min_p", g.MinP)
	set("repetition_penalty", g.RepetitionPenalty)
	if g.TopK != nil {
		p.set("mil.generation.top_k", int32(*g.TopK))
	}
	if g.DoSample != nil {
		p.set("mil.generation.do_sample", *g.DoSample)
	}
	return nil
}

// license is the model card's or the config's licence.
func license(dir string, c *config) string {
	b, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err == nil && strings.HasPrefix(string(b), "---") {
		for _, line := range strings.Split(string(b), "\n")[1:] {
			if strings.HasPrefix(line, "---") {
				break
			}
			if v, ok := strings.CutPrefix(line, "license:"); ok {
				return strings.Trim(strings.TrimSpace(v), `"'`)
			}
		}
	}
	return c.License
}

// planGGUF plans a copy of a GGUF file with other types.
func planGGUF(path string, o Options) (*plan, func() error, error) {
	f, err := format.Open(path)
	if err != nil {
		return nil, nil, err
	}
	p, err := copyPlan(f)
	return p, f.Close, err
}
