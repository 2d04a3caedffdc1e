package cuda

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"regexp"
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
	var out, adapted []image // the latter come after what was compiled for the chip
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
		waiting := bytes.Contains(data, []byte("// "+waits))
		if waiting && cc >= overlapping {
			data = awakened(data)
		}
		out = append(out, image{name, append(data, 0), cc})
		if waiting && cc < overlapping {
			adapted = append(adapted, image{name, append(awakened(target.ReplaceAll(data, []byte(".version 7.8\n.target sm_90"))), 0), overlapping})
		}
	}
	return append(out, adapted...)
}

// overlapping is the oldest chip on which a launch can start before the one
// before it has ended; waits is what a kernel that may has in it.
const (
	overlapping = 90
	waits       = "griddepcontrol.wait;"
)

var target = regexp.MustCompile(`(?m)^\.version .*\n\.target .*$`)

// awakened is PTX for chips where launches overlap: there the kernels' comments
// that say so are instructions.
func awakened(data []byte) []byte {
	return bytes.ReplaceAll(data, []byte("// griddepcontrol."), []byte("griddepcontrol."))
}

// cached reports whether an image's kernels read weights of a float type, through
// the first cache: beside launches that want shared memory it would stay as small
// as those leave it.
func (i *image) cached() bool {
	return strings.HasPrefix(i.name, "matvec_f") || strings.HasPrefix(i.name, "matvec_bf")
}

// planned reports whether launches are laid out for the newest of an image's forms
// that a chip takes, so that no older one may stand in for it.
func (i *image) planned() bool { return strings.HasPrefix(i.name, "rows") }

// mayOverlap reports whether a kernel of an image waits itself for the launch
// before it.
func (i *image) mayOverlap(kernel string) bool {
	_, body, ok := bytes.Cut(i.data, []byte(".entry "+kernel+"("))
	body, _, _ = bytes.Cut(body, []byte(".entry "))
	return ok && i.minCC >= overlapping && bytes.Contains(body, []byte("\t"+waits))
}
