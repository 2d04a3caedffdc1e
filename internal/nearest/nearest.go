// Package nearest finds the word that somebody most likely meant.
package nearest

import (
	"strings"

	"github.com/agnivade/levenshtein"
)

// longest bounds the words that are compared, since the work is the product of
// their lengths.
const longest = 100

// Of returns the known word that takes the fewest edits from word, or "" where
// none is near: within a third of word's characters and at least two (one for
// words of one or two), or one of the two begins with the other. Case does not
// count.
func Of(word string, known []string) string {
	if word == "" || len(word) > longest {
		return ""
	}
	lower := strings.ToLower(word)
	limit := max(2, len(lower)/3)
	if len(lower) < 3 {
		limit = 1
	}
	best, least := "", limit+1
	for _, k := range known {
		if len(k) > longest {
			continue
		}
		have := strings.ToLower(k)
		d := levenshtein.ComputeDistance(lower, have)
		if min(len(lower), len(have)) > 2 && (strings.HasPrefix(have, lower) || strings.HasPrefix(lower, have)) {
			d = min(d, limit)
		}
		if d < least && d < len(have) { // nothing is near to a word with which it shares no letter
			best, least = k, d
		}
	}
	return best
}
