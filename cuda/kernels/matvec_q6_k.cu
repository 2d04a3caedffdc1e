#include "matvec_int8.h"

SIZES(q6_k, Q6K)
