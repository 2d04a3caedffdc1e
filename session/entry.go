package session

import (
	"encoding/json"
	"errors"
	"hash/crc32"
	"os"
	"slices"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/model"
)

// entry is one file of a cache whose keys and values were not checked yet.
type entry struct {
	name     string
	f        *os.File
	from, to int // of its caches
	caches   []section
	tokens   []int32
	state    [][]byte
	logged   int
	logits   []float32
}

func (e *entry) close() { e.f.Close() }

// read reads one file. If it is not what its name says, it is removed and the
// error is errMiss.
func (c *Cache) read(name string, s *model.Session) (*entry, error) {
	st, err := c.root.Lstat(name)
	if err != nil || !st.Mode().IsRegular() {
		return nil, errMiss
	}
	f, err := c.root.Open(name)
	if err != nil {
		return nil, errMiss
	}
	e := &entry{name: name, f: f}
	if err := mapFile(f, func(b []byte) error { return e.parse(b, s) }); err != nil {
		f.Close()
		c.root.Remove(name)
		return nil, errMiss
	}
	return e, nil
}

// parse checks all of the file except its keys and values, and that all of it
// fits the session.
func (e *entry) parse(b []byte, s *model.Session) error {
	_, at, err := parseHeader(b, &header{Model: e.name})
	if err != nil {
		return err
	}
	list, end, err := parseRecord(b, at, 0)
	if err == nil && (end != len(b) || len(list) > len(s.Parts())+3) {
		err = ErrDamaged
	}
	if err == nil {
		err = verify(e.f, slices.DeleteFunc(slices.Clone(list), section.isCache), nil)
	}
	if err != nil {
		return err
	}
	parts, caches := s.Parts(), caches(s) // which come first
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
			if i := caches + len(e.state); sec.part != len(e.state) || i >= len(parts) || sec.size != parts[i].Bytes {
				return ErrDamaged
			}
			e.state = append(e.state, slices.Clone(data))
		case kindLogits:
			if sec.size != 0 && sec.size != 4*s.Vocab() {
				return ErrDamaged
			}
			e.logits = appendFloat32s(nil, data)
		case kindCache:
			if len(e.caches) == 0 {
				e.from, e.to = sec.from, sec.to
			}
			if !e.place(sec, parts[:caches], s.Context()) {
				return ErrDamaged
			}
			e.caches = append(e.caches, sec)
		}
	}
	if n := len(e.caches); n != 0 && n != caches {
		return errors.New("a cache is missing")
	}
	return nil
}

// place says whether a section can be that of the next cache.
func (e *entry) place(sec section, caches []model.Part, context int) bool {
	const u = backend.CacheUnit
	return sec.part == len(e.caches) && sec.part < len(caches) && sec.from == e.from && sec.to == e.to && sec.from%u == 0 && sec.to%u == 0 &&
		sec.to > sec.from && sec.to-u < context && sec.size == (sec.to-sec.from)/u*caches[sec.part].Bytes
}

// stands says whether the entry is the state after ids.
func (e *entry) stands(ids []int32, s *model.Session) bool {
	rest := len(ids) / Page * Page
	return slices.Equal(e.tokens, ids) && len(e.state) == len(s.Parts())-caches(s) && e.logged >= 0 && e.logged <= min(backend.MaxVerify, len(ids)) &&
		(len(e.caches) == 0 && (rest == len(ids) || caches(s) == 0) || len(e.caches) > 0 && e.from == rest && e.to == roundUp(len(ids), backend.CacheUnit))
}

// put reads the entry's keys and values into the session's memory and checks them
// there, so that nothing depends on the file any more.
func (e *entry) put(s *model.Session) error {
	var there []section
	for i, sec := range e.caches {
		var err error
		if sec.into, err = s.CacheMemory(i, sec.from, sec.to); err != nil {
			return err
		}
		if sec.into != nil {
			there = append(there, sec)
			continue
		}
		data := make([]byte, sec.size)
		if _, err := e.f.ReadAt(data, int64(sec.off)); err != nil {
			return err
		}
		if crc32.Checksum(data, castagnoli) != sec.crc {
			return ErrDamaged
		}
		if err := s.WriteCache(i, sec.from, sec.to, data); err != nil {
			return err
		}
	}
	return verify(e.f, there, nil)
}
