package convert

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mil-run/mil/internal/source"
)

// wrappers are parts of names that training frameworks put around a model's:
// DistributedDataParallel, torch.compile and FSDP. The last is around the text part of
// a model that sees images.
var wrappers = []string{"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "language_model"}

// embeddings are the names of tensors by which layouts are recognised.
var embeddings = []string{"model.embed_tokens.weight", "backbone.embedding.weight", "backbone.embeddings.weight"}

// unwrap gives tensors the names that layouts know. It removes the parts that
// frameworks put around them, and a beginning that all of them share.
func unwrap(ck *source.Checkpoint) error {
	names := ck.Names()
	clean := map[string]string{}
	for _, name := range names {
		parts := strings.Split(name, ".")
		clean[name] = strings.Join(slices.DeleteFunc(parts, func(s string) bool { return slices.Contains(wrappers, s) }), ".")
	}
	prefix, add, found := "", "", false
	for _, name := range names {
		for _, e := range embeddings {
			if p, ok := strings.CutSuffix(clean[name], e); ok && (p == "" || strings.HasSuffix(p, ".")) {
				if found && p != prefix {
					return fmt.Errorf("%s: two models in one checkpoint: tensors begin with %.100q and with %.100q; keep one of them", ck.Kind(), prefix, p)
				}
				prefix, found = p, true
			}
		}
	}
	if !found && slices.Contains(names, "embed_tokens.weight") {
		add = "model." // a model saved without its head
	}
	for _, name := range names {
		short, ok := strings.CutPrefix(clean[name], prefix)
		if !ok {
			return fmt.Errorf("tensor %s does not begin with %s as the model's others do: save the state dict of the model alone, or strip %s from the names", source.Show(name), source.Show(prefix), source.Show(prefix))
		}
		clean[name] = add + short
	}
	return ck.Rename(clean)
}
