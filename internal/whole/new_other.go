//go:build unix && !linux && !darwin

package whole

func renameNew(temp, path string) error { return linkNew(temp, path) }
