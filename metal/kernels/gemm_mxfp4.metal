#include "levels.h"
#include "gemm.h"

GEMM(mxfp4, Levels<FP4>)
