#include "matvec_float.h"

SIZES(f16, Halves<false>)
