package constrain

import (
	"strconv"
	"strings"
)

// jsonTypes is a set of JSON's types.
type jsonTypes uint8

const (
	typeNull jsonTypes = 1 << iota
	typeBool
	typeNumber
	typeString
	typeArray
	typeObject
	typeAny jsonTypes = 1<<iota - 1
)

// A schemaNode is one schema of a document with its keywords read and checked.
// It holds for a value where every keyword does. Keywords that speak of
// another type than the value's hold.
type schemaNode struct {
	id   int
	same *schemaNode // the first node that asks for the same
	path string      // as in a reference: #/properties/name
	base *schemaBase

	never   bool      // the schema false
	types   jsonTypes // types that may come; number where integers may
	integer bool      // of the numbers, only integers
	enums   [][]*jsonValue

	low, high *bound
	multiple  *decimal

	minLength, maxLength int // in characters; maxLength -1: no limit
	patterns             []string
	format               string

	prefix           []*schemaNode
	items            *schemaNode
	minItems         int
	maxItems         int // -1: no limit
	unique           bool
	contains         *schemaNode
	minHits, maxHits int // of contains
	unevaluatedItems *schemaNode

	properties            []namedNode
	patternProperties     []namedNode // names are patterns
	additional            *schemaNode
	names                 *schemaNode
	required              []string
	minProps, maxProps    int
	dependentRequired     []dependency
	dependentSchemas      []namedNode
	unevaluatedProperties *schemaNode

	all, any, one []*schemaNode
	not           []*schemaNode
	when          *schemaNode // if
	then, other   *schemaNode
	ref           string
	target        *schemaNode // what ref leads to
}

type namedNode struct {
	name string
	node *schemaNode
}

type dependency struct {
	name  string
	needs []string
}

// A bound is a limit of numbers.
type bound struct {
	at     decimal
	strict bool // the limit itself is outside
}

// A schemaReader makes nodes out of the values of a document.
type schemaReader struct {
	strict  bool
	nodes   []*schemaNode
	byVal   map[*jsonValue]*schemaNode
	bySign  map[string]*schemaNode
	byConst map[*jsonValue]*schemaNode // of values of enums
	bases   map[*jsonValue]*schemaBase
	byURI   map[string]*schemaBase
	modern  bool // $schema names a draft without the keyword dependencies
}

const maxSchemaNodes = 50_000

func (r *schemaReader) add(n *schemaNode) (*schemaNode, error) {
	if len(r.nodes) >= maxSchemaNodes {
		return nil, schemaErrorf("#", "has more than %d schemas in it", maxSchemaNodes)
	}
	n.id = len(r.nodes)
	r.nodes = append(r.nodes, n)
	return n, nil
}

// node reads the schema v. base is the resource around it, whose value may be
// v itself.
func (r *schemaReader) node(v *jsonValue, path string, base *schemaBase) (*schemaNode, error) {
	if n := r.byVal[v]; n != nil {
		return n, nil
	}
	if b := r.bases[v]; b != nil {
		base = b
	}
	n, err := r.add(&schemaNode{path: path, base: base, types: typeAny, maxLength: -1, maxItems: -1, maxProps: -1, minHits: 1, maxHits: -1})
	if err != nil {
		return nil, err
	}
	r.byVal[v] = n
	if err := r.read(n, v); err != nil {
		return nil, err
	}
	r.settle(n)
	return n, nil
}

// read reads the keywords of a schema.
func (r *schemaReader) read(n *schemaNode, v *jsonValue) error {
	switch v.kind {
	case 't':
		return nil
	case 'f':
		n.never = true
		return nil
	case '{':
	default:
		return schemaErrorf(n.path, "a schema is an object, true or false")
	}
	for i, key := range v.keys {
		k := keyword{r: r, n: n, schema: v, name: key, v: v.items[i], path: n.path + "/" + escapePointer(key)}
		read := keywords[key]
		if read == nil {
			continue // unknown keywords are annotations, says the specification
		}
		if err := read(&k); err != nil {
			return err
		}
	}
	return nil
}

