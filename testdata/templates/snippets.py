"""Short templates, over the variables VARS; by what they are about."""

# What the snippets may use.
VARS = {
    "n": 7, "zero": 0, "neg": -3, "f": 2.5, "big": 12345678901234567890, "half": 0.5, "tiny": 1e-7, "huge": 1e22,
    "t": True, "no": False, "nil": None,
    "s": "Hello, World", "empty": "", "pad": " \t x y \n ", "uni": "Größe ßtraße ŉ ΑΣ İı 日本語 🙂",
    "odd": "\u200b\u2028a\u0085\u001c\ufeff", "lines": "one\n\n  two\r\nthree\x0bfour\n", "html": "<a href=\"x\">'&'</a>",
    "ctrl": "tab\tnl\nbell\x07del\x7fnbsp\xa0sep\u2028", "quote": "it's", "both": "it's \"so\" \\", "csv": "a,b,,c",
    "l": [3, 1, 2], "words": ["banana", "Apple", "cherry", "apple"], "mixed": [1, "1", 1.0, True, None, [1], {"a": 1}],
    "nested": [[1, 2], [3, 4]], "void": [], "d": {"b": 1, "a": 2, "c": {"x": [1, 2.0, None, True]}}, "ed": {},
    "people": [
        {"name": "Bo", "age": 30, "on": True, "a": {"b": 2}},
        {"name": "al", "age": 4, "on": False, "a": {"b": 1}},
        {"name": "Cy", "age": 30, "on": True},
    ],
    "shadow": {"items": [1], "keys": "k", "get": 5, "x": 6},
}

