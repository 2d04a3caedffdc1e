#include "matvec_float.h"

SIZES(bf16, Halves<true>)
