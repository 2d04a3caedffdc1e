#include "levels.h"
#include "matvec.h"

SIZES(q5_1, Levels<Q51>)
