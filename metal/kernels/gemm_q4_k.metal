#include "q4_k.h"
#include "gemm.h"

GEMM(q4_k, Q4K)
