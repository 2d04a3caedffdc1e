package demo

import (
	"bytes"
	"os"
	"testing"

	"github.com/mil-run/mil/internal/testutil"
)

// The embedded file is what `go generate ./demo` makes of the checkpoint.
func TestModelIsCurrent(t *testing.T) {
	_, path := testutil.Convert(t, testutil.Data("demo", "hybrid-mamba2"), "q8_0")
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, want) {
		t.Error("model.bin is stale: run go generate ./demo")
	}
	if len(data) >= 9e6 {
		t.Errorf("the demo adds %d bytes to the binary", len(data))
	}
	f, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Verify(nil); err != nil {
		t.Error(err)
	}
}
