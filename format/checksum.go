package format

import (
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
)

// The keys of a file of ours; all checksums are CRC-32C.
const (
	ours         = "mil."
	Arch         = "mambainllama"         // the architecture only mil writes
	keyAlignment = "general.alignment"    // uint32
	keyTensors   = "mil.checksum.tensors" // []uint32, in tensor order, of data without padding
	keyHeader    = "mil.checksum.header"  // uint32, of all before the data with its own 4 bytes as zero
	keyPadding   = "mil.padding"          // string that makes the header end on a page
	verifyStep   = 4 << 20                // bytes between two reports of progress
	keyArch      = "general.architecture" // string
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// headerSum is the checksum of a header whose 4 bytes at skip count as zero.
// skip is -1 where there are none.
func headerSum(head []byte, skip int) uint32 {
	if skip < 0 {
		return crc32.Update(0, castagnoli, head)
	}
	crc := crc32.Update(0, castagnoli, head[:skip])
	crc = crc32.Update(crc, castagnoli, make([]byte, 4))
	return crc32.Update(crc, castagnoli, head[skip+4:])
}

// isOurs says whether the file claims to be made by mil. One damaged byte
// cannot hide that, since several keys say so.
//
// ggml's tools copy a file's keys and add their own behind them. The padding is
// the last key that mil writes, and no damage moves a key. So what follows it
// tells a file that was rewritten, whose checksums are another file's.
func isOurs(m *Meta) bool {
	if i := slices.Index(m.keys, keyPadding); i >= 0 && i < len(m.keys)-1 {
		return false
	}
	for _, k := range m.keys {
		if strings.HasPrefix(k, ours) {
			return true
		}
	}
	arch, _, err := m.String(keyArch)
	return err == nil && arch == Arch
}

// checkHeader computes the header's checksum. Where the file is ours, the
// checksum, the number of tensor checksums and the file's length must be right.
func (f *File) checkHeader() error {
	m := f.h.meta
	size, _ := f.Header()
	f.ours = isOurs(m)
	if !f.ours {
		f.crc = headerSum(f.data[:size], -1)
		return nil
	}
	if f.h.data > len(f.data) {
		return fault(ErrTruncated, "the header ends %d bytes past the file", f.h.data-len(f.data))
	}
	e, ok := m.vals[keyHeader]
	if !ok || e.array || e.kind != kindUint32 {
		return fault(ErrChecksum, "key %s is missing or not a uint32: the header is damaged", keyHeader)
	}
	stored := uint32(little(m.head[e.off : e.off+4]))
	f.crc = headerSum(f.data[:size], e.off)
	if f.crc != stored {
		return fault(ErrChecksum, "the header is damaged: its checksum is %08x, not %08x", f.crc, stored)
	}
	if e, ok := m.vals[keyTensors]; !ok || !e.array || e.kind != kindUint32 || e.count != len(f.h.tensors) {
		return fault(ErrCorrupt, "key %s is not an array of one uint32 a tensor", keyTensors)
	}
	return f.checkLayout()
}

// checkLayout demands the Writer's layout: tensors in order, each padded to the
// alignment, and the file's end where the last padding ends.
func (f *File) checkLayout() error {
	at := uint64(f.h.data)
	for _, t := range f.h.tensors {
		if t.Offset != at {
			return fault(ErrCorrupt, "tensor %s begins at offset %d, not %d", show(t.Name), t.Offset, at)
		}
		at = roundUp(t.Offset+t.Size, f.h.unit)
	}
	if n := uint64(len(f.data)); n < at {
		return fault(ErrTruncated, "the file is %d bytes long, and its header says %d", n, at)
	} else if n > at {
		return fault(ErrCorrupt, "the file is %d bytes long, and its header says %d", n, at)
	}
	return nil
}

// Verify reads the whole file and compares every tensor's checksum. Padding
// must be zero. The error names the first damaged tensor. It is ErrNoChecksums
// for a file made elsewhere. progress may be nil.
func (f *File) Verify(progress func(done, total int64)) error {
	if !f.ours {
		return fmt.Errorf("verify %s: %w", f.name, ErrNoChecksums)
	}
	var bad error
	if err := Guard(func() { bad = f.verify(progress) }); err != nil {
		bad = ErrChanged
	}
	if bad != nil {
		return fmt.Errorf("verify %s: %w", f.name, bad)
	}
	return nil
}

func (f *File) verify(progress func(done, total int64)) error {
	// The header again: it may have changed on disk since it was opened.
	if crc := headerSum(f.data[:f.h.data], f.h.meta.vals[keyHeader].off); crc != f.crc {
		return fault(ErrChecksum, "the header is damaged: its checksum is %08x, not %08x", crc, f.crc)
	}
	report := func(end uint64) {
		if progress != nil {
			progress(int64(end), int64(len(f.data)))
		}
	}
	for _, t := range f.h.tensors {
		c := f.Check(t)
		for at, left := t.Offset, t.Size; left > 0; {
			n := min(left, verifyStep)
			c.Add(f.data[at : at+n])
			at, left = at+n, left-n
			report(at)
		}
		if err := c.End(); err != nil {
			return err
		}
	}
	report(uint64(len(f.data)))
	return nil
}

// Check compares a tensor with its checksum while somebody reads it, so that
// its bytes are fetched once. A nil Check belongs to a file without checksums
// and finds nothing wrong.
type Check struct {
	f    *File
	t    Info
	crc  uint32
	want uint32
}

// Check begins the check of a tensor of f.
func (f *File) Check(t Info) *Check {
	if !f.ours {
		return nil
	}
	e := f.h.meta.vals[keyTensors]
	at := e.off + 4*f.index[t.Name]
	return &Check{f: f, t: t, want: uint32(little(f.h.meta.head[at : at+4]))}
}

// Add takes the tensor's next bytes, each once and in order.
func (c *Check) Add(b []byte) {
	if c != nil {
		c.crc = crc32.Update(c.crc, castagnoli, b)
	}
}

// End follows the last Add. Its error names the tensor and wraps ErrChecksum.
// The padding behind the tensor counts too.
func (c *Check) End() error {
	if c == nil {
		return nil
	}
	if c.crc != c.want {
		return fault(ErrChecksum, "tensor %s is damaged: its checksum is %08x, not %08x", show(c.t.Name), c.crc, c.want)
	}
	end := c.t.Offset + c.t.Size
	for p := end; p < roundUp(end, c.f.h.unit); p++ {
		if c.f.data[p] != 0 {
			return fault(ErrChecksum, "the padding after tensor %s is damaged: byte %d is not zero", show(c.t.Name), p)
		}
	}
	return nil
}

// Intact reads a tensor and checks it, in a file that carries checksums.
func (f *File) Intact(t Info) error {
	c := f.Check(t)
	if c != nil {
		c.Add(f.Data(t))
	}
	return c.End()
}