// A keyword is one member of a schema while it is read.
type keyword struct {
	r      *schemaReader
	n      *schemaNode
	schema *jsonValue
	name   string
	v      *jsonValue
	path   string
}

func (k *keyword) errorf(format string, args ...any) error {
	return schemaErrorf(k.path, format, args...)
}

func (k *keyword) refuse() error {
	return k.errorf("the keyword %s cannot be held; leave it out, or say the same in another way", strconv.QuoteToASCII(k.name))
}

var keywords map[string]func(*keyword) error

func init() {
	keywords = map[string]func(*keyword) error{
		"type": readType, "nullable": readNullable,
		"enum":  readEnum,
		"const": func(k *keyword) error { k.n.enums = append(k.n.enums, []*jsonValue{k.v}); return nil },

		"minimum":          func(k *keyword) error { return k.low(false) },
		"maximum":          func(k *keyword) error { return k.high(false) },
		"exclusiveMinimum": func(k *keyword) error { return k.low(true) },
		"exclusiveMaximum": func(k *keyword) error { return k.high(true) },
		"multipleOf":       readMultiple,

		"minLength": func(k *keyword) error { return k.count(&k.n.minLength) },
		"maxLength": func(k *keyword) error { return k.count(&k.n.maxLength) },
		"pattern": func(k *keyword) error {
			if k.v.kind != 's' {
				return k.errorf("a pattern is a string")
			}
			k.n.patterns = append(k.n.patterns, k.v.text)
			return nil
		},
		"format": func(k *keyword) error {
			if k.v.kind != 's' {
				return k.errorf("a format is a string")
			}
			k.n.format = k.v.text
			return nil
		},

		"prefixItems":      func(k *keyword) error { return k.list(&k.n.prefix) },
		"items":            readItems,
		"additionalItems":  readAdditionalItems,
		"minItems":         func(k *keyword) error { return k.count(&k.n.minItems) },
		"maxItems":         func(k *keyword) error { return k.count(&k.n.maxItems) },
		"uniqueItems":      func(k *keyword) error { return k.flag(&k.n.unique) },
		"contains":         func(k *keyword) error { return k.sub(&k.n.contains) },
		"minContains":      func(k *keyword) error { return k.count(&k.n.minHits) },
		"maxContains":      func(k *keyword) error { return k.count(&k.n.maxHits) },
		"unevaluatedItems": func(k *keyword) error { return k.sub(&k.n.unevaluatedItems) },

		"properties":            func(k *keyword) error { return k.named(&k.n.properties) },
		"patternProperties":     func(k *keyword) error { return k.named(&k.n.patternProperties) },
		"additionalProperties":  func(k *keyword) error { return k.sub(&k.n.additional) },
		"propertyNames":         func(k *keyword) error { return k.sub(&k.n.names) },
		"required":              readRequired,
		"minProperties":         func(k *keyword) error { return k.count(&k.n.minProps) },
		"maxProperties":         func(k *keyword) error { return k.count(&k.n.maxProps) },
		"dependentRequired":     readDependentRequired,
		"dependentSchemas":      func(k *keyword) error { return k.named(&k.n.dependentSchemas) },
		"dependencies":          readDependencies,
		"unevaluatedProperties": func(k *keyword) error { return k.sub(&k.n.unevaluatedProperties) },

		"allOf": func(k *keyword) error { return k.list(&k.n.all) },
		"anyOf": func(k *keyword) error { return k.list(&k.n.any) },
		"oneOf": func(k *keyword) error { return k.list(&k.n.one) },
		"not": func(k *keyword) error {
			k.n.not = make([]*schemaNode, 1)
			return k.sub(&k.n.not[0])
		},
		"if":   func(k *keyword) error { return k.sub(&k.n.when) },
		"then": func(k *keyword) error { return k.sub(&k.n.then) },
		"else": func(k *keyword) error { return k.sub(&k.n.other) },

		"$ref":          readRef,
		"$dynamicRef":   readDynamicRef,
		"$recursiveRef": (*keyword).refuse,
	}
}

// sub reads a schema.
func (k *keyword) sub(to **schemaNode) error {
	n, err := k.r.node(k.v, k.path, k.n.base)
	*to = n
	return err
}

