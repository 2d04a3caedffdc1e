package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/mil-run/mil/internal/jsonscan"
)

// Meta is what FromGGUF reads from a GGUF file's metadata: getters that give ok false for
// a key that is not there and an error for one of another type.
type Meta interface {
	String(key string) (v string, ok bool, err error)
	Strings(key string) (v []string, ok bool, err error)
	Ints(key string) (v []int64, ok bool, err error)
	Floats(key string) (v []float64, ok bool, err error)
	Uint(key string) (v uint64, ok bool, err error)
	Bool(key string) (v bool, ok bool, err error)
}

// ggml is the tokenizer part of a GGUF file's metadata.
type ggml struct {
	model, pre, own, template string
	named                     string           // JSON, see namedKey
	roles                     map[string]int64 // ids of special tokens by name, of those that have no field here
	tokens, merges            []string
	types                     []int64
	scores                    []float64
	bos, eos, unk, eot, eom   int64 // -1: none
	addBOS, addEOS, addSpace  *bool
	hasOwn, hasMerges         bool

	// Of a tokenizer.model, which has no such keys.
	trim  bool         // spaces at the ends and runs of them are cut
	later []addedToken // tokens that other files add
}

// FromGGUF loads the tokenizer a GGUF file holds: exactly the one that GGUF wrote, or for
// a file made elsewhere the one that ggml's keys describe.
func FromGGUF(m Meta) (*Tokenizer, error) {
	g, err := readGGML(m)
	if err != nil {
		return nil, err
	}
	d := &definition{scores: g.scores}
	if g.hasOwn {
		d.spec, err = parseSpecification([]byte(g.own))
	} else {
		d.spec, err = g.specify()
	}
	if err != nil && g.hasOwn {
		err = fmt.Errorf("%s: %w", ownKey, err)
	}
	if err != nil {
		return nil, err
	}
	if err := g.fill(d); err != nil {
		return nil, err
	}
	t, err := d.build()
	if err != nil {
		return nil, fmt.Errorf("tokenizer.ggml: %w", err)
	}
	t.chatTemplate = g.template
	if t.named, err = g.names(); err != nil {
		return nil, err
	}
	t.ends = []int32{-1, -1}
	for _, end := range []struct {
		name string
		id   int64
		into *int32
	}{{"bos", g.bos, &t.bos}, {"eos", g.eos, &t.eos}, {"eot", g.eot, &t.ends[0]}, {"eom", g.eom, &t.ends[1]}} {
		if end.id >= maxTokens || end.id >= 0 && !t.vocab.has(int32(end.id)) {
			return nil, fmt.Errorf("tokenizer.ggml.%s_token_id is %d, which no token has", end.name, end.id)
		}
		*end.into = int32(end.id)
	}
	return t, nil
}

// names are the special tokens by name: as our key has them, else by ggml's ids.
func (g *ggml) names() (map[string]any, error) {
	named := map[string]any{}
	if g.named == "" {
		for name, id := range g.roles {
			named[name] = g.tokens[id]
		}
		return named, nil
	}
	fields, err := fieldsOf([]byte(g.named))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", namedKey, err)
	}
	for name, raw := range fields {
		var text string
		var list []string
		if json.Unmarshal(raw, &text) == nil {
			named[name] = text
		} else if err := json.Unmarshal(raw, &list); err == nil {
			named[name] = list
		} else {
			return nil, fmt.Errorf("%s: %s is neither a token nor a list of them", namedKey, quote(name))
		}
	}
	return named, nil
}

