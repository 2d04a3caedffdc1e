package quant

// specs is the table of known types; a new type is one row here and one file.
var specs = []Spec{
	{F32, "f32", 1, 4, packF32, unpackF32, nil},
	{F16, "f16", 1, 2, packF16, unpackF16, nil},
	{BF16, "bf16", 1, 2, packBF16, unpackBF16, nil},
	{Q8_0, "q8_0", 32, 34, packQ8_0, unpackQ8_0, weighQ8_0},
	{Q6_K, "q6_k", 256, 210, packQ6_K, unpackQ6_K, weighQ6_K},
	{Q5_K, "q5_k", 256, 176, packQ5_K, unpackQ5_K, weighQ5_K},
	{Q4_K, "q4_k", 256, 144, packQ4_K, unpackQ4_K, weighQ4_K},
	{Q4_0, "q4_0", 32, 18, packQ4_0, unpackQ4_0, weighQ4_0},
}
