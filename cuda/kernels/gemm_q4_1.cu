#include "gemm_levels.h"

GEMM64(q4_1, Q41)
