#include "levels.h"
#include "matvec.h"

SIZES(q5_0, Levels<Q50>)
