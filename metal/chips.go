package metal

import (
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
)

// Chips are the families that plans are printed for, each with the GPU cores of
// its plain M chip (Apple's technical specifications of those Macs). Families
// and threadgroup memory are those of Apple's "Metal Feature Set Tables". The M4
// is of family 9 too. Launches are the same on all of them so far.
var Chips = []gpu.Chip{
	chip(7, "M1", 8),
	chip(8, "M2", 10),
	chip(9, "M3", 10),
	chip(10, "M5", 10),
}

// threadgroupMemory is the bytes that a threadgroup may have, of every family.
const threadgroupMemory = 32 << 10

func chip(family int, product string, cores int) gpu.Chip {
	return gpu.Chip{Name: fmt.Sprint("apple", family), Product: product, Level: family, Cores: cores, Core: "GPU core", Shared: threadgroupMemory, Prompt: backend.DefaultPrompt}
}
