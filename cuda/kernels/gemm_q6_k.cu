#include "gemm.h"

GEMM(q6_k, TileQ6K)
