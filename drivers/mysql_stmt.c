/* SPDX-License-Identifier: MIT
**
** mysql_stmt.c - the life of a statement: prepared on the server, or sent as text where
** that is refused or not worth it; rows read at once, or pulled.
*/
#include <stdlib.h>
#include <string.h>

#include "mysql_driver.h"

enum { ER_UNSUPPORTED_PS = 1295, ER_STALE_PREPARE = 1615, CR_STALE_METADATA = 2057 };

/* {====== Prepare and finalize ====== */

/* What is no query, as EXPLAIN or a CALL, comes whole. */
static bool is_pulled(const my_stmt *s) {
    return (s->flags & EL_STMT_STREAM) && s->verb == MY_VERB_QUERY;
}

static int alloc_params(my_stmt *s, el_error *err) {
    size_t n = (size_t)s->base.nparams;
    if (n == 0) {
        return EL_OK;
    }
    s->params = calloc(n, sizeof *s->params);
    s->slots = calloc(n, sizeof *s->slots);
    if (!s->params || !s->slots) {
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for %zu parameters", n);
    }
    return EL_OK;
}

/* What the server said about the result, which may be nothing. */
static int describe(my_stmt *s, el_error *err) {
    my_conn *c = (my_conn *)s->base.conn;
    unsigned n = mysql_stmt_field_count(s->handle);
    if (n == 0) {
        el_my_undescribe(s);
        return EL_OK;
    }
    /* the link has what the last execute brought; the statement keeps older names */
    if (c->link->fields && c->link->field_count == n) {
        return el_my_describe(s, c->link->fields, n, err);
    }
    MYSQL_RES *meta = mysql_stmt_result_metadata(s->handle);
    if (!meta) {
        return el_my_fail_stmt(s, err);
    }
    int rc = el_my_describe(s, mysql_fetch_fields(meta), n, err);
    mysql_free_result(meta);
    return rc;
}

/* Prepares on the server; EL_DONE when it only takes the statement as text. */
static int prepare_handle(my_stmt *s, el_error *err) {
    my_conn *c = (my_conn *)s->base.conn;
    s->handle = mysql_stmt_init(c->link);
    if (!s->handle) {
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for a statement");
    }
    my_begin(c);
    int failed = mysql_stmt_prepare(s->handle, s->sql, (unsigned long)s->len);
    my_end(c);
    if (failed) {
        if (mysql_stmt_errno(s->handle) == ER_UNSUPPORTED_PS &&
            !el_my_has_placeholder(s->sql, s->len)) {
            mysql_stmt_close(s->handle);
            s->handle = NULL;
            return EL_DONE;
        }
        return el_my_fail_stmt(s, err);
    }
    s->base.nparams = (int)mysql_stmt_param_count(s->handle);
    if (alloc_params(s, err) != EL_OK) {
        return EL_FAIL;
    }
#if MY_CELLS_IN_PLACE
    mysql_stmt_attr_set(s->handle, STMT_ATTR_CB_USER_DATA, s);
    mysql_stmt_attr_set(s->handle, STMT_ATTR_CB_RESULT, (void *)el_my_cell_arrives);
#endif
    return EL_OK;
}

/* The columns that the prepared statement will return, before it ever ran. */
static int describe_prepared(my_stmt *s, el_error *err) {
    if (mysql_stmt_field_count(s->handle) == 0) {
        return EL_OK;
    }
    MYSQL_RES *meta = mysql_stmt_result_metadata(s->handle);
    if (!meta) {
        return el_my_fail_stmt(s, err);
    }
    int rc = el_my_describe(s, mysql_fetch_fields(meta), mysql_num_fields(meta), err);
    mysql_free_result(meta);
    return rc;
}

