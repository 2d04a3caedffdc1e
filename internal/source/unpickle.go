package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/nlpodyssey/gopickle/pickle"
)

// unpickle returns the value that a checkpoint's pickle describes. Pickles are
// programs; this one can make dicts, lists and tensor descriptions only.
func unpickle(code []byte) (value any, err error) {
	if err := scanPickle(code); err != nil {
		return nil, fmt.Errorf("data.pkl: %w", err)
	}
	u := pickle.NewUnpickler(bytes.NewReader(code))
	u.FindClass = findClass
	u.PersistentLoad = func(id any) (any, error) { return newStorage(id) }
	// The library indexes and type-asserts without looking in places.
	defer func() {
		if p := recover(); p != nil {
			value, err = nil, errors.New("data.pkl: the pickle is broken: it uses what it has not made")
		}
	}()
	switch value, err = u.Load(); {
	case err == nil:
		return value, nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errors.New("data.pkl: the pickle ends too early")
	default:
		return nil, fmt.Errorf("data.pkl: %s", Show(err.Error()))
	}
}

// findClass is the allow-list of the classes that a state dict's pickle may
// name, besides collections.OrderedDict, which the library knows itself. None
// of it runs anything.
func findClass(module, name string) (any, error) {
	switch {
	case module == "torch._utils" && (name == "_rebuild_tensor_v2" || name == "_rebuild_tensor"):
		return rebuildTensor{}, nil
	case module == "torch._utils" && name == "_rebuild_parameter":
		return rebuildParameter{}, nil
	case module == "torch" && storageTypes[name] != nil:
		return storageTypes[name], nil
	}
	return nil, fmt.Errorf("the pickle asks for %s.%s, which a state dict does not need; nothing in a checkpoint is executed", Show(module), Show(name))
}
