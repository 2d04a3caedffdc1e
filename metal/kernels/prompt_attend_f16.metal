#include "prompt_attend.h"

PROMPT_ATTEND(f16, false, 32)
PROMPT_ATTEND(f16, false, 64)
PROMPT_ATTEND(f16, false, 128)
