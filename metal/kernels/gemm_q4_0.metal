#include "q4_0.h"
#include "gemm.h"

GEMM(q4_0, Q4)
