package cuda

// image is one module of kernels.
type image struct {
	name  string // images of one name are the same kernels for different chips
	data  []byte // PTX text or native code
	minCC int    // 75 for compute capability 7.5
}

// images lists the kernels inside the binary.
func images() []image { return nil }
