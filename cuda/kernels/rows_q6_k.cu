#include "rows.h"

PRODUCTS(q6_k, RowsQ6K)
