package sample_test

import (
	"fmt"

	"github.com/mil-run/mil/sample"
)

// The filters leave a distribution, from which tokens are sampled.
func ExampleSampler() {
	s := sample.New(sample.Options{Temp: 1, TopK: 2, Seed: 7})
	logits := []float32{0, 2, 1, -3}
	for _, c := range s.Candidates(logits, nil) {
		fmt.Printf("token %d: %.2f\n", c.ID, c.P)
	}
	id, err := sample.New(sample.Options{}).Sample(logits, nil) // greedy
	fmt.Println(id, err)
	// Output:
	// token 1: 0.73
	// token 2: 0.27
	// 1 <nil>
}

// The table of parameters reads values that people type.
func ExampleParams() {
	var s sample.Settings
	for _, p := range sample.Params() {
		if p.JSON == "top_p" {
			fmt.Println(p.Parse(&s, "0.9"), p.Name, p.Text(&s), "("+p.Values+")")
		}
	}
	s.Sampling.TopP = 3
	fmt.Println(s.Check())
	// Output:
	// <nil> top-p 0.9 (between 0 and 1; both are off)
	// top-p 3 is not between 0 and 1
}
