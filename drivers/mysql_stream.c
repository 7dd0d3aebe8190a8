/* SPDX-License-Identifier: MIT
**
** mysql_stream.c - rows pulled one by one.  They are read off the wire as the server
** sends them, until another statement needs the link: then the rest is set aside.
*/
#include <stdlib.h>
#include <string.h>

#include "mysql_driver.h"

enum {
    DISCARD_BYTES = 4 << 20, /* so much is read of a stream that is left early, ... */
    DISCARD_TIME = 100 * 1000000, /* ... or for so many nanoseconds */
};

/* The next row off the wire, decoded. */
static int read_row(my_stmt *s, el_error *err) {
    int rc = el_my_read_row(s, err);
    for (int i = 0; rc == EL_ROW && i < s->base.ncolumns; i++) {
#if MY_CELLS_IN_PLACE
        el_my_load_cell(&s->cells[i], s->cells[i].at);
#endif
        el_my_decode(&s->cells[i], &s->values[i]);
    }
    return rc;
}

void el_my_stream_begin(my_stmt *s) {
    my_conn *c = (my_conn *)s->base.conn;
    s->pulled = true;
    c->stream = s;
}

int el_my_stream_fetch(my_stmt *s, el_error *err) {
    my_conn *c = (my_conn *)s->base.conn;
    if (s->aside) {
        return el_my_aside_next(s->aside, s->values, err);
    }
    if (el_my_usable(c, s, err) != EL_OK) {
        return EL_FAIL;
    }
    my_begin(c);
    int rc = read_row(s, err);
    my_end(c);
    if (rc == EL_DONE) {
        c->stream = NULL;
    }
    return rc;
}

/* Copies the texts, which lie in the client library's buffer: any statement reuses it. */
int el_my_stream_row(my_stmt *s, el_value *out, el_error *err) {
    size_t n = 0, count = (size_t)s->base.ncolumns;
    memcpy(out, s->values, sizeof *out * count);
    if (s->aside) {
        return EL_OK;
    }
    for (size_t i = 0; i < count; i++) {
        n += el_type_has_bytes(out[i].type) ? out[i].u.s.n : 0;
    }
    if (n > s->lent_size) {
        size_t size = n < SIZE_MAX / 2 ? n * 2 : n;
        free(s->lent);
        s->lent = malloc(size);
        s->lent_size = s->lent ? size : 0;
        if (!s->lent) {
            return el_fail(err, EL_ERR_NOMEM, 0, "no memory for a row of %zu bytes", n);
        }
    }
    char *to = s->lent;
    for (size_t i = 0; i < count; i++) {
        if (el_type_has_bytes(out[i].type) && out[i].u.s.n) {
            n = out[i].u.s.n;
            out[i].u.s.p = memcpy(to, out[i].u.s.p, n);
            to += n;
        }
    }
    return EL_OK;
}

int el_my_set_aside(my_conn *c, el_error *err) {
    my_stmt *s = c->stream;
    el_error why = {0};
    my_aside *a = el_my_aside_new(s->base.ncolumns);
    if (!a) {
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for the rows of a cursor");
    }
    /* The current row is lent until the next fetch. */
    int rc = s->row && el_my_aside_add(a, s->values, &why) != EL_OK ? EL_FAIL : EL_ROW;
    my_begin(c);
    while (rc == EL_ROW && (rc = read_row(s, &why)) == EL_ROW) {
        rc = el_my_aside_add(a, s->values, &why) == EL_OK ? EL_ROW : EL_FAIL;
    }
    if (rc == EL_FAIL) {
        el_my_aside_fail(a, &why);
        if (c->base.open) {
            mysql_stmt_free_result(s->handle);
        }
    }
    my_end(c);
    c->stream = NULL;
    c->answered = el_my_now();
    s->aside = a;
    if (s->row) {
        s->row = el_my_aside_next(a, s->values, &why) == EL_ROW;
    }
    if (why.kind == EL_ERR_CANCELED) { /* meant what waits for this, too */
        *err = err->kind == EL_ERR_NONE ? why : *err;
        return EL_FAIL;
    }
    return el_my_usable(c, NULL, err);
}

/*
** Empties the wire.  Little is read; of more the server is told to stop, which takes a
** link of its own, and the statement after it may be hit when it had ended just before.
*/
static void discard(my_conn *c, my_stmt *s) {
    static const char harmless[] = "DO 0";
    int64_t started = el_my_now();
    uint64_t bytes = 0;
    el_error ignored = {0};
    int rc = EL_ROW;
    my_begin(c);
    while (rc == EL_ROW && bytes < DISCARD_BYTES &&
           el_my_now() - started < DISCARD_TIME) {
        rc = read_row(s, &ignored);
        for (int i = 0; rc == EL_ROW && i < s->base.ncolumns; i++) {
            bytes += 8 + (el_type_has_bytes(s->values[i].type) ? s->values[i].u.s.n : 0);
        }
    }
    bool stopped = rc == EL_ROW && el_my_kill_query(c, &ignored) == EL_OK;
    if (c->base.open) {
        mysql_stmt_free_result(s->handle);
    }
    if (stopped && c->base.open) {
        mysql_real_query(c->link, harmless, sizeof harmless - 1);
    }
    my_end(c);
    c->answered = el_my_now();
}

void el_my_stream_end(my_stmt *s) {
    my_conn *c = (my_conn *)s->base.conn;
    if (c->stream == s) {
        c->stream = NULL;
        if (c->base.open) { /* else the client library has let go of the statement */
            discard(c, s);
        }
    }
    el_my_aside_free(s->aside);
    free(s->lent);
    s->aside = NULL;
    s->lent = NULL;
    s->lent_size = 0;
    s->pulled = false;
}
