package kernel

import "golang.org/x/sys/cpu"

func features() []feature {
	x := &cpu.X86
	avx2 := x.HasAVX2 && x.HasFMA && x.HasBMI1 && x.HasBMI2 // all such processors have F16C
	avx512 := avx2 && x.HasAVX512F && x.HasAVX512BW && x.HasAVX512VL && x.HasAVX512DQ && x.HasAVX512VNNI
	return []feature{
		{"avx2", 8, 3, avx2, "AVX2, FMA, F16C and BMI2"},
		{"avxvnni", 8, 3, avx2 && x.HasAVXVNNI, "AVX2 and AVX-VNNI"},
		{"vnni256", 8, 3, avx512, "AVX-512 F, BW, VL, DQ and VNNI, of which it uses 256 bits"},
		{"avx512", 16, 6, avx512, "AVX-512 F, BW, VL, DQ and VNNI"},
	}
}
