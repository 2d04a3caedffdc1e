package ref_test

import (
	"strings"
	"testing"

	"github.com/mil-run/mil/backend/conform"
	"github.com/mil-run/mil/backend/ref"
)

// Rows have the bits that they have alone. Quantized weights are unpacked first, so
// one type stands for all.
func TestCompany(t *testing.T) {
	b := ref.New(2)
	defer b.Close()
	for i, c := range conform.Cases() {
		if c.Quantized && !strings.Contains(c.Name, "q8_0") || testing.Short() && i%9 > 0 {
			continue
		}
		if err := c.Company(b); err != nil {
			t.Error(err)
		}
	}
}
