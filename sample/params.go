package sample

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/mil-run/mil/constrain"
	"github.com/mil-run/mil/toolcall"
)

// Settings say how a reply is made. The zero value is greedy and without limits.
type Settings struct {
	Sampling  Options
	MaxTokens int      // of a reply; 0 goes on to the context's end
	Stop      []string // texts that end a reply and do not belong to it

	// Tools are functions that the reply may call, nil for none. Programs alone set them.
	Tools *toolcall.Offer
	// Format is the form that a reply holds to, or nil. A reply that a limit cuts is
	// the beginning of one.
	Format *constrain.Grammar `json:"-"`
}

// Param is one parameter of a reply. Flags, the chat's /set, checkpoints'
// defaults, session files and requests all take it from its line in the table.
type Param struct {
	Name string // of the flag and of /set
	JSON string // in requests and in generation_config.json
	// Checkpoint says that a checkpoint may bring a default, which a model file
	// keeps under the key mil.generation. and the JSON name.
	Checkpoint bool
	Short      string // the flag's letter, or ""
	Words      string // the name in errors
	// Low and High are the bounds of numbers, both included. An infinity itself
	// is no value.
	Low, High float64
	Help      string // what the flag does
	Values    string // which values there are, in words

	field func(s *Settings) any
}

// params is the table, in the order in which /set lists it.
var params = []*Param{
	{"temp", "temperature", true, "", "temperature", 0, inf,
		"temperature, or --temperature; 0 always takes the best token", "from 0; 0 always takes the best token",
		func(s *Settings) any { return &s.Sampling.Temp }},
	{"top-k", "top_k", true, "", "top-k", 0, math.MaxInt32,
		"sample from the K best tokens; 0 is all", "a whole number from 0; 0 is off",
		func(s *Settings) any { return &s.Sampling.TopK }},
	{"top-p", "top_p", true, "", "top-p", 0, 1,
		"sample from the best tokens whose probabilities sum to X; 0 or 1 is all", "between 0 and 1; both are off",
		func(s *Settings) any { return &s.Sampling.TopP }},
	{"min-p", "min_p", true, "", "min-p", 0, 1,
		"sample from tokens at least X times as probable as the best", "between 0 and 1; 0 is off",
		func(s *Settings) any { return &s.Sampling.MinP }},
	{"repeat-penalty", "repetition_penalty", true, "", "repeat penalty", 0, inf,
		"penalty on the last 64 tokens; 1 is none", "from 0; 0 and 1 are off",
		func(s *Settings) any { return &s.Sampling.RepeatPenalty }},
	{"presence-penalty", "presence_penalty", false, "", "presence penalty", -2, 2,
		"penalty on tokens that the reply holds already; 0 is none", "between -2 and 2; 0 is off",
		func(s *Settings) any { return &s.Sampling.PresencePenalty }},
	{"frequency-penalty", "frequency_penalty", false, "", "frequency penalty", -2, 2,
		"penalty on a token for each time that the reply holds it; 0 is none", "between -2 and 2; 0 is off",
		func(s *Settings) any { return &s.Sampling.FrequencyPenalty }},
	{"seed", "seed", false, "s", "seed", 0, math.MaxUint64,
		"seed of the random numbers; the same seed gives the same text, with and without a draft (default a new one)", "a whole number from 0",
		func(s *Settings) any { return &s.Sampling.Seed }},
	{"max-tokens", "max_tokens", false, "n", "max-tokens", 0, math.MaxInt32,
		"longest reply in tokens; 0 allows all of the context", "a whole number from 0; 0 goes on to the context's end",
		func(s *Settings) any { return &s.MaxTokens }},
	{"stop", "stop", false, "", "stop", 0, 0,
		"text that ends a reply; may be given several times", "a text that ends a reply; - is none",
		func(s *Settings) any { return &s.Stop }},
}

var inf = math.Inf(1)

// Params is the table of parameters, in the order in which people read it.
func Params() []*Param { return slices.Clone(params) }

// Field is a pointer to the parameter's value: a *float32, *int, *uint64 or
// *[]string.
func (p *Param) Field(s *Settings) any { return p.field(s) }

