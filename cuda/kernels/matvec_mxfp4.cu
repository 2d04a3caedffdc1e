#include "matvec_levels.h"

LEVELS(mxfp4, FP4)