int el_my_prepare(el_stmt **out, el_conn *base, const el_query *q, el_error *err) {
    my_conn *c = (my_conn *)base;
    if (!q->sql) {
        return el_fail(err, EL_ERR_MISUSE, 0, "MySQL runs SQL, not documents");
    }
    if (el_my_ready(c, NULL, err) != EL_OK) {
        return EL_FAIL;
    }
    my_stmt *s = calloc(1, sizeof *s);
    char *sql = malloc(q->len + 1);
    if (!s || !sql) {
        free(s);
        free(sql);
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for a statement");
    }
    memcpy(sql, q->sql, q->len);
    sql[q->len] = '\0';
    s->sql = sql;
    s->len = q->len;
    s->flags = q->flags;
    s->verb = el_my_verb(sql, q->len);
    s->base.conn = base;
    el_conn_retain(base);
    /* queries are prepared even to run once: as text they lose digits of FLOAT */
    bool as_text = (q->flags & EL_STMT_ONCE) && s->verb == MY_VERB_OTHER &&
                   !el_my_has_placeholder(sql, q->len);
    int rc = as_text ? EL_DONE : prepare_handle(s, err);
    if (rc == EL_OK) {
        rc = describe_prepared(s, err);
    }
    if (rc == EL_FAIL) {
        el_my_finalize(&s->base);
        return EL_FAIL;
    }
    *out = &s->base;
    return EL_OK;
}

void el_my_finalize(el_stmt *base) {
    my_stmt *s = (my_stmt *)base;
    my_conn *owner = (my_conn *)base->conn;
    el_error ignored = {0};
    el_my_reset(base);
    if (s->handle) {
        if (owner->base.open && owner->stream) { /* closing would eat its rows */
            el_my_set_aside(owner, &ignored);
        }
        mysql_stmt_close(s->handle);
    }
    el_my_undescribe(s);
    el_my_rows_free(s->rows);
    free(s->params);
    free(s->slots);
    free(s->sql);
    el_conn *c = s->base.conn;
    free(s);
    el_conn_release(c);
}

/* }====== */

/* {====== Execute ====== */

/* Reads what a CALL left on the wire. */
static int drain(my_stmt *s, el_error *err) {
    my_conn *c = (my_conn *)s->base.conn;
    int rc = 0;
    my_begin(c);
    while (c->base.open && (rc = mysql_stmt_next_result(s->handle)) == 0) {
        mysql_stmt_free_result(s->handle);
    }
    my_end(c);
    s->more = false;
    s->bound = false;
    c->unread = NULL;
    return rc > 0 && err ? el_my_fail_stmt(s, err) : EL_OK;
}

/* Drops the result, so that nothing of it is in memory or on the server. */
static void drop_result(my_stmt *s) {
    s->base.active = s->row = false;
    if (s->pulled) {
        el_my_stream_end(s);
        el_my_shrink(s);
    }
    if (s->more) {
        drain(s, NULL);
    }
}

void el_my_reset(el_stmt *base) {
    if (base->active) {
        drop_result((my_stmt *)base);
    }
}

/* A count of the client library, where all bits set mean none. */
static int64_t count_of(uint64_t n) {
    return n == UINT64_MAX ? 0 : (int64_t)n;
}

/* Adds the row in the cells to those that are kept. */
static int keep_row(my_stmt *s, el_error *err) {
    for (int i = 0; i < s->base.ncolumns; i++) {
        el_my_decode(&s->cells[i], &s->values[i]);
    }
    return el_my_rows_add(s->rows, s->values, err);
}

/* The same for one that came in binary. */
static int keep_fetched(my_stmt *s, el_error *err) {
#if MY_CELLS_IN_PLACE
    return el_my_rows_add_raw(s->rows, s->cells, s->base.ncolumns, s->row_end, err);
#else
    return keep_row(s, err);
#endif
}

/* Before the first row in binary. */
static int expect_rows(my_stmt *s, el_error *err) {
    int rc = is_pulled(s) ? EL_OK : el_my_rows_begin(&s->rows, s->base.ncolumns, err);
#if MY_CELLS_IN_PLACE
    rc = rc == EL_OK ? el_my_expect_cells(s, err) : rc;
    if (rc == EL_OK && !is_pulled(s)) {
        rc = el_my_rows_expect(s->rows, s->cells, s->base.ncolumns, err);
    }
#endif
    return rc;
}

static int keep_text_rows(my_stmt *s, MYSQL_RES *result, el_error *err) {
    MYSQL_ROW row;
    int rc = el_my_describe(s, mysql_fetch_fields(result), mysql_num_fields(result), err);
    if (rc == EL_OK) {
        rc = el_my_rows_begin(&s->rows, s->base.ncolumns, err);
    }
    while (rc == EL_OK && (row = mysql_fetch_row(result))) {
        rc = el_my_load_text(s, row, mysql_fetch_lengths(result), err);
        rc = rc == EL_OK ? keep_row(s, err) : rc;
    }
    s->next = 0;
    s->base.active = rc == EL_OK;
    return rc;
}

