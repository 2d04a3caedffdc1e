package jinja

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// work is for each builtin a template expression whose work grows with the size
// of s (a text of letters and spaces), l (a list of texts), d (a dict), g (texts
// that are long), k (a number); "" where the builtin looks at no more than one
// thing, whatever the size.
var work = map[string]map[string]string{
	"filter": {
		"abs": "", "attr": "", "default": "", "d": "", "length": "s|length", "count": "s|count", "float": "s|float", "int": "s|int",
		"round": "", "string": "l|string", "safe": "l|safe", "escape": "s|escape", "e": "s|e", "forceescape": "s|forceescape",
		"tojson": "s|tojson", "capitalize": "s|capitalize", "lower": "s|lower", "upper": "s|upper", "title": "s|title", "trim": "s|trim",
		"center": "s|center", "format": "s|format", "indent": "s|indent", "replace": "s|replace('a', 'b')", "wordcount": "s|wordcount",
		"batch": "l|batch(2)", "dictsort": "d|dictsort", "first": "g|map('first')|list", "items": "d|items", "join": "l|join", "last": "g|map('last')|list",
		"list": "s|list", "map": "l|map('string')", "max": "l|max", "min": "l|min", "reject": "l|reject", "rejectattr": "l|rejectattr('x')",
		"select": "l|select", "selectattr": "l|selectattr('x')", "reverse": "l|reverse", "slice": "s|slice(3)", "sort": "l|sort",
		"sum": "l|sum(start='')", "unique": "l|unique", "groupby": "[s]|map('list')|first|groupby(0)", "truncate": "s|truncate(3)", "urlencode": "s|urlencode",
		"wordwrap": "s|wordwrap",
	},
	"test": {
		"defined": "", "undefined": "", "none": "", "boolean": "", "true": "", "false": "", "string": "", "integer": "", "float": "", "number": "",
		"mapping": "", "sequence": "", "iterable": "", "callable": "", "escaped": "", "odd": "", "even": "", "divisibleby": "", "filter": "", "test": "",
		"lower": "s is lower", "upper": "s is upper", "sameas": "s is sameas(s)", "eq": "l is eq(m)", "equalto": "s is equalto(s ~ '')", "ne": "l is ne(m)",
		"lt": "l is lt(m)", "lessthan": "l is lessthan(m)", "le": "l is le(m)", "gt": "l is gt(m)", "greaterthan": "l is greaterthan(m)", "ge": "l is ge(m)",
		"==": "l == m", "!=": "l != m", "<": "l < m", "<=": "l <= m", ">": "l > m", ">=": "l >= m", "in": "'zzz' is in(s)",
	},
	"str": {
		"capitalize": "s.capitalize()", "lower": "s.lower()", "upper": "s.upper()", "title": "s.title()", "swapcase": "s.swapcase()",
		"isalnum": "s.isalnum()", "isalpha": "s.isalpha()", "isdecimal": "s.isdecimal()", "isdigit": "s.isdigit()", "isspace": "s.isspace()",
		"isascii": "s.isascii()", "islower": "s.islower()", "isupper": "s.isupper()", "istitle": "s.istitle()", "isnumeric": "s.isnumeric()",
		"isprintable": "s.isprintable()", "isidentifier": "s.isidentifier()", "strip": "s.strip()", "lstrip": "s.lstrip(s)", "rstrip": "s.rstrip('a')",
		"split": "s.split()", "rsplit": "s.rsplit('a')", "splitlines": "s.splitlines()", "partition": "s.partition('z')", "rpartition": "s.rpartition('z')",
		"join": "'x'.join(l)", "startswith": "s.startswith(s)", "endswith": "s.endswith(tuple)", "removeprefix": "s.removeprefix(s)",
		"removesuffix": "s.removesuffix(s)", "find": "s.find('z')", "rfind": "s.rfind('z')", "index": "s.index('a')", "rindex": "s.rindex('a')",
		"count": "s.count('z')", "replace": "s.replace('', '-')", "expandtabs": "s.expandtabs()", "center": "'x'.center(k)", "ljust": "'x'.ljust(k)",
		"rjust": "'x'.rjust(k)", "zfill": "'x'.zfill(k)", "format": "s.format()", "format_map": "s.format_map({})",
	},
	"dict": {"get": "", "keys": "", "values": "", "items": "d.items()", "copy": ""},
	"list": {"count": "l.count(1)", "index": "m.index('end')", "copy": ""},
	"global": {
		"range": "range(k)", "dict": "dict(d)", "namespace": "namespace(d)", "joiner": "", "cycler": "cycler(*l)", "raise_exception": "",
		"strftime_now": "strftime_now(s)",
	},
	"operator": {
		"+": "s + s", "list +": "l + l", "~": "s ~ l", "*": "'x' * k", "list *": "[1] * k", "%": "'%s' % l", "% width": "'%*d' % (k, 1)", "slice": "s[1:]",
		"step": "s[::2]", "list step": "l[::2]", "index": "s[k // 2]", "from the end": "s[-k // 2]", "in": "'zzz' in s", "in list": "1 in l", "key": "d[s]",
		"==": "s == s ~ ''", "dict ==": "d == e", "nested ==": "[[l]] == [[m]]", "<": "s < s ~ 'a'", "tojson": "[d, l]|tojson(indent=2)",
		"separators": "l|tojson(separators=(',', ':'))", "repr": "[s]|string", "format width": "('{:>' ~ k ~ '}').format(1)", "attribute path": "[{}]|map(attribute='x' + '.x' * k, default={})|list",
		"sort keys": "l|map('batch', 1)|list", "iteration": "[s]|map('list')|list", "keywords": "dict(**d)",
	},
}

