#include "matvec_int8.h"

SIZES(q4_0, Q4)
