package session

import (
	"encoding/json"
	"errors"
	"os"
	"slices"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/model"
)

// entry is one file of a cache, read and checked.
type entry struct {
	f        *os.File
	from, to int // of its caches
	caches   []section
	data     [][]byte // of sections that are not mapped
	tokens   []int32
	state    [][]byte
	logged   int
	logits   []float32
}

func (e *entry) close() { e.f.Close() }

// read reads one file. Where it is not what its name says it is removed, and
// the error is errMiss.
func (c *Cache) read(name string, s *model.Session) (*entry, error) {
	st, err := c.root.Lstat(name)
	if err != nil || !st.Mode().IsRegular() {
		return nil, errMiss
	}
	f, err := c.root.Open(name)
	if err != nil {
		return nil, errMiss
	}
	e := &entry{f: f}
	if err := mapFile(f, func(b []byte) error { return e.parse(b, name, s) }); err != nil {
		f.Close()
		c.root.Remove(name)
		return nil, errMiss
	}
	return e, nil
}

func (e *entry) parse(b []byte, name string, s *model.Session) error {
	h, at, err := parseHeader(b, nil)
	if err != nil {
		return err
	}
	list, end, err := parseRecord(b, at, 0)
	if err == nil && (end != len(b) || h.Model != name) {
		err = ErrDamaged
	}
	if err == nil {
		err = verify(e.f, list, nil)
	}
	if err != nil {
		return err
	}
	parts, caches := s.Parts(), caches(s) // which come first
	const u = backend.CacheUnit
	for _, sec := range list {
		data := b[sec.off : sec.off+sec.size]
		switch sec.kind {
		case kindInfo:
			var in info
			if err := json.Unmarshal(data, &in); err != nil {
				return err
			}
			e.logged = in.Logged
		case kindTokens:
			e.tokens = appendInt32s(nil, data)
		case kindState:
			e.state = append(e.state, slices.Clone(data))
		case kindLogits:
			e.logits = appendFloat32s(nil, data)
		case kindCache:
			if len(e.caches) == 0 {
				e.from, e.to = sec.from, sec.to
			}
			if sec.part != len(e.caches) || sec.part >= caches || sec.from != e.from || sec.to != e.to || sec.from%u != 0 || sec.to%u != 0 ||
				sec.to <= sec.from || sec.size != (sec.to-sec.from)/u*parts[sec.part].Bytes {
				return ErrDamaged
			}
			e.caches = append(e.caches, sec)
			if sec.off%pageUnit != 0 {
				data = slices.Clone(data)
			} else {
				data = nil
			}
			e.data = append(e.data, data)
		}
	}
	if n := len(e.caches); n != 0 && n != caches {
		return errors.New("a cache is missing")
	}
	return nil
}

// stands says whether the entry is the state after ids.
func (e *entry) stands(ids []int32, s *model.Session) bool {
	rest := len(ids) / Page * Page
	return slices.Equal(e.tokens, ids) &&
		(len(e.caches) == 0 && (rest == len(ids) || caches(s) == 0) || len(e.caches) > 0 && e.from == rest && e.to == roundUp(len(ids), backend.CacheUnit))
}

// put puts the entry's keys and values into the session.
func (e *entry) put(s *model.Session) error {
	for i, sec := range e.caches {
		var err error
		if data := e.data[i]; data != nil {
			err = s.WriteCache(i, sec.from, sec.to, data)
		} else {
			_, err = s.MapCache(i, sec.from, sec.to, e.f, int64(sec.off))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
