package source

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/mil-run/mil/internal/jsonscan"
)

// maxHeader is the format's own limit.
const maxHeader = 100_000_000

// safetensorsTypes are the element types that a header may name. Types of less
// than a byte are not among them, since their sizes follow other rules.
var safetensorsTypes = map[string]dtype{
	"F32": {F32, 4}, "F16": {F16, 2}, "BF16": {BF16, 2},
	"F64": {Unsupported, 8}, "C64": {Unsupported, 8},
	"I64": {Unsupported, 8}, "I32": {Unsupported, 4}, "I16": {Unsupported, 2}, "I8": {Unsupported, 1},
	"U64": {Unsupported, 8}, "U32": {Unsupported, 4}, "U16": {Unsupported, 2}, "U8": {Unsupported, 1},
	"BOOL": {Unsupported, 1}, "F8_E4M3": {Unsupported, 1}, "F8_E5M2": {Unsupported, 1}, "F8_E8M0": {Unsupported, 1},
}

// readSafetensors adds the tensors of one file: eight bytes of header length,
// the header in JSON, and the values to the last byte.
func (c *Checkpoint) readSafetensors(f file) error {
	var lead [8]byte
	if f.size < int64(len(lead)) {
		return fmt.Errorf("%d bytes are too few for a safetensors file", f.size)
	}
	if _, err := f.ReadAt(lead[:], 0); err != nil {
		return reason(err)
	}
	n := binary.LittleEndian.Uint64(lead[:])
	if n > maxHeader {
		return fmt.Errorf("not a safetensors file: a header of %d bytes (at most %d)", n, maxHeader)
	}
	data := int64(len(lead)) + int64(n)
	if data > f.size {
		return fmt.Errorf("the header ends %d bytes past the file", data-f.size)
	}
	head := make([]byte, n)
	if _, err := f.ReadAt(head, int64(len(lead))); err != nil {
		return fmt.Errorf("header: %w", reason(err))
	}
	if !utf8.Valid(head) { // the decoder would replace bytes, and names with them
		return errors.New("header: not UTF-8")
	}
	var tensors []*Tensor
	err := walkDocument(head, maxTensors+1, func(dec *json.Decoder, name string) error {
		if name == "__metadata__" {
			return skipValue(dec)
		}
		t, err := readEntry(dec, name)
		if err != nil {
			return fmt.Errorf("tensor %s: %w", Show(name), err)
		}
		t.File, t.src = f.name, f
		tensors = append(tensors, t)
		return nil
	})
	if err != nil {
		return fmt.Errorf("header: %w", err)
	}
	if err := checkTiling(tensors, f.size-data); err != nil {
		return err
	}
	for _, t := range tensors {
		t.offset += data
		if err := c.add(t); err != nil {
			return err
		}
	}
	return nil
}

// readEntry reads one tensor's description; its offset is within the data.
func readEntry(dec *json.Decoder, name string) (*Tensor, error) {
	t := &Tensor{Name: name}
	var span []int64
	err := walkObject(dec, maxKeys, func(dec *json.Decoder, key string) error {
		var v any
		switch key {
		case "dtype":
			v = &t.TypeName
		case "shape":
			return decodeList(dec, key, maxRank, &t.Shape)
		case "data_offsets":
			return decodeList(dec, key, 2, &span)
		default:
			return skipValue(dec)
		}
		if err := decodeValue(dec, v); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	kind, ok := safetensorsTypes[t.TypeName]
	if !ok {
		return nil, fmt.Errorf("unknown dtype %s", Show(t.TypeName))
	}
	t.DType = kind.dtype
	if t.Shape == nil {
		return nil, errors.New("it has no shape")
	}
	if t.size, ok = byteSize(t.Shape, kind.width); !ok {
		return nil, fmt.Errorf("impossible shape %s", showInts(t.Shape))
	}
	if len(span) != 2 || span[0] < 0 || span[1] < span[0] {
		return nil, fmt.Errorf("impossible data_offsets %s", showInts(span))
	}
	if span[1]-span[0] != t.size {
		return nil, fmt.Errorf("shape %s of %s takes %d bytes, data_offsets hold %d", showInts(t.Shape), t.TypeName, t.size, span[1]-span[0])
	}
	t.offset = span[0]
	return t, nil
}

// decodeList decodes a list of at most most numbers.
func decodeList[T int | int64](dec *json.Decoder, key string, most int, into *[]T) error {
	var raw json.RawMessage
	if err := decodeValue(dec, &raw); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	if n := jsonscan.Commas(raw, 1) + 1; n > most {
		return fmt.Errorf("%s has %d entries; at most %d are taken", key, n, most)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%s: %w", key, jsonError(err))
	}
	return nil
}

// checkTiling makes sure that the tensors lie one after another and fill the
// data, as the format demands. Readers would differ on the contents of an
// overlap or a gap.
func checkTiling(tensors []*Tensor, data int64) error {
	slices.SortFunc(tensors, func(a, b *Tensor) int {
		return cmp.Or(cmp.Compare(a.offset, b.offset), cmp.Compare(a.size, b.size))
	})
	// Truncation first: it is the likely fault, and nothing else explains it.
	for _, t := range tensors {
		if over := t.size - (data - t.offset); over > 0 {
			return fmt.Errorf("tensor %s ends %d bytes past the file", Show(t.Name), over)
		}
	}
	var end int64
	for i, t := range tensors {
		if t.offset < end {
			return fmt.Errorf("tensor %s overlaps %s", Show(t.Name), Show(tensors[i-1].Name))
		}
		if t.offset > end {
			return fmt.Errorf("%d bytes before tensor %s belong to no tensor", t.offset-end, Show(t.Name))
		}
		end += t.size
	}
	if end < data {
		return fmt.Errorf("%d bytes after the last tensor belong to no tensor", data-end)
	}
	return nil
}
