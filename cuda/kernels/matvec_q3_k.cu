#include "matvec_levels.h"

LEVELS(q3_k, Q3K)
