package cmd

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/mil-run/mil/internal/hub"
	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/internal/units"
)

// downloadProgress is a bar on a terminal, else a line every tenth.
func downloadProgress(out io.Writer) (report hub.Progress, end func()) {
	if isTerminal(out) {
		var bar *progressbar.ProgressBar
		last := ""
		report = func(file string, done, total int64) {
			if bar == nil {
				bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(out), progressbar.OptionShowBytes(true), progressbar.OptionShowCount(),
					progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
			}
			if file != last {
				last = file
				bar.Describe(show.Visible(file))
			}
			_ = bar.Set64(min(done, total)) // a bar that cannot be drawn is no reason to stop
		}
		return report, func() {
			if bar != nil {
				_ = bar.Clear()
			}
		}
	}
	tenth := int64(0)
	return func(file string, done, total int64) {
		if total == 0 {
			return
		}
		if now := 10 * done / total; now > tenth {
			tenth = now
			show.Fprintf(out, "%3d%% of %s downloaded, %s\n", 10*now, units.Bytes(total), file)
		}
	}, func() {}
}
