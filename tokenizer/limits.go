package tokenizer

import "fmt"

// What a file may hold, far past any model's and so little that no file takes
// memory of many times its size or time past its bytes. The largest
// vocabularies of BPE models published have 262,144 tokens, 520,000 merges and
// some tens of thousands of added tokens (sounds, parts of pictures); one of
// another kind has 901,629 tokens.
const (
	maxTokens = 1 << 20 // ids lie below it too
	maxMerges = 1 << 21
	maxAdded  = 1 << 18
	// maxAddedBytes bounds an added token, since a text is compared with it at
	// every place.
	maxAddedBytes = 256
	// maxDerived bounds merges that are derived from scores: two or three a token.
	maxDerived = 1 << 22
	// maxSplit bounds the text of the tokens that are split to derive merges.
	maxSplit = 16 << 20
	// maxFile bounds a tokenizer.json, unpacked; the largest published ones have 40 MB.
	maxFile = 128 << 20
	// maxConfig bounds tokenizer_config.json, which may list the added tokens again.
	maxConfig = 32 << 20
	// maxTemplate bounds a chat template in characters; they have tens of thousands.
	maxTemplate = 1 << 20
	// maxMembers bounds the keys of tokenizer.json and of its model: some ten.
	maxMembers = 1 << 10
	// maxParts bounds the values in a normalizer, pre-tokenizer, post-processor or
	// decoder, each of which takes some hundred bytes; maxSteps a normalizer's steps,
	// each of which goes over the text.
	maxParts = 1 << 14
	maxSteps = 64
	// maxField bounds the text of those.
	maxField = 4 << 20
)

// atMost refuses more than most of what is counted.
func atMost(what string, n, most int) error {
	if n > most {
		return fmt.Errorf("%s has %d entries; at most %d are taken", what, n, most)
	}
	return nil
}
