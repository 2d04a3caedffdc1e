#include "attend_few.h"

ATTEND(f32, F32, 4)
ATTEND(f32, F32, 8)
ATTEND(f32, F32, 16)
ATTEND(f32, F32, 32)
