#include "rows.h"

PRODUCTS(q5_k, RowsQ5K)
