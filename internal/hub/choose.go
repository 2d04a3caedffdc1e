package hub

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// small are the files beside the weights that a conversion reads.
var small = []string{"config.json", "generation_config.json", "mamba_config.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json",
	"special_tokens_map.json", "added_tokens.json", "chat_template.jinja", "chat_template.json", "README.md"}

// weights are the names of whole weights, in order of preference; shards have an index.
var weights = []string{"model.safetensors", "pytorch_model.bin"}

// maxSmall bounds a file that is no weights: the largest are tokenizers and indexes.
const maxSmall = 256 << 20

// Small are the files to download before the weights: configs, tokenizer and, where
// the weights lie in several files, their index.
func (s *Snapshot) Small() ([]File, error) {
	if _, ok := s.File("config.json"); !ok {
		return nil, s.noCheckpoint("there is no config.json")
	}
	var files []File
	_, newer := s.File("tokenizer.json")
	for _, name := range small {
		if f, ok := s.File(name); ok && (name != "tokenizer.model" || !newer) {
			files = append(files, f)
		}
	}
	weights, index := s.weights()
	if weights == nil && index == nil {
		return nil, s.noCheckpoint("there is neither model.safetensors nor pytorch_model.bin, whole or with an index")
	}
	if index != nil {
		files = append(files, *index)
	}
	for _, f := range files {
		if f.Size > maxSmall {
			return nil, fmt.Errorf("%s: %w: %s has %d bytes", s.Repo, ErrContent, f.Path, f.Size)
		}
	}
	return files, nil
}

// weights is the one file of weights, or the index of several.
func (s *Snapshot) weights() (whole, index *File) {
	for _, name := range weights {
		if f, ok := s.File(name); ok {
			return &f, nil
		}
		if f, ok := s.File(name + ".index.json"); ok {
			return nil, &f
		}
	}
	return nil, nil
}

// Weights are the files of weights; shards is what their index names, read from
// the file that Small had downloaded.
func (s *Snapshot) Weights(shards func(index string) ([]string, error)) ([]File, error) {
	whole, index := s.weights()
	if whole != nil {
		return []File{*whole}, nil
	}
	names, err := shards(index.Path)
	if err != nil {
		return nil, err
	}
	var files []File
	for _, name := range names {
		f, ok := s.File(name)
		if !ok {
			return nil, fmt.Errorf("%s: %w: %s names %s, which the repository does not have", s.Repo, ErrMissing, index.Path, show(name))
		}
		if slices.Contains(small, name) || name == index.Path {
			return nil, fmt.Errorf("%s: %w: %s names %s as weights", s.Repo, ErrContent, index.Path, show(name))
		}
		files = append(files, f)
	}
	return files, nil
}

var partName = regexp.MustCompile(`^(.*)-(\d{5})-of-(\d{5})(\.[Gg][Gg][Uu][Ff])$`)

// GGUF are the files of a GGUF: one, or all parts of a split one.
func (s *Snapshot) GGUF(name string) ([]File, error) {
	m := partName.FindStringSubmatch(name)
	if m == nil {
		f, ok := s.File(name)
		if !ok {
			return nil, s.noGGUF(name)
		}
		return []File{f}, nil
	}
	count, _ := strconv.Atoi(m[3])
	var files []File
	for i := range count {
		f, ok := s.File(fmt.Sprintf("%s-%05d-of-%s%s", m[1], i+1, m[3], m[4]))
		if !ok {
			return nil, s.noGGUF(fmt.Sprintf("%s-%05d-of-%s%s", m[1], i+1, m[3], m[4]))
		}
		files = append(files, f)
	}
	return files, nil
}

// ggufs lists the GGUF files, the first part of split ones, for messages.
func (s *Snapshot) ggufs() string {
	const most = 12
	var names []string
	for _, f := range s.Files {
		m := partName.FindStringSubmatch(f.Path)
		if strings.EqualFold(path.Ext(f.Path), ".gguf") && (m == nil || m[2] == "00001") {
			names = append(names, show(f.Path))
		}
	}
	if len(names) > most {
		names = append(names[:most], fmt.Sprintf("%d more", len(names)-most))
	}
	return strings.Join(names, ", ")
}

func (s *Snapshot) noGGUF(name string) error {
	if list := s.ggufs(); list != "" {
		return fmt.Errorf("%s: %w: there is no %s; it has %s", s.Repo, ErrMissing, show(name), list)
	}
	return fmt.Errorf("%s: %w: there is no %s, and no other GGUF file", s.Repo, ErrMissing, show(name))
}

// noCheckpoint names the files of a repository without a checkpoint.
func (s *Snapshot) noCheckpoint(why string) error {
	if list := s.ggufs(); list != "" {
		return fmt.Errorf("%s: %w: %s; it has GGUF files; name one as %s:FILE.gguf (%s)", s.Repo, ErrMissing, why, s.Repo, list)
	}
	if slices.ContainsFunc(s.Files, func(f File) bool { return f.Path == "adapter_config.json" }) {
		return fmt.Errorf("%s: %w: %s; it is an adapter (LoRA): merge it into its model first", s.Repo, errors.ErrUnsupported, why)
	}
	return fmt.Errorf("%s: %w: %s, so it is no checkpoint that mil converts", s.Repo, ErrMissing, why)
}
