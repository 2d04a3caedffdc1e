package backend

// Gauge is the parts of a pass's time on a separate device, in seconds.
type Gauge struct {
	Pass     float64 `json:"pass_s"`    // a pass with one ranked row, among many one right after the other
	Kernels  float64 `json:"kernels_s"` // its launches, each alone, following itself
	Launches int     `json:"launches"`
	CopyRate float64 `json:"copy_bytes_s"` // of a copy on the device, bytes read and bytes written
}

// Gauger is an Exec that measures a Gauge.
type Gauger interface {
	// Gauge runs a pass over and over. It leaves garbage in everything that the
	// pass changes, so the caller must go back to a snapshot.
	Gauge(p *Params) (Gauge, error)
}