// readGGML reads the keys and checks that the lists fit each other.
func readGGML(m Meta) (*ggml, error) {
	g := &ggml{bos: -1, eos: -1, unk: -1, eot: -1, eom: -1}
	var has struct{ tokens, types, scores bool }
	var errs []error
	errs = append(errs,
		get(m.String, "tokenizer.ggml.model", &g.model, nil),
		get(m.String, "tokenizer.ggml.pre", &g.pre, nil),
		get(m.String, "tokenizer.chat_template", &g.template, nil),
		get(m.String, ownKey, &g.own, &g.hasOwn),
		get(m.String, namedKey, &g.named, nil),
		get(m.Strings, "tokenizer.ggml.tokens", &g.tokens, &has.tokens),
		get(m.Strings, "tokenizer.ggml.merges", &g.merges, &g.hasMerges),
		get(m.Ints, "tokenizer.ggml.token_type", &g.types, &has.types),
		get(m.Floats, "tokenizer.ggml.scores", &g.scores, &has.scores),
	)
	for name, into := range map[string]*int64{"bos": &g.bos, "eos": &g.eos, "unknown": &g.unk, "eot": &g.eot, "eom": &g.eom} {
		var id uint64
		var ok bool
		errs = append(errs, get(m.Uint, "tokenizer.ggml."+name+"_token_id", &id, &ok))
		if ok && id < 1<<32-1 { // ggml writes 2^32-1 for none
			*into = int64(id)
		}
	}
	g.roles = map[string]int64{}
	for key, name := range map[string]string{"padding": "pad_token", "seperator": "sep_token", "separator": "sep_token", "cls": "cls_token", "mask": "mask_token"} {
		var id uint64
		var ok bool
		errs = append(errs, get(m.Uint, "tokenizer.ggml."+key+"_token_id", &id, &ok))
		if ok && id < uint64(len(g.tokens)) {
			g.roles[name] = int64(id)
		}
	}
	for name, into := range map[string]**bool{"add_bos_token": &g.addBOS, "add_eos_token": &g.addEOS, "add_space_prefix": &g.addSpace} {
		var flag, ok bool
		errs = append(errs, get(m.Bool, "tokenizer.ggml."+name, &flag, &ok))
		if ok {
			*into = &flag
		}
	}
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	n := len(g.tokens)
	switch {
	case !has.tokens:
		return nil, errors.New("tokenizer.ggml.tokens is missing: the file has no tokenizer")
	case n > maxTokens:
		return nil, atMost("tokenizer.ggml.tokens", n, maxTokens)
	case len(g.merges) > maxMerges:
		return nil, atMost("tokenizer.ggml.merges", len(g.merges), maxMerges)
	case len(g.template) > maxTemplate:
		return nil, fmt.Errorf("tokenizer.chat_template has %d bytes; at most %d are taken", len(g.template), maxTemplate)
	case has.types && len(g.types) != n:
		return nil, fmt.Errorf("tokenizer.ggml.token_type has %d entries for %d tokens", len(g.types), n)
	case has.scores && len(g.scores) != n:
		return nil, fmt.Errorf("tokenizer.ggml.scores has %d entries for %d tokens", len(g.scores), n)
	case g.hasOwn && !has.types:
		return nil, errors.New("tokenizer.ggml.token_type is missing")
	}
	return g, nil
}

func get[T any](from func(string) (T, bool, error), key string, into *T, has *bool) error {
	v, ok, err := from(key)
	if has != nil {
		*has = ok
	}
	if ok {
		*into = v
	}
	return err
}

func (g *ggml) typeOf(id int) int64 {
	if g.types == nil {
		return typeNormal
	}
	return g.types[id]
}

// fill gives the definition its tokens and merges. Control and user-defined tokens are
// left to the list of added tokens, except those that our key says the model has too.
func (g *ggml) fill(d *definition) error {
	var both map[string]int64
	if g.hasOwn {
		if err := atMost(ownKey+": model.vocab", jsonscan.Commas(d.spec.model["vocab"], 1)+1, maxTokens); err != nil {
			return err
		}
		if err := json.Unmarshal(d.spec.model["vocab"], &both); err != nil {
			return fmt.Errorf("%s: model.vocab: %w", ownKey, err)
		}
	}
	switch {
	case g.hasMerges:
	case g.model == "gpt2":
		return errors.New("tokenizer.ggml.merges is missing")
	case g.scores == nil:
		return errors.New("tokenizer.ggml.scores is missing")
	}
	n := len(g.tokens)
	for n > 0 && g.typeOf(n-1) == typeUnused {
		n-- // padding to the rows of the embedding
	}
	d.text, d.kind = slices.Clone(g.tokens[:n]), make([]tokenKind, n)
	for id, text := range d.text {
		switch kind := g.typeOf(id); kind {
		case typeNormal, typeUnknown, typeByte:
			d.kind[id] = kindModel
		case typeControl, typeUserDefined, typeUnused:
			at, ok := both[text]
			if ok && at == int64(id) || !g.hasOwn && int64(id) == g.unk {
				d.kind[id] = kindModel // words fall back to <unk>, whatever type it has
			} else {
				d.text[id] = ""
			}
		default:
			return fmt.Errorf("tokenizer.ggml.token_type of token %d is %d", id, kind)
		}
	}
	if g.hasMerges {
		list := mergeLines(g.merges)
		d.merges = &list
	}
	return nil
}

