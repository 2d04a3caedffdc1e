#include "matvec_levels.h"

LEVELS(q5_1, Q51)
