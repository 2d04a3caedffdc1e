package serve

import (
	"container/list"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/mil-run/mil/internal/bounded"
	"github.com/mil-run/mil/internal/whole"
	"github.com/mil-run/mil/serve/conversations"
)

// replies keeps responses, so that later requests go on from them by their ids: in
// memory, or in a folder. Each key has its own. Those that were used longest ago go.
type replies struct {
	most int64
	root *os.Root // nil for memory
	dir  string
	warn func(error)

	mu     sync.Mutex
	bytes  int64
	order  *list.List // of *reserved, the one used last in front
	names  map[[2]string]*list.Element
	warned bool
}

// reserved is a kept response in the index.
type reserved struct {
	name  [2]string // key and id
	bytes int64
	data  []byte // nil where it lies in a file
}

// keptReply is a response, and what it adds to the conversation of the one before.
type keptReply struct {
	Previous string          `json:"previous"`
	Messages []message       `json:"messages"`
	Response json.RawMessage `json:"response"`
}

const (
	repliesInMemory = 64 << 20 // bytes
	repliesInFolder = 1 << 30
	mostBefore      = 1000 // responses that one goes on from
)

// replyID is what an id of a response may be.
var replyID = regexp.MustCompile(`^resp_[0-9a-f]{32}$`)

func newReplyID() string { return "resp_" + conversations.NewID() }

// openReplies opens the kept responses of a folder, or begins some in memory for "".
func openReplies(dir string, warn func(error)) (*replies, error) {
	r := &replies{most: repliesInMemory, warn: warn, order: list.New(), names: map[[2]string]*list.Element{}}
	if dir == "" {
		return r, nil
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	var err error
	if r.root, err = os.OpenRoot(dir); err != nil {
		return nil, err
	}
	r.most, r.dir = repliesInFolder, dir
	return r, r.scan()
}

// scan finds the responses that lie in the folder, and removes what killed writers left.
func (r *replies) scan() error {
	files, err := fs.ReadDir(r.root.FS(), ".")
	if err != nil {
		return err
	}
	var found []fs.FileInfo
	for _, f := range files {
		if info, err := f.Info(); err == nil && info.Mode().IsRegular() {
			found = append(found, info)
		}
	}
	slices.SortFunc(found, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, f := range found {
		key, id, ok := strings.Cut(strings.TrimSuffix(f.Name(), ".json"), "-")
		if ok && replyID.MatchString(id) {
			r.note(&reserved{name: [2]string{key, id}, bytes: f.Size()})
		}
	}
	whole.SweepDir(r.dir, func(temp string) bool { _, ok := whole.Target(temp); return ok })
	return nil
}

func file(name [2]string) string { return name[0] + "-" + name[1] + ".json" }

// note puts a response into the index, and takes out others beyond the limit.
func (r *replies) note(one *reserved) {
	r.names[one.name] = r.order.PushFront(one)
	for r.bytes += one.bytes; r.bytes > r.most; {
		r.drop(r.order.Back())
	}
}

func (r *replies) drop(at *list.Element) {
	one := r.order.Remove(at).(*reserved)
	delete(r.names, one.name)
	r.bytes -= one.bytes
	if r.root != nil {
		_ = r.root.Remove(file(one.name)) // else the next start finds it
	}
}

// keep keeps a response, and says whether it did.
func (r *replies) keep(key, id string, one *keptReply) bool {
	data, err := json.Marshal(one)
	if err != nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	to := &reserved{name: [2]string{key, id}, bytes: int64(len(data)), data: data}
	if r.root != nil {
		to.data = nil
		if err := r.write(file(to.name), data); err != nil {
			if !r.warned {
				r.warned = true
				r.warn(errors.Join(errors.New("responses are not kept: "+r.dir), whole.Unpath(err)))
			}
			return false
		}
	}
	r.note(to)
	return true
}

// write writes a file of a name that is new.
func (r *replies) write(name string, data []byte) error {
	f, err := whole.Create(filepath.Join(r.dir, name), whole.Options{Perm: 0o600, Loose: true})
	if err != nil {
		return err
	}
	defer f.Abort()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Commit()
}

// errNoReply is the error about a response that is not kept.
func errNoReply(param string) error {
	return &apiError{status: http.StatusNotFound, kind: "invalid_request_error", code: "response_not_found", param: param,
		text: "there is no such response here, or not any more; send the whole conversation as input"}
}

// get is a kept response of a key, nil where there is none.
func (r *replies) get(key, id string) *keptReply {
	if !replyID.MatchString(id) {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.names[[2]string{key, id}]
	if at == nil {
		return nil
	}
	r.order.MoveToFront(at)
	one := at.Value.(*reserved)
	data := one.data
	if r.root != nil {
		var err error
		if data, err = r.read(file(one.name)); err != nil {
			return nil
		}
	}
	var k keptReply
	if json.Unmarshal(data, &k) != nil {
		return nil
	}
	return &k
}

func (r *replies) read(name string) ([]byte, error) {
	if st, err := r.root.Lstat(name); err != nil || !st.Mode().IsRegular() {
		return nil, errors.Join(err, fs.ErrInvalid)
	}
	f, err := r.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return bounded.Read(f, repliesInMemory)
}

// before is the conversation up to the end of a kept response.
func (r *replies) before(key, id string) (list []message, err error) {
	for n := 0; id != ""; n++ {
		one := r.get(key, id)
		if one == nil || n == mostBefore {
			return nil, errNoReply("previous_response_id")
		}
		list = append(slices.Clone(one.Messages), list...)
		id = one.Previous
	}
	return list, nil
}

// forget takes a response out. It says whether there was one.
func (r *replies) forget(key, id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.names[[2]string{key, id}]
	if at != nil {
		r.drop(at)
	}
	return at != nil
}

func (r *replies) close() error {
	if r.root == nil {
		return nil
	}
	return r.root.Close()
}

// getResponse is GET /v1/responses/{id}.
func (s *Server) getResponse(w http.ResponseWriter, r *http.Request) error {
	one := s.kept.get(s.key(r), r.PathValue("id"))
	if one == nil {
		return errNoReply("")
	}
	return send(w, http.StatusOK, one.Response)
}

// deleteResponse is DELETE /v1/responses/{id}.
func (s *Server) deleteResponse(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if !s.kept.forget(s.key(r), id) {
		return errNoReply("")
	}
	return send(w, http.StatusOK, map[string]any{"id": id, "object": "response", "deleted": true})
}
