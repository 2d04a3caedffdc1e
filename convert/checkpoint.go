package convert

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/mil-run/mil/internal/source"
)

// layouts are tried in order. Each says whether the checkpoint is its own.
var layouts = []func(*input) (*plan, bool, error){graniteLayout, falconLayout, nemotronLayout, qwen35Layout, aprielLayout, mambaLayout, hybridLayout, llamaLayout}

// input is an opened checkpoint folder.
type input struct {
	dir      string
	lookup   *lookup
	config   *config
	mamba    *mambaConfig
	hasMamba bool
	// ropeScaling applies rope_scaling where a layout's models run without it.
	ropeScaling bool
}

// any reports whether a tensor's name contains s.
func (in *input) any(s string) bool {
	for _, n := range in.lookup.c.Names() {
		if strings.Contains(n, s) {
			return true
		}
	}
	return false
}

// openFolder reads a checkpoint's headers, configs and tokenizer.
func openFolder(dir string, o Options) (*plan, io.Closer, error) {
	ck, err := source.Open(dir)
	if err != nil {
		return nil, nil, inFolder(dir, err)
	}
	p, err := planCheckpoint(dir, ck, o)
	if err != nil {
		ck.Close()
		return nil, nil, err
	}
	return p, ck, nil
}

// inFolder puts the folder before an error that names a file in it.
func inFolder(dir string, err error) error { return fmt.Errorf("%s: %w", dir, err) }

func planCheckpoint(dir string, ck *source.Checkpoint, o Options) (*plan, error) {
	in := &input{dir: dir, lookup: newLookup(ck), config: &config{}, mamba: &mambaConfig{}, ropeScaling: o.RopeScaling}
	if err := source.ReadJSON(filepath.Join(dir, "config.json"), in.config); err != nil {
		return nil, err
	}
	var err error
	if in.hasMamba, err = optional(dir, "mamba_config.json", in.mamba); err != nil {
		return nil, err
	}
	if err := errors.Join(in.text(), in.qwerky()); err != nil {
		return nil, err
	}
	if err := unwrap(ck); err != nil {
		return nil, inFolder(dir, err)
	}
	p, err := in.plan()
	if err != nil {
		return nil, inFolder(dir, err)
	}
	if err := p.addTokenizer(dir, o.Tokenizer); err != nil {
		return nil, err
	}
	if err := p.addDefaults(in); err != nil {
		return nil, inFolder(dir, err)
	}
	full, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	p.set("general.name", filepath.Base(full))
	if n := in.config.NameOrPath; n != "" {
		p.set("mil.source.name", n)
	}
	p.set("mil.source.format", ck.Kind())
	if l := license(dir, in.config); l != "" {
		p.set("general.license", l)
	}
	p.path, p.source = dir, ck
	p.inputs = append(ck.Files(), smallFiles(dir)...)
	if o.Tokenizer != "" {
		p.inputs = append(append(p.inputs, o.Tokenizer), smallFiles(o.Tokenizer)...)
	}
	return p, nil
}

// smallFiles lists the configs and tokenizer files of a folder.
func smallFiles(dir string) []string {
	var paths []string
	for _, pattern := range []string{"*.json", "*.json.gz", "*.jinja", "README.md"} {
		found, _ := filepath.Glob(filepath.Join(source.EscapeGlob(dir), pattern)) // the patterns are sound
		paths = append(paths, found...)
	}
	return paths
}

// plan finds the layout and plans the output.
func (in *input) plan() (*plan, error) {
	if err := in.checkWeights(); err != nil {
		return nil, err
	}
	for _, layout := range layouts {
		if p, ok, err := layout(in); ok || err != nil {
			return p, err
		}
	}
	return nil, in.refuse(", whose tensors (" + in.names() + ") are of no layout mil knows")
}

// CheckConfig says from the configs in a folder alone whether mil runs this
// kind of checkpoint, before its weights are there.
func CheckConfig(dir string) error {
	in := &input{dir: dir, config: &config{}, mamba: &mambaConfig{}}
	err := source.ReadJSON(filepath.Join(dir, "config.json"), in.config)
	if err == nil {
		in.hasMamba, err = optional(dir, "mamba_config.json", in.mamba)
	}
	if err != nil {
		return err
	}
	if err := errors.Join(in.text(), in.qwerky()); err != nil {
		return err
	}
	if err := in.checkWeights(); err != nil {
		return inFolder(dir, err)
	}
	if err := in.checkConfig(); err != nil {
		return inFolder(dir, err)
	}
	return nil
}

// checkConfig checks the layouts' demands on the configs, without the tensors.
func (in *input) checkConfig() error {
	c := in.config
	kind := strings.ToLower(c.model())
	check := map[string]func() ([]string, error){
		"granitemoehybrid": c.checkGranite, "bamba": c.checkGranite, "falcon_h1": c.checkFalcon, "nemotron_h": c.checkNemotron,
		"qwen3_5_text": c.checkQwen35, "apriel_hybrid_ssm": c.checkApriel, "apriel_ssm_hybrid": c.checkApriel,
	}[kind]
	if check != nil {
		_, err := check()
		if err == nil && kind != "nemotron_h" {
			_, err = c.readRope()
		}
		return err
	}
	if kind == qwerky && !in.hasMamba {
		return errNoMambaConfig
	}
	if !in.hasMamba && (kind == "falcon_mamba" || strings.HasPrefix(kind, "mamba") || kind == "" && c.DModel > 0) {
		if err := in.checkType("mamba", "mamba2", "falcon_mamba"); err != nil {
			return err
		}
		s := &pure{second: strings.HasPrefix(kind, "mamba2") || c.SSM.Layer == "Mamba2"}
		read := s.readAuthors
		if c.HiddenSize > 0 {
			read = s.readTransformers
		}
		if err := read(c); err != nil {
			return err
		}
		return s.check()
	}
	types := llamaTypes
	if in.hasMamba {
		types = hybridTypes
	}
	if err := in.checkType(types...); err != nil {
		return err
	}
	var err error
	if in.hasMamba {
		_, err = in.checkHybrid()
	} else {
		_, err = c.members.check("config.json", llamaKeys)
	}
	if err == nil {
		err = c.checkLlama()
	}
	if err == nil {
		err = c.checkScale()
	}
	if err == nil {
		_, err = c.readRope()
	}
	return err
}

// optional reads a JSON file that need not be there.
func optional(dir, name string, v any) (bool, error) {
	err := source.ReadJSON(filepath.Join(dir, name), v)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
