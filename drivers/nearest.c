/* SPDX-License-Identifier: MIT
**
** nearest.c - the distance of names.  What a message says about it is the caller's.
*/
#include "nearest.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

size_t el_distance(const char *a, const char *b) {
    size_t row[64], n = strlen(b);
    if (n >= sizeof row / sizeof *row) {
        return SIZE_MAX;
    }
    for (size_t k = 0; k <= n; k++) {
        row[k] = k;
    }
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t k = 0; k < n; k++) {
            size_t best = diagonal + (strncasecmp(&a[i], &b[k], 1) != 0);
            diagonal = row[k + 1];
            best = best < row[k] + 1 ? best : row[k] + 1;
            row[k + 1] = best < diagonal + 1 ? best : diagonal + 1;
        }
    }
    return row[n];
}
