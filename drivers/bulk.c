/* SPDX-License-Identifier: MIT
**
** bulk.c - rows by prepared statements of several rows each, for drivers that have no
** faster way.  It knows no engine: all it does goes through the contract.
*/
#include "bulk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct batches {
    el_bulk base;
    el_statements *cache;
    char *sql;       /* of `room` rows; fewer rows are the beginning of it */
    size_t head;     /* bytes before the first row's placeholders */
    int room;        /* rows of a whole batch */
    int64_t written; /* rows before those that are pending */
    el_stmt *whole;  /* lent; takes `room` rows */
    el_value *values;
} batches;

/* Bytes of the text that inserts n rows. */
static size_t text_length(const batches *b, size_t n) {
    size_t row = (size_t)b->base.ncolumns * 3; /* "(?, ?)" and ", " after it */
    return b->head + n * (row + 2) - 2;
}

static void build_text(batches *b, const char *into) {
    char *to = b->sql + sprintf(b->sql, "insert into %s values ", into);
    for (int i = 0; i < b->room; i++) {
        *to++ = '(';
        for (int k = 0; k < b->base.ncolumns; k++) {
            memcpy(to, "?, ", 3);
            to += 3;
        }
        memcpy(to - 2, "), ", 3);
        to += 1;
    }
    to[-2] = '\0';
}

static void free_batches(batches *b) {
    if (b->whole) {
        el_statements_release(b->cache, b->whole);
    }
    free(b->sql);
    free(b->values);
    free(b);
}

static int begin_batches(el_bulk **out, el_statements *cache, el_conn *c,
                         const char *into, int ncolumns, int rows, el_error *err) {
    int most = c->max_params / ncolumns;
    if (c->driver->caps & (EL_CAP_NUMBERED | EL_CAP_DOCUMENTS) || most < 1) {
        return el_fail(err, EL_ERR_UNSUPPORTED, 0, "many rows at once are not for %s",
                       c->driver->name);
    }
    batches *b = calloc(1, sizeof *b);
    if (b) {
        size_t n = (size_t)ncolumns;
        b->base.conn = c;
        b->base.ncolumns = ncolumns;
        b->cache = cache;
        b->room = rows < most ? rows : most;
        b->head = sizeof "insert into  values " - 1 + strlen(into);
        b->sql = malloc(text_length(b, (size_t)b->room) + 3);
        b->values = malloc(sizeof *b->values * n * (size_t)b->room);
    }
    if (!b || !b->sql || !b->values) {
        if (b) {
            free_batches(b);
        }
        return el_fail(err, EL_ERR_NOMEM, 0, "not enough memory for %d rows", rows);
    }
    build_text(b, into);
    b->base.sql = b->sql;
    *out = &b->base;
    return EL_OK;
}

static int execute(batches *b, el_stmt *s, size_t first, size_t n, el_error *err) {
    size_t width = (size_t)b->base.ncolumns;
    return b->base.conn->driver->execute(s, b->values + first * width, (int)(n * width),
                                         err);
}

/* Writes n pending rows from `first` on by a statement of that size. */
static int write_some(batches *b, size_t first, size_t n, el_error *err) {
    el_stmt *s = b->whole;
    if (!s || n < (size_t)b->room) {
        if (el_statements_get(&s, b->cache, b->sql, text_length(b, n), 0, err) != EL_OK) {
            return EL_FAIL;
        }
        el_statements_hold(b->cache, s);
    }
    int rc = execute(b, s, first, n, err);
    if (rc != EL_OK) {
        el_statements_failed(b->cache, s, err);
        b->whole = s == b->whole ? NULL : b->whole;
    } else if (n == (size_t)b->room) {
        b->whole = s;
    } else {
        el_statements_release(b->cache, s);
    }
    return rc;
}

static bool is_about_a_row(el_errkind kind) {
    return kind == EL_ERR_UNIQUE || kind == EL_ERR_FOREIGN_KEY ||
           kind == EL_ERR_NOT_NULL || kind == EL_ERR_CHECK || kind == EL_ERR_VALUE;
}

/*
** Which of n rows did it: the batch was undone as a whole, so its rows are tried one by
** one, and the first that fails says why.
*/
static void find_culprit(batches *b, size_t first, size_t n, el_error *err) {
    el_error e;
    if (!is_about_a_row(err->kind) ||
        b->base.conn->driver->txstate(b->base.conn) != EL_TX_ACTIVE) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        el_error_clear(&e);
        if (write_some(b, first + i, 1, &e) != EL_OK) {
            *err = e;
            b->base.failed = b->written + (int64_t)i + 1;
            return;
        }
    }
}

/* Halves, so that a few kept statements serve any number of rows. */
static int flush(batches *b, el_error *err) {
    size_t first = 0, left = b->base.pending;
    for (size_t size = (size_t)b->room; left > 0; size = size / 2 + size % 2) {
        while (left >= size) {
            if (write_some(b, first, size, err) != EL_OK) {
                find_culprit(b, first, size, err);
                return EL_FAIL;
            }
            b->written += (int64_t)size;
            first += size;
            left -= size;
        }
    }
    b->base.pending = 0;
    return EL_OK;
}

int el_bulk_begin(el_bulk **out, el_statements *cache, const char *into, int ncolumns,
                  int rows, el_error *err) {
    el_conn *c = el_statements_connection(cache);
    int rc = EL_DONE;
    if (ncolumns < 1 || rows < 1) {
        return el_fail(err, EL_ERR_MISUSE, 0, "rows without columns can't be written");
    }
    if (c->driver->bulk_begin) {
        rc = c->driver->bulk_begin(out, c, into, ncolumns, err);
    }
    return rc == EL_DONE ? begin_batches(out, cache, c, into, ncolumns, rows, err) : rc;
}

int el_bulk_row(el_bulk *base, const el_value *values, el_error *err) {
    if (base->own) {
        return base->conn->driver->bulk_row(base, values, err);
    }
    batches *b = (batches *)base;
    size_t width = (size_t)base->ncolumns;
    memcpy(b->values + base->pending * width, values, sizeof *values * width);
    return ++base->pending == (size_t)b->room ? flush(b, err) : EL_OK;
}

int el_bulk_end(el_bulk *base, bool good, int64_t *failed, el_error *err) {
    if (base->own) {
        return base->conn->driver->bulk_end(base, good, failed, err);
    }
    batches *b = (batches *)base;
    int rc = good ? flush(b, err) : EL_OK;
    *failed = base->failed;
    free_batches(b);
    return rc;
}