// list reads an array of schemas.
func (k *keyword) list(to *[]*schemaNode) error {
	if k.v.kind != '[' || len(k.v.items) == 0 {
		return k.errorf("%s is an array of at least one schema", k.name)
	}
	for i, v := range k.v.items {
		n, err := k.r.node(v, k.path+"/"+strconv.Itoa(i), k.n.base)
		if err != nil {
			return err
		}
		*to = append(*to, n)
	}
	return nil
}

// named reads an object of schemas.
func (k *keyword) named(to *[]namedNode) error {
	if k.v.kind != '{' {
		return k.errorf("%s is an object of schemas", k.name)
	}
	for i, key := range k.v.keys {
		n, err := k.r.node(k.v.items[i], k.path+"/"+escapePointer(key), k.n.base)
		if err != nil {
			return err
		}
		*to = append(*to, namedNode{key, n})
	}
	return nil
}

func (k *keyword) flag(to *bool) error {
	if k.v.kind != 't' && k.v.kind != 'f' {
		return k.errorf("%s is true or false", k.name)
	}
	*to = k.v.kind == 't'
	return nil
}

// maxSchemaCount bounds minItems and its like. What is larger is no count of
// anything that is generated.
const maxSchemaCount = 1 << 30

// count reads a whole number from 0 on, which may be written as 2.0.
func (k *keyword) count(to *int) error {
	d, err := k.decimal()
	if err != nil {
		return err
	}
	if d.neg || d.frac != "" {
		return k.errorf("%s is a whole number from 0 on", k.name)
	}
	n, err := strconv.Atoi(d.whole)
	if err != nil || n > maxSchemaCount {
		return k.errorf("%s is larger than %d", k.name, maxSchemaCount)
	}
	*to = n
	return nil
}

func (k *keyword) decimal() (decimal, error) {
	if k.v.kind != '#' {
		return decimal{}, k.errorf("%s is a number", k.name)
	}
	d, ok := parseDecimal(k.v.text)
	if !ok {
		return d, k.errorf("%s has more than %d digits", k.v.text[:min(20, len(k.v.text))], maxDigits)
	}
	return d, nil
}

// low reads a lower bound and keeps the narrower one of two. exclusiveMinimum
// was a flag beside minimum in draft 4.
func (k *keyword) low(strict bool) error {
	if strict && (k.v.kind == 't' || k.v.kind == 'f') {
		return nil // minimum looks for it
	}
	d, err := k.decimal()
	if err != nil {
		return err
	}
	if v := k.schema.get("exclusiveMinimum"); v != nil && v.kind == 't' {
		strict = true
	}
	if b := k.n.low; b == nil || b.at.cmp(d) < 0 || b.at.cmp(d) == 0 && strict {
		k.n.low = &bound{d, strict}
	}
	return nil
}

func (k *keyword) high(strict bool) error {
	if strict && (k.v.kind == 't' || k.v.kind == 'f') {
		return nil
	}
	d, err := k.decimal()
	if err != nil {
		return err
	}
	if v := k.schema.get("exclusiveMaximum"); v != nil && v.kind == 't' {
		strict = true
	}
	if b := k.n.high; b == nil || b.at.cmp(d) > 0 || b.at.cmp(d) == 0 && strict {
		k.n.high = &bound{d, strict}
	}
	return nil
}

func readMultiple(k *keyword) error {
	d, err := k.decimal()
	if err != nil {
		return err
	}
	if d.neg || d.isZero() {
		return k.errorf("multipleOf is a number above 0")
	}
	k.n.multiple = &d
	return nil
}

var typeNames = map[string]jsonTypes{
	"null": typeNull, "boolean": typeBool, "number": typeNumber, "integer": typeNumber,
	"string": typeString, "array": typeArray, "object": typeObject,
}

