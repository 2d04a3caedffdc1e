#include "floats.h"
#include "matvec.h"

SIZES(f32, Float32)
