package jinja

import (
	"runtime"
	"strings"
	"testing"
)

// hostile are templates that would run for ever, use up the memory or overflow
// the stack if they were let.
var hostile = map[string]string{
	"macro calling itself":        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
	"macros calling each other":   "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
	"macro with itself as caller": "{% macro m() %}{% call m() %}{% endcall %}{% endmacro %}{{ m() }}",
	"macro as a default":          "{% macro m(a=m()) %}{% endmacro %}{{ m() }}",
	"many macro calls":            "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
	"deep parentheses":            "{{ " + strings.Repeat("(", 99999) + "1" + strings.Repeat(")", 99999) + " }}",
	"deep lists":                  "{{ " + strings.Repeat("[", 99999) + strings.Repeat("]", 99999) + " }}",
	"deep unary":                  "{{ " + strings.Repeat("-", 250000) + "1 }}",
	"deep not":                    "{{ " + strings.Repeat("not ", 60000) + "1 }}",
	"deep blocks":                 strings.Repeat("{% if 1 %}", 20000),
	"deep ternaries":              "{{ " + strings.Repeat("1 if 0 else ", 20000) + "1 }}",
	"long sum":                    "{{ 1" + strings.Repeat("+1", 99999) + " }}",
	"long filter chain":           "{{ ''" + strings.Repeat("|upper", 40000) + " }}",
	"long attribute chain":        "{{ x" + strings.Repeat(".x", 99999) + " }}",
	"deep targets":                "{% set " + strings.Repeat("(", 99999) + "a" + strings.Repeat(")", 99999) + " = 1 %}",
	"nested loops":                strings.Repeat("{% for i in range(99999) %}", 20) + strings.Repeat("{% endfor %}", 20),
	"empty nested loops":          "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
	"filtered out loops":          "{% for i in range(99999) %}{% for j in range(99999) if false %}{% endfor %}{% endfor %}",
	"huge range":                  "{{ range(100000000000)|list }}",
	"range of extremes":           "{{ range(-9223372036854775807, 9223372036854775807)|length }}",
	"many ranges":                 "{% for i in range(99999) %}{% set x = range(99999) %}{% endfor %}",
	"string multiplication":       "{{ 'a' * 10000000000 }}",
	"overflowing multiplication":  "{{ 'aaaa' * 4611686018427387904 }}",
	"list multiplication":         "{{ [1] * 10000000000 }}",
	"empty list multiplication":   "{% for i in range(99999) %}{% set x = [] * 9000000000000000000 %}{{ x * 9000000000000000000 }}{% endfor %}{{ 'x' * 9999999999 }}",
	"doubling string":             "{% set n = namespace(s='aaaaaaaa') %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}{{ n.s }}",
	"doubling by ~":               "{% set n = namespace(s='aaaaaaaa') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}{{ n.s }}",
	"doubling by block":           "{% set n = namespace(s='aaaaaaaa') %}{% for i in range(99) %}{% set n.s %}{{ n.s }}{{ n.s }}{% endset %}{% endfor %}{{ n.s }}",
	"doubling by replace":         "{% set n = namespace(s='aaaaaaaa') %}{% for i in range(99) %}{% set n.s = n.s|replace('a', 'aa') %}{% endfor %}{{ n.s }}",
	"doubling by join":            "{% set n = namespace(s='aaaaaaaa') %}{% for i in range(99) %}{% set n.s = n.s.join([n.s, n.s]) %}{% endfor %}{{ n.s }}",
	"doubling list":               "{% set n = namespace(s=[1]) %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}{{ n.s|length }}",
	"nested doubling":             "{% set n = namespace(s=[1]) %}{% for i in range(99) %}{% set n.s = [n.s, n.s] %}{% endfor %}{{ n.s }}",
	"nested doubling compared":    "{% set n = namespace(s=[1], t=[1]) %}{% for i in range(99) %}{% set n.s = [n.s, n.s] %}{% set n.t = [n.t, n.t] %}{% endfor %}{{ n.s == n.t }}",
	"nested doubling as JSON":     "{% set n = namespace(s={}) %}{% for i in range(99) %}{% set n.s = {'a': n.s, 'b': n.s} %}{% endfor %}{{ n.s|tojson }}",
	"deep value":                  "{% set n = namespace(s=[]) %}{% for i in range(99999) %}{% set n.s = [n.s] %}{% endfor %}{{ n.s }}",
	"deep value as JSON":          "{% set n = namespace(s=[]) %}{% for i in range(99999) %}{% set n.s = [n.s] %}{% endfor %}{{ n.s|tojson }}",
	"deep value compared":         "{% set n = namespace(s=[], t=[]) %}{% for i in range(99999) %}{% set n.s = [n.s] %}{% set n.t = [n.t] %}{% endfor %}{{ n.s == n.t }}",
	"namespace inside itself":     "{% set n = namespace() %}{% set n.n = n %}{{ n }}",
	"namespace in JSON":           "{% set n = namespace() %}{% set n.n = n %}{{ n|tojson }}",
	"width of %":                  "{{ '%999999999d' % 1 }}",
	"width of % from a value":     "{{ '%*d' % (9000000000000000000, 1) }}",
	"precision of %":              "{{ '%.999999999f' % 1.5 }}",
	"overlong width":              "{{ '%99999999999999999999d' % 1 }}",
	"width of format":             "{{ '{:9999999999}'.format(1) }}",
	"precision of format":         "{{ '{:.2000000000f}'.format(1.5) }}",
	"center":                      "{{ 'a'.center(9000000000000000000) }}",
	"zfill":                       "{{ 'a'.zfill(9000000000) }}",
	"indent":                      "{{ 'a\nb'|indent(9000000000) }}",
	"JSON indent":                 "{{ [[1]]|tojson(indent=9000000000) }}",
	"JSON separators":             "{{ (range(99999)|list)|tojson(separators=('a' * 99999, ':')) }}",
	"batch":                       "{{ [1]|batch(9000000000, 0)|list }}",
	"slice":                       "{{ [1]|slice(9000000000, 0)|list }}",
	"giant output":                "{% set x = 'a' * 9999999 %}{% for i in range(99999) %}{{ x }}{% endfor %}",
	"giant sum":                   "{{ (range(99999)|map('string')|list * 20)|sum(start='') }}",
	"quadratic join":              "{% for i in range(99999) %}{% set x = (range(9999)|join('aaaaaaaa')) %}{% endfor %}",
	"quadratic sort":              "{% for i in range(99999) %}{% set x = range(99999)|sort(reverse=true) %}{% endfor %}",
	"long counting":               "{% set s = 'a' * 9999999 %}{% for i in range(99999) %}{% set x = s|length %}{% endfor %}",
	"long searching":              "{% set s = 'a' * 9999999 %}{% for i in range(99999) %}{% set x = 'b' in s %}{% endfor %}",
	"long splitting":              "{% set s = 'a ' * 9999999 %}{{ s.split()|length }}{{ s.split(' ')|length }}",
	"long iteration":              "{% for c in 'a' * 99999999 %}{% endfor %}",
	"long indexing":               "{% set s = 'a' * 9999999 %}{% for i in range(99999) %}{% set x = s[-9999999] %}{% endfor %}",
	"growing dict":                "{% for i in range(99999) %}{% set d = dict(range(99999)|map('string')|map('center', 2)|select('eq', 'x')|list, a=range(99999)|list) %}{% endfor %}",
	"power":                       "{{ 9 ** 9 ** 9 }}",
	"many powers":                 "{% for i in range(99999) %}{% set x = 1 ** 9000000000000000000 %}{{ x }}{% endfor %}{{ 10 ** 99 }}",
	"kwargs of kwargs":            "{% macro m() %}{{ m(**dict(kwargs, a=kwargs)) }}{% endmacro %}{{ m() }}",
	"many arguments":              "{% macro m() %}{{ m(*(varargs + varargs + (1,))) }}{% endmacro %}{{ m() }}",
	"long name":                   "{{ " + strings.Repeat("a", 250000) + "() }}",
	"endless comment":             "{#" + strings.Repeat("{#", 99999),
	"endless raw":                 strings.Repeat("{% raw %}", 25000),
	"endless string":              "{{ '" + strings.Repeat("a", 250000),
	"too long":                    strings.Repeat("a", maxSource+1),
}

func TestHostile(t *testing.T) {
	for name, source := range hostile {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			tmpl, err := Parse(source, Tokens{})
			if err == nil {
				_, err = tmpl.Render(nil, nil)
			}
			runtime.ReadMemStats(&after)
			mb := (after.TotalAlloc - before.TotalAlloc) >> 20
			t.Logf("%d MB allocated: %v", mb, err)
			if err == nil {
				t.Fatal("no error")
			}
			oneLine(t, err)
			if mb > 384 {
				t.Errorf("allocated %d MB", mb)
			}
		})
	}
}
