package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mil-run/mil/internal/jsonscan"
)

// specification is tokenizer.json without the vocabulary and the merges.
type specification struct {
	AddedTokens   []addedToken `json:"added_tokens"`
	Normalizer    *component   `json:"normalizer"`
	PreTokenizer  *component   `json:"pre_tokenizer"`
	PostProcessor *component   `json:"post_processor"`
	Decoder       *component   `json:"decoder"`
	Model         modelSpec    `json:"model"`

	fields map[string]json.RawMessage // the file's, to be written again
	model  map[string]json.RawMessage
}

type modelSpec struct {
	Type         string   `json:"type"`
	UnkToken     *string  `json:"unk_token"`
	Prefix       *string  `json:"continuing_subword_prefix"`
	Suffix       *string  `json:"end_of_word_suffix"`
	FuseUnk      bool     `json:"fuse_unk"`
	ByteFallback bool     `json:"byte_fallback"`
	IgnoreMerges bool     `json:"ignore_merges"`
	Dropout      *float64 `json:"dropout"`
}

// component is a normalizer, pre-tokenizer, post-processor or decoder: the fields of
// all kinds together.
type component struct {
	Type          string      `json:"type"`
	Normalizers   []component `json:"normalizers"`
	PreTokenizers []component `json:"pretokenizers"`
	Processors    []component `json:"processors"`
	Decoders      []component `json:"decoders"`

	Prepend string `json:"prepend"`
	Content string `json:"content"`
	Pattern struct {
		String *string
		Regex  *string
	} `json:"pattern"`
	Behavior string `json:"behavior"`
	Invert   bool   `json:"invert"`
	Start    int    `json:"start"`
	Stop     int    `json:"stop"`

	StripLeft  *bool `json:"strip_left"`
	StripRight *bool `json:"strip_right"`

	IndividualDigits bool   `json:"individual_digits"`
	Delimiter        string `json:"delimiter"`
	Length           *int   `json:"length"`

	AddPrefixSpace *bool  `json:"add_prefix_space"`
	UseRegex       *bool  `json:"use_regex"`
	Replacement    string `json:"replacement"`
	PrependScheme  string `json:"prepend_scheme"`
	Split          *bool  `json:"split"`

	Single        []templatePiece            `json:"single"`
	SpecialTokens map[string]templateSpecial `json:"special_tokens"`
}

type templatePiece struct {
	SpecialToken *struct {
		ID string `json:"id"`
	}
	Sequence *struct {
		ID string `json:"id"`
	}
}

type templateSpecial struct {
	IDs []int64 `json:"ids"`
}

// members are the parts of an object, in place.
func members(data []byte) (map[string]json.RawMessage, error) {
	m := map[string]json.RawMessage{}
	err := jsonscan.Members(data, maxMembers, func(key string, value []byte) error { m[key] = value; return nil })
	return m, err
}

// parseSpecification reads tokenizer.json apart from model.vocab and model.merges, which
// it leaves in s.model. What s holds lies in data.
func parseSpecification(data []byte) (*specification, error) {
	if err := jsonscan.Valid(data); err != nil {
		return nil, err
	}
	s := new(specification)
	var err error
	if s.fields, err = members(data); err != nil {
		return nil, err
	}
	model, ok := s.fields["model"]
	if !ok {
		return nil, errors.New("it has no model")
	}
	if s.model, err = members(model); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	if err := s.parseAdded(s.fields["added_tokens"]); err != nil {
		return nil, fmt.Errorf("added_tokens: %w", err)
	}
	for name, into := range map[string]any{
		"normalizer": &s.Normalizer, "pre_tokenizer": &s.PreTokenizer, "post_processor": &s.PostProcessor, "decoder": &s.Decoder,
	} {
		if field, ok := s.fields[name]; ok {
			if len(field) > maxField || bytes.Count(field, []byte{','}) > maxParts {
				return nil, fmt.Errorf("%s has %d bytes or %d parts, more than any tokenizer needs", name, len(field), bytes.Count(field, []byte{','}))
			}
			if err := json.Unmarshal(field, into); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	small := map[string]json.RawMessage{}
	for k, v := range s.model {
		if k != "vocab" && k != "merges" {
			small[k] = v
		}
	}
	data, err = json.Marshal(small)
	if err == nil {
		err = json.Unmarshal(data, &s.Model)
	}
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	return s, s.check()
}

// parseAdded reads the added tokens.
func (s *specification) parseAdded(field json.RawMessage) error {
	if field == nil {
		return nil
	}
	if n := jsonscan.Commas(field, 1) + 1; n > maxAdded {
		return fmt.Errorf("%d added tokens; at most %d are taken", n, maxAdded)
	}
	if err := json.Unmarshal(field, &s.AddedTokens); err != nil {
		return err
	}
	for _, a := range s.AddedTokens {
		if len(a.Content) > maxAddedBytes {
			return fmt.Errorf("added token %s has %d bytes; at most %d are taken", quote(a.Content), len(a.Content), maxAddedBytes)
		}
	}
	return nil
}

// check refuses the kinds of model there is no code for.
func (s *specification) check() error {
	m := &s.Model
	switch {
	case m.Type != "BPE" && (m.Type != "" || s.model["merges"] == nil):
		return fmt.Errorf("model type %s is not known (known: BPE)", quote(m.Type))
	case m.Prefix != nil && *m.Prefix != "":
		return errors.New("model: continuing_subword_prefix is not supported")
	case m.Suffix != nil && *m.Suffix != "":
		return errors.New("model: end_of_word_suffix is not supported")
	case m.Dropout != nil && *m.Dropout != 0:
		return errors.New("model: dropout is not supported")
	}
	return nil
}

// encode writes the specification again, with the given vocabulary and no merges.
func (s *specification) encode(vocab map[string]int32) (string, error) {
	fields, model := map[string]any{}, map[string]any{}
	for k, v := range s.fields {
		fields[k] = v
	}
	for k, v := range s.model {
		model[k] = v
	}
	model["vocab"], model["merges"], fields["model"] = vocab, []string{}, model
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(fields); err != nil {
		return "", err
	}
	return string(bytes.TrimSpace(b.Bytes())), nil
}

// literal is the pattern as a plain string.
func (c *component) literal() (string, error) {
	switch {
	case c.Pattern.String != nil && *c.Pattern.String != "":
		return *c.Pattern.String, nil
	case c.Pattern.Regex != nil:
		return "", fmt.Errorf("the regular expression %s is not known", quote(*c.Pattern.Regex))
	}
	return "", errors.New("no pattern")
}

// mark is Metaspace's replacement for a space.
func (c *component) mark() string {
	if c.Replacement == "" {
		return spaceMark
	}
	return c.Replacement
}

// scheme is Metaspace's prepend_scheme, which older files write as add_prefix_space.
func (c *component) scheme() string {
	if c.PrependScheme == "" {
		if c.AddPrefixSpace != nil && !*c.AddPrefixSpace {
			return "never"
		}
		return "always"
	}
	return c.PrependScheme
}

// isTrue gives an optional flag's value; the libraries' default is true.
func isTrue(flag *bool) bool { return flag == nil || *flag }
