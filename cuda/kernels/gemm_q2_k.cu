#include "gemm_levels.h"

GEMM64(q2_k, Q2K)
