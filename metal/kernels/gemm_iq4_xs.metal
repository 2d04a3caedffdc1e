#include "levels.h"
#include "gemm.h"

GEMM(iq4_xs, Levels<IQ4XS>)
