#include "q4_0.h"
#include "matvec.h"

SIZES(q4_0, Q4)
