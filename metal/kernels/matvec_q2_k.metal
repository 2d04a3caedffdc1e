#include "levels.h"
#include "matvec.h"

SIZES(q2_k, Levels<Q2K>)
