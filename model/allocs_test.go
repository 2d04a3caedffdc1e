package model_test

import (
	"testing"

	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
)

// Decoding allocates nothing, token after token.
func TestDecodeAllocatesNothing(t *testing.T) {
	for _, name := range testutil.Checkpoints(t) {
		f, _ := testutil.Convert(t, testutil.Data("fixtures", name), "q8_0")
		s := session(t, f, model.Options{Context: 4096})
		ids := []int32{3}
		feed := func() {
			if _, err := s.Feed(ids, model.WantLast); err != nil {
				t.Fatal(err)
			}
		}
		for range 1500 { // the timeline's own list has grown
			feed()
		}
		if n := testing.AllocsPerRun(100, feed); n > 0 {
			t.Errorf("%s: %.0f allocations a token", name, n)
		}
	}
}
