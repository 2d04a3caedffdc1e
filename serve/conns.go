package serve

import (
	"net"
	"net/http"
	"slices"
	"sync"
)

// conns bounds how many connections are open. Where one more comes, the one that
// has waited longest for its next request is closed. If all have requests at work,
// it waits.
type conns struct {
	net.Listener
	most int

	mu   sync.Mutex
	open map[net.Conn]bool
	idle []net.Conn // between requests or before the first, the one that waits longest at the front
	room chan struct{}
	end  chan struct{}
	once sync.Once
}

func newConns(l net.Listener, most int) *conns {
	return &conns{Listener: l, most: most, open: map[net.Conn]bool{}, room: make(chan struct{}, 1), end: make(chan struct{})}
}

// Accept implements [net.Listener].
func (l *conns) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	for !l.fits() {
		select {
		case <-l.room:
		case <-l.end:
			c.Close()
			return nil, net.ErrClosed
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[c] = true
	return c, nil
}

// fits makes room for a connection.
func (l *conns) fits() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open) >= l.most && len(l.idle) > 0 {
		c := l.idle[0]
		l.idle = l.idle[1:]
		delete(l.open, c)
		c.Close()
	}
	return len(l.open) < l.most
}

// Close implements [net.Listener].
func (l *conns) Close() error {
	l.once.Do(func() { close(l.end) })
	return l.Listener.Close()
}

// state is told what connections do.
func (l *conns) state(c net.Conn, s http.ConnState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.open[c] {
		return
	}
	l.idle = slices.DeleteFunc(l.idle, func(x net.Conn) bool { return x == c })
	switch s {
	case http.StateNew, http.StateIdle:
		l.idle = append(l.idle, c)
	case http.StateClosed, http.StateHijacked:
		delete(l.open, c)
	default:
		return
	}
	select {
	case l.room <- struct{}{}:
	default:
	}
}
