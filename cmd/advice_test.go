package cmd

import (
	"fmt"
	"testing"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
)

// What a GPU lacks is said by its backend, the flags that help by the command.
func TestAdviceOnGPUs(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{gpu.ErrMemory, "cuda: too little GPU memory; use fewer --gpu-layers, a shorter --ctx or --backend cpu"},
		{backend.ErrKVType, "cuda: keys and values cannot be kept so here; use --kv f16 or --backend cpu"},
	} {
		if got := advise(fmt.Errorf("cuda: %w", c.err)).Error(); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}
