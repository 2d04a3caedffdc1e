//go:build !unix || aix || solaris || illumos

package format

func willNeed([]byte) {}

func populate([]byte) bool { return false }
