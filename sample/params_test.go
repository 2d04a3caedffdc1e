package sample

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"
)

// Every field of the settings is one parameter's, and every parameter's value
// goes through text, and from settings to settings, alone.
func TestParams(t *testing.T) {
	var s Settings
	fields := map[any]bool{}
	for _, f := range []reflect.Value{reflect.ValueOf(&s.Sampling).Elem(), reflect.ValueOf(&s).Elem()} {
		for i := range f.NumField() {
			if f.Field(i).Kind() != reflect.Struct {
				fields[f.Field(i).Addr().Interface()] = true
			}
		}
	}
	for _, f := range []any{&s.Tools, &s.Format, &s.Sampling.Bias, &s.Sampling.Logprobs, &s.Sampling.TopLogprobs} { // programs alone set them
		delete(fields, f)
	}
	names := map[string]bool{}
	for _, p := range Params() {
		if !fields[p.Field(&s)] {
			t.Errorf("%s: its field is no setting's or another's", p.Name)
		}
		delete(fields, p.Field(&s))
		for _, name := range slices.Compact([]string{p.Name, p.JSON}) {
			if names[name] || name == "" {
				t.Errorf("the name %q is taken", name)
			}
			names[name] = true
		}
		if p.Help == "" || p.Values == "" || p.Words == "" {
			t.Errorf("%s has no words", p.Name)
		}
		var one, two Settings
		if err := p.Parse(&one, "1"); err != nil || one.Check() != nil || reflect.DeepEqual(one, two) {
			t.Errorf("%s: 1 gives %+v, %v", p.Name, one, err)
		}
		if p.Copy(&two, &one); !reflect.DeepEqual(one, two) {
			t.Errorf("%s: copied %+v, is %+v", p.Name, one, two)
		}
		if err := p.Parse(&two, p.Text(&Settings{})); err != nil || !reflect.DeepEqual(two, Settings{}) {
			t.Errorf("%s: the zero value as text gives %+v, %v", p.Name, two, err)
		}
		if _, list := p.Field(&s).(*[]string); list {
			p.Add(&one, "x")
			if got := *p.Field(&one).(*[]string); !slices.Equal(got, []string{"1", "x"}) {
				t.Errorf("%s: %q", p.Name, got)
			}
			continue
		}
		for _, bad := range []string{"", "x", "1 2"} {
			if p.Parse(&one, bad) == nil {
				t.Errorf("%s: %q passes", p.Name, bad)
			}
		}
		for _, bad := range []string{fmt.Sprintf("%.0f", p.Low-1), "NaN", "Inf"} {
			was := one
			if p.Parse(&one, bad) == nil && !errors.Is(one.Check(), ErrParam) {
				t.Errorf("%s: %s passes", p.Name, bad)
			}
			one = was
		}
	}
	for f := range fields {
		t.Errorf("a setting of type %T has no line in the table", f)
	}
}

func TestParamsOutOfBounds(t *testing.T) {
	for want, s := range map[string]Settings{
		"temperature -1 is not a number from 0":      {Sampling: Options{Temp: -1}},
		"temperature +Inf is not a number from 0":    {Sampling: Options{Temp: float32(math.Inf(1))}},
		"top-k -1 is negative":                       {Sampling: Options{TopK: -1}},
		"top-p 1.5 is not between 0 and 1":           {Sampling: Options{TopP: 1.5}},
		"min-p NaN is not between 0 and 1":           {Sampling: Options{MinP: float32(math.NaN())}},
		"repeat penalty -0.5 is not a number from 0": {Sampling: Options{RepeatPenalty: -0.5}},
		"max-tokens -2 is negative":                  {MaxTokens: -2},
		"an empty text would stop every reply":       {Stop: []string{"a", ""}},
	} {
		if err := s.Check(); !errors.Is(err, ErrParam) || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
