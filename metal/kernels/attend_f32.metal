#include "attend_few.h"

ATTEND(f32, true, 4)
ATTEND(f32, true, 8)
ATTEND(f32, true, 16)
ATTEND(f32, true, 32)
