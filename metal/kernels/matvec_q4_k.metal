#include "q4_k.h"
#include "matvec.h"

SIZES(q4_k, Q4K)
