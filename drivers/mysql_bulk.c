/* SPDX-License-Identifier: MIT
**
** mysql_bulk.c - many rows into one table by arrays of values, MariaDB's own way: one
** prepared insert of a row, run for thousands of them at once.  Other servers, and the
** library of MySQL, have no such thing.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mysql_driver.h"

#if MY_LIBMARIADB && defined(MARIADB_PACKAGE_VERSION_ID)

enum {
    MOST_ROWS = 4000,
    MOST_CELLS = 32768,
    LONG_ROW = 1 << 20,   /* such a row goes alone, its values in pieces */
    SEND_BYTES = 2 << 20, /* of the values of one array, the rows' length apart */
    FIRST_SERVER = 100206 /* MariaDB 10.2.6 */
};

/* The values of one column; all of one type, or NULL. */
typedef struct array {
    enum enum_field_types type; /* MYSQL_TYPE_NULL: no value yet */
    union {
        long long *integers;
        double *floats;
        signed char *flags;
        void **pointers; /* to texts and times */
        void *any;
    } u;
    unsigned long *lengths;
    char *indicators;
    MYSQL_TIME *times;
} array;

typedef struct my_bulk {
    el_bulk base;
    el_stmt *stmt;
    size_t room;
    uint64_t bytes, most_bytes; /* of what is pending */
    MYSQL_BIND *binds;          /* of the arrays, and of one row */
    my_slot *slots;             /* of one row */
    array *arrays;
} my_bulk;

/* {====== Begin and end ====== */

static void free_bulk(my_bulk *b) {
    for (int i = 0; b->arrays && i < b->base.ncolumns; i++) {
        free(b->arrays[i].u.any);
        free(b->arrays[i].lengths);
        free(b->arrays[i].indicators);
        free(b->arrays[i].times);
    }
    free(b->arrays);
    free(b->binds);
    free(b->slots);
    if (b->stmt) {
        b->stmt->conn->driver->finalize(b->stmt);
    }
    free(b);
}

static int alloc_arrays(my_bulk *b, el_error *err) {
    size_t n = (size_t)b->base.ncolumns;
    bool good = true;
    b->arrays = calloc(n, sizeof *b->arrays);
    b->binds = calloc(2 * n, sizeof *b->binds);
    b->slots = calloc(n, sizeof *b->slots);
    for (size_t i = 0; b->arrays && i < n; i++) {
        array *a = &b->arrays[i];
        a->type = MYSQL_TYPE_NULL;
        a->u.any = calloc(b->room, sizeof(void *) > 8 ? sizeof(void *) : 8);
        a->lengths = calloc(b->room, sizeof *a->lengths);
        a->indicators = calloc(b->room, 1);
        good = good && a->u.any && a->lengths && a->indicators;
    }
    if (!good || !b->arrays || !b->binds || !b->slots) {
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for arrays of %zu rows", b->room);
    }
    return EL_OK;
}

static int prepare_insert(my_bulk *b, const char *into, el_error *err) {
    char *sql = malloc(strlen(into) + 32 + (size_t)b->base.ncolumns * 3);
    if (!sql) {
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for a statement");
    }
    char *to = sql + sprintf(sql, "INSERT INTO %s VALUES (", into);
    for (int i = 0; i < b->base.ncolumns; i++) {
        to += sprintf(to, i ? ", ?" : "?");
    }
    memcpy(to, ")", 2);
    el_query q = {.sql = sql, .len = (size_t)(to + 1 - sql)};
    int rc = el_my_prepare(&b->stmt, b->base.conn, &q, err);
    free(sql);
    return rc;
}

int el_my_bulk_begin(el_bulk **out, el_conn *base, const char *into, int ncolumns,
                     el_error *err) {
    my_conn *c = (my_conn *)base;
    if (strcmp(base->product, "mariadb") != 0 || base->version < FIRST_SERVER) {
        return EL_DONE;
    }
    if (!c->max_packet && el_my_ask_limits(c, err) != EL_OK) {
        return EL_FAIL;
    }
    my_bulk *b = calloc(1, sizeof *b);
    if (!b) {
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for many rows");
    }
    size_t most = MOST_CELLS / (size_t)ncolumns;
    b->base = (el_bulk){.conn = base, .ncolumns = ncolumns, .own = true};
    b->room = most < 1 ? 1 : most < MOST_ROWS ? most : MOST_ROWS;
    b->most_bytes = c->max_packet / 2 < SEND_BYTES ? c->max_packet / 2 : SEND_BYTES;
    if (prepare_insert(b, into, err) != EL_OK || alloc_arrays(b, err) != EL_OK) {
        free_bulk(b);
        return EL_FAIL;
    }
    b->base.sql = ((my_stmt *)b->stmt)->sql;
    *out = &b->base;
    return EL_OK;
}

/* }====== */

/* {====== Rows ====== */

static void bind_arrays(my_bulk *b) {
    for (int i = 0; i < b->base.ncolumns; i++) {
        array *a = &b->arrays[i];
        MYSQL_BIND *to = &b->binds[i];
        memset(to, 0, sizeof *to);
        to->buffer_type = a->type == MYSQL_TYPE_NULL ? MYSQL_TYPE_STRING : a->type;
        to->buffer = a->u.any;
        to->length = a->lengths;
        to->u.indicator = a->indicators;
    }
}

