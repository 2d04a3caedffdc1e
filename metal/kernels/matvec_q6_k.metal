#include "q6_k.h"
#include "matvec.h"

SIZES(q6_k, Q6K)
