#include "levels.h"
#include "matvec.h"

SIZES(q4_1, Levels<Q41>)
