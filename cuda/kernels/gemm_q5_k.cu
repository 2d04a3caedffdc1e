#include "gemm.h"

GEMM(q5_k, TileQ5K)
