package devices

import (
	"errors"
	"strings"
	"testing"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/conform"
	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/internal/host"
	"github.com/mil-run/mil/quant"
)

// paper is a backend that only plans, on every chip of a device.
type paper struct {
	backend.Backend
	device *Device
}

func (*paper) Map(b []byte) (backend.Buffer, error) { return host.Map(b), nil }
func (*paper) Alloc(n int) (backend.Buffer, error)  { return host.Allocate(n) }
func (p *paper) Compile(g *backend.Program) (backend.Exec, error) {
	var errs []error
	for _, chip := range p.device.Chips {
		for _, tokens := range []int{1, 4, 16, 200} {
			if tokens > g.Tokens {
				break
			}
			if _, err := p.device.Cost(g, tokens, chip); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return nil, errors.Join(append(errs, errPlanned)...)
}

var errPlanned = errors.New("planned")

// Every type meets every node that reads weights, on the processor and on every
// chip: a kernel that is missing is named.
func TestEveryType(t *testing.T) {
	processor := cpu.New(2)
	defer processor.Close()
	for _, typ := range quant.Types() {
		found := 0
		for _, c := range conform.Cases() {
			if !strings.HasSuffix(c.Name, " "+typ.String()) {
				continue
			}
			found++
			if err := c.Check(processor); err != nil {
				t.Errorf("%s: cpu: %v", c.Name, err)
			}
			for i := range All {
				_, err := c.Compare(&paper{device: &All[i]})
				for line := range strings.Lines(err.Error()) {
					if line = strings.TrimSpace(line); !strings.HasSuffix(line, errPlanned.Error()) {
						t.Errorf("%s: %s: %s", c.Name, All[i].Name, line)
					}
				}
			}
		}
		if found < 6 {
			t.Errorf("%s has %d cases", typ, found)
		}
	}
}
