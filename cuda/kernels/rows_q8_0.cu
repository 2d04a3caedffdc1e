#include "rows.h"

PRODUCTS(q8_0, RowsQ8)
