package chat

import "strings"

// stopper passes text on until one of the stop strings appears. It holds back
// text that may be the beginning of one.
type stopper struct {
	stops []string
	held  string
	found string // the stop string that came
}

// push takes the next piece and returns the text to show. stopped says that a
// stop string begins right after it.
func (s *stopper) push(piece string) (out string, stopped bool) {
	text := s.held + piece
	s.held = ""
	at := -1
	for _, stop := range s.stops {
		if i := strings.Index(text, stop); i >= 0 && (at < 0 || i < at) {
			at, s.found = i, stop
		}
	}
	if at >= 0 {
		return text[:at], true
	}
	keep := 0
	for _, stop := range s.stops {
		for n := min(len(stop)-1, len(text)); n > keep; n-- {
			if strings.HasSuffix(text, stop[:n]) {
				keep = n
				break
			}
		}
	}
	s.held = text[len(text)-keep:]
	return text[:len(text)-keep], false
}

// flush returns the text that was held back when no more comes.
func (s *stopper) flush() string {
	out := s.held
	s.held = ""
	return out
}
