//go:build nogpu

package cuda

// library is not there: opening one takes a dynamic loader, which a static program
// does without.
func library() (driver, error) {
	return nil, ErrLeftOut
}
