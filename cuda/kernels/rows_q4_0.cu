#include "rows.h"

PRODUCTS(q4_0, RowsQ4)
