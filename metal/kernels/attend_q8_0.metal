#include "attend_few.h"

ATTEND(q8_0, Q8_0, 4)
ATTEND(q8_0, Q8_0, 8)
ATTEND(q8_0, Q8_0, 16)
ATTEND(q8_0, Q8_0, 32)
