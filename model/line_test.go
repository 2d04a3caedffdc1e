package model

import (
	"slices"
	"testing"
)

// Many points of one timeline take the memory of its tokens about once, also
// where it went back and took other ways; and each goes on holding its own.
func TestLinesShareTokens(t *testing.T) {
	s := &Session{}
	feed := func(n int) {
		for range n {
			s.tokens = append(s.tokens, int32(len(s.tokens)^len(s.pieces)<<20))
		}
	}
	type point struct {
		line
		want []int32
	}
	var points []point
	mark := func() { points = append(points, point{s.line(len(s.tokens)), slices.Clone(s.tokens)}) }
	cuts := 0
	for i := range 1600 {
		feed(40)
		mark()
		if i%7 == 3 { // a turn is taken back, another one follows
			s.cut(len(s.tokens) - 40 - i%300)
			cuts += 40 + i%300
			feed(30)
			mark()
		}
	}
	arrays := map[*int32]int{}
	rests := 0
	for _, p := range points {
		if !p.begins(p.want) || p.begins(p.want[:len(p.want)-1]) || !slices.Equal(p.tokens(), p.want) {
			t.Fatalf("a point after %d tokens holds others", len(p.want))
		}
		for _, list := range p.shared {
			arrays[&list[0]] = len(list)
		}
		rests += len(p.rest)
	}
	shared := 0
	for _, n := range arrays {
		shared += n
	}
	if most := len(s.tokens) + cuts + 230*piece; shared > most || rests > len(points)*piece {
		t.Errorf("%d points of %d tokens hold %d tokens together and %d by themselves", len(points), len(s.tokens), shared, rests)
	}
	t.Log(len(points), "points of", len(s.tokens), "tokens:", shared, "shared,", rests, "not")
}
