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

// manifest lists the modules and their kernels; kernels/gen makes it.
//
//go:embed kernels/manifest.txt
var manifest string

// image is one module of kernels.
type image struct {
	name    string           // images of one name are the same kernels for different chips
	minCC   int              // 75 for compute capability 7.5
	kernels map[string]entry // by name
	// text gives the PTX, ended by a zero byte.
	text func() ([]byte, error)
}

// entry is a kernel of a module.
type entry struct {
	args  int  // bytes of its argument struct
	waits bool // for the launch before it, where launches overlap
}

// images lists the modules inside the binary. They are unpacked when they are
// loaded.
func images() []image {
	var out, adapted []image // the latter come after those compiled for the chip
	for _, i := range listed(manifest) {
		out = append(out, i)
		if i.minCC < overlapping && i.mayWait() {
			packed := i.text
			i.minCC, i.text = overlapping, func() ([]byte, error) {
				data, err := packed()
				return awakened(target.ReplaceAll(data, []byte(".version 7.8\n.target sm_90"))), err
			}
			adapted = append(adapted, i)
		}
	}
	return append(out, adapted...)
}

// listed reads a manifest: a line for each module, NAME sm_ARCH and digests, and
// behind it an indented one for each of its kernels, NAME BYTES and perhaps
// waits.
func listed(manifest string) (out []image) {
	for line := range strings.Lines(manifest) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0] == "#":
		case line[0] == '\t':
			e := entry{waits: len(words) > 2 && words[2] == "waits"}
			if _, err := fmt.Sscan(words[1], &e.args); err != nil {
				panic("cuda: kernels/manifest.txt: " + line)
			}
			out[len(out)-1].kernels[words[0]] = e
		default:
			i := image{name: words[0], kernels: map[string]entry{}}
			if _, err := fmt.Sscanf(words[1], "sm_%d", &i.minCC); err != nil {
				panic("cuda: kernels/manifest.txt: " + line)
			}
			i.text = func() ([]byte, error) {
				data, err := unpacked("kernels/" + words[0] + "." + words[1] + ".ptx.gz")
				if i.minCC >= overlapping {
					data = awakened(data)
				}
				return append(data, 0), err
			}
			out = append(out, i)
		}
	}
	return out
}

func unpacked(file string) ([]byte, error) {
	packed, err := compiled.Open(file)
	if err != nil {
		return nil, err
	}
	defer packed.Close()
	z, err := gzip.NewReader(packed)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// overlapping is the oldest chip on which a launch can start before the one
// before it has ended.
const overlapping = 90

var target = regexp.MustCompile(`(?m)^\.version .*\n\.target .*$`)

// awakened is PTX for chips where launches overlap: there the kernels' comments
// that say so are instructions.
func awakened(data []byte) []byte {
	return bytes.ReplaceAll(data, []byte("// griddepcontrol."), []byte("griddepcontrol."))
}

// mayWait reports whether some kernel waits.
func (i *image) mayWait() bool {
	for _, e := range i.kernels {
		if e.waits {
			return true
		}
	}
	return false
}

// mayOverlap reports whether a kernel of an image waits itself for the launch
// before it.
func (i *image) mayOverlap(kernel string) bool {
	return i.minCC >= overlapping && i.kernels[kernel].waits
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
