#include "attend_few.h"

ATTEND(f16, false, 4)
ATTEND(f16, false, 8)
ATTEND(f16, false, 16)
ATTEND(f16, false, 32)
