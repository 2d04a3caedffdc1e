package schedule

import "github.com/mil-run/mil/session"

// disk is a store of files.
type disk struct{ *session.Cache }

// NewStore is a store in a folder, for engines of models. The folder stays the
// caller's to close.
func NewStore(c *session.Cache) Store { return disk{c} }

func (d disk) Find(key string, s Sequence, tokens []int32, least int) (int, error) {
	n, _, err := d.Under(key).Find(s.(*sequence).Session, tokens, least)
	return n, err
}

func (d disk) Keep(key string, s Sequence) { d.Under(key).Keep(s.(*sequence).Session, nil) }
