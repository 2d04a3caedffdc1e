#include "levels.h"
#include "gemm.h"

GEMM(q5_0, Levels<Q50>)
