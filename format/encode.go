package format

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
)

func appendString(b []byte, s string) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(len(s)))
	return append(b, s...)
}

// appendKey encodes a key with its value.
func appendKey(b []byte, key string, v any) ([]byte, error) {
	if key == "" || len(key) > maxName {
		return nil, fmt.Errorf("key %s is empty or too long", show(key))
	}
	b = appendString(b, key)
	rv := reflect.ValueOf(v)
	if !rv.IsValid() {
		return nil, fmt.Errorf("key %s has no value", show(key))
	}
	elem := rv.Type()
	array := elem.Kind() == reflect.Slice
	if array {
		elem = elem.Elem()
		b = binary.LittleEndian.AppendUint32(b, uint32(kindArray))
	}
	k, ok := kindOf(elem)
	if !ok {
		return nil, fmt.Errorf("key %s holds a %s, which GGUF has no type for", show(key), rv.Type())
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(k))
	if array {
		b = binary.LittleEndian.AppendUint64(b, uint64(rv.Len()))
	}
	switch {
	case k == kindString && array:
		for i := range rv.Len() {
			b = appendString(b, rv.Index(i).String())
		}
		return b, nil
	case k == kindString:
		return appendString(b, rv.String()), nil
	}
	return binary.Append(b, binary.LittleEndian, v)
}

// kindOf is the GGUF type for a Go type. int and uint have none, since their
// size would depend on the machine.
func kindOf(t reflect.Type) (kind, bool) {
	for k := range kindCount {
		if k != kindArray && kinds[k].goes == t.Kind() {
			return k, true
		}
	}
	return 0, false
}

// appendTensor encodes a tensor's description; offset counts from the start of
// the data section.
func appendTensor(b []byte, t Info, offset uint64) []byte {
	b = appendString(b, t.Name)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(t.Dims)))
	for _, d := range t.Dims {
		b = binary.LittleEndian.AppendUint64(b, d)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(t.Type))
	return binary.LittleEndian.AppendUint64(b, offset)
}

// layout is an encoded header.
type layout struct {
	bytes   []byte
	sums    int // where the tensors' checksums lie
	sum     int // where the header's own lies
	tensors []Info
	size    uint64 // of the whole file
}

type keyValue struct {
	key   string
	value any
}

// lay encodes a header whose length is a multiple of PageSize and whose
// checksums are zero, and gives the tensors their offsets in the file.
func lay(kvs []keyValue, tensors []Info) (*layout, error) {
	kvs = append(kvs[:len(kvs):len(kvs)],
		keyValue{keyAlignment, uint32(Alignment)},
		keyValue{keyTensors, make([]uint32, len(tensors))},
		keyValue{keyHeader, uint32(0)})

	l := &layout{tensors: tensors}
	var infos []byte
	at := uint64(0)
	for i := range tensors {
		t := &tensors[i]
		t.Offset = at
		infos = appendTensor(infos, *t, at)
		if at = roundUp(at+t.Size, Alignment); at > math.MaxInt64/2 {
			return nil, fmt.Errorf("tensor %s makes the file absurdly large", show(t.Name))
		}
	}

	b := []byte(magic)
	b = binary.LittleEndian.AppendUint32(b, version)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(tensors)))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(kvs)+1)) // and the padding
	var err error
	for _, kv := range kvs {
		if b, err = appendKey(b, kv.key, kv.value); err != nil {
			return nil, err
		}
		switch kv.key {
		case keyTensors:
			l.sums = len(b) - 4*len(tensors)
		case keyHeader:
			l.sum = len(b) - 4
		}
	}
	// The padding's own key, type and length come before its text.
	used := len(b) + 8 + len(keyPadding) + 4 + 8 + len(infos)
	spaces := make([]byte, roundUp(used, PageSize)-used)
	for i := range spaces {
		spaces[i] = ' '
	}
	if b, err = appendKey(b, keyPadding, string(spaces)); err != nil {
		return nil, err
	}
	l.bytes = append(b, infos...)
	if len(l.bytes) > maxHeader || len(kvs) >= maxKeys || len(tensors) > maxTensors {
		return nil, fmt.Errorf("%d keys and %d tensors take a header of %d bytes: a file may have %d, %d and %d", len(kvs)+1, len(tensors), len(l.bytes), maxKeys, maxTensors, maxHeader)
	}
	l.size = uint64(len(l.bytes)) + at
	for i := range tensors {
		tensors[i].Offset += uint64(len(l.bytes))
	}
	return l, nil
}
