package convert

import (
	"fmt"
	"path"
	"strings"

	"github.com/mil-run/mil/quant"
)

// Override gives the matrices whose names match a pattern a type of their own.
type Override struct {
	Pattern string // as path.Match takes it: "blk.*.ssm_in.weight"
	Type    quant.Type
}

// ParseOverride reads PATTERN=TYPE.
func ParseOverride(s string) (Override, error) {
	pattern, name, ok := strings.Cut(s, "=")
	if !ok || pattern == "" {
		return Override{}, fmt.Errorf("%q is not PATTERN=TYPE", s)
	}
	if _, err := path.Match(pattern, ""); err != nil {
		return Override{}, fmt.Errorf("%q is no pattern: %w", pattern, err)
	}
	t, err := quant.Parse(name)
	if err != nil {
		return Override{}, err
	}
	return Override{pattern, t}, nil
}

func (o *Override) matches(name string) bool {
	ok, _ := path.Match(o.Pattern, name) // the pattern is sound
	return ok
}

// want is the type wanted for a tensor. Tensors that models read as f32 stay
// so.
func (o *Options) want(name string, t quant.TensorInfo) quant.Type {
	if !t.Exact() {
		for _, v := range o.Overrides {
			if v.matches(name) {
				return v.Type
			}
		}
	}
	return o.Type.Want(t)
}

// checkOverrides refuses patterns that change nothing.
func (p *plan) checkOverrides(list []Override) error {
	for _, v := range list {
		var exact string
		free := false
		for _, t := range p.tensors {
			if !v.matches(t.name) {
				continue
			}
			info := p.info(&t)
			if free = !info.Exact() || v.Type == quant.F32; free {
				break
			}
			exact = t.name
		}
		switch {
		case free:
		case exact != "":
			return fmt.Errorf("%s: tensor %s stays f32: models read it so", v.Pattern, exact)
		default:
			return fmt.Errorf("%s: no tensor of %s has such a name", v.Pattern, p.path)
		}
	}
	return nil
}
