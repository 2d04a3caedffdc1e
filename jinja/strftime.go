package jinja

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// dates are the directives of C's strftime in Go's own layouts.
var dates = map[byte]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'h': "Jan",
	'd': "02", 'e': "_2", 'm': "01", 'y': "06", 'Y': "2006",
	'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM", 'f': "000000",
	'j': "002", 'D': "01/02/06", 'F': "2006-01-02", 'T': "15:04:05",
	'R': "15:04", 'r': "03:04:05 PM", 'c': "Mon Jan _2 15:04:05 2006",
	'x': "01/02/06", 'X': "15:04:05",
}

// strftime formats a time as Python does in the C locale. Its times carry no
// zone, so %z and %Z are empty.
func (m *machine) strftime(t time.Time, format str) (any, error) {
	w := &writer{m: m}
	for format.s != "" && w.err == nil {
		if err := m.step(4); err != nil {
			return nil, err
		}
		i := strings.IndexByte(format.s, '%')
		if i < 0 || i+1 == len(format.s) {
			w.write(format)
			break
		}
		w.write(format.sub(0, i))
		format = format.from(i + 1)
		flag := byte(0)
		if len(format.s) > 1 && strings.IndexByte("-_0^#", format.s[0]) >= 0 {
			flag, format = format.s[0], format.from(1)
		}
		s, err := date(t, format.s[0])
		if err != nil {
			return nil, err
		}
		w.write(format.at(0, flagged(s, flag)))
		format = format.from(1)
	}
	return w.done()
}

// flagged applies glibc's flags: %-d drops leading zeros, %_d turns them into
// blanks.
func flagged(s string, flag byte) string {
	digits := strings.TrimLeft(s, "0 ")
	if digits == "" && s != "" {
		digits = s[len(s)-1:] // a zero of its own
	}
	switch flag {
	case '-':
		return digits
	case '_':
		return strings.Repeat(" ", len(s)-len(digits)) + digits
	case '^':
		return strings.ToUpper(s)
	}
	return s
}

func date(t time.Time, directive byte) (string, error) {
	if layout, ok := dates[directive]; ok {
		if directive == 'f' {
			return fmt.Sprintf("%06d", t.Nanosecond()/1000), nil
		}
		return t.Format(layout), nil
	}
	year, week := t.ISOWeek()
	weekday := int(t.Weekday())
	switch directive {
	case '%':
		return "%", nil
	case 'n':
		return "\n", nil
	case 't':
		return "\t", nil
	case 'z', 'Z':
		return "", nil
	case 'w':
		return strconv.Itoa(weekday), nil
	case 'u':
		return strconv.Itoa((weekday+6)%7 + 1), nil
	case 's':
		return strconv.FormatInt(t.Unix(), 10), nil
	case 'C':
		return fmt.Sprintf("%02d", t.Year()/100), nil
	case 'G':
		return strconv.Itoa(year), nil
	case 'V':
		return fmt.Sprintf("%02d", week), nil
	case 'U':
		return fmt.Sprintf("%02d", (t.YearDay()+6-weekday)/7), nil
	case 'W':
		return fmt.Sprintf("%02d", (t.YearDay()+6-(weekday+6)%7)/7), nil
	case 'k':
		return fmt.Sprintf("%2d", t.Hour()), nil
	case 'l':
		return fmt.Sprintf("%2d", (t.Hour()+11)%12+1), nil
	}
	return "", fmt.Errorf("strftime does not know %%%c", directive)
}
