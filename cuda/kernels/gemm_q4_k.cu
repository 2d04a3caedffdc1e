#include "gemm.h"

GEMM(q4_k, TileQ4K)
