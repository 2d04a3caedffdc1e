package cmd

import (
	"runtime"
	"runtime/debug"
	"strings"
)

// version is the release, or the checkout that a build was made from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := strings.Trim(info.Main.Version, "()")
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && !strings.Contains(v, s.Value[:min(12, len(s.Value))]) {
			v += " " + s.Value[:min(12, len(s.Value))]
		}
	}
	return v
}

// platform is the toolchain and its target.
func platform() string { return runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH }
