#include "levels.h"
#include "gemm.h"

GEMM(q4_1, Levels<Q41>)
