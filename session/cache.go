package session

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/whole"
	"github.com/mil-run/mil/model"
)

// Cache is a folder of beginnings of prompts, as sessions have read them. A .state
// file holds the state after a number of tokens. A .page file holds the keys and
// values of Page positions, and beginnings share it. Several processes may use one
// folder: files appear whole, are never changed, and may go at any time.
type Cache struct {
	root  *os.Root
	limit int64
	Warn  func(error) // told about the first file that could not be written
	told  *bool
	key   string
}

// Interval is the number of tokens of a long prompt after which its state is
// kept, again and again.
const Interval = 1024

// OpenCache opens the folder, makes it where it is missing, and keeps it below
// about limit bytes.
func OpenCache(dir string, limit int64) (*Cache, error) {
	err := os.MkdirAll(dir, 0o700)
	if err != nil {
		return nil, fmt.Errorf("prompt cache %s: %w", dir, whole.Unpath(err))
	}
	root, err := os.OpenRoot(dir) // never a link's target elsewhere
	if err != nil {
		return nil, fmt.Errorf("prompt cache %s: %w", dir, whole.Unpath(err))
	}
	return &Cache{root: root, limit: limit, told: new(bool)}, nil
}

// Under is the part of the folder whose beginnings are a key's alone. It is closed with
// the folder.
func (c *Cache) Under(key string) *Cache {
	part := *c
	part.key = key
	return &part
}

// Close closes the folder.
func (c *Cache) Close() error { return c.root.Close() }

// keys names the beginnings of one timeline of one model. A beginning's key is
// a hash of the model, how it is run, whose it is, and the tokens.
type keys struct {
	model string
	h     hash.Hash
	n     int // tokens in h
	ids   []int32
}

func (c *Cache) keysOf(s *model.Session, ids []int32) (*keys, error) {
	h, err := headerOf(s)
	if err != nil {
		return nil, err
	}
	j, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(j)
	k := &keys{model: hex.EncodeToString(sum[:8]), h: sha256.New(), ids: ids}
	k.h.Write(sum[:])
	if c.key != "" {
		of := sha256.Sum256([]byte(c.key))
		k.h.Write(of[:])
	}
	return k, nil
}

// name is the name of the file about the first n tokens. n never falls.
func (k *keys) name(n int, ext string) string {
	for ; k.n < n; k.n++ {
		var b [4]byte
		binary.LittleEndian.PutUint32(b[:], uint32(k.ids[k.n]))
		k.h.Write(b[:])
	}
	return fmt.Sprintf("%s-%d-%s%s", k.model, n, hex.EncodeToString(k.h.Sum(nil)[:16]), ext)
}

const (
	extState = ".state"
	extPage  = ".page"
)

// ours says whether a name is of a file of this package. For a state of this
// model it also gives the number of tokens before it.
func ours(name, model string) (n int, ok bool) {
	part := strings.Split(name, "-")
	if len(part) != 3 || len(part[0]) != 16 || len(part[2]) < 33 {
		return 0, false
	}
	n, err := strconv.Atoi(part[1])
	ext := part[2][32:]
	if err != nil || n <= 0 || ext != extState && ext != extPage {
		return 0, false
	}
	if part[0] != model || ext != extState {
		n = 0
	}
	return n, true
}

// Find puts the longest beginning of ids in the folder, longer than least
// tokens, into s. It returns its length and, where all of ids was found, the
// next token's logits. It returns 0 where there is none. A file that is
// damaged, does not fit s or goes while it is read counts as missing, and s may
// hold nothing then.
func (c *Cache) Find(s *model.Session, ids []int32, least int) (n int, logits []float32, err error) {
	k, err := c.keysOf(s, ids)
	if err != nil {
		return 0, nil, err
	}
	there := map[string]bool{}
	var lengths []int
	for _, e := range c.list() {
		if n, ok := ours(e.Name(), k.model); ok {
			there[e.Name()] = true
			if n > least && n <= min(len(ids), s.Context()) {
				lengths = append(lengths, n)
			}
		}
	}
	slices.Sort(lengths)
	type found struct {
		n     int
		names []string
	}
	var all []found
	var pages []string
	for _, n := range slices.Compact(lengths) {
		for at := (len(pages) + 1) * Page; at <= n && caches(s) > 0; at += Page {
			pages = append(pages, k.name(at, extPage))
		}
		if name := k.name(n, extState); there[name] {
			all = append(all, found{n, append(slices.Clone(pages), name)})
		}
	}
	for _, f := range slices.Backward(all) {
		logits, err = c.load(s, ids[:f.n], len(ids), f.names)
		if err == nil {
			return f.n, logits, nil
		}
		if !errors.Is(err, errMiss) {
			return 0, nil, err
		}
	}
	return 0, nil, nil
}

// errMiss says that a beginning is missing or not as it should be.
var errMiss = errors.New("not in the cache")

