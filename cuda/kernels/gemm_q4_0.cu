#include "gemm.h"

GEMM(q4_0, TileQ4)
