//go:build !linux && !darwin

package probe

import "os"

// ProcessorName is the processor's own name, "" where it does not say.
func ProcessorName() string { return os.Getenv("PROCESSOR_IDENTIFIER") }
