#include "matvec_int8.h"

SIZES(q5_k, Q5K)