// load puts a beginning into s. names are its pages and its state. Where they
// are not as they should be the error is errMiss, and s is as it was, or empty
// where that came out late.
func (c *Cache) load(s *model.Session, ids []int32, all int, names []string) (logits []float32, err error) {
	last := names[len(names)-1]
	state, err := c.read(last, s)
	if err != nil {
		return nil, err
	}
	defer state.close()
	if len(ids) < all {
		state.logits = nil
	} else if state.logits == nil {
		return nil, errMiss // only its last token would be to feed again, and cannot be
	}
	entries := []*entry{state}
	for _, name := range names[:len(names)-1] {
		e, err := c.read(name, s)
		if err != nil {
			c.root.Remove(last) // of no use without its pages
			return nil, err
		}
		defer e.close()
		entries = append(entries, e)
	}
	if !state.stands(ids, s) {
		return nil, errMiss
	}
	for i, e := range entries[1:] {
		if e.from != i*Page || e.to != (i+1)*Page {
			return nil, errMiss
		}
	}
	for _, e := range append(entries[1:], state) { // by rising positions: rings keep the last
		if e.put(s) != nil {
			c.root.Remove(e.name)
			return nil, cmp.Or(s.Reset(), errMiss)
		}
	}
	if s.Begin(ids, state.state, state.logged, 0) != nil {
		return nil, cmp.Or(s.Reset(), errMiss)
	}
	now := time.Now()
	for _, name := range names { // used last: evicted last
		c.root.Chtimes(name, now, now)
	}
	return state.logits, nil
}

// Keep adds the session's present point to the folder, unless it is there.
// logits are the next token's or nil. Warn is told of a file that cannot be
// written.
func (c *Cache) Keep(s *model.Session, logits []float32) {
	if err := c.keep(s, logits); err != nil && !*c.told {
		*c.told = true
		if c.Warn != nil {
			c.Warn(fmt.Errorf("the prompt cache %s is not written: %w", c.root.Name(), whole.Unpath(err)))
		}
	}
}

func (c *Cache) keep(s *model.Session, logits []float32) error {
	ids := s.Tokens()
	k, err := c.keysOf(s, ids)
	if err != nil || len(ids) == 0 || s.Dropped() > 0 {
		return err
	}
	now := time.Now()
	there := func(name string) bool { return c.root.Chtimes(name, now, now) == nil }
	full := len(ids) / Page * Page
	since := 0 // before it a ring has lost positions
	for i := sliding(s); i < caches(s); i++ {
		since = max(since, s.Since(i))
	}
	if since > full {
		return nil
	}
	for at := 0; at < full && caches(s) > 0; at += Page {
		if name := k.name(at+Page, extPage); !there(name) {
			if since > at {
				return nil
			}
			if err := c.write(name, rows(s, at, at+Page, pageUnit)); err != nil {
				return err
			}
		}
	}
	name := k.name(len(ids), extState)
	if there(name) {
		return nil
	}
	snap, err := s.Snapshot()
	if err != nil {
		return err
	}
	_, logged := snap.State()
	j, err := json.Marshal(info{Logged: logged})
	if err != nil {
		return err
	}
	list := append([]section{{kind: kindInfo, data: j}, {kind: kindTokens, data: int32s(ids)}}, stateSections(snap, 0)...)
	if full < len(ids) {
		list = append(list, rows(s, full, roundUp(len(ids), backend.CacheUnit), unit)...)
	}
	if len(logits) > 0 {
		list = append(list, section{kind: kindLogits, data: float32s(logits)})
	}
	if err := c.write(name, list); err != nil {
		return err
	}
	return c.evict()
}

// list lists the files in the folder.
func (c *Cache) list() []fs.DirEntry {
	d, err := c.root.Open(".")
	if err != nil {
		return nil
	}
	defer d.Close()
	list, _ := d.ReadDir(-1)
	return list
}

// evict removes the files that were not used for longest, until the folder is
// below its limit. Leftovers of killed processes go first.
func (c *Cache) evict() error {
	whole.SweepDir(c.root.Name(), func(temp string) bool {
		name, ok := whole.Target(temp)
		if ok {
			_, ok = ours(name, "")
		}
		return ok
	})
	var files []fs.FileInfo
	total := int64(0)
	for _, e := range c.list() {
		if _, ok := ours(e.Name(), ""); !ok {
			continue
		}
		st, err := e.Info()
		if err != nil || !st.Mode().IsRegular() {
			continue // another process was faster
		}
		files = append(files, st)
		total += st.Size()
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int {
		return cmp.Or(a.ModTime().Compare(b.ModTime()), strings.Compare(b.Name(), a.Name()))
	})
	for _, f := range files {
		if total <= c.limit {
			break
		}
		if err := c.root.Remove(f.Name()); err == nil || errors.Is(err, fs.ErrNotExist) {
			total -= f.Size()
		}
	}
	return nil
}

// write makes a file of one record that appears whole. It need not outlive a
// power failure, since checksums would show that.
func (c *Cache) write(name string, list []section) error {
	h := header{Model: name}
	b, err := h.encode()
	if err != nil {
		return err
	}
	f, err := whole.Create(filepath.Join(c.root.Name(), name), whole.Options{Perm: 0o600, Loose: true})
	if err != nil {
		return err
	}
	defer f.Abort()
	if _, err = f.WriteAt(b, 0); err != nil {
		return err
	}
	if _, err = writeRecord(unsynced{f.File}, int64(len(b)), 0, list); err != nil {
		return err
	}
	return f.Commit()
}

type unsynced struct{ *os.File }

func (unsynced) Sync() error { return nil }
