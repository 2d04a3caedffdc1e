package tokenizer

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"unicode/utf8"

	"github.com/mil-run/mil/internal/jsonscan"
	"github.com/mil-run/mil/internal/pyjson"
)

// sentencePiece is a tokenizer.model: SentencePiece's own file, a protocol buffer.
type sentencePiece struct {
	pieces             []piece
	kind               uint64 // of model: 1 Unigram, 2 BPE, 3 word, 4 character
	unk, bos, eos      int64
	charsmap           bool // text is rewritten by a table
	normalizer         string
	prefix, trim, mark bool // a space in front; runs of spaces are cut; spaces become marks
	suffix             bool // the mark stands behind a word
}

type piece struct {
	text  string
	score float32
	kind  uint64 // as ggml's types
}

// models are the kinds of model by number.
var models = []string{"", "Unigram", "BPE", "word", "character"}

// parseSentencePiece builds a tokenizer from tokenizer.model and what the files beside
// it in dir add to that.
func parseSentencePiece(data []byte, dir string) (*Tokenizer, error) {
	m := &sentencePiece{kind: 1, unk: 0, bos: 1, eos: 2, prefix: true, trim: true, mark: true}
	if err := m.read(data); err != nil {
		return nil, fmt.Errorf("not a SentencePiece model: %w", err)
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	g := &ggml{model: "llama", bos: m.bos, eos: m.eos, unk: m.unk, addSpace: &m.prefix, trim: m.trim}
	for _, p := range m.pieces {
		g.tokens = append(g.tokens, p.text)
		g.types = append(g.types, int64(p.kind))
		g.scores = append(g.scores, float64(p.score))
	}
	for _, id := range []*int64{&g.bos, &g.eos, &g.unk} {
		if *id >= int64(len(g.tokens)) {
			return nil, fmt.Errorf("it has %d tokens and a special one with id %d", len(g.tokens), *id)
		}
	}
	if err := g.besides(dir); err != nil {
		return nil, err
	}
	d := &definition{scores: g.scores}
	var err error
	if d.spec, err = g.specify(); err != nil {
		return nil, err
	}
	if err := g.fill(d); err != nil {
		return nil, err
	}
	t, err := d.build()
	if err != nil {
		return nil, err
	}
	t.bos, t.eos = int32(g.bos), int32(g.eos)
	return t, nil
}

// check refuses what there is no code for.
func (m *sentencePiece) check() error {
	switch {
	case m.kind != 2 && m.kind < uint64(len(models)) && m.kind > 0:
		return fmt.Errorf("model type %s is not known (known: BPE)", models[m.kind])
	case m.kind != 2:
		return fmt.Errorf("model type %d is not known (known: BPE)", m.kind)
	case m.charsmap:
		return fmt.Errorf("normalizer %s is not known (known: identity)", quote(m.normalizer))
	case m.suffix:
		return errors.New("treat_whitespace_as_suffix is not supported")
	case !m.mark:
		return errors.New("escape_whitespaces false is not supported")
	case len(m.pieces) == 0:
		return errors.New("it has no tokens")
	}
	return nil
}

// read takes the fields of the file: pieces, the trainer's settings, the normalizer's.
func (m *sentencePiece) read(data []byte) error {
	return protoFields(data, func(field int, n uint64, bytes []byte) error {
		switch field {
		case 1:
			if len(m.pieces) == maxTokens {
				return fmt.Errorf("more than %d tokens", maxTokens)
			}
			p := piece{kind: typeNormal}
			err := protoFields(bytes, func(field int, n uint64, bytes []byte) error {
				switch field {
				case 1:
					if !utf8.Valid(bytes) {
						return fmt.Errorf("token %d is not UTF-8", len(m.pieces))
					}
					p.text = string(bytes)
				case 2:
					p.score = math.Float32frombits(uint32(n))
				case 3:
					p.kind = n
				}
				return nil
			})
			m.pieces = append(m.pieces, p)
			return err
		case 2:
			return protoFields(bytes, m.trainer)
		case 3:
			return protoFields(bytes, m.normalize)
		}
		return nil
	})
}

func (m *sentencePiece) trainer(field int, n uint64, _ []byte) error {
	switch field {
	case 3:
		m.kind = n
	case 24:
		m.suffix = n != 0
	case 40:
		m.unk = int64(int32(n))
	case 41:
		m.bos = int64(int32(n))
	case 42:
		m.eos = int64(int32(n))
	}
	return nil
}

func (m *sentencePiece) normalize(field int, n uint64, bytes []byte) error {
	switch field {
	case 1:
		m.normalizer = string(bytes)
	case 2:
		m.charsmap = len(bytes) > 0
	case 3:
		m.prefix = n != 0
	case 4:
		m.trim = n != 0
	case 5:
		m.mark = n != 0
	}
	return nil
}

// protoFields calls f for each field of a message of a protocol buffer: with a number,
// or with the bytes of a string or of a message.
func protoFields(data []byte, f func(field int, n uint64, bytes []byte) error) error {
	short := errors.New("it ends within a field")
	for len(data) > 0 {
		key, size := binary.Uvarint(data)
		if size <= 0 || key>>3 == 0 || key>>3 > math.MaxInt32 {
			return errors.New("a field without a number")
		}
		data = data[size:]
		var n uint64
		var bytes []byte
		switch key & 7 {
		case 0:
			if n, size = binary.Uvarint(data); size <= 0 {
				return short
			}
		case 1:
			if size = 8; len(data) >= size {
				n = binary.LittleEndian.Uint64(data)
			}
		case 2:
			if n, size = binary.Uvarint(data); size <= 0 || n > uint64(len(data)-size) {
				return short
			}
			bytes = data[size : size+int(n)]
			size += int(n)
		case 5:
			if size = 4; len(data) >= size {
				n = uint64(binary.LittleEndian.Uint32(data))
			}
		default:
			return fmt.Errorf("a field of kind %d", key&7)
		}
		if size > len(data) {
			return short
		}
		data = data[size:]
		if err := f(int(key>>3), n, bytes); err != nil {
			return err
		}
	}
	return nil
}

// besides takes what only the files beside tokenizer.model say: whether BOS and EOS are
// added, and tokens that were added later.
func (g *ggml) besides(dir string) error {
	data, err := optional(dir, "tokenizer_config.json", maxConfig)
	if err != nil {
		return err
	}
	later := map[int64]addedToken{}
	if data != nil {
		config, err := fieldsOf(pyjson.Clean(data))
		if err == nil {
			err = g.parseBesides(config, later)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", filepath.Join(dir, "tokenizer_config.json"), err)
		}
	}
	if data, err = optional(dir, "added_tokens.json", maxConfig); err != nil {
		return err
	}
	if data != nil {
		var ids map[string]int64
		if err = atMost("it", jsonscan.Commas(data, 1)+1, maxAdded); err == nil {
			err = json.Unmarshal(data, &ids)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", filepath.Join(dir, "added_tokens.json"), err)
		}
		for text, id := range ids {
			if _, known := later[id]; !known {
				later[id] = addedToken{ID: id, Content: text, Special: true}
			}
		}
	}
	for _, a := range later {
		if len(a.Content) > maxAddedBytes {
			return fmt.Errorf("added token %s has %d bytes; at most %d are taken", quote(a.Content), len(a.Content), maxAddedBytes)
		}
		if a.ID >= int64(len(g.tokens)) || a.ID >= 0 && g.typeOf(int(a.ID)) == typeNormal && g.tokens[a.ID] == a.Content {
			g.later = append(g.later, a)
		}
	}
	slices.SortFunc(g.later, func(a, b addedToken) int { return int(a.ID - b.ID) })
	return nil
}

func (g *ggml) parseBesides(config map[string]json.RawMessage, later map[int64]addedToken) error {
	for name, into := range map[string]**bool{"add_bos_token": &g.addBOS, "add_eos_token": &g.addEOS} {
		if field := config[name]; field != nil {
			if err := json.Unmarshal(field, into); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	field := config["added_tokens_decoder"]
	if field == nil {
		return nil
	}
	if err := atMost("added_tokens_decoder", jsonscan.Commas(field, 1)+1, maxAdded); err != nil {
		return err
	}
	var tokens map[int64]addedToken
	if err := json.Unmarshal(field, &tokens); err != nil {
		return fmt.Errorf("added_tokens_decoder: %w", err)
	}
	for id, a := range tokens {
		a.ID = id
		later[id] = a
	}
	return nil
}
