#include "levels.h"
#include "gemm.h"

GEMM(q3_k, Levels<Q3K>)
