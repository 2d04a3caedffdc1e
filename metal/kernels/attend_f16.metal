#include "attend_few.h"

ATTEND(f16, F16, 4)
ATTEND(f16, F16, 8)
ATTEND(f16, F16, 16)
ATTEND(f16, F16, 32)
