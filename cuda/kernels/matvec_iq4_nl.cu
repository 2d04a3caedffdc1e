#include "matvec_levels.h"

LEVELS(iq4_nl, IQ4NL)
