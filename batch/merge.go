package batch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/mil-run/mil/internal/lock"
	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/internal/whole"
)

// MergeResult counts what was merged.
type MergeResult struct {
	Requests, Answers, Failed int
	Torn                      int // outputs whose last line is not whole
}

// place is where an answer lies. size is 0 where there is none.
type place struct {
	at     int64
	size   int32
	file   int16
	status int16
}

// merger collects the answers of several outputs.
type merger struct {
	x      *index
	files  []*os.File
	places []place
	ids    []runSum // of each model's answers
	known  []bool   // which of them were met
	r      MergeResult
}

// maxOutputs is the files that may be merged.
const maxOutputs = 1024

// Merge writes the answers of several outputs of one input, or of one, in the order of
// the requests. A request that several outputs answer gets the first answer that is no
// failure. A request without an answer is an error, unless partial allows it. The result
// takes its name when all of it is written; it may take an output's.
func Merge(in string, outputs []string, to string, partial bool) (MergeResult, error) {
	if len(outputs) > maxOutputs {
		return MergeResult{}, fmt.Errorf("%d outputs are more than %d; merge some first", len(outputs), maxOutputs)
	}
	x, err := openIndex(in, Shard{}, func(m *mistake) error { return m })
	if err != nil {
		return MergeResult{}, err
	}
	defer x.close()
	m := &merger{x: x, places: make([]place, len(x.entries)), ids: make([]runSum, len(x.models)), known: make([]bool, len(x.models))}
	m.r.Requests = len(x.entries)
	defer func() {
		for _, f := range m.files {
			f.Close()
		}
	}()
	for _, path := range outputs {
		if err := m.add(path); err != nil {
			return m.r, fmt.Errorf("%s: %w", path, whole.Unpath(err))
		}
	}
	if err := m.complete(partial); err != nil {
		return m.r, err
	}
	if st, err := os.Stat(to); err == nil {
		if in, err := x.f.Stat(); err == nil && os.SameFile(in, st) {
			return m.r, fmt.Errorf("%s is the file of requests; name another for the answers", to)
		}
	}
	return m.r, whole.Write(to, 0o666, m.write)
}

// add reads an output. A batch that runs must not write to it.
func (m *merger) add(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	m.files = append(m.files, f)
	if err := lock.Hold(f); err != nil && !errors.Is(err, lock.ErrNone) {
		return err
	}
	in := newLines(f, maxAnswer)
	for {
		line, err := in.read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if !in.whole && ours(line) {
			m.r.Torn++
			return nil
		}
		if bytes.IndexByte(line, 0) >= 0 {
			continue // it never reached the disk
		}
		if err := m.take(line, place{in.at, int32(in.next - in.at), int16(len(m.files) - 1), 0}); err != nil {
			return fmt.Errorf("line %d: %w", in.n, err)
		}
	}
}

// take notes an answer.
func (m *merger) take(line []byte, p place) error {
	a, err := readAnswer(line)
	if err != nil {
		return err
	}
	i, ok := m.x.byID[keyOf(a.CustomID)]
	if !ok {
		return fmt.Errorf("it answers %s, which %s does not ask", show.Text(a.CustomID), m.x.path)
	}
	e := &m.x.entries[i]
	body, run, _ := parseID(a.ID)
	if body != e.sum {
		return fmt.Errorf("the request %s, line %d of %s, changed since it was answered; run it again", show.Text(a.CustomID), e.line, m.x.path)
	}
	p.status = int16(min(a.status(), 999))
	if p.status < 400 { // a failure may be that of a model that was not there
		if m.known[e.model] && m.ids[e.model] != run {
			return fmt.Errorf("the request %s was answered by another model or with other settings than those before it; merge outputs of one model and the same settings", show.Text(a.CustomID))
		}
		m.known[e.model], m.ids[e.model] = true, run
	}
	have := &m.places[i]
	if have.size == 0 || have.status >= 400 && p.status < 400 {
		*have = p
	}
	return nil
}

// complete says whether there is an answer to each request.
func (m *merger) complete(partial bool) error {
	first := -1
	for i := range m.places {
		switch p := &m.places[i]; {
		case p.size == 0:
			if first < 0 {
				first = i
			}
			continue
		case p.status >= 400:
			m.r.Failed++
		}
		m.r.Answers++
	}
	if first < 0 || partial {
		return nil
	}
	return fmt.Errorf("%d of %d requests have no answer, the first of them at line %d of %s; run mil batch again, or take what is there with --partial", m.r.Requests-m.r.Answers, m.r.Requests, m.x.entries[first].line, m.x.path)
}

// write writes the answers.
func (m *merger) write(to io.Writer) error {
	var line []byte
	for i := range m.places {
		p := &m.places[i]
		if p.size == 0 {
			continue
		}
		line = append(line[:0], make([]byte, p.size)...)
		if _, err := m.files[p.file].ReadAt(line, p.at); err != nil {
			return err
		}
		if line[len(line)-1] != '\n' {
			line = append(line, '\n')
		}
		if _, err := to.Write(line); err != nil {
			return err
		}
	}
	return nil
}
