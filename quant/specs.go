package quant

// specs is the table of known types, floats first, then by falling precision; a
// new type is its name here, its number in type.go and one file.
var specs = [...]*Spec{
	&specF32,
	&specF16,
	&specBF16,
	&specQ8_0,
	&specQ6_K,
	&specQ5_1,
	&specQ5_K,
	&specQ5_0,
	&specQ4_1,
	&specQ4_K,
	&specIQ4_NL,
	&specQ4_0,
	&specIQ4_XS,
	&specMXFP4,
	&specQ3_K,
	&specQ2_K,
}
