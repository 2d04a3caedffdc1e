#include "q5_k.h"
#include "gemm.h"

GEMM(q5_k, Q5K)
