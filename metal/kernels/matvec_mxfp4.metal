#include "levels.h"
#include "matvec.h"

SIZES(mxfp4, Levels<FP4>)
