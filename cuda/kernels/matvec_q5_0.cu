#include "matvec_levels.h"

LEVELS(q5_0, Q50)
