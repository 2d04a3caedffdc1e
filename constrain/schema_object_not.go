package constrain

import (
	"slices"
	"strconv"
)

// denied gives the objects that each keyword keeps out.
func (o objectSets) denied(n *schemaNode) ([][]*objectForm, error) {
	c := o.c
	var out []*objectForm
	with := func(name string, node *schemaNode) {
		if g := c.goal(schemaLit{node, true}); !g.never {
			f := c.anyObject()
			f.add(c, name, g, true)
			out = append(out, f)
		}
	}
	for _, p := range n.properties {
		with(p.name, p.node)
	}
	for _, name := range n.required {
		out = append(out, o.absent(name))
	}
	if n.minProps > 0 {
		f := c.anyObject()
		f.maxProps = n.minProps - 1
		out = append(out, f)
	}
	if n.maxProps >= 0 {
		f := c.anyObject()
		f.minProps, f.path = n.maxProps+1, n.path+"/maxProperties"
		out = append(out, f)
	}
	for _, d := range n.dependentRequired {
		for _, need := range d.needs {
			f := o.present(d.name)
			f.add(c, need, c.nothing, false)
			if d.name != need {
				out = append(out, f)
			}
		}
	}
	for _, d := range n.dependentSchemas {
		e := evaluation[[]*objectForm]{c, o, map[*schemaNode]bool{n: true}}
		then, err := e.literal(d.node, true)
		if err != nil {
			return nil, err
		}
		if then, err = o.and([]*objectForm{o.present(d.name)}, then, n.path); err != nil {
			return nil, err
		}
		out = append(out, then...)
	}
	for _, k := range []struct {
		name string
		node *schemaNode
	}{{"additionalProperties", n.additional}, {"propertyNames", n.names}} {
		if k.node != nil && !k.node.empty() {
			return nil, schemaErrorf(n.path+"/"+k.name, "%s cannot be held where it must fail: under not, if, or a oneOf whose branches share values", k.name)
		}
	}
	for _, p := range n.patternProperties {
		if !p.node.empty() {
			return nil, schemaErrorf(n.path+"/patternProperties", "patternProperties cannot be held where it must fail: under not, if, or a oneOf whose branches share values")
		}
	}
	return [][]*objectForm{out}, nil
}

// unevaluated applies unevaluatedProperties to the keys that no keyword beside
// it evaluated.
func (o objectSets) unevaluated(n *schemaNode, fs []*objectForm, neg bool) ([]*objectForm, error) {
	if n.unevaluatedProperties == nil {
		return fs, nil
	}
	if neg {
		if n.unevaluatedProperties.empty() {
			return fs, nil
		}
		return nil, schemaErrorf(n.path+"/unevaluatedProperties", "unevaluatedProperties cannot be held where it must fail")
	}
	rest := o.c.goal(schemaLit{n.unevaluatedProperties, false})
	var out []*objectForm
	for _, f := range fs {
		limit := o.c.anyObject()
		limit.open, limit.seenAll, limit.path = true, true, n.path
		if !f.seenAll {
			limit.classes = []keyClass{{allTexts, rest}}
			for _, keys := range f.seenClasses {
				var err error
				if limit.classes, err = o.c.mergeClasses(limit.classes, []keyClass{{keys.not(), o.c.always}}, n.path); err != nil {
					return nil, err
				}
				limit.classes = append(limit.classes, keyClass{keys, o.c.always})
			}
			limit.classes = slices.DeleteFunc(limit.classes, func(k keyClass) bool { return k.goal.never })
			for _, name := range f.seen {
				if _, ok := limit.index[name]; !ok {
					limit.add(o.c, name, o.c.always, false)
				}
			}
			limit.finish(o.c)
		}
		m, err := o.c.mergeObjects(f, limit)
		if err != nil {
			return nil, err
		}
		if m != nil {
			out = append(out, m)
		}
	}
	return out, nil
}

// values implements sets. An object among enum's values is a form with its
// members alone.
func (o objectSets) values(n *schemaNode, vs []*jsonValue, neg bool) ([]*objectForm, error) {
	var out []*objectForm
	for _, v := range vs {
		if v.kind != '{' {
			continue
		}
		if neg {
			return nil, schemaErrorf(n.path, "a schema with the object %s as one of its values cannot be held where it must fail", quoteSome(v))
		}
		f := o.c.anyObject()
		f.classes, f.open, f.path = nil, true, n.path
		for i, key := range v.keys {
			k, err := o.c.constant(v.items[i], n)
			if err != nil {
				return nil, err
			}
			f.add(o.c, key, o.c.goal(schemaLit{k, false}), true)
		}
		out = append(out, f)
	}
	if neg {
		return o.all(), nil
	}
	return out, nil
}

func quoteSome(v *jsonValue) string {
	if len(v.keys) == 0 {
		return "{}"
	}
	return "{" + strconv.QuoteToASCII(v.keys[0]) + ": ...}"
}

// constant is a node for one value of an enum.
func (c *schemaCompiler) constant(v *jsonValue, of *schemaNode) (*schemaNode, error) {
	if n := c.r.byConst[v]; n != nil {
		return n, nil
	}
	n := &schemaNode{path: of.path, base: of.base, types: typeAny, maxLength: -1, maxItems: -1, maxProps: -1, maxHits: -1, enums: [][]*jsonValue{{v}}}
	c.r.byConst[v] = n
	return c.r.add(n)
}

// objectMayHold reports whether an object can follow a form; yes where it cannot
// tell.
func (c *schemaCompiler) objectMayHold(f *objectForm) bool {
	if f.maxProps >= 0 && f.minProps > f.maxProps {
		return false
	}
	required := 0
	for _, n := range f.named {
		if n.required {
			required++
			if !c.mayHold(n.goal) {
				return false
			}
		}
	}
	return (f.maxProps < 0 || required <= f.maxProps) && (len(f.classes) > 0 || f.minProps <= len(f.named))
}
