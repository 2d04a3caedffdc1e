package chat

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"strconv"

	"github.com/mil-run/mil/internal/whole"
	"github.com/mil-run/mil/jinja"
	"github.com/mil-run/mil/tokenizer"
)

// record is a told text in a file: a line of its checksum and this as JSON.
type record struct {
	Key     string            `json:"key"`
	Text    string            `json:"text"`
	Outside [][2]int          `json:"outside"`
	Added   []tokenizer.Found `json:"added"`
	Cuts    [][2]int          `json:"cuts"`
	Reply   string            `json:"reply"`
	Tokens  []int32           `json:"tokens"`
	Within  [][2]int          `json:"within"`
}

// mostLine is the bytes of a line that is read.
const mostLine = 64 << 20

// Open goes on with what a file holds, and adds to it what is remembered from now on.
// Who calls it owns the file, which is of one model alone. Lines that are not as they
// were written are passed over. warn is told where the file cannot be written.
func (t *Texts) Open(e *Engine, path string, warn func(error)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.path, t.warn = path, warn
	f, err := os.Open(path)
	if err == nil {
		t.load(e, f)
		err = f.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return t.rewrite()
}

// Close ends the use of the file.
func (t *Texts) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.f == nil {
		return nil
	}
	err := t.f.Close()
	t.f = nil
	return err
}

// load reads lines. The last line counts as the one that was used last.
func (t *Texts) load(e *Engine, f io.Reader) {
	in := bufio.NewScanner(f)
	in.Buffer(nil, mostLine)
	for in.Scan() {
		if r := parseLine(in.Bytes()); r != nil && r.check(e) {
			t.add(r.Key, r.told())
		}
	}
}

// line is a record as it is written.
func line(key string, o *told) ([]byte, error) {
	p := o.prompt
	data, err := json.Marshal(record{key, p.text.Text, p.text.Outside, p.added, pairs(p.cuts), o.reply, o.tokens, pairs(o.inner)})
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.ChecksumIEEE(data), data), nil
}

// parseLine is nil where the line is not as it was written.
func parseLine(text []byte) *record {
	if len(text) < 9 {
		return nil
	}
	sum, err := strconv.ParseUint(string(text[:8]), 16, 32)
	var r record
	if err != nil || uint32(sum) != crc32.ChecksumIEEE(text[9:]) || json.Unmarshal(text[9:], &r) != nil {
		return nil
	}
	return &r
}

// check says whether a record's numbers fit its texts and the tokenizer.
func (r *record) check(e *Engine) bool {
	for _, id := range r.Tokens {
		if id < 0 || int(id) >= e.Model.Config.Vocab {
			return false
		}
	}
	fit := func(list [][2]int, bytes int) bool {
		last := [2]int{}
		for _, c := range list {
			if c[0] < last[0] || c[1] < last[1] || c[0] > bytes || c[1] > len(r.Tokens) {
				return false
			}
			last = c
		}
		return true
	}
	at := 0
	for _, s := range r.Outside {
		if s[0] < at || s[1] < s[0] || s[1] > len(r.Text) {
			return false
		}
		at = s[1]
	}
	return r.Reply != "" && r.Text != "" && fit(r.Cuts, len(r.Text)) && fit(r.Within, len(r.Reply))
}

func (r *record) told() *told {
	p := &Prompt{text: jinja.Rendered{Text: r.Text, Outside: r.Outside}, added: r.Added, cuts: cuts(r.Cuts)}
	return &told{prompt: p, reply: r.Reply, tokens: r.Tokens, inner: cuts(r.Within)}
}

func pairs(list []cut) (out [][2]int) {
	for _, c := range list {
		out = append(out, [2]int{c.bytes, c.tokens})
	}
	return out
}

func cuts(list [][2]int) (out []cut) {
	for _, c := range list {
		out = append(out, cut{c[0], c[1]})
	}
	return out
}

// rewrite writes what is remembered to a new file, the one used longest ago first.
func (t *Texts) rewrite() error {
	var all []told
	var keys []string
	for key, list := range t.keys {
		for at := list.Back(); at != nil; at = at.Prev() {
			all, keys = append(all, *at.Value.(*told)), append(keys, key)
		}
	}
	err := whole.Write(t.path, 0o600, func(w io.Writer) error {
		for i := range all {
			data, err := line(keys[i], &all[i])
			if err == nil {
				_, err = w.Write(data)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if t.f != nil {
		t.f.Close()
	}
	if t.f, err = os.OpenFile(t.path, os.O_WRONLY|os.O_APPEND, 0); err != nil {
		return err
	}
	st, err := t.f.Stat()
	t.size = st.Size()
	return err
}

// append adds a text to the file, if there is one.
func (t *Texts) append(key string, o *told) {
	if t.f == nil {
		return
	}
	data, err := line(key, o)
	if err == nil {
		if _, err = t.f.Write(data); err != nil {
			err = errors.Join(err, t.f.Truncate(t.size))
		} else if t.size += int64(len(data)); t.size > 4*int64(t.most)+1<<20 {
			err = t.rewrite()
		}
	}
	if err != nil && !t.warned {
		t.warned = true
		t.warn(fmt.Errorf("the texts of conversations are not written to %s: %w", t.path, whole.Unpath(err)))
	}
}
