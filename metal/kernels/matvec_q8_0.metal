#include "q8_0.h"
#include "matvec.h"

SIZES(q8_0, Q8)
