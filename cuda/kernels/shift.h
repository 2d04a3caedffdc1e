// The parameter block's word about positions.
#pragma once
#include "common.h"

enum { SHIFT = 4 }; // how far the text's positions are ahead of the cache's
