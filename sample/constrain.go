package sample

import (
	"slices"

	"github.com/mil-run/mil/constrain"
)

// Constraint is a mask that makes the tokens behind a position of the text hold to
// a grammar. It is not for two goroutines.
type Constraint struct {
	m     *constrain.Matcher
	begin int
	read  []int32 // the tokens that m has read
	mask  []uint32
	err   error
}

// Constrain begins a text that follows a grammar, begin tokens behind the
// beginning of the texts that its mask is asked for.
func Constrain(g *constrain.Grammar, v *constrain.Vocabulary, begin int) *Constraint {
	return &Constraint{m: g.Matcher(v), begin: begin}
}

// follow makes the matcher read a text, forwards or back from the one before.
func (c *Constraint) follow(text []int32) error {
	news := text[min(c.begin, len(text)):]
	same := 0
	for same < min(len(news), len(c.read)) && news[same] == c.read[same] {
		same++
	}
	c.m.Back(len(c.read) - same)
	c.read = c.read[:same]
	for _, id := range news[same:] {
		if err := c.m.Accept(id); err != nil {
			return err
		}
		c.read = append(c.read, id)
	}
	return nil
}

// Mask is a [Mask]. Where the grammar forces a text, it allows the token alone that
// the vocabulary writes it with. Behind an error it allows nothing.
func (c *Constraint) Mask(text []int32) []uint32 {
	words, err := c.allowed(text)
	if err != nil {
		c.err = err
		return []uint32{} // nil would allow everything
	}
	return words
}

func (c *Constraint) allowed(text []int32) ([]uint32, error) {
	if err := c.follow(text); err != nil {
		return nil, err
	}
	forced, err := c.m.Forced()
	if err != nil {
		return nil, err
	}
	if len(forced) > 0 {
		n := c.m.Words()
		c.mask = slices.Grow(c.mask[:0], n)[:n]
		clear(c.mask)
		c.mask[forced[0]/32] |= 1 << (forced[0] % 32)
		return c.mask, nil
	}
	c.mask, err = c.m.Mask(c.mask)
	return c.mask, err
}

// Forced are the tokens that Mask would allow alone behind a text, one after the
// other.
func (c *Constraint) Forced(text []int32) []int32 {
	if err := c.follow(text); err != nil {
		return nil // Mask says so, too
	}
	ids, err := c.m.Forced()
	if err != nil {
		return nil
	}
	return ids
}

// Err is why the mask allowed nothing the last time that it did so by an error.
func (c *Constraint) Err() error { return c.err }
