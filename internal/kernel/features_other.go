//go:build !amd64 && !arm64

package kernel

func features() []feature { return nil }
