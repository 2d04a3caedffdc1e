#include "gemm_levels.h"

GEMM64(q5_1, Q51)