# Expressions, each rendered as {{ ... }}.
EXPRESSIONS = r"""
n + 1 - 2 * 3
n / 2
n // 2
neg // 2
neg % 5
5 % neg
neg / 2
7.5 // 2
-7.5 // 2
7.5 % -2
2 ** 3 ** 2
-2 ** 2
2 ** -1
2 ** 0.5
f * 2
f + n
1 / 3
2 / 3
10 / 2
1e16
1e15
123456789.123
1e-4
1e-5
0.1 + 0.2
1.0
1.5e300 * 1e10
100000 * 100000
1_000_000
0x1F
0o17
0b101
007
tiny
huge
big
big == 12345678901234567890
big > n
-n
+n
--n
- -n
-t
t + t
t * 3
1 + true
n / zero
n // zero
n % zero
f / zero
s + 1
1 + s
s + nil
s * 2
2 * s
s * -1
s * f
l * 2
l + l
l + s
l + (1,)
(1,) + (2,)
(1, 2) * 2
void * 3
d + d
s - s
nil + nil
missing + 1
1 + missing
missing
missing.x
missing['x']
missing()
missing | length
missing | upper
missing == missing
missing == none
missing in l
missing in d
d[missing]
d.get(missing, 4)
[missing, nil, missing, 1]|unique|list
l in missing
1 in missing
missing ~ 'x'
missing or 'x'
missing and 'x'
not missing
d.missing
d.missing.x
d['missing']
d['b']
d.b
d.c.x[1]
d.c['x'][-1]
l[0]
l[-1]
l[5]
l[-5]
l['0']
l.0
l[true]
l[1.0]
s[0]
s[-1]
s[50]
uni[2]
uni[-1]
uni[3:8]
uni[::-1]
s[1:3]
s[:-1]
s[-3:]
s[::2]
s[10:2]
s[::-2]
s[5:1:-1]
s[100:]
s[-100:3]
s[::0]
s[none:none]
l[1:]
l[::-1]
l[:2]
l[-2:]
l[0:0]
l[::5]
(1,2,3)[1:]
(1,2,3)[0]
l[missing]
l['x']
n[0]
n.x
nil.x
nil['x']
s.nope
s['nope']
l.nope
l[:'a']
d[:1]
d[l]
d[1]
true
True
false
none
None
[true, none, 1.0, 'a']
{'a': 1, "b": [1, (2,)], 3: none}
{}
[]
()
(1,)
(1)
1, 2
[1, 2,]
{'a': 1,}
'a' 'b'
'\n\t\\\'\"\x41\u00e9\U0001F600\q'
"it's"
[quote, both, ctrl, uni, odd]
[html]
'a\
b'
'tab	inside'
s ~ n ~ f ~ t ~ nil ~ l ~ d
1 ~ 2 + 3
1 + 2 ~ 3
'a' ~ 1 * 2
1 == 1.0
1 == true
'1' == 1
none == none
none == false
[1, 2] == [1, 2]
[1, 2] == (1, 2)
[1, 2.0] == [1.0, 2]
{'a': 1, 'b': 2} == {'b': 2, 'a': 1}
1 != 2
1 < 2 < 3
1 < 3 < 2
1 < 2 > 0
1 <= 1
'a' < 'b'
'Z' < 'a'
'é' < 'z'
[1, 2] < [1, 3]
[1] < [1, 0]
(1, 'a') < (1, 'b')
1 < 'a'
none < 1
[1] < 'a'
1 < true
d < d
1 in l
4 in l
4 not in l
not 4 in l
'lo' in s
'' in s
1 in s
none in s
'b' in d
'z' in d
[1] in mixed
[1] in d
2 in (1, 2)
1 in n
1 in nil
'b' in d.keys()
1 in d.values()
('b', 1) in d.items()
t and n
no and n
no or n
zero or empty or 'last'
not t
not l
not void
not not n
t and no or n
no or t and n
1 if t else 2
1 if no else 2
1 if no
(1 if no) is defined
(1 if no).x
1 if t else 2 if no else 3
1 if no else 2 if no else 3
'x' if missing else 'y'
n is defined
missing is defined
missing is undefined
d.zz is defined
d.b is defined
d.b.c is defined
missing.x is defined
nil is none
n is none
missing is none
n is number
t is number
f is number
s is number
t is boolean
n is boolean
n is integer
t is integer
f is integer
big is integer
f is float
n is float
s is string
n is string
nil is string
l is sequence
s is sequence
d is sequence
n is sequence
missing is sequence
range(3) is sequence
(1,) is sequence
d.items() is sequence
d.keys() is iterable
l|map('string') is sequence
l|map('string') is iterable
l is iterable
s is iterable
n is iterable
missing is iterable
nil is iterable
d is mapping
l is mapping
missing is mapping
t is true
no is false
1 is true
n is odd
n is even
f is odd
s is odd
neg is odd
n is divisibleby 7
n is divisibleby(3)
n is divisibleby 0
s is lower
'abc' is lower
'ABC' is upper
'a1' is lower
'1' is lower
n is lower
n is callable
range is callable
s.upper is callable
missing is callable
d.items is callable
n is eq 7
n is eq(7)
n is equalto 7
n is ne 8
n is lt 8
n is lessthan 8
n is gt 8
n is greaterthan 6
n is ge 7
n is le 6
n is in [7]
n is in l
n is not in l
n is not defined
n is not none
nil is not none
nil is sameas none
n is sameas 7
t is sameas true
1 is sameas true
'upper' is filter
'nope' is filter
'odd' is test
s is escaped
n is == 7
not n is odd
n is odd and t
n is odd or no
n is odd == t
l is defined and l|length > 2
'a' if n is odd else 'b'
n is eq 7 and t
s is string and s is not none
n is nope
n | nope
n is not odd is defined
-n is odd
s|upper
s|lower
s|title
s|capitalize
uni|upper
uni|lower
uni|title
uni|capitalize
uni.upper()
uni.lower()
uni.title()
uni.capitalize()
uni.swapcase()
"they're bill's friends (here) a-b x_y 3rd"|title
"they're bill's friends (here) a-b x_y 3rd".title()
n|upper
nil|upper
l|upper
d|lower
pad|trim
[pad|trim]
[odd|trim]
[odd.strip()]
[pad.lstrip(), pad.rstrip()]
s|trim('Hd')
s.strip('Hd')
'xxaxx'|trim('x')
n|trim
nil|trim
missing|trim
[s.strip(none)]
s.strip(1)
s|length
uni|length
l|length
d|length
n|length
nil|length
void|length
d|count
d.items()|length
range(5)|length
l|map('string')|length
s|first
s|last
l|first
l|last
void|first
void|last
empty|first
d|first
d|last
n|first
missing|first
(l|map('string'))|first
l|join
l|join(', ')
words|join(' | ')
mixed|join('-')
void|join(',')
s|join('-')
d|join(',')
people|join(',', 'name')
people|join(',', attribute='name')
people|join(',', 'a.b')
nil|join
n|join
missing|join(',')
l|join(1)
nested|join(';')
l|sort
l|sort(reverse=true)
words|sort
words|sort(case_sensitive=true)
words|sort(true)
mixed|sort
people|sort(attribute='age')|map(attribute='name')|list
people|sort(attribute='age,name')|map(attribute='name')|list
people|sort(attribute='name', reverse=true)|map(attribute='name')|list
'hello'|sort
'hello'|sort|join
d|sort
l|reverse|list
s|reverse
d|reverse|list
n|reverse
words|unique|list
words|unique(true)|list
mixed|unique|list
[1, 1.0, true, 2]|unique|list
l|sum
l|sum(start=10)
people|sum('age')
people|sum(attribute='age')
words|sum
void|sum
l|min
l|max
words|min
words|max
void|max
people|max(attribute='age')
mixed|min
l|map('string')|list
words|map('upper')|list
words|map('upper')|join(',')
l|map('float')|list
words|map('replace', 'a', 'o')|list
people|map(attribute='name')|list
people|map(attribute='zz')|list
people|map(attribute='zz', default='?')|list
people|map(attribute='a.b')|list
people|map(attribute='a.b', default=0)|list
nested|map(attribute=0)|list
nested|map(attribute='0')|list
nested|map('first')|list
nested|map('join', '-')|list
l|map('nope')|list
l|map|list
l|select|list
[0, 1, '', 'a', none]|select|list
[0, 1, '', 'a', none]|reject|list
l|select('odd')|list
l|reject('odd')|list
l|select('gt', 1)|list
l|select('>', 1)|list
l|select('in', [1, 2])|list
l|reject('equalto', 3)|list
words|select('equalto', 'Apple')|list
words|reject('in', ['Apple'])|join(', ')
people|selectattr('on')|map(attribute='name')|list
people|rejectattr('on')|map(attribute='name')|list
people|selectattr('age', 'equalto', 30)|map(attribute='name')|list
people|selectattr('age', 'gt', 5)|map(attribute='name')|join
people|rejectattr('name', 'in', ['Bo'])|map(attribute='name')|join
people|selectattr('a.b', 'defined')|map(attribute='name')|list
people|selectattr('a', 'defined')|list|length
people|selectattr('zz', 'defined')|list
people|selectattr('zz')|list
people|selectattr|list
people|selectattr('age', 'nope')|list
d|list
s|list
'né'|list
n|list
nil|list
missing|list
(1, 2)|list
d.items()|list
d|items|list
ed|items|list
missing|items|list
l|items|list
d|dictsort
d|dictsort|list
{'b': 2, 'A': 1, 'a': 3}|dictsort
{'b': 2, 'A': 1, 'a': 3}|dictsort(true)
{'b': 2, 'A': 1, 'a': 3}|dictsort(false, 'value')
{'b': 2, 'A': 1, 'a': 3}|dictsort(by='value', reverse=true)
{'b': 2, 'A': 1, 'a': 3}|dictsort(case_sensitive=true)
{'b': 2, 'A': 1, 'a': 3}|dictsort(reverse=true)
'abcdef'[1::2]
{'b': 2}|dictsort(by='x')
l|dictsort
missing|default('x')
missing|default
missing|d('x')
empty|default('x')
empty|default('x', true)
nil|default('x')
nil|default('x', true)
no|default('x', boolean=true)
d.zz|default('x')
d.zz.y|default('x')
n|default('x')
missing|default(default_value=3)
s|replace('l', 'L')
s|replace('l', 'L', 1)
s|replace('', '-')
s|replace('', '-', 3)
'aaa'|replace('aa', 'b')
n|replace(7, 8)
nil|replace('o', 'a')
s.replace('l', 'L')
s.replace('l', 'L', 2)
s.replace('', '.')
s.replace('l')
s.replace(1, 2)
uni.replace('日', '')
s|indent
lines|indent
lines|indent(2)
lines|indent(2, true)
lines|indent(2, first=true, blank=true)
lines|indent('> ')
lines|indent(width='> ', first=true)
"a\nb\n\nc"|indent(3, blank=true)
"a\n"|indent
empty|indent(2, true)
n|indent
s|center(20)
s|center(3)
s.center(19)
s.center(20, '*')
s.center(20, '**')
'ab'.center(5)
'abc'.center(6)
'abc'|center(6)
s.ljust(15, '.')
s.rjust(15)
s.ljust(2)
'42'.zfill(5)
'-42'.zfill(5)
'+4'.zfill(5)
uni.zfill(2)
s|wordcount
uni|wordcount
'a b, c-d 3_4'|wordcount
empty|wordcount
html|escape
html|e
html|safe
html|forceescape
n|e
nil|e
s|string
n|string
nil|string
f|string
l|string
[1|string, '1'|int]
'12'|int
'12.7'|int
'x'|int
'x'|int(5)
'0x1f'|int(0, 16)
'1f'|int(base=16)
'101'|int(base=2)
' 12 '|int
'1_000'|int
'-5'|int
'1e3'|int
f|int
-2.7|int
nil|int
t|int
l|int
l|int(9)
missing|int
'12'|float
'1.5'|float
'1e3'|float
'x'|float
'x'|float(1.5)
'inf'|float
'nan'|float
'-Infinity'|float
n|float
nil|float
t|float
missing|float
neg|abs
-2.5|abs
s|abs
t|abs
f|round
3.5|round
4.5|round
2.675|round(2)
1234.5|round(-2)
n|round
n|round(-1)
2.345|round(1, 'ceil')
2.345|round(1, 'floor')
2.1|round(0, 'ceil')
f|round(method='x')
s|round
l|batch(2)|list
l|batch(2, 'x')|list
range(5)|batch(3)|list
range(5)|slice(3)|list
range(5)|slice(3, 'x')|list
range(7)|slice(2)|map('list')|list
d|attr('b')
people[0]|attr('name')
s|format
'%s-%s'|format(1, 'a')
'%(a)s'|format(a=1)
'%d items'|format(3)
'%05.2f'|format(f)
'%s' % 1
'%s %s' % (1, 2)
'%s %s' % [1, 2]
'%s' % (1,)
'%d' % 3.7
'%d' % 'x'
'%x %X %o' % (255, 255, 8)
'%#x' % 255
'%5d|%-5d|%05d|%+d|% d' % (1, 2, 3, 4, 5)
'%5s|%-5s|%.2s' % ('a', 'b', 'cde')
'%r %r' % ('a', 1)
'%c%c' % (65, 'b')
'%e %g %G' % (1234.5, 1234.5, 1e-10)
'%g' % 100000
'%g' % 1000000
'%.3g' % 1234
'%f' % 1
'%%'  % ()
'100%' % ()
'%(b)s %(a)d' % d
'%(z)s' % d
'%s' % d
'%s %s' % 1
'%*d' % (5, 3)
'%.*f' % (2, 3.14159)
'%y' % 1
'%s' % nil
'%s' % missing
n % 3
'{} {}'.format(1, 'a')
'{0} {1} {0}'.format(1, 2)
'{a} {b}'.format(a=1, b=2)
'{a[x]} {a.y}'.format(a={'x': 1, 'y': 2})
'{:>5}|{:<5}|{:^5}|{:*^5}'.format(1, 'a', 'b', 'c')
'{:05d} {:+} {:,} {:x} {:b} {:o}'.format(42, 5, 1234567, 255, 5, 8)
'{:.2f} {:e} {:g} {:%}'.format(3.14159, 1234.5, 0.0001, 0.25)
'{:.2f}'.format(2)
'{!r} {!s}'.format('a', 'b')
'{{}} {}'.format(1)
'{'.format()
'}'.format()
'{}'.format()
'{x}'.format()
'{:d}'.format('a')
'{:s}'.format(1)
'{}'.format(none)
'{}'.format([1, 'a'])
'{:,}'.format(1234567.891)
'{:,.2f}'.format(1234567.891)
'{:10.3f}|'.format(3.14159)
'{:.3}'.format('abcdef')
'{:.3}'.format(3.14159)
'{:#x}'.format(255)
'{:c}'.format(65)
'{:5}|'.format(true)
'{:>+8.1f}'.format(3.14)
'{:08.3f}'.format(-3.14159)
'{:=+6d}'.format(42)
'{0.x}'.format(n)
s.split()
s.split(',')
s.split(', ')
csv.split(',')
csv.split(',', 1)
csv.split(',', -1)
csv.split(',', maxsplit=2)
csv.split(sep=',')
csv.rsplit(',', 1)
csv.rsplit(',')
pad.split()
pad.split(none, 1)
pad.rsplit(none, 1)
'  a  b  '.split(' ')
'a b  c '.split(none, 1)
'a b  c '.split(none, 0)
empty.split()
empty.split(',')
s.split('')
s.split('</think>')[-1]
'<think>a</think>b'.split('</think>')[-1].lstrip('\n')
'<think>\na\n</think>\nb'.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n')
lines.splitlines()
lines.splitlines(true)
odd.splitlines()
s.partition(', ')
s.partition('zz')
s.rpartition('o')
s.rpartition('zz')
s.partition('')
','.join(['a', 'b'])
','.join('abc')
','.join(l)
','.join(d)
','.join(missing)
''.join([])
s.startswith('Hell')
s.startswith('ell')
s.startswith(('x', 'H'))
s.startswith('ello', 1)
s.startswith('')
s.startswith(1)
s.endswith('ld')
s.endswith(('ld', 'x'))
s.endswith('or', 0, 10)
s.removeprefix('He')
s.removesuffix('ld')
s.removesuffix('zz')
s.find('o')
s.find('o', 5)
s.find('zz')
s.rfind('o')
s.index('o')
s.index('zz')
s.rindex('o')
uni.find('本')
uni.find('本', 3)
s.count('o')
s.count('')
uni.count('ß')
s.count('l', 4)
s.isalpha()
'abc'.isalpha()
'abc1'.isalnum()
'12'.isdigit()
'²'.isdigit()
'²'.isdecimal()
'½'.isdigit()
'日'.isalpha()
' \t'.isspace()
empty.isspace()
'\u200b'.isspace()
'\x1c\x85'.isspace()
'abc'.islower()
'ABC'.isupper()
'Abc Def'.istitle()
'Abc def'.istitle()
s.isascii()
uni.isascii()
s.nope()
s.upper(1)
s.__class__
''.__class__.__mro__
n.__class__
l.__len__()
l.append(1)
l.pop()
l.index(1)
l.index(9)
l.count(1)
l.copy()
l.sort()
d.update({'z': 1})
d.pop('a')
d.clear()
d.setdefault('q', 1)
d.get('a')
d.get('z')
d.get('z', 5)
d.get()
d.keys()
d.values()
d.items()
d.keys()|list
d.values()|list
d.keys()[0]
d.copy()
shadow['items']
shadow.items()|list
shadow.keys()
shadow.get('x')
shadow['get']
shadow.x
range(5)|list
range(2, 5)|list
range(5, 2)|list
range(5, 2, -1)|list
range(0, 10, 3)|list
range(1, 2, 0)
range('a')
range(1.5)
range(10)[2]
range(10)[-1]
range(3) == range(3)
3 in range(5)
range(100001)
dict(a=1, b=2)
dict({'a': 1}, b=2)
dict([('a', 1)])
dict()
namespace(a=1).a
namespace(a=1).b
namespace()
joiner(', ')()
cycle
n()
s()
nil()
l()
d|tojson
d|tojson(indent=2)
d|tojson(indent=0)
d|tojson(2)
d|tojson(indent='\t')
d|tojson(sort_keys=true)
d|tojson(separators=(',', ':'))
d|tojson(separators=[',', ':'])
d|tojson(indent=2, separators=(', ', ' = '))
d|tojson(ensure_ascii=true)
uni|tojson
uni|tojson(ensure_ascii=true)
uni|tojson(true)
odd|tojson
ctrl|tojson
ctrl|tojson(ensure_ascii=true)
both|tojson
html|tojson
mixed|tojson
people|tojson
people|tojson(indent=4)
void|tojson(indent=2)
ed|tojson(indent=2)
[[], {}, [[]]]|tojson(indent=2)
n|tojson
f|tojson
big|tojson
tiny|tojson
huge|tojson
1e16|tojson
1.0|tojson
nil|tojson
t|tojson
s|tojson
(1, 2)|tojson
{1: 'a', none: 'b', true: 'c', 1.5: 'd'}|tojson
{(1,): 2}|tojson
missing|tojson
d.items()|tojson
l|map('string')|tojson
('inf'|float)|tojson
('nan'|float)|tojson
namespace(a=1)|tojson
s.upper|tojson
{'a': {'b': missing}}|tojson
d|tojson|length
d|string|length
d.c|tojson(indent=1)|indent(4)
raise_exception('no: ' ~ n)
raise_exception()
raise_exception(n)
raise_exception(missing)
strftime_now('%Y')|length
(n)
((n))
(n + 1) * 2
s|upper|lower|length
s|replace('H', 'J')|upper
-n|abs
-(n|abs)
n + l|length
n ~ l|length
s|length + 1
not s|length
l|length == 3
l|length > 2 and s
s[0]|upper
s.split(',')[0]|upper
(s|upper)[0]
[s, n]|join('-')|lower
{'a': 1}['a']
{'a': 1}.a
{'a': {'b': [1, 2]}}.a.b[1]
[1, 2][0]
'abc'[1]
'abc'.upper()
(1, 2)[0]
[l][0][0]
{**d}
[*l]
f(x)
lambda: 1
n; n
n = 1
1 +
* 2
(1
[1
'abc
n..x
n.
n[
n|
|n
n is
1 2
a b
'a' if
if else
@
n ? 1 : 2
n && t
!n
$n
`n`
'\xzz'
'\u12'
{{n}}
"a" if t else
d.c.x|map('default', 'N')|list
people|map(attribute='name')|map('upper')|sort|join(', ')
people|selectattr('on', 'true')|list|length
people|selectattr('on', 'sameas', true)|list|length
people|selectattr('a', 'undefined')|map(attribute='name')|first
l|shuffle
n is number and n > 5
l is iterable and l is not string and l is not mapping
words|map('length')|list
words|map('first')|join
words|sort|first
words|map('title')|unique|list
d|length > 1
d.items()|map('first')|list
d.items()|map('last')|list
d.items()|selectattr(1, 'number')|list
d.items()|sort|list
{'a': 1, 'b': 2}.items()|sort(reverse=true)
d.values()|select('number')|sum
[none, 1]|select('none')|list
[{}, 1]|select('mapping')|list
[1, 'a', 2.0]|select('string')|list
[1, 'a', 2.0]|reject('string')|sum
'a' in 'abc' and 'd' not in 'abc'
'a' in ['abc']
(n, s) == (7, 'Hello, World')
l == l[:]
l is eq [3, 1, 2]
l.0 == l[0]
loop
context
varargs
caller
tools
documents is none
""".strip().split("\n")

