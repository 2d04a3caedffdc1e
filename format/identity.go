package format

import (
	"fmt"
	"hash/crc32"
)

// Samples of a foreign file's data that its identity covers.
const (
	identitySamples = 64
	identitySample  = 4 << 10
)

// Identity tells this file's contents from any other's without reading all of
// them. For a file of ours it covers length and header checksum, which covers
// the tensors' checksums. For one made elsewhere it covers length, header and
// samples of the data.
func (f *File) Identity() (id string, err error) {
	size, crc := f.Header()
	if f.ours {
		return fmt.Sprintf("mil %d %d %08x", len(f.data), size, crc), nil
	}
	samples := uint32(0)
	err = Guard(func() {
		step := max(identitySample, (len(f.data)-size)/identitySamples)
		for at := size; at < len(f.data); at += step {
			samples = crc32.Update(samples, castagnoli, f.data[at:min(at+identitySample, len(f.data))])
		}
		samples = crc32.Update(samples, castagnoli, f.data[max(size, len(f.data)-identitySample):])
	})
	return fmt.Sprintf("gguf %d %d %08x %08x", len(f.data), size, crc, samples), err
}
