#include "gemm_levels.h"

GEMM64(q3_k, Q3K)
