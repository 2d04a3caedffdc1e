#include "floats.h"
#include "matvec.h"

SIZES(f16, Float16<false>)
