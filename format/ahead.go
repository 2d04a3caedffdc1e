package format

// ahead is a read-ahead in progress.
type ahead struct{ stop, done chan struct{} }

// aheadStep is how much is asked for at a time: enough to keep a disk busy,
// little enough for Close not to wait long.
const aheadStep = 8 << 20

// ReadAhead begins to bring the file into memory in its own order, which is the
// order of use, and to map its pages. So the first pass waits neither for the
// disk nor for page faults. It returns at once and ends with Close. Where the
// system has no means for it, it does nothing.
func (f *File) ReadAhead() {
	if f.mapping == nil || f.ahead != nil {
		return
	}
	a := &ahead{make(chan struct{}), make(chan struct{})}
	f.ahead = a
	go func() {
		defer close(a.done)
		for at := 0; at < len(f.mapping); at += aheadStep {
			select {
			case <-a.stop:
				return
			default:
			}
			// The disk reads the next step while this one is mapped.
			willNeed(f.mapping[min(at+aheadStep, len(f.mapping)):min(at+2*aheadStep, len(f.mapping))])
			if !populate(f.mapping[at:min(at+aheadStep, len(f.mapping))]) {
				return
			}
		}
	}()
}

// end waits until the mapping is not used any more.
func (a *ahead) end() {
	if a != nil {
		close(a.stop)
		<-a.done
	}
}
