/* SPDX-License-Identifier: MIT
**
** mysql_rows.c - rows taken off the wire into memory of the driver's own, as they came
** where the client library lets us, else packed: copied once, and they may outlive their
** statement.
*/
#include <stdlib.h>
#include <string.h>

#include "mysql_driver.h"

enum {
    BLOCK_SIZE = 4000, /* most results of one row fit the first */
    FULL_BLOCK = 1 << 18,
    FIRST_RAW = 32,
    KEEP_RAW = 1024,
    ALIGNMENT = 8 /* of integers, doubles and pointers */
};

typedef struct my_block {
    struct my_block *next;
    size_t used, size;
    max_align_t bytes[];
} my_block;

/* An el_rowset_alloc. */
static void *block_bytes(void *ud, size_t n) {
    my_rows *rows = ud;
    my_block *b = rows->blocks;
    if (n > SIZE_MAX - sizeof *b - ALIGNMENT) {
        return NULL;
    }
    n = (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (!b || b->size - b->used < n) {
        size_t size = n > rows->block_size ? n : rows->block_size;
        rows->block_size =
            rows->block_size < FULL_BLOCK ? rows->block_size * 2 : FULL_BLOCK;
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
    if (all || rows->maxraw > KEEP_RAW) {
        free(rows->raw);
        rows->raw = NULL;
        rows->maxraw = 0;
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
    (*rows)->nrows = (*rows)->nraw = 0;
    (*rows)->cells = NULL;
    (*rows)->block_size = BLOCK_SIZE;
    el_rowset_init(&(*rows)->set, n, block_bytes, *rows);
    return EL_OK;
}

void el_my_rows_free(my_rows *rows) {
    if (rows) {
        drop(rows, true);
        free(rows);
    }
}

/* {====== Adding ====== */

int el_my_rows_add(my_rows *rows, const el_value *values, el_error *err) {
    int rc = el_rowset_append(&rows->set, values, err);
    rows->nrows = rows->set.nrows;
    return rc;
}

int el_my_rows_expect(my_rows *rows, const my_cell *cells, int n, el_error *err) {
    size_t size = sizeof *cells * (size_t)n;
    rows->cells = block_bytes(rows, size);
    if (!rows->cells) {
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for a result");
    }
    memcpy(rows->cells, cells, size);
    return EL_OK;
}

static int grow_raw(my_rows *rows, el_error *err) {
    size_t max = rows->maxraw ? rows->maxraw * 2 : FIRST_RAW;
    unsigned char **raw = NULL;
    if (max <= SIZE_MAX / sizeof *raw) {
        raw = realloc(rows->raw, max * sizeof *raw);
    }
    if (!raw) {
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for more than %zu rows",
                       rows->nraw);
    }
    rows->raw = raw;
    rows->maxraw = max;
    return EL_OK;
}

/* A packet has at most 1 GiB, so offsets of 32 bits do. */
int el_my_rows_add_raw(my_rows *rows, const my_cell *cells, int n,
                       const unsigned char *end, el_error *err) {
    const unsigned char *begin = NULL;
    size_t head = sizeof(uint32_t) * (size_t)n;
    for (int i = 0; i < n && !begin; i++) {
        begin = cells[i].at;
    }
    size_t size = begin ? (size_t)(end - begin) : 0;
    if (rows->nraw == rows->maxraw && grow_raw(rows, err) != EL_OK) {
        return EL_FAIL;
    }
    unsigned char *row = block_bytes(rows, head + size);
    if (!row) {
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for a row of %zu bytes", size);
    }
    uint32_t *offset = (uint32_t *)(void *)row;
    for (int i = 0; i < n; i++) {
        offset[i] = cells[i].at ? (uint32_t)(head + (size_t)(cells[i].at - begin)) : 0;
    }
    if (size) {
        memcpy(row + head, begin, size);
    }
    rows->raw[rows->nraw++] = row;
    rows->nrows = rows->nraw;
    return EL_OK;
}

/* }====== */

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
    *nrows = s->rows->nrows;
    s->rows = NULL;
    el_my_reset(base);
    return EL_OK;
}

void el_my_cell(void *result, size_t row, int column, el_value *out) {
    my_rows *rows = result;
    const el_rowset *set = &rows->set;
#if MY_CELLS_IN_PLACE
    if (rows->cells) {
        const unsigned char *p = rows->raw[row];
        uint32_t offset = ((const uint32_t *)(const void *)p)[column];
        el_my_load_cell(&rows->cells[column], offset ? p + offset : NULL);
        el_my_decode(&rows->cells[column], out);
        return;
    }
#endif
    el_row_cell(el_rowset_row(set, row), set->ncols, column, out);
}

void el_my_discard(void *result) {
    el_my_rows_free(result);
}

/* }====== */
