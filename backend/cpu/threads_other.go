//go:build !linux && !darwin && !windows

package cpu

func performanceCores() int { return 0 }
