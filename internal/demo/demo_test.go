package demo

import (
	"bytes"
	"os"
	"testing"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/testutil"
)

// The embedded files are those that `go generate ./internal/demo` makes of the checkpoints.
func TestCurrent(t *testing.T) {
	for _, c := range []struct {
		from string
		data []byte
		open func() (*format.File, error)
	}{{"hybrid-mamba2", model, Open}, {"draft", draft, OpenDraft}} {
		_, path := testutil.Convert(t, testutil.Data("demo", c.from), "q8_0")
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(c.data, want) {
			t.Errorf("the file of %s is stale: run go generate ./demo", c.from)
		}
		f, err := c.open()
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Verify(nil); err != nil {
			t.Error(err)
		}
	}
	if len(model) >= 9e6 {
		t.Errorf("the demo adds %d bytes to the binary", len(model))
	}
}
