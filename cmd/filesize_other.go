//go:build !unix

package cmd

// ignoreFileSize has nothing to do on systems without such a limit.
func ignoreFileSize() {}
