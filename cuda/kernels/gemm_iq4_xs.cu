#include "gemm_levels.h"

GEMM64(iq4_xs, IQ4XS)
