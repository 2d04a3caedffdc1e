#include "gemm_levels.h"

GEMM64(q5_0, Q50)
