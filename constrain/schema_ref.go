package constrain

import (
	"net/url"
	"strconv"
	"strings"
)

// A schemaBase is a schema with an address of its own ($id), or the document.
// References without an address start at its root.
type schemaBase struct {
	uri     *url.URL
	root    *jsonValue
	path    string
	anchors map[string]schemaPlace
	dynamic map[string]bool // names of $dynamicAnchor
}

// A schemaPlace is a value and where it stands.
type schemaPlace struct {
	v    *jsonValue
	path string
	base *schemaBase
}

// Where schemas lie under a schema.
var (
	oneSchema = []string{"items", "additionalItems", "contains", "unevaluatedItems", "additionalProperties", "propertyNames",
		"unevaluatedProperties", "not", "if", "then", "else", "contentSchema"}
	manySchemas  = []string{"prefixItems", "items", "allOf", "anyOf", "oneOf"}
	namedSchemas = []string{"properties", "patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions"}
)

// scan finds the addresses and anchors of all schemas under v.
func (r *schemaReader) scan(v *jsonValue, path string, base *schemaBase) error {
	if v.kind != '{' {
		return nil
	}
	if id := v.get("$id"); id != nil || base == nil {
		b := &schemaBase{root: v, path: path, anchors: map[string]schemaPlace{}, dynamic: map[string]bool{}}
		parent := &url.URL{}
		if base != nil {
			parent = base.uri
		}
		b.uri = parent
		if id != nil {
			u, err := parseReference(id)
			if err != nil || u.Fragment != "" {
				return schemaErrorf(path+"/$id", "an $id is an address without a fragment")
			}
			b.uri = resolve(parent, u)
		}
		key := b.uri.String()
		if r.byURI[key] != nil && (id != nil && id.text != "") {
			return schemaErrorf(path+"/$id", "two schemas have this address")
		}
		r.byURI[key], r.bases[v], base = b, b, b
	}
	for _, key := range []string{"$anchor", "$dynamicAnchor"} {
		a := v.get(key)
		if a == nil {
			continue
		}
		if a.kind != 's' {
			return schemaErrorf(path+"/"+key, "an anchor is a string")
		}
		if p, ok := base.anchors[a.text]; ok && p.v != v {
			return schemaErrorf(path+"/"+key, "two schemas have this anchor")
		}
		base.anchors[a.text] = schemaPlace{v, path, base}
		if key == "$dynamicAnchor" {
			base.dynamic[a.text] = true
		}
	}
	return r.scanUnder(v, path, base)
}

func (r *schemaReader) scanUnder(v *jsonValue, path string, base *schemaBase) error {
	for _, key := range oneSchema {
		if c := v.get(key); c != nil && c.kind == '{' {
			if err := r.scan(c, path+"/"+key, base); err != nil {
				return err
			}
		}
	}
	for _, key := range manySchemas {
		if c := v.get(key); c != nil && c.kind == '[' {
			for i, item := range c.items {
				if err := r.scan(item, path+"/"+key+"/"+strconv.Itoa(i), base); err != nil {
					return err
				}
			}
		}
	}
	for _, key := range namedSchemas {
		if c := v.get(key); c != nil && c.kind == '{' {
			for i, name := range c.keys {
				if err := r.scan(c.items[i], path+"/"+key+"/"+escapePointer(name), base); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func parseReference(v *jsonValue) (*url.URL, error) {
	if v.kind != 's' {
		return nil, strconv.ErrSyntax
	}
	return url.Parse(v.text)
}

// resolve is RFC 3986's, and keeps the fragment. An address like urn:a:b has
// no path to go from.
func resolve(base, ref *url.URL) *url.URL {
	if base.Opaque != "" && ref.Scheme == "" && ref.Opaque == "" && ref.Host == "" && ref.Path == "" && ref.RawQuery == "" {
		u := *base
		u.Fragment, u.RawFragment = ref.Fragment, ref.RawFragment
		return &u
	}
	return base.ResolveReference(ref)
}

// follow finds the schema that a node's reference leads to, and reads it.
func (r *schemaReader) follow(n *schemaNode) (*schemaNode, error) {
	if n.target != nil {
		return n.target, nil
	}
	path := n.path + "/$ref"
	ref, err := url.Parse(n.ref)
	if err != nil {
		return nil, schemaErrorf(path, "%s is no address", strconv.QuoteToASCII(n.ref))
	}
	whole := resolve(n.base.uri, ref)
	fragment := whole.Fragment
	whole.Fragment, whole.RawFragment = "", ""
	base := r.byURI[whole.String()]
	if base == nil {
		return nil, schemaErrorf(path, "%s is in another document, and references lead to schemas of this one only; copy it into $defs",
			strconv.QuoteToASCII(n.ref))
	}
	place, ok := base.find(fragment, r)
	if !ok {
		return nil, schemaErrorf(path, "%s leads to no schema", strconv.QuoteToASCII(n.ref))
	}
	n.target, err = r.node(place.v, place.path, place.base)
	return n.target, err
}

// find goes to a fragment of a resource: a JSON pointer or an anchor.
func (b *schemaBase) find(fragment string, r *schemaReader) (schemaPlace, bool) {
	if fragment != "" && fragment[0] != '/' {
		p, ok := b.anchors[fragment]
		return p, ok
	}
	p := schemaPlace{b.root, b.path, b}
	if fragment == "" {
		return p, true
	}
	for _, part := range strings.Split(fragment[1:], "/") {
		key := strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		var next *jsonValue
		switch p.v.kind {
		case '{':
			next = p.v.get(key)
		case '[':
			if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(p.v.items) {
				next = p.v.items[i]
			}
		}
		if next == nil {
			return p, false
		}
		p.v, p.path = next, p.path+"/"+part
		if inner := r.bases[next]; inner != nil {
			p.base = inner
		}
	}
	return p, true
}

// readDynamicRef takes a $dynamicRef for a $ref where the two cannot differ:
// no other resource of the document has a $dynamicAnchor of this name.
func readDynamicRef(k *keyword) error {
	if k.schema.get("$ref") != nil {
		return k.refuse()
	}
	if err := readRef(k); err != nil {
		return err
	}
	_, name, _ := strings.Cut(k.n.ref, "#")
	n := 0
	for _, b := range k.r.byURI {
		if b.dynamic[name] {
			n++
		}
	}
	if n > 1 {
		return k.errorf("several schemas have the $dynamicAnchor %s, and which one is meant is not known before a value is read",
			strconv.QuoteToASCII(name))
	}
	return nil
}
