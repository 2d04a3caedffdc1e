package cuda

import (
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"strings"
)

// compiled is the kernels as PTX, NAME.sm_ARCH.ptx.gz; kernels/gen makes it.
//
//go:embed kernels/*.ptx.gz
var compiled embed.FS

// image is one module of kernels.
type image struct {
	name  string // images of one name are the same kernels for different chips
	data  []byte // PTX, ended by a zero byte
	minCC int    // 75 for compute capability 7.5
}

// images lists the modules inside the binary.
func images() []image {
	files, err := compiled.ReadDir("kernels")
	if err != nil {
		panic(err)
	}
	var out []image
	for _, f := range files {
		packed, err := compiled.Open("kernels/" + f.Name())
		if err != nil {
			panic(err)
		}
		z, err := gzip.NewReader(packed)
		if err != nil {
			panic(err)
		}
		data, err := io.ReadAll(z)
		if err != nil {
			panic(err)
		}
		name, arch, _ := strings.Cut(strings.TrimSuffix(f.Name(), ".ptx.gz"), ".sm_")
		var cc int
		if _, err := fmt.Sscan(arch, &cc); err != nil {
			panic("cuda: " + f.Name() + " names no architecture")
		}
		out = append(out, image{name, append(data, 0), cc})
	}
	return out
}
