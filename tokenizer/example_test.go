package tokenizer_test

import (
	"fmt"

	"github.com/mil-run/mil/internal/demo"
	"github.com/mil-run/mil/tokenizer"
)

// demoTokenizer is the tokenizer of the demo's file.
func demoTokenizer() *tokenizer.Tokenizer {
	f, err := demo.Open()
	if err != nil {
		panic(err)
	}
	defer f.Close()
	t, err := tokenizer.FromGGUF(f.KV())
	if err != nil {
		panic(err)
	}
	return t
}

func ExampleTokenizer_Encode() {
	t := demoTokenizer()
	ids := t.Encode("Once upon a time", tokenizer.EncodeOptions{})
	for _, id := range ids {
		fmt.Printf("%q ", t.Piece(id))
	}
	fmt.Println(t.Decode(ids, true))
	// Output: "Once" " upon" " a" " time" Once upon a time
}

// A stream gives whole characters, however tokens cut them.
func ExampleStream() {
	t := demoTokenizer()
	s := t.Stream(true)
	text := ""
	for _, id := range t.Encode("höher", tokenizer.EncodeOptions{}) {
		text += s.Push(id)
	}
	fmt.Println(text + s.Flush())
	// Output: höher
}
