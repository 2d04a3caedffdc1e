package conversations

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/mil-run/mil/internal/jsonscan"
	"github.com/mil-run/mil/internal/units"
)

// Errors of a store, beside [InvalidError].
var (
	ErrNone    = errors.New("there is no such conversation")
	ErrChanged = errors.New("the conversation was changed meanwhile; read it again, and make the change to that")
	// ErrFull is wrapped where a limit or the disk is full. Nothing was changed.
	ErrFull = errors.New("the conversation cannot be kept")
)

// Limits of a store. The zero value of each field takes its default.
type Limits struct {
	Count int   // conversations of one key (10,000)
	Bytes int64 // of all keys' together (1 GiB in a folder, 64 MiB in memory)
}

// place is where a store keeps conversations, each as some bytes.
type place interface {
	read(key, id string) ([]byte, error)
	write(key, id string, data []byte) error
	remove(key, id string) error
	close() error
}

// kept is a conversation in the index.
type kept struct {
	head  Head
	bytes int64
}

// Store keeps conversations. It may be used by several goroutines.
type Store struct {
	mu    sync.Mutex
	at    place
	dir   string // "" for memory
	l     Limits
	index map[string]map[string]*kept // by key and id
	bytes int64
	now   func() time.Time
}

// New makes a store in memory, which ends with the process.
func New(l Limits) *Store { return newStore(memory{}, "", l, 64<<20) }

func newStore(at place, dir string, l Limits, most int64) *Store {
	l.Count, l.Bytes = cmp.Or(l.Count, 10000), cmp.Or(l.Bytes, most)
	return &Store{at: at, dir: dir, l: l, index: map[string]map[string]*kept{}, now: time.Now}
}

// Dir is the store's folder, "" for memory.
func (s *Store) Dir() string { return s.dir }

// Close ends the use of the store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at.close()
}

