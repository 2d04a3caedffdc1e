package cmd

import (
	"errors"
	"fmt"
	"strings"
	"testing"

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

// What other packages say of the thing ends with what to do here.
func TestAdvice(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.New("something"), ""},
		{&llm.NameError{Name: "x"}, " (mil list shows the models)"},
		{&llm.CheckpointError{Path: "a/b", Folder: "a/b"}, "; if it holds a checkpoint, convert it first: mil convert a/b -o b.bin"},
		{&llm.CheckpointError{Path: "a/b", Folder: "a/b", Config: true}, "; convert it first: mil convert a/b -o b.bin"},
		{&llm.CheckpointError{Path: "a/b.safetensors", Folder: "a"}, "; convert its folder first: mil convert a -o a.bin"},
		{&llm.MemoryError{}, ""},
		{&llm.MemoryError{Fits: 5}, "; --ctx 5 is the most that fits"},
		{&llm.MemoryError{Fits: 5, FitsQ8: 9}, "; --ctx 5 is the most that fits, with --kv q8_0 9"},
		{&chat.LongError{Chat: true}, "; begin anew, take a larger one with --ctx, or --on-full slide"},
		{&chat.LongError{}, "; take a larger one with --ctx, or --on-full slide"},
		{&chat.LongError{Chat: true, Stays: 64}, "; take a larger one with --ctx"},
		{&session.LargeError{}, "; take a larger one with --ctx"},
		{&eval.RoomError{}, "; take a larger one with --ctx"},
		{chat.ErrNoTemplate, "; `mil run --raw` completes text without one"},
		{gpu.ErrMemory, "; use fewer --gpu-layers, a shorter --ctx or --backend cpu"},
		{convert.ErrNoTokenizer, "; name the base model's with --tokenizer FOLDER_OR_FILE"},
		{format.ErrExists, "; it is only replaced with --force"},
		{models.ErrFolder, "; name one with --models DIR"},
		{backend.ErrKVType, "; use --kv f16 or --backend cpu"},
	} {
		err := fmt.Errorf("model.bin: %w", c.err)
		if got := advise(err); !errors.Is(got, c.err) || got.Error() != err.Error()+c.want || strings.Contains(c.err.Error(), "--") {
			t.Errorf("%v\nwant its end to be %q", got, c.want)
		}
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{&llm.DraftError{Err: errors.New("x")}, "--draft: x"},
		{&llm.ISAError{Err: errors.New("x")}, "--isa: x"},
		{&llm.BackendError{Backend: "cuda", Err: errors.New("x")}, "--backend cuda: x; use --backend cpu"},
		{&llm.BackendError{Backend: "cuda", Err: errors.New("x"), Advice: "do it"}, "--backend cuda: x; do it or use --backend cpu"},
		{&llm.BackendError{Backend: "cuda", Err: errors.New("x"), Advice: "see a and b"}, "--backend cuda: x; see a and b, or use --backend cpu"},
		{&llm.DeclaredError{Context: 9, Declared: 8}, "--ctx 9 is more than the 8 tokens the model declares"},
	} {
		if got := flagged(c.err); got.Error() != c.want {
			t.Errorf("%v, want %s", got, c.want)
		}
	}
	if Status(flagged(&llm.ISAError{Err: errors.New("x")})) != 2 {
		t.Error("an instruction set that is not here is no usage error")
	}
}
