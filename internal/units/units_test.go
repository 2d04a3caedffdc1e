package units

import "testing"

func TestUnits(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Bytes(0), "0 B"}, {Bytes(999), "999 B"}, {Bytes(1000), "1.00 kB"}, {Bytes(999_499), "999 kB"}, {Bytes(999_500), "1.00 MB"},
		{Bytes(8_312_000), "8.31 MB"}, {Bytes(int64(18_740_000_000)), "18.7 GB"}, {Bytes(int64(1) << 60), "1152922 TB"},
		{Count(311), "311"}, {Count(8_312_000), "8.31 M"}, {Count(int64(3_213_000_000)), "3.21 B"},
		{Rate(0), "0.00"}, {Rate(3.14159), "3.14"}, {Rate(9.996), "10.0"}, {Rate(31.4159), "31.4"}, {Rate(99.97), "100"}, {Rate(3141.59), "3142"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
