#include "matvec_int8.h"

SIZES(q4_k, Q4K)
