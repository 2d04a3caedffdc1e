#include "floats.h"
#include "gemm.h"

GEMM(f32, Float32)
