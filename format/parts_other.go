//go:build !linux

package format

import (
	"fmt"
	"io"
	"os"

	"github.com/edsrzf/mmap-go"
)

// mapParts reads the parts behind each other into memory. Here no two files can
// be mapped as one range, which Metal needs too.
func (f *File) mapParts(total int) error {
	m, err := mmap.MapRegion(nil, total, mmap.RDWR, mmap.ANON, 0)
	if err != nil {
		return fmt.Errorf("%d bytes of memory for the parts: %w", total, err)
	}
	f.data, f.mapping = m, m
	for _, p := range f.parts {
		if err := readPart(p, f.data[p.base:p.base+p.size]); err != nil {
			f.Close()
			return err
		}
	}
	return nil
}

func readPart(p part, into []byte) error {
	file, err := os.Open(p.path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.ReadFull(file, into)
	return err
}
