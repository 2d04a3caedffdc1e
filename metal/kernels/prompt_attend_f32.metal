#include "prompt_attend.h"

PROMPT_ATTEND(f32, true, 32)
PROMPT_ATTEND(f32, true, 64)
PROMPT_ATTEND(f32, true, 128)
