#include "levels.h"
#include "gemm.h"

GEMM(q2_k, Levels<Q2K>)
