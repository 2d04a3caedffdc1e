package batch

import (
	"sync"
	"time"
)

// saver brings an output to the disk once a second while it grows, and at the end.
// After a power failure at most the answers of the last second or so are missing, and
// run again.
type saver struct {
	o      *output
	failed chan error // of bringing it to the disk

	mu    sync.Mutex
	dirty bool
	stop  chan struct{}
	done  chan struct{}
}

func newSaver(o *output) *saver {
	s := &saver{o: o, failed: make(chan error, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go s.run()
	return s
}

func (s *saver) run() {
	defer close(s.done)
	tick := time.NewTicker(syncEach)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := s.sync(); err != nil {
				s.failed <- err
				return
			}
		case <-s.stop:
			return
		}
	}
}

func (s *saver) sync() error {
	s.mu.Lock()
	dirty := s.dirty
	s.dirty = false
	s.mu.Unlock()
	if !dirty {
		return nil
	}
	return s.o.sync()
}

// append writes a line.
func (s *saver) append(line []byte) error {
	err := s.o.append(line)
	s.mu.Lock()
	s.dirty = true
	s.mu.Unlock()
	return err
}

// end brings the rest to the disk.
func (s *saver) end() error {
	close(s.stop)
	<-s.done
	return s.sync()
}