static int set_rows(my_bulk *b, size_t rows, el_error *err) {
    my_stmt *s = (my_stmt *)b->stmt;
    unsigned count = (unsigned)rows;
    if (mysql_stmt_attr_set(s->handle, STMT_ATTR_ARRAY_SIZE, &count)) {
        return el_my_fail_stmt(s, err);
    }
    return EL_OK;
}

static int flush(my_bulk *b, el_error *err) {
    my_stmt *s = (my_stmt *)b->stmt;
    my_conn *c = (my_conn *)b->base.conn;
    if (b->base.pending == 0) {
        return EL_OK;
    }
    if (el_my_ready(c, s, err) != EL_OK || set_rows(b, b->base.pending, err) != EL_OK) {
        return EL_FAIL;
    }
    bind_arrays(b);
    if (mysql_stmt_bind_param(s->handle, b->binds)) {
        return el_my_fail_stmt(s, err);
    }
    my_begin(c);
    int failed = mysql_stmt_execute(s->handle);
    my_end(c);
    if (failed) {
        return el_my_fail_stmt(s, err);
    }
    for (int i = 0; i < b->base.ncolumns; i++) {
        b->arrays[i].type = MYSQL_TYPE_NULL;
    }
    b->base.pending = 0;
    b->bytes = 0;
    return EL_OK;
}

/* Puts a bound value into its column, whose values so far have its type. */
static int put_value(my_bulk *b, int i, const MYSQL_BIND *from, el_error *err) {
    array *a = &b->arrays[i];
    size_t k = b->base.pending;
    const my_slot *slot = &b->slots[i];
    a->indicators[k] = STMT_INDICATOR_NONE;
    a->lengths[k] = 0;
    if (from->buffer_type == MYSQL_TYPE_NULL) {
        a->indicators[k] = STMT_INDICATOR_NULL;
        return EL_OK;
    }
    a->type = from->buffer_type;
    switch (a->type) {
    case MYSQL_TYPE_LONGLONG:
        a->u.integers[k] = slot->i;
        return EL_OK;
    case MYSQL_TYPE_DOUBLE:
        a->u.floats[k] = slot->d;
        return EL_OK;
    case MYSQL_TYPE_TINY:
        a->u.flags[k] = slot->b;
        return EL_OK;
    case MYSQL_TYPE_DATETIME:
        if (!a->times && !(a->times = malloc(b->room * sizeof *a->times))) {
            return el_fail(err, EL_ERR_NOMEM, 0, "no memory for times");
        }
        a->times[k] = slot->time;
        a->u.pointers[k] = &a->times[k];
        return EL_OK;
    default:
        a->u.pointers[k] = from->buffer;
        a->lengths[k] = from->buffer_length;
        return EL_OK;
    }
}

/* Whether the row may follow those that are pending. */
static bool fits(const my_bulk *b, const MYSQL_BIND *row, uint64_t bytes) {
    bool same = b->bytes + bytes <= b->most_bytes;
    for (int i = 0; same && i < b->base.ncolumns; i++) {
        enum enum_field_types had = b->arrays[i].type, has = row[i].buffer_type;
        same = had == has || had == MYSQL_TYPE_NULL || has == MYSQL_TYPE_NULL;
    }
    return same;
}

static int write_alone(my_bulk *b, const el_value *values, el_error *err) {
    if (flush(b, err) != EL_OK || set_rows(b, 0, err) != EL_OK) {
        return EL_FAIL;
    }
    return el_my_execute(b->stmt, values, b->base.ncolumns, err);
}

int el_my_bulk_row(el_bulk *base, const el_value *values, el_error *err) {
    my_bulk *b = (my_bulk *)base;
    MYSQL_BIND *row = b->binds + base->ncolumns;
    uint64_t bytes = 0;
    for (int i = 0; i < base->ncolumns; i++) {
        if (el_my_bind_value(&row[i], &b->slots[i], i, &values[i], err) != EL_OK) {
            return EL_FAIL;
        }
        bytes += el_type_has_bytes(values[i].type) ? values[i].u.s.n + 10 : 12;
    }
    if (bytes > LONG_ROW || bytes > b->most_bytes) {
        return write_alone(b, values, err);
    }
    if (!fits(b, row, bytes) && flush(b, err) != EL_OK) {
        return EL_FAIL;
    }
    for (int i = 0; i < base->ncolumns; i++) {
        if (put_value(b, i, &row[i], err) != EL_OK) {
            return EL_FAIL;
        }
    }
    b->bytes += bytes;
    return ++base->pending == b->room ? flush(b, err) : EL_OK;
}

int el_my_bulk_end(el_bulk *base, bool good, int64_t *failed, el_error *err) {
    my_bulk *b = (my_bulk *)base;
    int rc = good ? flush(b, err) : EL_OK;
    *failed = base->failed;
    free_bulk(b);
    return rc;
}

/* }====== */

#else

int el_my_bulk_begin(el_bulk **out, el_conn *c, const char *into, int ncolumns,
                     el_error *err) {
    (void)out, (void)c, (void)into, (void)ncolumns, (void)err;
    return EL_DONE;
}

int el_my_bulk_row(el_bulk *b, const el_value *values, el_error *err) {
    (void)b, (void)values;
    return el_fail(err, EL_ERR_UNSUPPORTED, 0, "MySQL has no arrays of values");
}

int el_my_bulk_end(el_bulk *b, bool good, int64_t *failed, el_error *err) {
    (void)b, (void)good, (void)failed;
    return el_fail(err, EL_ERR_UNSUPPORTED, 0, "MySQL has no arrays of values");
}

#endif
