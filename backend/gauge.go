package backend

// Gauge is where a pass's time goes on a device of its own, in seconds.
type Gauge struct {
	Pass     float64 `json:"pass_s"`    // a pass with one ranked row, among many one right after the other
	Kernels  float64 `json:"kernels_s"` // its launches, each alone, following itself
	Launches int     `json:"launches"`
	CopyRate float64 `json:"copy_bytes_s"` // of a copy on the device, bytes read and bytes written
}

// Gauger is an Exec that measures that.
type Gauger interface {
	// Gauge runs a pass over and over. What the pass would have changed once is
	// garbage afterwards: go back to a snapshot.
	Gauge(p *Params) (Gauge, error)
}
