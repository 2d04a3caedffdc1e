#include "levels.h"
#include "gemm.h"

GEMM(iq4_nl, Levels<IQ4NL>)
