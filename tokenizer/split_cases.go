package tokenizer

// caseSplit matches o200kPattern and tekkenPattern: a word may begin in upper case, and
// ends where upper case follows lower case.
type caseSplit struct {
	*classTable
	digits       int  // of a word of digits, at most
	contractions bool // 's and the like belong to the word before
}

const (
	head = upper | plain | mark // of a word
	tail = lower | plain | mark
)

func (t caseSplit) next(s string, i int) int {
	c, size := t.at(s, i)
	if c&number != 0 {
		return t.few(s, i+size, t.digits-1, number)
	}
	if end := t.word(s, i, c, size); end > i {
		if t.contractions && end < len(s) && s[end] == '\'' {
			if n := contractionFold(s[end+1:]); n > 0 {
				return end + 1 + n
			}
		}
		return end
	}
	start := i
	if s[i] == ' ' {
		start++
	}
	if end := t.run(s, start, mark|sign|rest); end > start {
		for end < len(s) && (isNewline(s[end]) || s[end] == '/') {
			end++
		}
		return end
	}
	end, run := t.lines(s, i)
	if end > i {
		return end
	}
	return spaces(s, i, run)
}

// word matches the first two alternatives, i without a match. c is the class of the
// character at s[i], which may stand before the word if it is no letter.
func (t caseSplit) word(s string, i int, c class, size int) int {
	if c&(tail|head) == 0 { // no part of a word itself
		if isNewline(s[i]) {
			return i
		}
		from := i + size
		end, run := t.mixed(s, from)
		if end > from {
			return end
		}
		if run > from {
			return run
		}
		return i
	}
	if c&mark != 0 { // it may be what stands before the word
		if end, _ := t.mixed(s, i+size); end > i+size {
			return end
		}
	}
	end, run := t.mixed(s, i)
	if end > i {
		return end
	}
	return run
}

// mixed matches head*tail+ at s[i], i without a match, where run is the end of head*:
// then it is all upper case.
func (t caseSplit) mixed(s string, i int) (end, run int) {
	last := i // behind the last of head* that could be the tail too
	for run = i; run < len(s); {
		c, size := t.at(s, run)
		if c&head == 0 {
			if c&tail == 0 {
				break
			}
			return t.run(s, run, tail), run
		}
		run += size
		if c&tail != 0 {
			last = run
		}
	}
	if last > i {
		return last, run
	}
	return i, run
}
