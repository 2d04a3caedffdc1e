#include "matvec_float.h"

SIZES(f32, Float32)
