package units

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// errSize is the error about a size that cannot be read.
var errSize = errors.New("not a size such as 500M or 4G")

// ParseBytes reads a size as people write it: a number, and K, M, G or T, which may
// be followed by B. They are thousands, or with iB, as in GiB, powers of 1,024.
func ParseBytes(text string) (int64, error) {
	text = strings.TrimSpace(text)
	thousand := 1000.0
	if rest, ok := strings.CutSuffix(text, "iB"); ok {
		text, thousand = rest, 1024
	} else {
		text = strings.TrimSuffix(text, "B")
	}
	factor := 1.0
	for i, unit := range []string{"K", "M", "G", "T"} {
		if rest, ok := strings.CutSuffix(strings.ToUpper(text), unit); ok {
			text, factor = strings.TrimSpace(rest), math.Pow(thousand, float64(i+1))
			break
		}
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if v *= factor; err != nil || !(v >= 0 && v < 1<<62) {
		return 0, errSize
	}
	return int64(v), nil
}
