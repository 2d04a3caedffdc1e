package convert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/mil-run/mil/internal/jsonscan"
	"github.com/mil-run/mil/internal/pyjson"
	"github.com/mil-run/mil/internal/source"
)

// members are a JSON object's keys and values.
type members map[string]json.RawMessage

// maxMembers bounds an object's keys; the longest configs have some hundred.
const maxMembers = 1 << 12

// UnmarshalJSON keeps the values as they are written.
func (m *members) UnmarshalJSON(b []byte) error {
	*m = members{}
	if string(b) == "null" {
		return nil
	}
	return jsonscan.Members(b, maxMembers, func(key string, value []byte) error {
		(*m)[key] = slices.Clone(value)
		return nil
	})
}

// rule says whether a key's value leaves the arithmetic as mil computes it. The
// rule nil takes every value: the layout reads the key, or the key changes
// nothing.
type rule struct {
	fits func(v json.RawMessage) bool
	want string // values that fit, for the message; "": only an empty one
}

// Rules that several keys share.
var (
	free = rule{}
	none = rule{isEmpty, "nothing, false or 0"}
	one  = number(1)
	silu = text("silu", "swish")
	yes  = rule{func(v json.RawMessage) bool { return string(v) == "true" || string(v) == "null" }, "true"}
	// unlimited is the rule of the range dt is clamped to.
	unlimited = rule{func(v json.RawMessage) bool {
		var ends []json.RawMessage
		if string(v) == "null" || json.Unmarshal(v, &ends) != nil || len(ends) != 2 {
			return string(v) == "null"
		}
		low, ok := pyjson.Number(ends[0])
		high, ok2 := pyjson.Number(ends[1])
		return ok && ok2 && low <= 0 && math.IsInf(high, 1)
	}, "[0, Infinity]"}
)

// number is the rule of a key that may hold only this number, or null.
func number(want float64) rule {
	return rule{func(v json.RawMessage) bool {
		n, ok := pyjson.Number(v)
		return string(v) == "null" || ok && n == want
	}, fmt.Sprint(want)}
}

// text is the rule of a key that may hold one of these texts, or null.
func text(want ...string) rule {
	return rule{func(v json.RawMessage) bool {
		var s string
		return string(v) == "null" || json.Unmarshal(v, &s) == nil && slices.Contains(want, s)
	}, strings.Join(want, " or ")}
}

// every is the rule of a list whose members are all this text.
func every(want string) rule {
	return rule{func(v json.RawMessage) bool {
		var list []string
		return json.Unmarshal(v, &list) == nil && !slices.ContainsFunc(list, func(s string) bool { return s != want })
	}, want + " for every layer"}
}

// isEmpty reports whether a value is null, false, 0, "", [] or {}.
func isEmpty(v json.RawMessage) bool {
	switch string(bytes.Join(bytes.Fields(v), nil)) {
	case "null", "false", "0", "0.0", `""`, "[]", "{}":
		return true
	}
	return false
}

// arithmetic matches the names of keys that are likely to change a model's
// computation. An unknown key with such a name and a value that is not empty is
// refused.
var arithmetic = regexp.MustCompile(`(?i)multiplier|scal(e|ing)|softcap|soft_cap|window|rotary|rope|alibi|norm|bias|expert|moe|router|clip|clamp|activation|hidden_act|act_fn|quant|residual|parallel|temperature_tuning|layer_types|block_type|attention_chunk|attention_type|num_nextn|mtp_|scan_|sink|gate`)

// trains matches the names of keys that count in training alone.
var trains = regexp.MustCompile(`(?i)dropout|_p?drop$|^initializer|loss|gradient|^tokenizer`)

// check checks an object's keys against a table. A key whose value changes the
// arithmetic is an error. The names of unknown keys are returned.
func (m members) check(place string, table map[string]rule) (unknown []string, err error) {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		v := m[key]
		r, known := table[key]
		switch {
		case known && (r.fits == nil || r.fits(v)):
		case known:
			want := ""
			if r.want != "" {
				want = " (it takes " + r.want + ")"
			}
			return nil, fmt.Errorf("%s: %s is %s, which mil does not compute%s", place, key, show(v), want)
		case isEmpty(v), trains.MatchString(key):
		case arithmetic.MatchString(key):
			return nil, fmt.Errorf("%s: mil does not know the key %s (%s), which may change the arithmetic; where it does not, take it out of the file", place, source.Show(key), show(v))
		default:
			unknown = append(unknown, source.Show(key))
		}
	}
	return unknown, nil
}

// show is a JSON value for a message, short and on one line.
func show(v json.RawMessage) string {
	s := pyjson.Spell(strings.ToValidUTF8(string(bytes.Join(bytes.Fields(v), []byte(" "))), "?"))
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:60], "") + "..."
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// unknownKeys is the warning about unknown keys.
func unknownKeys(file string, names []string) []string {
	switch n := len(names); {
	case n == 0:
		return nil
	case n > 8:
		names = append(names[:8:8], fmt.Sprintf("%d more", n-8))
	}
	return []string{fmt.Sprintf("%s: mil does not know and does not use: %s", file, strings.Join(names, ", "))}
}