// values are those that the table's expressions work on, of size n.
func values(t *testing.T, n int) *scope {
	t.Helper()
	l, d, g := make([]any, n), map[string]any{}, make([]any, n)
	for i := range l {
		l[i], g[i] = fmt.Sprintf("a %d", i), "abc"
		d[fmt.Sprint(i)] = "b"
	}
	root := newScope(nil)
	maps.Copy(root.vars, globals)
	for name, v := range map[string]any{
		"s": strings.Repeat("a ", n), "l": l, "m": append(slices.Clone(l[:n-1]), "end"), "d": d, "e": maps.Clone(d), "g": g, "k": n,
	} {
		var err error
		if root.vars[name], err = fromGo(v, 0); err != nil {
			t.Fatal(err)
		}
	}
	ends := make([]any, n)
	for i := range ends {
		ends[i] = plain("b")
	}
	root.vars["tuple"] = tuple(ends...)
	return root
}

// spent is the cost of evaluating an expression, in steps and bytes together.
func spent(t *testing.T, expression string, root *scope) int {
	t.Helper()
	tmpl, err := Parse("{% set x = "+expression+" %}", Tokens{})
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	limits := Limits{Steps: 1 << 40, Bytes: 1 << 40, Output: 1 << 40}
	m := &machine{budget: newBudget(limits), scope: newScope(root), out: new(output)}
	if err := m.run(tmpl.body); err != nil {
		t.Logf("%s: %v", expression, err)
	}
	return 16*(limits.Steps-m.left.Steps) + limits.Bytes - m.left.Bytes
}

// Everything a template can call is charged for what it looks at.
func TestChargesGrowWithWork(t *testing.T) {
	for kind, table := range map[string][]string{
		"filter": slices.Collect(maps.Keys(filters)), "test": slices.Collect(maps.Keys(tests)), "str": slices.Collect(maps.Keys(strMethods)),
		"dict": slices.Collect(maps.Keys(dictMethods)), "list": slices.Collect(maps.Keys(listMethods)), "global": slices.Collect(maps.Keys(globals)),
	} {
		for _, name := range table {
			if _, ok := work[kind][name]; !ok {
				t.Errorf("the %s %s is not in the table", kind, name)
			}
		}
	}
	little, much := values(t, 250), values(t, 4000)
	for kind, table := range work {
		for name, expression := range table {
			if expression == "" {
				continue
			}
			small, large := spent(t, expression, little), spent(t, expression, much)
			if large < 8*small || large < 4000 {
				t.Errorf("%s %s: %s costs %d at size 250 and %d at 4000", kind, name, expression, small, large)
			}
		}
	}
}

// The memory of a render is bounded by its limits, whatever it calls.
func TestAllocationsAreCharged(t *testing.T) {
	limits := Limits{Steps: 1 << 15, Bytes: 1 << 20, Output: 1 << 20}
	most := uint64(4*limits.Bytes + 128*limits.Steps)
	long, many := strings.Repeat("a ", 4000), make([]string, 4000)
	for i := range many {
		many[i] = fmt.Sprintf("a %d", i)
	}
	dict := map[string]any{}
	for i := range 1000 {
		dict[fmt.Sprint(i)] = "b"
	}
	for _, size := range []int{1, 4000} {
		vars := map[string]any{"s": long[:2*size], "l": many[:size], "m": many[:size], "d": dict, "e": dict, "g": many[:size], "k": size, "tuple": "x"}
		if size == 1 {
			vars["d"], vars["e"] = map[string]any{"1": 1}, map[string]any{"1": 1}
		}
		for kind, table := range work {
			for name, expression := range table {
				if expression == "" {
					continue
				}
				tmpl, err := Parse("{% for i in range(99999) %}{% for j in range(99999) %}{% set x = "+expression+" %}{% endfor %}{% endfor %}", Tokens{})
				if err != nil {
					t.Fatal(err)
				}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				if _, err := tmpl.WithLimits(limits).Render(nil, vars); err == nil {
					t.Errorf("%s %s does not end at its limits", kind, name)
				}
				runtime.ReadMemStats(&after)
				// Reading the variables is the caller's.
				if made := after.TotalAlloc - before.TotalAlloc; made > most+uint64(200*size) {
					t.Errorf("%s %s: %s at size %d allocates %d KB of %d", kind, name, expression, size, made>>10, most>>10)
				}
			}
		}
	}
}
