#include "floats.h"
#include "matvec.h"

SIZES(bf16, Float16<true>)
