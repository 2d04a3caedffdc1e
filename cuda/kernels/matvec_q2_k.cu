#include "matvec_levels.h"

LEVELS(q2_k, Q2K)
