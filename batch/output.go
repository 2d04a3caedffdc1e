package batch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/mil-run/mil/internal/lock"
	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/internal/whole"
)

// output is the file of answers. Each is appended by one write as a whole line, so that
// a process that is killed leaves whole lines and at most a part of one at the end. A
// write that fails is taken back.
type output struct {
	f    *os.File
	path string
	size int64
	kept kept
}

// kept is what an output held when it was opened.
type kept struct {
	Answers, Failed int
	Cut             int64 // bytes of a torn line
	Again           int   // failures that were taken out, to be run again
	lockless        error // nobody else is kept from the file
}

// openOutput opens the output of a batch for going on, or makes it, and marks the
// requests that it answers. run gives the settings of a request of the given model.
// retry takes all failures out, else those that are the machine's: 5xx.
func openOutput(path string, x *index, run func(model int32) runSum, retry bool) (*output, error) {
	o := &output{path: path}
	if err := o.open(); err != nil {
		return nil, err
	}
	err := o.own(x)
	if err == nil {
		err = o.resume(x, run, retry)
	}
	if err != nil {
		o.f.Close()
		return nil, fmt.Errorf("%s: %w", path, whole.Unpath(err))
	}
	return o, nil
}

func (o *output) open() (err error) {
	if st, err := os.Stat(o.path); err == nil && !st.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file, and a batch could not go on from it; name a file", o.path)
	}
	o.f, err = os.OpenFile(o.path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	if dir, err := os.Open(filepath.Dir(o.path)); err == nil {
		_ = dir.Sync() // the name is on the disk; not every system can
		dir.Close()
	}
	return nil
}

// own keeps other processes away from the file.
func (o *output) own(x *index) error {
	in, err := x.f.Stat()
	if err != nil {
		return err
	}
	out, err := o.f.Stat()
	switch {
	case err != nil:
		return err
	case os.SameFile(in, out):
		return errors.New("it is the file of requests; name another for the answers")
	}
	if err = lock.Own(o.f); errors.Is(err, lock.ErrNone) {
		o.kept.lockless, err = err, nil
	} else if err == nil && !lock.Names(o.path, o.f) {
		err = lock.ErrBusy // another process has just written it anew
	}
	return err
}

// errForeign is wrapped by errors about lines that are no answers of a batch.
var errForeign = errors.New("it is no answer that mil batch wrote; name another output file")

// span is bytes of a file.
type span struct{ from, to int64 }

// resume reads what is there.
func (o *output) resume(x *index, run func(int32) runSum, retry bool) error {
	in := newLines(io.NewSectionReader(o.f, 0, 1<<62), maxAnswer)
	var drop []span
	for {
		line, err := in.read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if !in.whole {
			if !ours(line) {
				return fmt.Errorf("line %d: %w", in.n, errForeign)
			}
			o.kept.Cut = in.next - in.at
			if err := o.f.Truncate(in.at); err != nil {
				return err
			}
			break
		}
		o.size = in.next
		if bytes.IndexByte(line, 0) >= 0 { // it never reached the disk
			drop = append(drop, span{in.at, in.next})
			continue
		}
		stays, err := o.take(line, x, run, retry)
		if err != nil {
			return fmt.Errorf("line %d: %w", in.n, err)
		}
		if !stays {
			drop = append(drop, span{in.at, in.next})
			o.kept.Again++
		}
	}
	if drop == nil {
		return nil
	}
	return o.without(drop)
}

// ours says whether a line without an end may be the beginning of an answer.
func ours(line []byte) bool {
	begin := []byte(`{"id":"` + idPrefix)
	return bytes.IndexByte(line, 0) >= 0 || bytes.HasPrefix(line, begin) || bytes.HasPrefix(begin, line)
}

// take marks the request that a line answers, and says whether the line stays.
func (o *output) take(line []byte, x *index, run func(int32) runSum, retry bool) (bool, error) {
	a, err := readAnswer(line)
	if err != nil {
		return false, err
	}
	i, ok := x.byID[keyOf(a.CustomID)]
	if !ok {
		return false, fmt.Errorf("it answers %s, which %s does not ask; name another output file", show.Text(a.CustomID), x.path)
	}
	e := &x.entries[i]
	switch e.state {
	case elsewhere:
		return false, fmt.Errorf("it answers %s, which belongs to another shard; give each shard an output file of its own", show.Text(a.CustomID))
	case answered, failed:
		return false, fmt.Errorf("it is the second answer to %s; name another output file", show.Text(a.CustomID))
	}
	bad := a.status() >= 400
	if bad && (retry || a.status() >= 500) {
		return false, nil
	}
	body, settings, _ := parseID(a.ID)
	again := ""
	if bad {
		again = ", or run it again with --retry-failed"
	}
	switch {
	case body != e.sum:
		return false, fmt.Errorf("the request %s, line %d of %s, changed since it was answered; give it another custom_id or the batch another output file%s", show.Text(a.CustomID), e.line, x.path, again)
	case settings != run(e.model):
		return false, fmt.Errorf("the request %s was answered by another model or with other settings (--ctx, --kv, --seed); give the same ones or name another output file%s", show.Text(a.CustomID), again)
	}
	o.kept.Answers++
	e.state = answered
	if bad {
		o.kept.Failed++
		e.state = failed
	}
	return true, nil
}

// readAnswer reads a line of an output.
func readAnswer(line []byte) (*answerHead, error) {
	var a answerHead
	if err := json.Unmarshal(line, &a); err != nil {
		return nil, errForeign
	}
	if _, _, ok := parseID(a.ID); !ok || a.CustomID == "" || a.Response == nil {
		return nil, errForeign
	}
	return &a, nil
}

// answerHead is an answer without its body.
type answerHead struct {
	ID       string `json:"id"`
	CustomID string `json:"custom_id"`
	Response *struct {
		Status int `json:"status_code"`
	} `json:"response"`
}

func (a *answerHead) status() int { return a.Response.Status }

// without writes the file anew without some of its lines. It takes the old one's place
// at once.
func (o *output) without(drop []span) error {
	st, err := o.f.Stat()
	if err != nil {
		return err
	}
	to, err := whole.Create(o.path, whole.Options{Perm: st.Mode().Perm(), Own: o.kept.lockless == nil, Over: o.f})
	if err != nil {
		return err
	}
	defer to.Abort()
	size, from := int64(0), int64(0)
	for _, d := range append(drop, span{o.size, o.size}) {
		n, err := io.Copy(to, io.NewSectionReader(o.f, from, d.from-from))
		if err != nil {
			return err
		}
		size, from = size+n, d.to
	}
	f, err := to.Keep()
	if err != nil {
		return err
	}
	o.f, o.size = f, size
	return nil
}

// append writes a line.
func (o *output) append(line []byte) error {
	if _, err := o.f.WriteAt(line, o.size); err != nil {
		// What was written of it goes. Where that fails too, the next start cuts it.
		_ = o.f.Truncate(o.size)
		return fmt.Errorf("%s: %w", o.path, whole.Unpath(err))
	}
	o.size += int64(len(line))
	return nil
}

// sync brings all lines to the disk.
func (o *output) sync() error {
	if err := o.f.Sync(); err != nil {
		return fmt.Errorf("%s: %w", o.path, whole.Unpath(err))
	}
	return nil
}

func (o *output) close() error {
	lock.Release(o.f)
	return o.f.Close()
}
