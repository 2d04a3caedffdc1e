#include "matvec_levels.h"

LEVELS(q4_1, Q41)
