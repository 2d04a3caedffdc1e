#include "levels.h"
#include "matvec.h"

SIZES(iq4_xs, Levels<IQ4XS>)
