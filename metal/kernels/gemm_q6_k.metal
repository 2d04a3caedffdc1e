#include "q6_k.h"
#include "gemm.h"

GEMM(q6_k, Q6K)
