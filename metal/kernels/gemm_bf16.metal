#include "floats.h"
#include "gemm.h"

GEMM(bf16, Float16<true>)