static int run_text(my_stmt *s, el_error *err) {
    my_conn *c = (my_conn *)s->base.conn;
    MYSQL_RES *result = NULL;
    my_begin(c);
    int failed = mysql_real_query(c->link, s->sql, (unsigned long)s->len);
    if (!failed) {
        result = mysql_store_result(c->link);
        failed = !result && mysql_field_count(c->link) > 0;
    }
    my_end(c);
    if (failed) {
        return el_my_fail(c, c->link, s->sql, s->len, err);
    }
    if (!result) {
        s->base.affected = count_of(mysql_affected_rows(c->link));
        s->base.last_id = (int64_t)mysql_insert_id(c->link);
        el_my_undescribe(s);
        return EL_OK;
    }
    int rc = keep_text_rows(s, result, err);
    mysql_free_result(result);
    return rc;
}

/* The statement was prepared for columns that have changed since: once more. */
static int prepare_again(my_stmt *s, el_error *err) {
    mysql_stmt_close(s->handle);
    s->handle = NULL;
    free(s->params);
    free(s->slots);
    s->params = NULL;
    s->slots = NULL;
    s->bound = false;
    int rc = prepare_handle(s, err);
    return rc == EL_DONE ? el_fail(err, EL_ERR_OTHER, 0, "the statement has changed")
                         : rc;
}

/* Binds, sends and runs; EL_DONE when the server wants it prepared again. */
static int send_prepared(my_stmt *s, const el_value *args, el_error *err) {
    my_conn *c = (my_conn *)s->base.conn;
    if (el_my_bind(s, args, err) != EL_OK || el_my_send_long(s, args, err) != EL_OK) {
        return EL_FAIL;
    }
    my_begin(c);
    int failed = mysql_stmt_execute(s->handle);
    my_end(c);
    if (!failed) {
        return EL_OK;
    }
    unsigned code = mysql_stmt_errno(s->handle);
    if ((code == CR_STALE_METADATA || code == ER_STALE_PREPARE) &&
        s->verb == MY_VERB_QUERY) {
        return EL_DONE;
    }
    return el_my_fail_stmt(s, err);
}

/* Has the client library put rows into the cells. */
static int bind_cells(my_stmt *s, el_error *err) {
    if (!MY_CELLS_IN_PLACE && !s->bound && mysql_stmt_bind_result(s->handle, s->binds)) {
        return el_my_fail_stmt(s, err);
    }
    s->bound = true;
    return EL_OK;
}

int el_my_read_row(my_stmt *s, el_error *err) {
    if (bind_cells(s, err) != EL_OK) {
        return EL_FAIL;
    }
    int rc = mysql_stmt_fetch(s->handle);
    if (rc == MYSQL_NO_DATA) {
        return EL_DONE;
    }
    if (rc != 0 && rc != MYSQL_DATA_TRUNCATED) {
        my_conn *c = (my_conn *)s->base.conn;
        /* Connector/C tells the link alone of errors that come between rows. */
        return mysql_stmt_errno(s->handle) ? el_my_fail_stmt(s, err)
                                           : el_my_fail(c, c->link, s->sql, s->len, err);
    }
    if (MY_CELLS_IN_PLACE) {
        return EL_ROW;
    }
    return el_my_complete_row(s, err) == EL_OK ? EL_ROW : EL_FAIL;
}

/* Leaves nothing of the result on the wire. */
static void abandon_rows(my_stmt *s) {
    s->base.active = false;
    if (s->base.conn->open) { /* else Connector/C's next execute waits for the rows */
        mysql_stmt_free_result(s->handle);
        mysql_stmt_reset(s->handle);
    }
    el_my_shrink(s);
}

