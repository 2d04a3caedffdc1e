package model_test

import (
	"errors"
	"os"
	"runtime"
	"testing"

	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
)

// A model file that is cut while a session uses it makes the next feed an
// error in one line, whichever goroutine meets the hole.
func TestShrunkFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not let a mapped file be cut")
	}
	f, path := testutil.Convert(t, testutil.Data("fixtures", "mamba2-half"), "q8_0")
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.NewSession(cpu.New(4), model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Feed([]int32{1, 2, 3}, model.WantLast); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, format.PageSize); err != nil {
		t.Fatal(err)
	}
	want := path + ": the file changed or shrank while it was in use"
	check := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, format.ErrChanged) || err.Error() != want {
			t.Errorf("%s: got %v, want %s", what, err, want)
		}
	}
	_, err = s.Feed([]int32{4}, model.WantLast)
	check("feed", err)
	_, err = s.Feed([]int32{4}, model.WantLast)
	check("the next feed", err)
	_, err = m.NewSession(cpu.New(4), model.Options{})
	check("another session", err)
}