// Key is the parameter's key in a model file's metadata, where Checkpoint is set.
func (p *Param) Key() string { return "mil.generation." + p.JSON }

// Copy takes the parameter's value over from other settings.
func (p *Param) Copy(to, from *Settings) {
	switch v := p.field(to).(type) {
	case *float32:
		*v = *p.field(from).(*float32)
	case *int:
		*v = *p.field(from).(*int)
	case *uint64:
		*v = *p.field(from).(*uint64)
	case *[]string:
		*v = slices.Clone(*p.field(from).(*[]string))
	}
}

// Text is the parameter's value as people type it.
func (p *Param) Text(s *Settings) string {
	switch v := p.field(s).(type) {
	case *float32:
		return fmt.Sprint(*v)
	case *int:
		return fmt.Sprint(*v)
	case *uint64:
		return fmt.Sprint(*v)
	case *[]string:
		if len(*v) > 0 {
			return strings.Trim(fmt.Sprintf("%q", *v), "[]")
		}
	}
	return "-"
}

// Parse sets the parameter to a value that somebody typed. A list becomes this
// text alone, or empty for "-". Bounds of decimals are Check's to refuse.
func (p *Param) Parse(s *Settings, text string) error {
	switch v := p.field(s).(type) {
	case *float32:
		f, err := strconv.ParseFloat(text, 32)
		if err != nil {
			return errors.New("not a number")
		}
		*v = float32(f)
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil || float64(n) < p.Low || float64(n) > p.High {
			return fmt.Errorf("not a whole number between %.0f and %.0f", p.Low, p.High)
		}
		*v = n
	case *uint64:
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return fmt.Errorf("not a whole number between 0 and %d", uint64(math.MaxUint64))
		}
		*v = n
	case *[]string:
		if *v = []string{text}; text == "-" {
			*v = nil
		}
	}
	return nil
}

// Add is Parse for what may be given several times: a list gets one text more.
func (p *Param) Add(s *Settings, text string) error {
	if v, ok := p.field(s).(*[]string); ok {
		*v = append(*v, text)
		return nil
	}
	return p.Parse(s, text)
}

// ErrParam is wrapped by errors about values that a parameter does not take.
var ErrParam = errors.New("not a value of the parameter")

// paramError is an ErrParam in words.
type paramError struct{ text string }

func (e paramError) Error() string        { return e.text }
func (e paramError) Is(target error) bool { return target == ErrParam }

// ErrStop is the ErrParam of a stop string without a character.
var ErrStop error = paramError{"an empty text would stop every reply"}

// Check refuses settings that nobody can follow, naming the parameter. The error
// is ErrParam.
func (s *Settings) Check() error {
	if slices.Contains(s.Stop, "") {
		return ErrStop
	}
	for _, p := range params {
		if err := p.check(s); err != nil {
			return err
		}
	}
	if err := s.Tools.Check(); err != nil {
		return offerParam{err}
	}
	return s.Sampling.extras()
}

// offerParam is ErrParam about functions that cannot be offered.
type offerParam struct{ error }

func (e offerParam) Unwrap() []error { return []error{ErrParam, e.error} }

// check compares a number with its bounds.
func (p *Param) check(s *Settings) error {
	switch v := p.field(s).(type) {
	case *float32:
		x := float64(*v)
		switch in := x >= p.Low && x <= p.High && !math.IsInf(x, 0); {
		case in:
		case p.High < inf:
			return paramError{fmt.Sprintf("%s %g is not between %g and %g", p.Words, *v, p.Low, p.High)}
		default:
			return paramError{fmt.Sprintf("%s %g is not a number from %g", p.Words, *v, p.Low)}
		}
	case *int:
		if *v < 0 {
			return paramError{fmt.Sprintf("%s %d is negative", p.Words, *v)}
		}
	}
	return nil
}

// Check refuses options that no sampler can follow, naming the option. The error
// is ErrParam.
func (o Options) Check() error { return (&Settings{Sampling: o}).Check() }