// specify writes the tokenizer.json that ggml's keys stand for.
func (g *ggml) specify() (*specification, error) {
	type object = map[string]any
	model := object{"type": "BPE", "vocab": object{}, "merges": []string{}}
	root := object{"version": "1.0", "model": model, "normalizer": nil, "pre_tokenizer": nil}
	addBOS, addEOS := false, false
	switch g.model {
	case "gpt2":
		root["decoder"] = object{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}
		pre, err := preOf(g.splitName())
		if err != nil {
			return nil, err
		}
		root["pre_tokenizer"] = pre.preTokenizer()
		model["ignore_merges"], addBOS = pre.ignoreMerges, pre.addBOS && g.bos >= 0
		if pre.nfc {
			root["normalizer"] = object{"type": "NFC"}
		}
	case "llama":
		model["byte_fallback"], model["fuse_unk"] = true, true
		g.setLlamaDefaults()
		if g.unk >= 0 && g.unk < int64(len(g.tokens)) {
			model["unk_token"] = g.tokens[g.unk]
		}
		addBOS = true
		toMark := object{"type": "Replace", "pattern": object{"String": " "}, "content": spaceMark}
		toSpace := object{"type": "Replace", "pattern": object{"String": spaceMark}, "content": " "}
		normalizers := []object{toMark}
		decoders := []object{toSpace, {"type": "ByteFallback"}, {"type": "Fuse"}}
		if g.trim {
			normalizers = []object{{"type": "Replace", "pattern": object{"Regex": `\A +| +\z| +(?= )`}, "content": ""}, toMark}
		}
		if isTrue(g.addSpace) {
			normalizers = slices.Insert(normalizers, len(normalizers)-1, object{"type": "Prepend", "prepend": spaceMark})
			decoders = append(decoders, object{"type": "Strip", "content": " ", "start": 1, "stop": 0})
		}
		root["normalizer"] = object{"type": "Sequence", "normalizers": normalizers}
		root["decoder"] = object{"type": "Sequence", "decoders": decoders}
	default:
		return nil, fmt.Errorf("tokenizer.ggml.model %s is not known (known: gpt2, llama)", quote(g.model))
	}
	if g.addBOS != nil {
		addBOS = *g.addBOS
	}
	if g.addEOS != nil {
		addEOS = *g.addEOS
	}
	added, err := g.added()
	if err != nil {
		return nil, err
	}
	root["added_tokens"] = added
	single, special := []object{}, object{}
	around := func(id int64) {
		name := fmt.Sprint(id)
		single = append(single, object{"SpecialToken": object{"id": name, "type_id": 0}})
		special[name] = object{"id": name, "ids": []int64{id}, "tokens": []string{name}}
	}
	if addBOS && g.bos >= 0 {
		around(g.bos)
	}
	single = append(single, object{"Sequence": object{"id": "A", "type_id": 0}})
	if addEOS && g.eos >= 0 {
		around(g.eos)
	}
	root["post_processor"] = object{"type": "TemplateProcessing", "single": single, "special_tokens": special}
	data, err := json.Marshal(root)
	if err != nil {
		return nil, err
	}
	return parseSpecification(data)
}

// splitName is tokenizer.ggml.pre. Files of before May 2024 have none, and some say no
// more than "default": there the tokens tell whose they are, else GPT-2's way is taken.
func (g *ggml) splitName() string {
	if g.pre != "" && g.pre != "default" {
		return g.pre
	}
	switch {
	case slices.Contains(g.tokens, "<|begin_of_text|>"):
		return "llama-bpe"
	case slices.Contains(g.tokens, "<|padding|>"):
		return "olmo" // GPT-NeoX's, which the Mamba models have
	}
	return "gpt-2"
}

// setLlamaDefaults puts in the ids that ggml takes where a SentencePiece file names none.
func (g *ggml) setLlamaDefaults() {
	for i, id := range []*int64{&g.unk, &g.bos, &g.eos} {
		if *id < 0 && i < len(g.tokens) && (g.typeOf(i) == typeControl || g.typeOf(i) == typeUnknown || g.tokens[i] == []string{"<unk>", "<s>", "</s>"}[i]) {
			*id = int64(i)
		}
	}
}

// added lists the tokens that are found in text as they stand.
func (g *ggml) added() ([]addedToken, error) {
	list := []addedToken{}
	for id, text := range g.tokens {
		switch g.typeOf(id) {
		case typeUnknown, typeControl:
			list = append(list, addedToken{ID: int64(id), Content: text, Special: true})
		case typeUserDefined:
			list = append(list, addedToken{ID: int64(id), Content: text})
		}
		// Here, since the file says nothing of them but their types.
		if len(list) > maxAdded {
			return nil, fmt.Errorf("tokenizer.ggml.token_type: more than %d tokens are control or user tokens", maxAdded)
		}
	}
	return append(list, g.later...), nil
}
