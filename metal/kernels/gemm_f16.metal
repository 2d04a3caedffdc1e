#include "floats.h"
#include "gemm.h"

GEMM(f16, Float16<false>)
