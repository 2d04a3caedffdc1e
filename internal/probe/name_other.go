//go:build !linux && !darwin

package probe

import "os"

// ProcessorName is what the processor calls itself, "" where it does not say.
func ProcessorName() string { return os.Getenv("PROCESSOR_IDENTIFIER") }
