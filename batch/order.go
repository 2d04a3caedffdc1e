package batch

import (
	"bytes"
	"cmp"
	"slices"
)

// job is a request that is in memory.
type job struct {
	i     int32 // in the index
	r     *Request
	text  []byte // by which it is ordered; nil once it is
	cost  int
	bytes int
	group *group
}

// group is requests whose prompts begin alike.
type group struct {
	shared      int // bytes of the beginning
	begun, done int
}

const (
	windowJobs  = 1024    // most requests that are ordered at a time
	windowBytes = 8 << 20 // and their bytes, beside the first
	related     = 512     // bytes of a common beginning that make a group
	// holds is the bytes of a common beginning that is worth waiting for. The prefix of
	// a prompt is kept when it was read, so requests that begin at the same time
	// would all read it.
	holds = 2048
	// leaders is how many requests of such a group go first, one after the other. The
	// second one shows where prompts part, and its prefix is kept there.
	leaders = 2
)

// held says that a job waits for one of its group that reads the beginning.
func (j *job) held() bool {
	g := j.group
	return g.shared >= holds && g.done < leaders && g.begun > g.done
}

// plan hands out jobs. It holds one window of them beside those that are left of the
// last.
type plan struct {
	x    *index
	left []int32
	jobs []*job
}

func newPlan(x *index) *plan { return &plan{x: x, left: x.order()} }

// next is the next job that may begin, nil where none may now. low is how many jobs
// should be there to choose from.
func (p *plan) next(low int) (*job, error) {
	for len(p.jobs) < low && len(p.left) > 0 {
		if err := p.window(); err != nil {
			return nil, err
		}
	}
	for i, j := range p.jobs {
		if !j.held() {
			p.jobs = slices.Delete(p.jobs, i, i+1)
			j.group.begun++
			return j, nil
		}
	}
	return nil, nil
}

// over says that all jobs were handed out.
func (p *plan) over() bool { return len(p.jobs) == 0 && len(p.left) == 0 }

// window reads the next requests of one model and orders them.
func (p *plan) window() error {
	var list []*job
	total := 0
	model := p.x.entries[p.left[0]].model
	for len(p.left) > 0 && len(list) < windowJobs {
		e := &p.x.entries[p.left[0]]
		if e.model != model || total > 0 && total+int(e.size) > windowBytes {
			break
		}
		r, err := p.x.load(p.left[0])
		if err != nil {
			return err
		}
		s := r.shape()
		list = append(list, &job{i: p.left[0], r: r, text: s.text, cost: s.cost, bytes: int(e.size)})
		total += int(e.size)
		p.left = p.left[1:]
	}
	p.jobs = append(p.jobs, arrange(list)...)
	return nil
}

// arrange puts prompts that begin alike next to each other. The groups with the longest
// request come first, so that no long one is left alone at the end.
func arrange(list []*job) []*job {
	slices.SortStableFunc(list, func(a, b *job) int { return bytes.Compare(a.text, b.text) })
	var groups [][]*job
	for i, j := range list {
		n := 0
		if i > 0 {
			n = common(list[i-1].text, j.text)
		}
		if n < related {
			groups = append(groups, nil)
			j.group = &group{}
		} else {
			j.group = list[i-1].group
			if j.group.shared == 0 || n < j.group.shared {
				j.group.shared = n
			}
		}
		last := len(groups) - 1
		groups[last] = append(groups[last], j)
	}
	slices.SortStableFunc(groups, func(a, b []*job) int { return cmp.Compare(longest(b), longest(a)) })
	list = slices.Concat(groups...)
	for _, j := range list {
		j.text = nil
	}
	return list
}

func longest(list []*job) int {
	return slices.MaxFunc(list, func(a, b *job) int { return cmp.Compare(a.cost, b.cost) }).cost
}

// common is how many bytes two texts begin with alike.
func common(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
