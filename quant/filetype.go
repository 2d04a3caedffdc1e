package quant

// mixFileTypes are llama.cpp's numbers of the mixes that are no types.
var mixFileTypes = map[string]uint32{"q4_k_m": 15, "q5_k_m": 17}

// FileType is llama.cpp's number for a file of the mix, which general.file_type
// holds.
func (m Mix) FileType() uint32 {
	if n, ok := mixFileTypes[m.name]; ok {
		return n
	}
	s, ok := m.base.Spec()
	if !ok || s.Name != m.name {
		panic("quant: " + m.name + " has no file type")
	}
	return s.FileType
}

// otherFileTypes are llama.cpp's names of its mixes that mil does not make.
var otherFileTypes = map[uint64]string{12: "q3_k_m", 13: "q3_k_l", 19: "iq2_xxs", 20: "iq2_xs", 21: "q2_k_s", 22: "iq3_xs", 23: "iq3_xxs", 24: "iq1_s",
	26: "iq3_s", 27: "iq3_m", 28: "iq2_s", 29: "iq2_m", 31: "iq1_m", 36: "tq1_0", 37: "tq2_0"}

// FileTypeName is the name of the type or mix that a number in general.file_type
// stands for, "" where none does. Files without a number often hold 0, which
// is f32's.
func FileTypeName(n uint64) string {
	for _, s := range specs {
		if uint64(s.FileType) == n {
			return s.Name
		}
	}
	for name, k := range mixFileTypes {
		if uint64(k) == n {
			return name
		}
	}
	return otherFileTypes[n]
}
