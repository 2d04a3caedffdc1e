#include "q8_0.h"
#include "gemm.h"

GEMM(q8_0, Q8)
