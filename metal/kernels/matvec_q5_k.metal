#include "q5_k.h"
#include "matvec.h"

SIZES(q5_k, Q5K)
