package cmd

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/convert"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/eval"
	"github.com/mil-run/mil/internal/models"
	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/session"
)

// flagged puts an error or a warning about an option of package llm into terms of
// the flag that sets it.
func flagged(err error) error {
	var draft *llm.DraftError
	var isa *llm.ISAError
	var device *llm.BackendError
	var declared *llm.DeclaredError
	switch {
	case errors.As(err, &draft):
		return fmt.Errorf("--draft: %w", draft.Err)
	case errors.As(err, &isa):
		return usagef("--isa: %w", isa.Err)
	case errors.As(err, &device):
		return fmt.Errorf("--backend %s: %w; %s", device.Backend, device.Err, orCPU(device.Advice))
	case errors.As(err, &declared):
		return fmt.Errorf("--ctx %d is more than the %d tokens the model declares", declared.Context, declared.Declared)
	}
	return err
}

// orCPU adds the flag to advice on a device, which may be "".
func orCPU(advice string) string {
	const cpu = "use --backend cpu"
	switch {
	case advice == "":
		return cpu
	case strings.Contains(advice, " and "):
		return advice + ", or " + cpu
	}
	return advice + " or " + cpu
}

// advise adds to an error the flags or the command that help. Other packages'
// errors speak of the thing alone.
func advise(err error) error {
	if do := advice(err); do != "" {
		return fmt.Errorf("%w%s", err, do)
	}
	return err
}

// advice is the end of an error's line, or "".
func advice(err error) string {
	var name *llm.NameError
	var checkpoint *llm.CheckpointError
	var memory *llm.MemoryError
	var long *chat.LongError
	var large *session.LargeError
	var room *eval.RoomError
	switch {
	case errors.As(err, &name):
		return " (mil list shows the models)"
	case errors.As(err, &checkpoint):
		return convertFirst(checkpoint)
	case errors.As(err, &memory) && memory.FitsQ8 > 0:
		return fmt.Sprintf("; --ctx %d is the most that fits, with --kv q8_0 %d", memory.Fits, memory.FitsQ8)
	case errors.As(err, &memory) && memory.Fits > 0:
		return fmt.Sprintf("; --ctx %d is the most that fits", memory.Fits)
	case errors.As(err, &long):
		switch {
		case long.Stays > 0:
			return "; take a larger one with --ctx"
		case long.Chat:
			return "; begin anew, take a larger one with --ctx, or --on-full slide"
		}
		return "; take a larger one with --ctx, or --on-full slide"
	case errors.As(err, &large), errors.As(err, &room):
		return "; take a larger one with --ctx"
	case errors.Is(err, gpu.ErrMemory):
		return "; use fewer --gpu-layers, a shorter --ctx or --backend cpu"
	case errors.Is(err, backend.ErrKVType):
		return "; use --kv f16 or --backend cpu"
	case errors.Is(err, convert.ErrNoTokenizer):
		return "; name the base model's with --tokenizer FOLDER_OR_FILE"
	case errors.Is(err, format.ErrExists):
		return "; it is only replaced with --force"
	case errors.Is(err, models.ErrFolder):
		return "; name one with --models DIR"
	case errors.Is(err, llm.ErrNoTemplate):
		return "; `mil run --raw` completes text without one"
	}
	return ""
}

// convertFirst is what to do with a checkpoint.
func convertFirst(e *llm.CheckpointError) string {
	do := "; if it holds a checkpoint, convert it first:"
	switch {
	case e.Path != e.Folder:
		do = "; convert its folder first:"
	case e.Config:
		do = "; convert it first:"
	}
	return fmt.Sprintf("%s mil convert %s -o %s.bin", do, e.Folder, models.NameFor(e.Folder))
}
