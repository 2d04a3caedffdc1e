package schedule

import (
	"errors"
	"os"
	"testing"
)

func isErr(err, target error) bool { return errors.Is(err, target) }

func files(t *testing.T, dir string) int {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
