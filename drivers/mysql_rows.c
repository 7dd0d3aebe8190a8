/* SPDX-License-Identifier: MIT
**
** mysql_rows.c - rows taken off the wire into memory of the driver's own, packed, so that
** they are copied once and may outlive their statement.
*/
#include <stdlib.h>

#include "mysql_driver.h"

enum { BLOCK_SIZE = 4000 }; /* most results of one row fit the first */

typedef struct my_block {
    struct my_block *next;
    size_t used, size;
    max_align_t bytes[];
} my_block;

/* An el_rowset_alloc. */
static void *block_bytes(void *ud, size_t n) {
    my_rows *rows = ud;
    my_block *b = rows->blocks;
    if (n > SIZE_MAX - sizeof *b - sizeof(max_align_t)) {
        return NULL;
    }
    n = (n + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    if (!b || b->size - b->used < n) {
        size_t size =
            n > BLOCK_SIZE ? n : BLOCK_SIZE / sizeof(max_align_t) * sizeof(max_align_t);
        b = malloc(sizeof *b + size);
        if (!b) {
            return NULL;
        }
        *b = (my_block){.next = rows->blocks, .size = size};
        rows->blocks = b;
    }
    void *p = (char *)b->bytes + b->used;
    b->used += n;
    return p;
}

/* One small block stays for the next execution. */
static void drop(my_rows *rows, bool all) {
    while (rows->blocks &&
           (all || rows->blocks->next || rows->blocks->size > BLOCK_SIZE)) {
        my_block *next = rows->blocks->next;
        free(rows->blocks);
        rows->blocks = next;
    }
    if (rows->blocks) {
        rows->blocks->used = 0;
    }
}

int el_my_rows_begin(my_rows **rows, int n, el_error *err) {
    if (*rows) {
        drop(*rows, false);
    } else {
        *rows = calloc(1, sizeof **rows);
    }
    if (!*rows) {
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for a result");
    }
    el_rowset_init(&(*rows)->set, n, block_bytes, *rows);
    return EL_OK;
}

void el_my_rows_free(my_rows *rows) {
    if (rows) {
        drop(rows, true);
        free(rows);
    }
}

/* {====== Whole results ====== */

int el_my_take(el_stmt *base, void **result, size_t *nrows, el_error *err) {
    my_stmt *s = (my_stmt *)base;
    if (s->pulled || (base->active && s->next > 0)) {
        return el_fail(err, EL_ERR_MISUSE, 0,
                       "there is no whole result to take: the statement streams its "
                       "rows, or some were fetched");
    }
    if (!base->active && el_my_rows_begin(&s->rows, 0, err) != EL_OK) {
        return EL_FAIL;
    }
    *result = s->rows;
    *nrows = s->rows->set.nrows;
    s->rows = NULL;
    el_my_reset(base);
    return EL_OK;
}

void el_my_cell(void *result, size_t row, int column, el_value *out) {
    const el_rowset *set = &((my_rows *)result)->set;
    el_row_cell(el_rowset_row(set, row), set->ncols, column, out);
}

void el_my_discard(void *result) {
    el_my_rows_free(result);
}

/* }====== */