/* Takes the whole result off the wire, unless its rows are pulled. */
static int read_result(my_stmt *s, el_error *err) {
    my_conn *c = (my_conn *)s->base.conn;
    s->base.active = true;
    s->next = 0;
    int rc = expect_rows(s, err);
    if (rc == EL_OK && is_pulled(s)) {
        el_my_stream_begin(s);
        return EL_OK;
    }
    my_begin(c);
    while (rc != EL_FAIL && (rc = el_my_read_row(s, err)) == EL_ROW) {
        rc = keep_fetched(s, err);
    }
    my_end(c);
    if (rc == EL_FAIL) { /* also INSERT ... RETURNING whose error comes after rows */
        abandon_rows(s);
        return EL_FAIL;
    }
    if (s->verb == MY_VERB_WRITE) { /* RETURNING: a row for each that was written */
        s->base.affected = (int64_t)s->rows->nrows;
    }
    el_my_shrink(s);
    s->more = mysql_more_results(c->link);
    if (s->more) {
        c->unread = s;
    }
    return EL_OK;
}

static int run_prepared(my_stmt *s, const el_value *args, el_error *err) {
    int rc = send_prepared(s, args, err);
    if (rc == EL_DONE) {
        if (prepare_again(s, err) != EL_OK) {
            return EL_FAIL;
        }
        rc = send_prepared(s, args, err);
        if (rc == EL_DONE) {
            rc = el_my_fail_stmt(s, err);
        }
    }
    if (rc == EL_FAIL) {
        return EL_FAIL;
    }
    s->base.last_id = (int64_t)mysql_stmt_insert_id(s->handle);
    if (mysql_stmt_field_count(s->handle) == 0) {
        s->base.affected = count_of(mysql_stmt_affected_rows(s->handle));
        el_my_undescribe(s);
        return EL_OK;
    }
    if (describe(s, err) != EL_OK) {
        abandon_rows(s);
        return EL_FAIL;
    }
    return read_result(s, err);
}

int el_my_execute(el_stmt *base, const el_value *args, int nargs, el_error *err) {
    my_stmt *s = (my_stmt *)base;
    my_conn *c = (my_conn *)base->conn;
    el_my_reset(base);
    base->affected = base->last_id = 0;
    if (nargs != base->nparams) {
        return el_fail(err, EL_ERR_MISUSE, 0,
                       "the statement has %d placeholders, %d values were given",
                       base->nparams, nargs);
    }
    if (el_my_ready(c, s, err) != EL_OK) {
        return EL_FAIL;
    }
    int rc = s->handle ? run_prepared(s, args, err) : run_text(s, err);
    c->answered = el_my_now();
    return rc;
}

/* }====== */

/* {====== Rows ====== */

static int end_of_rows(my_stmt *s, el_error *err) {
    int rc = s->more ? drain(s, err) : EL_OK;
    drop_result(s);
    return rc == EL_OK ? EL_DONE : EL_FAIL;
}

static int fetch_kept(my_stmt *s, el_error *err) {
    if (el_my_usable((my_conn *)s->base.conn, ((my_conn *)s->base.conn)->unread, err) !=
        EL_OK) {
        drop_result(s);
        return EL_FAIL;
    }
    return s->next++ < s->rows->nrows ? EL_ROW : end_of_rows(s, err);
}

static int fetch_pulled(my_stmt *s, el_error *err) {
    int rc = el_my_stream_fetch(s, err);
    if (rc == EL_DONE) {
        return end_of_rows(s, err);
    }
    if (rc == EL_FAIL) {
        drop_result(s);
    }
    return rc;
}

int el_my_fetch(el_stmt *base, el_error *err) {
    my_stmt *s = (my_stmt *)base;
    if (!base->active) {
        return EL_DONE;
    }
    s->row = false;
    int rc = s->pulled ? fetch_pulled(s, err) : fetch_kept(s, err);
    s->row = rc == EL_ROW;
    return rc;
}

int el_my_row(el_stmt *base, el_value *out, el_error *err) {
    my_stmt *s = (my_stmt *)base;
    if (!s->row) {
        return el_fail(err, EL_ERR_MISUSE, 0, "no row: fetch one first");
    }
    if (s->pulled) {
        return el_my_stream_row(s, out, err);
    }
    for (int i = 0; i < base->ncolumns; i++) {
        el_my_cell(s->rows, s->next - 1, i, &out[i]);
    }
    return EL_OK;
}

/* }====== */
