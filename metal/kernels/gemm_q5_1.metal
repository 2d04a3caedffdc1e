#include "levels.h"
#include "gemm.h"

GEMM(q5_1, Levels<Q51>)
