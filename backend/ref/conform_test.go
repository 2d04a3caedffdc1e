package ref_test

import (
	"testing"

	"github.com/mil-run/mil/backend/conform"
	"github.com/mil-run/mil/backend/ref"
)

// Rows have the bits that they have alone.
func TestCompany(t *testing.T) {
	b := ref.New(2)
	defer b.Close()
	for _, c := range conform.Cases() {
		if err := c.Company(b); err != nil {
			t.Error(err)
		}
	}
}