func readType(k *keyword) error {
	list := []*jsonValue{k.v}
	if k.v.kind == '[' {
		list = k.v.items
	}
	k.n.types = 0
	if v := k.schema.get("nullable"); v != nil && v.kind == 't' {
		k.n.types = typeNull // OpenAPI's habit
	}
	number, integer := false, false
	for _, v := range list {
		t, ok := typeNames[v.text]
		if v.kind != 's' || !ok {
			return k.errorf("a type is null, boolean, number, integer, string, array or object")
		}
		number = number || v.text == "number"
		integer = integer || v.text == "integer"
		k.n.types |= t
	}
	k.n.integer = integer && !number
	return nil
}

// readNullable checks the flag; readType reads it.
func readNullable(k *keyword) error {
	var b bool
	return k.flag(&b)
}

func readEnum(k *keyword) error {
	if k.v.kind != '[' {
		return k.errorf("an enum is an array of values")
	}
	k.n.enums = append(k.n.enums, k.v.items)
	return nil
}

// readItems reads items, and the array of schemas that it was before 2020-12.
func readItems(k *keyword) error {
	if k.v.kind == '[' {
		if k.schema.get("prefixItems") != nil {
			return k.errorf("items is one schema beside prefixItems")
		}
		if len(k.v.items) == 0 {
			return nil
		}
		return k.list(&k.n.prefix)
	}
	return k.sub(&k.n.items)
}

func readAdditionalItems(k *keyword) error {
	if v := k.schema.get("items"); v == nil || v.kind != '[' {
		return nil // it speaks of items behind a list alone
	}
	return k.sub(&k.n.items)
}

func (k *keyword) strings(v *jsonValue, path string) ([]string, error) {
	if v.kind != '[' {
		return nil, schemaErrorf(path, "%s is an array of strings", k.name)
	}
	var list []string
	for _, s := range v.items {
		if s.kind != 's' {
			return nil, schemaErrorf(path, "%s is an array of strings", k.name)
		}
		list = append(list, s.text)
	}
	return list, nil
}

func readRequired(k *keyword) (err error) {
	if k.v.kind == 't' || k.v.kind == 'f' {
		return k.errorf("required is an array of the names of properties, and stands beside properties")
	}
	k.n.required, err = k.strings(k.v, k.path)
	return err
}

func readDependentRequired(k *keyword) error {
	if k.v.kind != '{' {
		return k.errorf("%s is an object of arrays of names", k.name)
	}
	for i, key := range k.v.keys {
		needs, err := k.strings(k.v.items[i], k.path+"/"+escapePointer(key))
		if err != nil {
			return err
		}
		k.n.dependentRequired = append(k.n.dependentRequired, dependency{key, needs})
	}
	return nil
}

// readDependencies reads what dependentRequired and dependentSchemas were
// before draft 2019-09. Where $schema names a later draft, the keyword is an
// unknown one.
func readDependencies(k *keyword) error {
	if k.r.modern {
		return nil
	}
	if k.v.kind != '{' {
		return k.errorf("%s is an object", k.name)
	}
	for i, key := range k.v.keys {
		v, path := k.v.items[i], k.path+"/"+escapePointer(key)
		if v.kind == '[' {
			needs, err := k.strings(v, path)
			if err != nil {
				return err
			}
			k.n.dependentRequired = append(k.n.dependentRequired, dependency{key, needs})
			continue
		}
		n, err := k.r.node(v, path, k.n.base)
		if err != nil {
			return err
		}
		k.n.dependentSchemas = append(k.n.dependentSchemas, namedNode{key, n})
	}
	return nil
}

func readRef(k *keyword) error {
	if k.v.kind != 's' {
		return k.errorf("a reference is a string")
	}
	k.n.ref = k.v.text
	return nil
}

// escapePointer writes a key as a part of a JSON pointer (RFC 6901), for
// messages: on one line, and not too long.
func escapePointer(key string) string {
	if plainKey(key) {
		return key
	}
	if len(key) > 100 {
		key = key[:100] + "..."
	}
	key = strings.Trim(strconv.QuoteToASCII(key), `"`)
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
}

func plainKey(key string) bool {
	for _, c := range []byte(key) {
		if c < ' ' || c > '~' || c == '~' || c == '/' || c == '"' || c == '\\' {
			return false
		}
	}
	return len(key) <= 100
}
