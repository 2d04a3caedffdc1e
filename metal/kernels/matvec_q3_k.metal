#include "levels.h"
#include "matvec.h"

SIZES(q3_k, Levels<Q3K>)
