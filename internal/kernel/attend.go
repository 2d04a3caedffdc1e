package kernel

import (
	"slices"
	"unsafe"
)

// Geometry of a cache and of the attention on it, as in c/attend.c.
const (
	Strip  = 32  // columns that lie together
	Block  = 512 // positions that a softmax sees at once
	Stride = 528 // float32 from row to row of queries and of scores
)

// blockAhead is how far, in bytes, a block of the cache is fetched ahead.
const blockAhead = 2 << 10

// Layout is how a block of a cache lies.
type Layout int

// Layouts of blocks. A strip of int8 is tiles of 32 of its rows (attend8.go).
const (
	Float32 Layout = iota
	Float16
	Int8Keys
	Int8Values
	layouts
)

// StripBytes is the size of a strip of the given number of rows.
func (l Layout) StripBytes(rows int) int {
	if l == Float32 || l == Float16 {
		return rows * Strip * l.size()
	}
	return (rows + Strip - 1) / Strip * Tile
}

// size is the bytes of a float.
func (l Layout) size() int {
	if l == Float16 {
		return 2
	}
	return 4
}

// attention are the kernels of attention and of its cache.
type attention struct {
	mul                    [layouts][]mul
	store                  [2]func(unsafe.Pointer) // of floats
	softmax, merge, rotate func(unsafe.Pointer)
}

// mul is a product of a fixed number of rows.
type mul struct {
	rows  int
	run   func(unsafe.Pointer)
	fours func(unsafe.Pointer) // of 4 strips side by side, or nil
}

func (a *attention) init(s *Set) {
	for i, t := range []string{"F32", "F16", "K8", "V8"} {
		for rows, suffix := range map[int]string{1: "x1", 2: "x2", 3: "x3", 4: "x4", 6: "x6", 12: "x12"} {
			if f := s.kernel("mul" + t + suffix); f != nil {
				a.mul[i] = append(a.mul[i], mul{rows, f, s.kernel("mul" + t + suffix + "by4")})
			}
		}
		slices.SortFunc(a.mul[i], func(x, y mul) int { return y.rows - x.rows })
	}
	a.store = [2]func(unsafe.Pointer){s.must("storeF32"), s.must("storeF16")}
	a.softmax, a.merge, a.rotate = s.must("softmax"), s.must("merge"), s.must("rotate")
}

// Query is the unfinished softmax of one query.
type Query struct {
	Max, Sum float32 // of the scores; of e^(score - Max)
	Factor   float32 // factor of earlier results
	Seen     int32   // positions of the present block that count
}

// mulArgs is MulArgs of c/attend.c.
type mulArgs struct {
	a, b      unsafe.Pointer
	k, strips int
	strip     int
	c         unsafe.Pointer
	ld        int
	rows      unsafe.Pointer
	end, next uintptr
	ahead     int
	work      unsafe.Pointer
}

type softmaxArgs struct {
	s, rows unsafe.Pointer
	n, fill int
	scale   float32
}

type mergeArgs struct {
	rows      unsafe.Pointer
	rowStride int
	o         unsafe.Pointer
	dim       int
	parts     int
}

type rotateArgs struct {
	x          unsafe.Pointer
	heads, dim int
	cos, sin   unsafe.Pointer
	n          int
}

type storeArgs struct {
	k, v     unsafe.Pointer
	dim      int
	toK, toV unsafe.Pointer
	strip    int
}

// attendArgs are a worker's arguments for attention.
type attendArgs struct {
	mul     mulArgs
	softmax softmaxArgs
	merge   mergeArgs
	rotate  rotateArgs
	store   storeArgs
	work    [12 * Strip]float32 // of values' weights
	cell    cell
}

// Strips is a block of a cache's keys or values: strips of [rows][Strip] one
// after the other.
type Strips struct {
	Layout Layout
	Data   []byte // the block's
	Size   int    // bytes from strip to strip
	Next   []byte // bytes to be read after it, or nil
}

