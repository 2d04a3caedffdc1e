package cuda

import (
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
)

// Chips are the compute capabilities that plans are printed for, each with the
// multiprocessors of one product. The shared memory of a block is that of the
// CUDA C++ Programming Guide's table "Technical Specifications per Compute
// Capability"; multiprocessors are those of NVIDIA's architecture whitepapers
// (Turing TU104, A100, GA102, Ada AD102, H100, Blackwell GB202) and, for the T4,
// its data sheet: 2560 CUDA cores, 64 in each.
var Chips = []gpu.Chip{
	chip(75, "Tesla T4", 40, 64<<10, 16<<30),
	chip(80, "A100", 108, 163<<10, 40<<30),
	chip(86, "GeForce RTX 3090", 82, 99<<10, 24<<30),
	chip(89, "GeForce RTX 4090", 128, 99<<10, 24<<30),
	chip(90, "H100 SXM", 132, 227<<10, 80<<30),
	chip(120, "GeForce RTX 5090", 170, 99<<10, 32<<30),
}

// longPrompt is how many tokens a prompt's pass holds where matrices are unpacked
// before they are multiplied: longer passes unpack them less often. Their values
// take hundreds of megabytes.
const longPrompt = 2048

// chip is the limits of a card; memory is in bytes.
func chip(cc int, product string, processors, shared int, memory uint64) gpu.Chip {
	c := gpu.Chip{Name: capability(cc), Product: product, Level: cc, Cores: processors, Core: "multiprocessor", Shared: shared, Prompt: backend.DefaultPrompt}
	if cc == hopper && memory >= 24<<30 {
		c.Prompt = longPrompt
	}
	return c
}

// chip is the limits of a device.
func (v *Device) chip() gpu.Chip { return chip(v.cc, v.Name, v.processors, v.shared, v.Total) }

// capability is 7.5 for 75.
func capability(cc int) string { return fmt.Sprintf("%d.%d", cc/10, cc%10) }
