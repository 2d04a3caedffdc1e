#include "matvec_levels.h"

LEVELS(iq4_xs, IQ4XS)
