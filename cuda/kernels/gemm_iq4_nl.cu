#include "gemm_levels.h"

GEMM64(iq4_nl, IQ4NL)
