// Package units writes numbers the way people read them: three digits, decimal units.
package units

import "strconv"

// Bytes is a size: 312 B, 8.31 MB, 1.87 GB.
func Bytes[T int | int64](n T) string {
	return scaled(float64(n), []string{" B", " kB", " MB", " GB", " TB"})
}

// Count is a number of things, such as parameters: 312, 8.31 M, 3.21 B.
func Count[T int | int64](n T) string {
	return scaled(float64(n), []string{"", " K", " M", " B", " T"})
}

// Rate is a speed, such as tokens a second: 3.14, 31.4, 3141.
func Rate(v float64) string {
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return digits(v)
}

func scaled(v float64, units []string) string {
	i := 0
	for v >= 999.5 && i < len(units)-1 {
		v /= 1000
		i++
	}
	if i == 0 {
		return strconv.FormatFloat(v, 'f', 0, 64) + units[0]
	}
	return digits(v) + units[i]
}

// digits is v with three digits, or all of those before the point.
func digits(v float64) string {
	prec := 0
	switch {
	case v < 9.995:
		prec = 2
	case v < 99.95:
		prec = 1
	}
	return strconv.FormatFloat(v, 'f', prec, 64)
}
