#include "matvec_int8.h"

SIZES(q8_0, Q8)
