package mistake

import (
	"strings"
	"testing"
)

// The error names the place of the panic, of the program's and of the runtime's.
func TestRecovered(t *testing.T) {
	caught := func(f func()) (err *Error) {
		defer func() { err = Recovered(recover()) }()
		f()
		return nil
	}
	var none []int
	for i, f := range []func(){
		func() { panic("a") },
		func() { none[1] = 2 },
		func() { _ = strings.Repeat("a", -1) },
	} {
		err := caught(f)
		want := "mistake_test.go:"
		if i == 2 {
			want = "strings.go:"
		}
		if !strings.HasPrefix(err.At, want) || !strings.HasPrefix(err.Error(), "a mistake of mil: ") {
			t.Errorf("%d: %v", i, err)
		}
	}
}
