#include "levels.h"
#include "matvec.h"

SIZES(iq4_nl, Levels<IQ4NL>)
