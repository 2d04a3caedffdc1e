//go:build !linux

package host

// huge does nothing where the system chooses the size of pages by itself.
func huge([]byte) {}

func small([]byte) {}

func collapse([]byte) {}
