package batch

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"slices"

	"github.com/mil-run/mil/internal/show"
)

// entry is what is kept of a request.
type entry struct {
	at    int64
	size  int32
	line  int32
	model int32 // in index.models
	group int32 // requests whose texts begin alike
	id    idKey
	sum   bodySum
	state state
}

type state uint8

const (
	waiting   state = iota
	elsewhere       // of another shard
	answered
	failed // an answer that stays
)

// index is the requests of a file.
type index struct {
	f       *os.File
	path    string
	entries []entry
	byID    map[idKey]int32
	models  []string // that bodies name, in the order of their appearance
}

// Bounds of an index.
const (
	maxRequests = 1 << 28
	maxModels   = 64
	alike       = 256 // bytes of a text's beginning that put it into a group
)

// mistake is what is wrong with a line of the input.
type mistake struct {
	line int
	err  error
}

func (m *mistake) Error() string { return fmt.Sprintf("line %d: %v", m.line, m.err) }
func (m *mistake) Unwrap() error { return m.err }

// openIndex reads the input once. It hands over what is wrong with lines, and goes on
// while wrong returns nil. The requests of other shards are marked.
func openIndex(path string, s Shard, wrong func(*mistake) error) (*index, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	x := &index{f: f, path: path, byID: map[idKey]int32{}}
	st, err := f.Stat()
	switch {
	case err != nil:
	case !st.Mode().IsRegular():
		err = errors.New("it is no regular file, and a batch is read twice; save it to a file first")
	default:
		err = x.read(s, wrong)
	}
	if err == nil && len(x.entries) == 0 {
		err = errors.New("it has no requests")
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return x, nil
}

func (x *index) close() error { return x.f.Close() }

func (x *index) read(s Shard, wrong func(*mistake) error) error {
	in := newLines(x.f, maxRequest)
	models, groups, seed := map[string]int32{}, map[uint64]int32{}, maphash.MakeSeed()
	for {
		line, err := in.read()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		line = clean(line, in.n)
		if len(line) == 0 {
			continue
		}
		r, err := parse(line)
		if err == nil {
			err = x.first(r.CustomID)
		}
		if err != nil {
			if err := wrong(&mistake{in.n, err}); err != nil {
				return err
			}
			continue
		}
		sh := r.shape()
		e := entry{at: in.at, size: int32(in.next - in.at), line: int32(in.n), id: keyOf(r.CustomID), sum: r.sum()}
		if e.model, err = number(models, sh.model, &x.models); err != nil {
			return err
		}
		begin := maphash.Bytes(seed, sh.text[:min(len(sh.text), alike)])
		if _, ok := groups[begin]; !ok {
			groups[begin] = int32(len(groups))
		}
		e.group = groups[begin]
		if !s.has(r.CustomID) {
			e.state = elsewhere
		}
		x.byID[e.id] = int32(len(x.entries))
		x.entries = append(x.entries, e)
	}
}

// clean takes away what editors add to a line.
func clean(line []byte, n int) []byte {
	if n == 1 {
		line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
	}
	return bytes.TrimSpace(line)
}

// first says whether no earlier request has the id.
func (x *index) first(customID string) error {
	if i, ok := x.byID[keyOf(customID)]; ok {
		return fmt.Errorf("its custom_id %s is that of line %d; give each request its own", show.Text(customID), x.entries[i].line)
	}
	if len(x.entries) == maxRequests {
		return fmt.Errorf("the file has more than %d requests; cut it into several", maxRequests)
	}
	return nil
}

// number is a model's place in the list.
func number(models map[string]int32, name string, list *[]string) (int32, error) {
	i, ok := models[name]
	if !ok {
		if len(*list) == maxModels {
			return 0, fmt.Errorf("its requests name more than %d models; name one with --model, or cut the file", maxModels)
		}
		i = int32(len(*list))
		models[name] = i
		*list = append(*list, name)
	}
	return i, nil
}

// load reads a request again.
func (x *index) load(i int32) (*Request, error) {
	e := &x.entries[i]
	line := make([]byte, e.size)
	_, err := x.f.ReadAt(line, e.at)
	var r *Request
	if err == nil {
		r, err = parse(clean(line, int(e.line)))
	}
	if err == nil && (keyOf(r.CustomID) != e.id || r.sum() != e.sum) {
		err = errors.New("it is another one than before")
	}
	if err != nil {
		return nil, fmt.Errorf("%s changed while it was read, at line %d: %w; start again", x.path, e.line, err)
	}
	return r, nil
}

// order is the requests that wait, those of one model together, and within them those
// whose texts begin alike, in the order in which each was first met.
func (x *index) order() []int32 {
	var list []int32
	for i := range x.entries {
		if x.entries[i].state == waiting {
			list = append(list, int32(i))
		}
	}
	slices.SortStableFunc(list, func(a, b int32) int {
		p, q := &x.entries[a], &x.entries[b]
		return cmp.Or(cmp.Compare(p.model, q.model), cmp.Compare(p.group, q.group))
	})
	return list
}