// Mul multiplies n rows of a, [n][Stride], k columns of each, with strips
// strips of b: c[row*ld+column], on top of c times rows' factors where rows is
// not nil. A row's bits do not depend on n.
func (s *Set) Mul(wk *Worker, n int, a []float32, k int, b *Strips, strips int, c []float32, ld int, rows []Query) {
	m := &wk.attend.mul
	*m = mulArgs{b: unsafe.Pointer(&b.Data[0]), k: k, strips: strips, strip: b.Size, ld: 4 * ld, ahead: blockAhead, work: unsafe.Pointer(&wk.attend.work)}
	if b.Next != nil {
		m.end = uintptr(unsafe.Pointer(&b.Data[0])) + uintptr(len(b.Data))
		m.next = uintptr(unsafe.Pointer(&b.Next[0]))
	}
	for at := 0; at < n; {
		f := s.mulFor(b.Layout, n-at)
		m.a, m.c = unsafe.Pointer(&a[at*Stride]), unsafe.Pointer(&c[at*ld])
		if rows != nil {
			m.rows = unsafe.Pointer(&rows[at])
		}
		if f.fours != nil && strips%4 == 0 {
			f.fours(unsafe.Pointer(m))
		} else {
			f.run(unsafe.Pointer(m))
		}
		at += f.rows
	}
}

// mulFor is the product for the most rows up to n.
func (s *Set) mulFor(layout Layout, n int) *mul {
	list := s.mul[layout]
	i := 0
	for list[i].rows > n {
		i++
	}
	return &list[i]
}

// Softmax turns the scores s, [len(rows)][Stride], into weights
// e^(score*scale - Max) and brings rows up to date. Those from a row's Seen to
// fill, rounded up to 16, become 0.
func (s *Set) Softmax(wk *Worker, scores []float32, rows []Query, fill int, scale float32) {
	wk.attend.softmax = softmaxArgs{s: unsafe.Pointer(&scores[0]), rows: unsafe.Pointer(&rows[0]), n: len(rows), fill: (fill + 15) &^ 15, scale: scale}
	s.softmax(unsafe.Pointer(&wk.attend.softmax))
}

// Merge puts a query's partial results o, [parts][dim], together into the
// first, weighted and divided as their rows say, which lie rowStride apart.
// dim is a multiple of Strip.
func (s *Set) Merge(wk *Worker, rows []Query, rowStride int, o []float32, dim, parts int) {
	wk.attend.merge = mergeArgs{rows: unsafe.Pointer(&rows[0]), rowStride: rowStride * int(unsafe.Sizeof(Query{})), o: unsafe.Pointer(&o[0]), dim: dim, parts: parts}
	s.merge(unsafe.Pointer(&wk.attend.merge))
}

// Rotate turns adjacent pairs of each head of x, [heads][dim]. cos and sin hold
// each angle's twice, the first sine of a pair negative.
func (s *Set) Rotate(wk *Worker, x []float32, dim int, cos, sin []float32) {
	if len(cos) == 0 {
		return
	}
	wk.attend.rotate = rotateArgs{x: unsafe.Pointer(&x[0]), heads: len(x) / dim, dim: dim, cos: unsafe.Pointer(&cos[0]), sin: unsafe.Pointer(&sin[0]), n: len(cos)}
	s.rotate(unsafe.Pointer(&wk.attend.rotate))
}

// Store writes position pos of a block, its key and its value.
func (s *Set) Store(wk *Worker, k, v []float32, keys, values *Strips, pos int) {
	if keys.Layout == Int8Keys {
		wk.attend.cell.key(k, keys, pos)
		wk.attend.cell.value(v, values, pos)
		return
	}
	size := keys.Layout.size()
	wk.attend.store = storeArgs{k: unsafe.Pointer(&k[0]), v: unsafe.Pointer(&v[0]), dim: len(k), strip: values.Size,
		toK: unsafe.Pointer(&keys.Data[pos/Strip*keys.Size+pos%Strip*size]), toV: unsafe.Pointer(&values.Data[pos*Strip*size])}
	s.store[keys.Layout](unsafe.Pointer(&wk.attend.store))
}
