#include "rows.h"

PRODUCTS(q4_k, RowsQ4K)