# Whole templates.
TEMPLATES = [
    # white space control
    "a {{ n }} b\n", "a {{- n -}} b", "a\n  {{- n }}\n b", "{{ n }}\n", "{{ n }}\n\n", "\n{{ n }}", "a\n\n",
    "{% if t %}\nyes\n{% endif %}\nend", "  {% if t %}\n  yes\n  {% endif %}\nend", "x {% if t %} y {% endif %} z",
    "x\n  {%+ if t %}y{% endif %}", "x\n  {%- if t %}y{% endif %}", "x {%- if t -%} y {%- endif -%} z",
    "{% if t -%}\n\n  y\n{%- endif %}\nz", "{% if t +%}\ny{% endif +%}\nz", "{% if t %}  \ny{% endif %}",
    "\t {% set a = 1 %}\n\t {{ a }}", "  {# c #}\nx", "a {# c #} b", "a\n {#- c -#}\n b", "a\n  {#+ c #}\nb", "{# {{ n }} {% if %} #}x",
    "{# a\nb #}\nc", "{#x", "{% raw %}{{ n }} {% if %}{% endraw %}", "  {% raw %}\n  {{ n }}\n  {% endraw %}\nx",
    "a {%- raw -%} b {%- endraw -%} c", "{% raw %}a{% endraw +%}\nb", "{% raw +%}a{% endraw %}", "{% raw %}x", "a\r\nb\rc{{ n }}\r\nd",
    "{{ '\r\n' }}|{{ 'a\rb' }}|", "{%- for x in l %}\n{{ x }}\n{%- endfor %}\n", "{% for x in l -%}\n  {{ x }}\n{% endfor %}",
    "{% for x in l %}{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}", "{{\n n\n }}", "{%\nif t\n%}x{%\nendif\n%}",
    "{{ n }}\u00a0{%- if t %}x{% endif %}", "\u00a0{% if t %}x{% endif %}", "\u200b{%- if t %}x{% endif %}", "a\x1c\n  {%- if t %}x{% endif %}",
    "a\u2028  {% if t %}x{% endif %}", "a\n\n\n{%- if t %}x{% endif -%}\n\n\nb", "{{- n -}}", "{{+ n }}", "{{ n +}}", "{{ -n }}", "{{--n}}", "{{ n-}}x",
    "{{ {'a': {'b': 1}} }}", "{{ {'a': {'b': 1}}}}", "{{ '}}' }}", "{{ '%}' }}", "{% if '%}' %}x{% endif %}", "{ { n } }", "{", "}", "%}", "}}", "#}",
    "a{", "a{{", "a{%", "{{ n", "{% if t", "{{ n %}", "{% if t }}", "{{}}", "{% %}", "{{ }}", "{%- -%}", "{%if t%}x{%endif%}", "{%-if t-%} x {%-endif-%}",
    "{% if t %}x{% else %}y{% endif %}", "{% if no %}x{% elif n %}y{% else %}z{% endif %}", "{% if no %}x{% elif no %}y{% endif %}",
    "{% if t %}x", "{% endif %}", "{% if t %}{% endfor %}", "{% if t %}x{% else %}y{% else %}z{% endif %}", "{% else %}", "{% nope %}", "{% if %}x{% endif %}",
    "{% if t: %}x{% endif %}", "{% if t %}x{% endif t %}", "{% if missing %}x{% else %}y{% endif %}", "{% if missing.x %}x{% endif %}",
    # loops
    "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }};{% endfor %}",
    "{% for x in l %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }};{% endfor %}", "{% for x in l %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{% endfor %}",
    "{% for x in l %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for x in [1, 1, 2] %}{{ loop.changed(x) }}{% endfor %}", "{% for x in l %}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}",
    "{% for x in l %}{{ loop }}{% endfor %}", "{% for x in l %}{{ loop.nope }}|{% endfor %}", "{% for x in void %}x{% else %}none{% endfor %}", "{% for x in l %}x{% else %}none{% endfor %}",
    "{% for x in l if x > 1 %}{{ x }}{{ loop.index }}{{ loop.length }}{{ loop.last }};{% endfor %}", "{% for x in l if x > 9 %}x{% else %}none{% endfor %}",
    "{% for x in l if loop.index > 1 %}{{ x }}{% endfor %}", "{% for x, y in nested %}{{ x }}{{ y }};{% endfor %}", "{% for (x, y) in nested %}{{ x }}{{ y }};{% endfor %}",
    "{% for x, y, z in nested %}{% endfor %}", "{% for x, in [[1], [2]] %}{{ x }}{% endfor %}", "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k, v in d|items %}{{ k }}={{ v }};{% endfor %}",
    "{% for k, v in d|dictsort %}{{ k }}={{ v }};{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}", "{% for c in 'né🙂' %}{{ c }}.{% endfor %}", "{% for x in missing %}x{% else %}e{% endfor %}",
    "{% for x in nil %}x{% endfor %}", "{% for x in n %}x{% endfor %}", "{% for x in missing.y %}x{% endfor %}", "{% for x in range(3) %}{{ x }}{% endfor %}{{ x }}",
    "{% for x in l %}{% for y in l %}{{ loop.index }}{% endfor %}{{ loop.index }};{% endfor %}", "{% for x in l %}{% set o = loop %}{% for y in l %}{{ o.index }}{{ loop.index }} {% endfor %}{% endfor %}",
    "{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}", "{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}", "{% break %}", "{% if t %}{% continue %}{% endif %}",
    "{% for x in l %}{% break %}{% else %}e{% endfor %}", 
    "{% set x = 0 %}{% for i in l %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}", "{% set x = 0 %}{% for i in l %}{{ x }}{% set x = 9 %}{% endfor %}", "{% for i in l %}{{ i }}{% set i = 9 %}{{ i }}{% endfor %}",
    "{{ loop.index }}", "{% for x in l %}{% endfor %}{{ loop }}", "{% for x in l[::-1] %}{{ x }}{% endfor %}",
    "{% for m in people if m.on %}{{ loop.index0 }}{{ m.name }}{% if loop.last %}!{% endif %}{% endfor %}", "{% for x in l|sort|reverse %}{{ x }}{{ loop.last }}{% endfor %}", "{% for x in l, n %}{{ x }};{% endfor %}", "{% for x in 1, 2 %}{{ x }}{% endfor %}",
    "{% for x in l if t else void %}{{ x }}{% endfor %}", "{% for x in (l if t else void) %}{{ x }}{% endfor %}", "{% for x.y in l %}{% endfor %}", "{% for 1 in l %}{% endfor %}", "{% for x of l %}{% endfor %}", "{% for x in l %}{{ loop.index", 
    # set and scopes
    "{% set a = 1 %}{{ a }}", "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set (a, b) = [1, 2] %}{{ a }}{{ b }}", "{% set a, b = 1 %}", "{% set a, b = l %}", "{% set a = 1, 2 %}{{ a }}", "{% set a %}x{{ n }}{% endset %}[{{ a }}]",
    "{% set a | upper %}x{{ n }}y{% endset %}{{ a }}", "{% set a | upper | length %}xyz{% endset %}{{ a + 1 }}", "{% set a %}\n x\n{% endset %}[{{ a }}]", "{% set a | trim %}\n x\n{% endset %}[{{ a }}]", "{% set a %}{% endset %}{{ a is string }}{{ a|length }}",
    "{% set a %}{% set b = 1 %}{{ b }}{% endset %}{{ a }}{{ b }}", "{% if t %}{% set a = 1 %}{% endif %}{{ a }}", "{% if no %}{% set n = 1 %}{% endif %}{{ n }}", "{% set n = n + 1 %}{{ n }}", "{% set a = b = 1 %}", "{% set true = 1 %}", "{% set 1 = 1 %}", "{% set a %}", "{% set d.x = 1 %}", "{% set s.x = 1 %}",
    "{% set ns = namespace(a=1) %}{% for i in l %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}", "{% set ns = namespace() %}{% set ns.x = 1 %}{{ ns.x }}{{ ns.y }}", "{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}", "{% set ns = namespace(a=[]) %}{% set ns.a = ns.a + [1] %}{{ ns.a }}",
    "{% set ns = namespace(a=1) %}{% set ns.a %}x{% endset %}{{ ns.a }}", "{% set ns = namespace(a=1) %}{{ ns['a'] }}", "{% set ns = namespace(found=false) %}{% for x in l if not ns.found %}{{ x }}{% set ns.found = true %}{% endfor %}", "{% set missing.x = 1 %}",
    "{% set ns = namespace(a=1) %}{% set b = ns %}{% set b.a = 2 %}{{ ns.a }}", "{% set ns = namespace(m=people) %}{% for p in ns.m %}{{ p.name }}{% set ns.m = [] %}{% endfor %}{{ ns.m }}", "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% with %}{% set a = 1 %}{{ a }}{% endwith %}{{ a }}",
    "{% set a = 1 %}{% with a = 2, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% filter upper %}a{{ s }}{% endfilter %}", "{% filter upper | replace('A', 'B') %}a{% endfilter %}", "{% filter indent(2) %}a\nb\n{% endfilter %}", "{% filter upper %}{% set a = 1 %}{% endfilter %}{{ a }}",
    "{% generation %}x{{ n }}{% endgeneration %}", "{% generation %}\n x\n{% endgeneration %}\ny", "{% generation %}{% set a = 1 %}{{ a }}{% endgeneration %}{{ a }}", "{% for x in l %}{% generation %}{{ x }}{{ loop.index }}{% endgeneration %}{% endfor %}", "{% for x in l %}{%- generation -%} {{ x }} {%- endgeneration -%} {% endfor %}", "{% generation %}x",
    "{% set messages = l[1:] %}{{ messages }}", "{% set x = s if t else n %}{{ x }}", "{% set x = (s if no) %}{{ x is defined }}", "{% set a = 1 %}{% set a = a + 1 if a else 0 %}{{ a }}", "{% set f = s.upper %}{{ f() }}", "{% set _ = n %}{{ _ }}", "{% set not_x = 1 %}{{ not_x }}", "{% set inx = 1 %}{{ inx }}", "{% set größe = 1 %}{{ größe }}",
    "{{ n }}{% set n = 1 %}{{ n }}", "{% if t %}{{ q }}{% set q = 1 %}{{ q }}{% endif %}{{ q }}", "{% for x in l %}{% if loop.first %}{% set q = 1 %}{% endif %}{{ q }}{% endfor %}", "{% do l.append(1) %}", "{% set tools = tools or [] %}{{ tools }}", "{% if tools is not none %}x{% endif %}", "{% if not tools is defined %}x{% else %}y{% endif %}",
    # macros
    "{% macro m(a) %}<{{ a }}>{% endmacro %}{{ m(1) }}{{ m('x') }}", "{% macro m(a, b=2) %}{{ a }}{{ b }};{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(1, b=4) }}{{ m(b=5, a=6) }}{{ m() }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}",
    "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}", "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}", "{% macro m(a=n) %}{{ a }}{% endmacro %}{{ m() }}", "{% macro m() %}{{ n }}{% set n = 9 %}{{ n }}{% endmacro %}{{ m() }}{{ n }}", "{% macro m() %}{{ later }}{% endmacro %}{% set later = 1 %}{{ m() }}", "{{ m() }}{% macro m() %}x{% endmacro %}",
    "{% macro m(x) %}{% if x > 0 %}{{ x }}{{ m(x - 1) }}{% endif %}{% endmacro %}{{ m(3) }}", "{% macro m() %}\n  x\n{% endmacro %}\n[{{ m() }}]", "{%- macro m() -%}\n  x\n{%- endmacro -%}\n[{{ m() }}]", "{% macro m() %}x{% endmacro %}{{ m }}{{ m.name }}{{ m.arguments }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m }}", "{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}x{{ n }}{% endcall %}",
    "{% macro m() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b) m() %}{{ a }}{{ b }}{% endcall %}", "{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}", "{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}", "{% macro m(a) %}{% for x in a %}{{ x }}{% endfor %}{% endmacro %}{{ m(l) }}", "{% for x in l %}{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% endfor %}", "{% for x in l %}{% macro m() %}{{ loop.index }}{% endmacro %}{{ m() }}{% endfor %}",
    "{% macro m(d) %}{% for k, v in d.items() %}{{ k }}{% if v is mapping %}({{ m(v) }}){% endif %}{% endfor %}{% endmacro %}{{ m(d) }}", "{% macro m() %}{{ raise_exception('in m') }}{% endmacro %}{{ m() }}", "{% macro m() %}x{% endmacro %}{{ m() | upper ~ m()|length }}", "{% macro m(a, b) %}{{ b }}{% endmacro %}{{ m(*[1, 2]) }}{{ m(**{'b': 3}) }}", "{% macro m(a=1, b) %}{% endmacro %}", "{% macro m %}{% endmacro %}", "{% macro m() %}", "{% macro 1() %}{% endmacro %}",
    "{% macro m(items) %}{{ items }}{% endmacro %}{% set r = m(l) %}{{ r is string }}{{ r }}", "{% set x = 1 %}{% macro m() %}{{ x }}{% endmacro %}{% for x in l %}{{ m() }}{% endfor %}", "{% macro a() %}A{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}", "{% if t %}{% macro m() %}x{% endmacro %}{% endif %}{{ m() }}", "{% macro m(a, a) %}{% endmacro %}", "{% macro m() %}{{ m2 }}{% endmacro %}{{ m() }}", "{{ range(3) | map('string') | list }}{% macro z(x='d') %}[{{ x }}]{% endmacro %}{{ z(none) }}{{ z(missing) }}{{ z() }}",
    # what a chat template must not do
    "{% include 'x' %}", "{% import 'x' as y %}", "{% from 'x' import y %}", "{% extends 'x' %}", "{{ s.format.__globals__ }}", "{{ '{0.__class__}'.format(n) }}", "{{ d.__class__.__mro__ }}", "{{ (l|attr('__class__')) }}", "{{ l.append(3) }}", "{{ range(10000000) }}", "{{ raise_exception('x') if t }}", "{{ raise_exception('x') if no }}ok",
    "{% set x = raise_exception('early') %}", "{% if raise_exception('é \U0001F600\n') %}{% endif %}", "{% for m in people %}{% if m.name == 'al' %}{{ raise_exception('Bad ' + m.name + '!') }}{% endif %}{{ m.name }}{% endfor %}",
    # what real templates may meet besides: compared with Jinja2 in tens of thousands of combinations, of which these are one a kind
    '{% for x in l recursive %}{{ x }}{% endfor %}',
    '{% for x in nested recursive %}{% if x is iterable %}[{{ loop(x) }}]{% else %}{{ x }}@{{ loop.depth }}{{ loop.depth0 }}{% endif %}{% endfor %}',
    "{{ 'a'|safe + '<' }}",
    "{{ '<' + 'a'|safe }}",
    "{{ ('<%s>'|safe) % '<' }}",
    "{{ ('{}'|safe).format('<') }}",
    '{% if false %}{{ x|from_json }}{% endif %}ok',
    '{% if false %}{{ x is from_json }}{% endif %}ok',
    "{{ 'x' if true else y|nope }}",
    "{{ y|nope if false else 'x' }}",
    "{% set c = cycler('a','b') %}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.next() }}{{ c.reset() }}{{ c.next() }}",
    '{% set ns = namespace() %}{% set ns.x = 1 %}{{ ns.x }}{{ ns.y }}',
    '{% for k, v in d|dictsort %}{{ k }}{{ v }}{% endfor %}',
    '{% for a in l %}{% for b in l %}{{ loop.index }}{% if loop.first %}{% continue %}{% endif %}{{ b }}{% endfor %}{% if loop.index == 2 %}{% break %}{% endif %}{% endfor %}',
    "{% macro m(a, b='x', *args) %}{% endmacro %}",
    '{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, c=3) }}',
    '{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}{{ m(b=2) }}{{ m(1, b=2) }}',
    '{% call(x) m(1) %}{% endcall %}',
    '{% macro m() %}[{{ caller(1, y=2) }}]{% endmacro %}{% call(x, y) m() %}{{ x }}{{ y }}{% endcall %}',
    '{%- set x = 1 -%}  a  {{- x -}}  b {% if x %}  c  {%- endif %} d',
    '{{ [1,2,3]|sum(start=1) }}{{ [[1],[2]]|sum(start=[]) }}',
    "{{ {'a': 1}.items()|list }}{{ {'a': 1}|items|list }}",
    '{{ loop }}',
    "{% for x in l %}{{ loop.changed(x > 1) }}{{ loop.cycle('a', 'b') }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.length }}{% endfor %}",
    '{{ messages is defined and messages }}{{ undef is not defined }}{{ undef.x is defined }}',
    "{{ d.get('c', {}).get('x', [])[0] }}{{ d['c']['x'][1] }}{{ d.c.x.1 }}",
    '{{ 1.0 }}{{ 1e3 }}{{ 1.5e-7 }}{{ 100000000000000000000.0 }}{{ 3/2 }}{{ 4/2 }}{{ 7//2 }}{{ -7//2 }}{{ -7%3 }}{{ 2**0.5 }}',
    '{{ "%05.1f|%-5s|%+d|%x|%5.2e|%c|%r|%%" % (3.14159, \'ab\', 5, 255, 12345.678, \'c\', \'q\') }}',
    '{{ "{0:>5}|{1:.3}|{a}|{b[k]}".format(1, \'abcdef\', a=\'A\', b={\'k\': 2}) }}',
    "{{ ('a', 'b')|join }}{{ ('a',) }}{{ () }}",
    '{{ d|tojson(indent=4) }}{{ []|tojson(indent=2) }}{{ {}|tojson(indent=2) }}{{ [[],{}]|tojson(indent=2) }}',
    "{{ d | string | length }}{{ d ~ '' }}",
    "{{ 'a' in 'abc' }}{{ 'x' not in d }}{{ 1 in [1.0] }}{{ none in [none] }}{{ '' in '' }}",
    "{{ 1 == true }}{{ '1' == 1 }}{{ [1] == (1,) }}{{ none == false }}{{ undef == undef2 }}",
    '{% set a, b = (1, 2) %}{{ a }}{{ b }}{% set a = b = 1 %}',
    '{% set x %}{% if true %} y {% endif %}{% endset %}[{{ x }}]',
    '{% set x | upper | trim %} y {% endset %}[{{ x }}]',
    '{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a }}',
    "{% filter upper | replace('A', 'b') %}a{% endfilter %}",
    '{% generation %}x{% endgeneration %}',
    "{% raw %}{{ x }}{% endraw %}{# c #}{{ '{{' }}",
    "{{ people|groupby('age')|list }}{% for g in people|groupby('age') %}{{ g.grouper }}{{ g.list|length }}{{ g[0] }}{% endfor %}",
    "{% for age, xs in people|groupby('age') %}{{ age }}:{{ xs|map(attribute='name')|join(',') }};{% endfor %}",
    "{{ people|groupby('zz', default='q') }}",
    "{{ people|map(attribute='a.b', default=0)|list }}",
    "{{ people|selectattr('a')|map(attribute='a.b')|sum }}",
    "{{ people|selectattr('a', 'defined')|list|length }}{{ people|rejectattr('a', 'defined')|map(attribute='name')|first }}",
    "{{ people|sort(attribute='age,name')|map(attribute='name')|join }}",
    '{{ words|sort }}{{ words|sort(case_sensitive=true) }}{{ words|unique|list }}{{ words|unique(true)|list }}',
    "{{ 'a-b_c d'|title }}{{ 'HELLO wOrld'|capitalize }}",
    "{{ s|replace('l', 'L')|replace('World', 'x', 1) }}{{ s|truncate(5, true, '') }}",
    "{{ 'abc'[::-1] }}{{ 'abc'[-2:] }}{{ 'abc'[:10] }}{{ 'abc'[5:] }}{{ [1,2,3][::2] }}{{ 'abc'[10] }}",
    "{{ x if x is defined else 'd' }}{{ (x or 'e') }}{{ x|default('f', true) }}",
    '{{ range(3) | list }}{{ range(5, 0, -2)|list }}{{ range(0)|list }}',
    '{% for m in people if m.on %}{{ loop.index }}{{ m.name }}{{ loop.last }}{% endfor %}',
    '{% for m in people %}{{ loop.previtem.name if loop.previtem is defined }}{{ loop.nextitem.name if not loop.last }}{% endfor %}',
    "{{ 'a\\nb' | indent(4) }}{{ 'a\\nb' | indent(4, first=true) }}{{ 'a\\n\\nb\\n' | indent }}",
    '{{ "it\'s" }}{{ \'say "hi"\' | tojson }}{{ "é\\u00e9" | tojson }}{{ \'</x>\' | tojson }}',
    '{{ 5 | tojson }}{{ 1.0 | tojson }}{{ none | tojson }}{{ true | tojson }}{{ undef | tojson }}',
    '{{ namespace(a=1) }}',
    "{{ dict(a=1, **{'b': 2}) }}{{ dict([('a', 1)]) }}",
    '{{ not true }}{{ not undef }}{{ true and 1 or 2 }}{{ 0 or none }}',
    '{{ 1 if 0 }}|{{ (1 if 0) is defined }}',
    '{{ 1 < 2 < 3 }}{{ 1 < 3 < 2 }}{{ 1 == 1.0 == true }}',
    "{{ 10|float }}{{ '3.7'|int }}{{ '0x1A'|int(0, 16) }}{{ 'z'|int(-1) }}{{ '1e3'|float }}{{ 2.5|round }}{{ 3.14159|round(2) }}{{ 42.55|round(1, 'floor') }}",
    "{{ s.split(',')[1].strip() }}{{ s.split()[-1] }}{{ 'a,b'.split(',', maxsplit=1) }}",
    '{{ \'\\t\' }}|{{ "a\\\\b" }}|{{ \'a\\\'b\' }}',
    '{{ lines.splitlines() }}',
    "{{ [1, 'a', none, true, 1.5, {'k': [1]}, ('t',)] }}",
    '{{ s is string and s is iterable and s is sequence and d is mapping and d is not string }}',
    "{{ 3 is odd }}{{ 4 is even }}{{ 9 is divisibleby 3 }}{{ 3 is in [3] }}{{ 'a' is in 'abc' }}{{ 1 is eq 1 }}",
    "{% if 'x' in undef %}{% else %}n{% endif %}",
    '{% for x in undef %}{% else %}e{% endfor %}',
    '{{ undef.x }}',
    "{{ undef['x'] }}",
    '{{ undef() }}',
    '{{ undef + 1 }}',
    '{{ d.zz.y }}',
    "{{ d.zz }}|{{ d['zz'] }}|{{ l[9] }}",
    "{{ nil.x }}|{{ nil['x'] }}",
    '{{ nil.x.y }}',
    "{{ ''.join(l|map('string')) }}{{ ', '.join(['a', 'b']) }}",
    "{% include 'x' ignore missing %}",
    "{{ 'abc'|first }}{{ []|first }}{{ 'abc'|last }}{{ l|max }}{{ l|min }}{{ []|max }}",
    "{{ people[0]['name'] ~ 1 ~ none ~ true }}",
    "{{ 'a' * 3 }}{{ [0] * 2 }}{{ 'a' + 1 }}",
    '{%if true%}a{%endif%}{%-  if  true  -%}  b  {%-  endif  -%}',
    "{{ '%s' % ('a',) }}{{ '%s %s' % ('a', 1) }}{{ '%(x)s' % {'x': 1} }}{{ '%d%%' % 5 }}",
    '{% trans %}x{% endtrans %}',
    '{% do l %}',
    '{{ lipsum }}',
    "{{ joiner(',')() }}",
    "{% set j = joiner('|') %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}",
    "{{ 'a'|safe + s }}{{ s + '<'|safe }}{{ ('<'|safe)|upper + '<' }}{{ ('<'|safe)[0] + '<' }}{{ ('a<'|safe)|list }}{{ ('<'|safe)|first + '<' }}{{ ('<'|safe)|last + '<' }}",
    "{{ ('a,<'|safe).split(',')[1] + '<' }}{{ ('<'|safe) * 2 + '<' }}{{ ('<'|safe)|replace('<', '>') + '<' }}{{ ('<'|safe).replace('<', '>') }}{{ ('-'|safe).join(['<', '>'|safe]) }}",
    "{{ ('<'|safe)|join('>') }}{{ ['<'|safe]|join('<') + '<' }}{{ ('<'|safe) ~ '<' }}{{ ('<'|safe)|trim + '<' }}{{ ('<'|safe)|string + '<' }}{{ ('<'|safe)|title + '<' }}",
    "{{ '<'|e|e }}{{ '<'|e|forceescape }}{{ '<'|e is escaped }}{{ '<'|upper is escaped }}{{ ['<'|safe] }}{{ ('<'|safe)|tojson + '<' }}{{ ('%s' % ('<'|safe)) + '<' }}{{ ('<'|safe) == '<' }}",
    "{{ ('<\\n<'|safe)|indent + '<' }}{{ ('<'|safe)|center(5) + '<' }}{{ ('<'|safe)|default('x') + '<' }}{{ ('<%s>'|safe)|format('<') }}{{ 'ab'|safe|reverse + '<' }}",
    "{% set x = s|safe %}{{ x + '<' }}{% set y %}{{ x }}{% endset %}{{ y + '<' }}{% macro m() %}{{ x }}{% endmacro %}{{ m() + '<' }}",
    "{{ '½'.isnumeric() }}{{ 'a_1'.isidentifier() }}{{ '1a'.isidentifier() }}{{ ''.isprintable() }}{{ 'a\\n'.isprintable() }}{{ 'a\\tb\\n\\tc'.expandtabs(4) }}{{ '{a}'.format_map({'a': 1}) }}",
    "{{ s|truncate(5) }}{{ s|truncate(7, true) }}{{ s|truncate(7, false, '…', 0) }}{{ lines|wordwrap(5) }}{{ 'well-known long-ish words'|wordwrap(8) }}{{ 'abcdefghij'|wordwrap(3, false) }}{{ s|urlencode }}{{ {'a b': 'c/d'}|urlencode }}",
    "{{ people|groupby('age') }}{{ people|groupby('name') }}{{ words|groupby('0') }}{{ words|groupby(0, case_sensitive=true) }}",
    "{% set g = people|map(attribute='name') %}{{ g|first }}{{ g|list }}{{ g|list }}{{ 'Bo' in g }}",
    "{% set g = l|select('gt', 1) %}{{ 3 in g }}{{ g|list }}{% for x in l|reject('odd') %}{{ x }}{% endfor %}{% set i = d|items %}{{ i|length if false }}{{ i|list }}{{ i|list }}",
    '{{ people.0.name }}{{ nested.0.1 }}{{ nested.1.0 + 1.5 }}{{ d.c.x.1 }}{{ s.0 }}',
    '{{ s|nope }}',
    '{{ s is nope }}',
    "{{ l|map('nope')|list }}",
    '{% if no %}{{ s|nope }}{% elif s is nope %}{% endif %}',
]

# Expressions and templates that work in Python and are refused here, rather
# than doing something else. (What is looser here than in Python is not listed:
# range gives a list, methods take their arguments by name as well, and a filter
# that does not exist is an error where it is reached, also in a loop or macro.)
UNSUPPORTED = [
    '{{ uni.casefold() }}',
    '{{ s.encode() }}',
    "{{ '\\N{BULLET}' }}",
    '{{ html|striptags }}',
    '{{ 1234567|filesizeformat }}',
    '{{ d|xmlattr }}',
    '{{ d|pprint }}',
    '{{ s|random }}',
    "{{ self.x }}", "{{ lipsum() }}",
    "{% block x %}{% endblock %}", "{% autoescape true %}{% endautoescape %}", "{{ 9223372036854775807 + 1 }}", "{{ 2 ** 64 }}", "{{ {(1, 2): 3} }}",
    "{{ '{:{}}'.format(1, 5) }}", "{{ '{:010,}'.format(1234) }}", "{{ '99999999999999999999'|int }}",
]
