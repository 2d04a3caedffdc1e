#include "gemm_levels.h"

GEMM64(mxfp4, FP4)
