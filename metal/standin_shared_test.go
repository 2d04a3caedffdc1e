//go:build linux

package metal

import (
	"debug/elf"
	"regexp"
	"strings"
	"testing"
)

// sharedMost is the threadgroup memory a kernel may declare on these GPUs.
const sharedMost = 32 << 10

// A kernel declares no more threadgroup memory than there is: the compiled
// kernels' symbols name it, as a static variable KERNEL::NAME.
func TestThreadgroupMemory(t *testing.T) {
	f, err := elf.Open(library(t, halves(sources(t))))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	mangled := regexp.MustCompile(`^_ZZ\d+(\w+?)E\d+(\w+)$`)
	total := map[string]uint64{}
	for _, s := range symbols {
		if int(s.Section) >= len(f.Sections) || f.Sections[s.Section].Name != "standin_shared" {
			continue
		}
		if m := mangled.FindStringSubmatch(s.Name); m != nil && !strings.HasPrefix(m[2], "behind_") {
			total[m[1]] += (s.Size + 15) &^ 15
		}
	}
	if total["rank"] < 16<<10 || len(total) < 20 {
		t.Fatalf("found the memory of %d kernels", len(total))
	}
	for kernel, n := range total {
		if n > sharedMost {
			t.Errorf("%s declares %d bytes of threadgroup memory, %d are possible", kernel, n, sharedMost)
		}
	}
}
