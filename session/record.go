package session

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/model"
)

// The file is little-endian (docs/sessions.md): a header, then records. A
// record is a head, sections and a table of them. Its head is written last.
const (
	fileMagic   = "MILSESS\x01"
	recordMagic = "MILTURN\x01"
	headSize    = 64
	entrySize   = 40
	unit        = 64              // records and sections begin on multiples of it
	pageUnit    = format.PageSize // sections that are mapped begin on multiples of it
	largeUnit   = 2 << 20         // or of this, a processor's large page
	maxHeader   = 16 << 20
	maxSections = 1 << 24
)

// Kinds of sections.
const (
	kindInfo   = iota + 1 // JSON
	kindTokens            // int32
	kindState             // a part of the recurrent state: at the turn's end, or where from is i+1 at its point i
	kindCache             // positions [from, to) of a cache
	kindLogits            // of the token after point i, where from is i+1; float32
	kindLost              // positions that a slide took out of a cache behind position to, when from tokens had been dropped
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// The kinds of faults in a session's file. Errors of this package wrap one of
// these where the file is to blame.
var (
	ErrNotSession = errors.New("it is not a session file")
	ErrCut        = errors.New("the session file is cut short")
	ErrDamaged    = errors.New("the session file is damaged")
	ErrModel      = errors.New("the session is of another model")
)

// header binds a file to its model.
type header struct {
	Model string       `json:"model"` // model.Session.Identity
	Name  string       `json:"name"`  // of the model, for messages
	Parts []model.Part `json:"parts"`
}

// encode gives the header's bytes: magic, their length, the length of the JSON,
// the JSON, zeros, and a checksum of all before it.
func (h *header) encode() ([]byte, error) {
	j, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	b := make([]byte, roundUp(16+len(j)+4, unit))
	copy(b, fileMagic)
	binary.LittleEndian.PutUint32(b[8:], uint32(len(b)))
	binary.LittleEndian.PutUint32(b[12:], uint32(len(j)))
	copy(b[16:], j)
	binary.LittleEndian.PutUint32(b[len(b)-4:], sum(b[:len(b)-4]))
	return b, nil
}

// parseHeader reads the header at the beginning of a file. Where want is given,
// the model must be the same, and parts are only read where they may be.
func parseHeader(b []byte, want *header) (h *header, size int, err error) {
	if len(b) < 16 {
		if !bytes.HasPrefix([]byte(fileMagic), b[:min(len(b), 8)]) || len(b) == 0 {
			return nil, 0, ErrNotSession
		}
		return nil, 0, ErrCut
	}
	if string(b[:8]) != fileMagic {
		return nil, 0, ErrNotSession
	}
	size = int(binary.LittleEndian.Uint32(b[8:]))
	n := int(binary.LittleEndian.Uint32(b[12:]))
	switch {
	case size > maxHeader || size%unit != 0 || n < 0 || n > size-20:
		return nil, 0, fmt.Errorf("%w: its header says %d bytes", ErrDamaged, size)
	case size > len(b):
		return nil, 0, ErrCut
	case sum(b[:size-4]) != binary.LittleEndian.Uint32(b[size-4:]):
		return nil, 0, fmt.Errorf("%w: checksum of the header", ErrDamaged)
	}
	var read struct {
		Model, Name string
		Parts       json.RawMessage
	}
	err = json.Unmarshal(b[16:16+n], &read)
	h = &header{Model: read.Model, Name: read.Name}
	switch {
	case err != nil:
	case want != nil && h.Model != want.Model:
		return nil, 0, fmt.Errorf("%w: %s", ErrModel, h.Name)
	case want != nil && bytes.Count(read.Parts, []byte("{")) != len(want.Parts):
	case len(read.Parts) > 0:
		err = json.Unmarshal(read.Parts, &h.Parts)
	}
	if err == nil && slices.ContainsFunc(h.Parts, func(p model.Part) bool { return p.Bytes <= 0 || p.Window < 0 }) {
		err = errors.New("a part without bytes, or with a window of none")
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%w: header: %v", ErrDamaged, err)
	}
	return h, size, nil
}

// section is one piece of a record. It holds data, or the bytes that fill
// appends to a buffer when it is written.
type section struct {
	kind, part, from, to int
	data                 []byte
	fill                 func(buf []byte) ([]byte, error)
	align                int // begins on a multiple of it

	off, size int // set where it was read: in the file
	crc       uint32
	turn      int
	covered   bool     // another lies over a part of it
	memory    [][]byte // where it is mapped already
	into      [][]byte // where it is to be read to
}

// writeRecord writes a record to offset at of a file and returns where it ends.
// seq is the number of records before it. The head comes last, after all else
// is on disk. Until it is there, the record does not exist.
func writeRecord(f file, at int64, seq int, list []section) (end int64, err error) {
	table := make([]byte, 0, len(list)*entrySize)
	pos := at + headSize
	var buf []byte
	for _, s := range list {
		pos = roundUp(pos, int64(max(unit, s.align)))
		data := s.data
		if s.fill != nil {
			if buf, err = s.fill(buf[:0]); err != nil {
				return 0, err
			}
			data = buf
		}
		if _, err := f.WriteAt(data, pos); err != nil {
			return 0, err
		}
		for _, v := range []int{s.kind, s.part, s.from, s.to} {
			table = binary.LittleEndian.AppendUint32(table, uint32(v))
		}
		table = binary.LittleEndian.AppendUint64(table, uint64(pos-at))
		table = binary.LittleEndian.AppendUint64(table, uint64(len(data)))
		table = binary.LittleEndian.AppendUint32(table, sum(data))
		table = binary.LittleEndian.AppendUint32(table, 0)
		pos += int64(len(data))
	}
	pos = roundUp(pos, unit)
	end = roundUp(pos+int64(len(table)), unit)
	padded := append(slices.Clone(table), make([]byte, end-pos-int64(len(table)))...)
	if _, err := f.WriteAt(padded, pos); err != nil {
		return 0, err
	}
	if err := f.Sync(); err != nil {
		return 0, err
	}
	head := make([]byte, headSize)
	copy(head, recordMagic)
	binary.LittleEndian.PutUint64(head[8:], uint64(end-at))
	binary.LittleEndian.PutUint64(head[16:], uint64(pos-at))
	binary.LittleEndian.PutUint32(head[24:], uint32(len(list)))
	binary.LittleEndian.PutUint32(head[28:], sum(table))
	binary.LittleEndian.PutUint64(head[32:], uint64(seq))
	binary.LittleEndian.PutUint32(head[60:], sum(head[:60]))
	if _, err := f.WriteAt(head, at); err != nil {
		return 0, err
	}
	return end, f.Sync()
}

// file is the methods of os.File that writing records needs.
type file interface {
	io.WriterAt
	Sync() error
}

// errTorn says that a record was begun and its head was never written.
var errTorn = errors.New("torn")

// parseRecord reads the table of the record at offset at of a file's bytes, and
// finds where the record ends. It checks everything except the sections'
// checksums.
func parseRecord(b []byte, at, seq int) (list []section, end int, err error) {
	if len(b)-at < headSize {
		return nil, 0, ErrCut
	}
	head := b[at : at+headSize]
	if allZero(head) {
		return nil, 0, errTorn
	}
	if string(head[:8]) != recordMagic || sum(head[:60]) != binary.LittleEndian.Uint32(head[60:]) || binary.LittleEndian.Uint64(head[32:]) != uint64(seq) {
		return nil, 0, fmt.Errorf("%w: head of turn %d", ErrDamaged, seq)
	}
	size, tableAt := binary.LittleEndian.Uint64(head[8:]), binary.LittleEndian.Uint64(head[16:])
	if size > uint64(len(b)-at) {
		return nil, 0, ErrCut
	}
	n := int(binary.LittleEndian.Uint32(head[24:]))
	if n > maxSections || tableAt < headSize || tableAt > size || uint64(n*entrySize) > size-tableAt || size%unit != 0 {
		return nil, 0, fmt.Errorf("%w: table of turn %d", ErrDamaged, seq)
	}
	record := b[at : at+int(size)]
	table := record[tableAt:][:n*entrySize]
	if sum(table) != binary.LittleEndian.Uint32(head[28:]) {
		return nil, 0, fmt.Errorf("%w: checksum of the table of turn %d", ErrDamaged, seq)
	}
	list = make([]section, 0, n)
	last := uint64(headSize) // sections lie in order, with zeros between them
	for i := range n {
		e := table[i*entrySize:]
		word := func(i int) int { return int(binary.LittleEndian.Uint32(e[4*i:])) }
		off, size := binary.LittleEndian.Uint64(e[16:]), binary.LittleEndian.Uint64(e[24:])
		if off < last || off > tableAt || size > tableAt-off || !allZero(record[last:off]) || word(9) != 0 {
			return nil, 0, fmt.Errorf("%w: section %d of turn %d", ErrDamaged, i, seq)
		}
		list = append(list, section{kind: word(0), part: word(1), from: word(2), to: word(3), off: at + int(off), size: int(size), crc: uint32(word(8)), turn: seq})
		last = off + size
	}
	if !allZero(record[last:tableAt]) || !allZero(record[int(tableAt)+len(table):]) {
		return nil, 0, fmt.Errorf("%w: padding of turn %d", ErrDamaged, seq)
	}
	return list, at + int(size), nil
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

func roundUp[T int | int64](n, to T) T { return (n + to - 1) / to * to }
