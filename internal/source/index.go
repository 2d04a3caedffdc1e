package source

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// index says which shard holds which tensor.
type index struct {
	name  string            // the index file's own, for messages
	file  map[string]string // by tensor
	names []string          // of tensors, in the file's order
	files []string          // each once, sorted
}

// readIndex reads a *.index.json.
func readIndex(path string) (*index, error) {
	x := &index{name: filepath.Base(path), file: map[string]string{}}
	b, err := readSmall(path, maxIndex)
	if err != nil {
		return nil, err
	}
	if err := x.parse(b); err != nil {
		return nil, fmt.Errorf("%s: %w", x.name, err)
	}
	return x, nil
}

func (x *index) parse(b []byte) error {
	err := walkDocument(b, maxKeys, func(dec *json.Decoder, key string) error {
		if key != "weight_map" {
			return skipValue(dec)
		}
		var weights json.RawMessage
		if err := decodeValue(dec, &weights); err != nil {
			return err
		}
		return walkDocument(weights, maxTensors, func(dec *json.Decoder, name string) error {
			var file string
			if err := decodeValue(dec, &file); err != nil {
				return fmt.Errorf("tensor %s: %w", Show(name), err)
			}
			if !isPlain(file) {
				return fmt.Errorf("tensor %s: %s is not a plain file name", Show(name), Show(file))
			}
			x.file[name] = file
			x.names = append(x.names, name)
			x.files = append(x.files, file)
			return nil
		})
	})
	if err != nil {
		return err
	}
	if len(x.names) == 0 {
		return fmt.Errorf("weight_map is missing or empty")
	}
	slices.Sort(x.files)
	x.files = slices.Compact(x.files)
	return nil
}

// isPlain reports whether file names something directly inside a folder, on
// any system: an index must not lead a reader elsewhere.
func isPlain(file string) bool {
	if file == "" || file == "." || file == ".." || strings.ContainsAny(file, `/\:`) {
		return false
	}
	return len(strconv.Quote(file)) == len(file)+2 // nothing unprintable
}
