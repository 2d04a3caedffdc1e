#include "prompt_attend.h"

PROMPT_ATTEND(q8_0, Q8_0, 32)
PROMPT_ATTEND(q8_0, Q8_0, 64)
PROMPT_ATTEND(q8_0, Q8_0, 128)
