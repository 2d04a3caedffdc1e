#include "gemm.h"

GEMM(q8_0, TileQ8)
