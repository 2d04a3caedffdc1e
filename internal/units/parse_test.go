package units

import "testing"

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]int64{"4G": 4e9, "500M": 5e8, "1.5 GB": 15e8, "2GiB": 2 << 30, "1024": 1024, "3kB": 3000, "0": 0} {
		if got, err := ParseBytes(text); err != nil || got != want {
			t.Errorf("%q is %d, want %d: %v", text, got, want, err)
		}
	}
	for _, text := range []string{"", "G", "-1", "NaN", "1e40", "4X", "1 2"} {
		if got, err := ParseBytes(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
}