// List is a key's conversations, the one changed last first.
func (s *Store) List(key string) []Head {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Head{}
	for _, k := range s.index[key] {
		list = append(list, k.head)
	}
	slices.SortFunc(list, func(a, b Head) int {
		return cmp.Or(cmp.Compare(b.Updated, a.Updated), cmp.Compare(b.Created, a.Created), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// Get is a conversation of a key.
func (s *Store) Get(key, id string) (*Conversation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.get(key, id)
}

func (s *Store) get(key, id string) (*Conversation, error) {
	if s.index[key][id] == nil {
		return nil, ErrNone
	}
	data, err := s.at.read(key, id)
	if err != nil {
		return nil, fmt.Errorf("the conversation %s cannot be read: %w", id, err)
	}
	n, err := decode(data)
	if err == nil && n.ID != id {
		err = errors.New("it is another one")
	}
	if err != nil {
		return nil, fmt.Errorf("the file of the conversation %s was damaged: %w", id, err)
	}
	return n, nil
}

// NewID is a new conversation's name.
func NewID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

var id = regexp.MustCompile(`^[0-9a-f]{32}$`)

// Put keeps a whole conversation in the place of the one of that id, or as a new
// one. Without an id it gets one.
func (s *Store) Put(key, name string, c *Change) (Head, error) {
	if name == "" {
		name = NewID()
	}
	if !id.MatchString(name) {
		return Head{}, invalid("id", "a conversation's id has 32 digits from 0 to f")
	}
	n, err := c.whole()
	if err != nil {
		return Head{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keep(key, name, n, c)
}

// Patch makes a change to a conversation.
func (s *Store) Patch(key, id string, c *Change) (Head, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.get(key, id)
	if err != nil {
		return Head{}, err
	}
	if err := c.onto(n); err != nil {
		return Head{}, err
	}
	return s.keep(key, id, n, c)
}

// keep writes a conversation and notes it.
func (s *Store) keep(key, id string, n *Conversation, c *Change) (Head, error) {
	now, old := s.now().Unix(), s.index[key][id]
	n.ID, n.Object, n.Updated, n.Revision = id, "conversation", now, 1
	switch {
	case old != nil:
		n.Created, n.Revision = old.head.Created, old.head.Revision+1
		if c.Revision != nil && *c.Revision != old.head.Revision {
			return Head{}, ErrChanged
		}
	case n.Created <= 0 || n.Created > now:
		n.Created = now
	}
	data, err := encode(n)
	if err != nil {
		return Head{}, err
	}
	size := int64(len(data))
	if old != nil {
		size -= old.bytes
	}
	switch {
	case old == nil && len(s.index[key]) >= s.l.Count:
		return Head{}, fmt.Errorf("%w: there are %d already; delete some", ErrFull, s.l.Count)
	case size > 0 && s.bytes+size > s.l.Bytes:
		return Head{}, fmt.Errorf("%w: all together have %s already; delete some%s", ErrFull, units.Bytes(s.l.Bytes), s.advice())
	}
	if err := s.at.write(key, id, data); err != nil {
		return Head{}, fmt.Errorf("%w: %w; make room on the disk, or see to its permissions", ErrFull, err)
	}
	s.note(key, n.Head, int64(len(data)))
	return n.Head, nil
}

func (s *Store) advice() string {
	if s.dir == "" {
		return ", or start the server with --sessions DIR"
	}
	return ""
}

// note puts a conversation into the index.
func (s *Store) note(key string, h Head, bytes int64) {
	if s.index[key] == nil {
		s.index[key] = map[string]*kept{}
	}
	if old := s.index[key][h.ID]; old != nil {
		s.bytes -= old.bytes
	}
	s.index[key][h.ID] = &kept{h, bytes}
	s.bytes += bytes
}

// Delete forgets a conversation.
func (s *Store) Delete(key, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.index[key][id]
	if old == nil {
		return ErrNone
	}
	if err := s.at.remove(key, id); err != nil {
		return fmt.Errorf("the conversation cannot be deleted: %w", err)
	}
	s.bytes -= old.bytes
	delete(s.index[key], id)
	return nil
}

// body is the second line of a conversation's file; the first is its head.
type body struct {
	Settings json.RawMessage            `json:"settings"`
	Current  string                     `json:"current"`
	Messages map[string]json.RawMessage `json:"messages"`
}

func encode(n *Conversation) ([]byte, error) {
	head, err := json.Marshal(n.Head)
	if err != nil {
		return nil, err
	}
	rest, err := json.Marshal(body{n.Settings, n.Current, n.Messages})
	if err != nil {
		return nil, err
	}
	return slices.Concat(head, []byte("\n"), rest, []byte("\n")), nil
}

// headOf reads a file's first line.
func headOf(line []byte) (h Head, err error) {
	if err = json.Unmarshal(line, &h); err == nil && (!id.MatchString(h.ID) || h.Object != "conversation") {
		err = errors.New("it holds no conversation")
	}
	return h, err
}

// decode reads a file. It is checked like a client's request: others may have
// written to it.
func decode(data []byte) (*Conversation, error) {
	head, rest, ok := bytes.Cut(data, []byte("\n"))
	if !ok || jsonscan.Valid(rest) != nil {
		return nil, errors.New("it has no two lines of JSON")
	}
	h, err := headOf(head)
	if err != nil {
		return nil, err
	}
	c, err := Parse(rest)
	if err != nil {
		return nil, err
	}
	n, err := c.whole()
	if err != nil {
		return nil, err
	}
	count := n.Count
	if n.Head = h; count != h.Count {
		return nil, errors.New("it has another number of messages")
	}
	return n, nil
}

// memory is a place in memory, by key and id.
type memory map[[2]string][]byte

func (m memory) read(key, id string) ([]byte, error)     { return m[[2]string{key, id}], nil }
func (m memory) write(key, id string, data []byte) error { m[[2]string{key, id}] = data; return nil }
func (m memory) remove(key, id string) error             { delete(m, [2]string{key, id}); return nil }
func (m memory) close() error                            { return nil }
