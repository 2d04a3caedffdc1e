package llm

import (
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
	"github.com/mil-run/mil/session"
)

// Errors of the packages beneath, as they come through this one.
var (
	// ErrContext is wrapped where a prompt, tokens or a saved session do not fit the
	// context. It may be a [chat.LongError] or a [session.LargeError].
	ErrContext = model.ErrContext
	// ErrGPUMemory is wrapped where a GPU's own memory does not suffice.
	ErrGPUMemory = gpu.ErrMemory
	// ErrKVType is wrapped where a backend cannot keep keys and values as asked.
	ErrKVType = backend.ErrKVType
	// ErrNoTemplate is the error of a chat with a model that was not made for one.
	ErrNoTemplate = chat.ErrNoTemplate
	// ErrParam is wrapped by errors about values that a parameter does not take.
	ErrParam = sample.ErrParam
	// ErrLogits is wrapped where a model's logits are not numbers.
	ErrLogits = sample.ErrLogits
	// ErrModel and ErrDamaged are wrapped by errors about session files: of another
	// model, and damaged.
	ErrModel   = session.ErrModel
	ErrDamaged = session.ErrDamaged
)

// DeclaredError is the warning about a context that is longer than the model says
// it can be.
type DeclaredError struct{ Context, Declared int }

func (e *DeclaredError) Error() string {
	return fmt.Sprintf("a context of %d tokens is more than the %d the model declares", e.Context, e.Declared)
}
