/* SPDX-License-Identifier: MIT
**
** pg_copy.c - many rows into one table by COPY, in its text format: the server reads each
** value as its column's type, as it does with the values of statements.
*/
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg.h"

enum {
    SEND_SIZE = 1 << 16, /* data is handed over when there is so much of it */
    FIRST_SIZE = SEND_SIZE + (1 << 12)
};

typedef struct pg_bulk {
    el_bulk base;
    char *data; /* rows not handed over yet */
    size_t n, size;
    bool refused; /* the server takes no more; the end tells why */
    Oid *types;   /* of the columns */
    int64_t moment;
    char moment_text[PG_NUMBER_SIZE]; /* rows that are written together share it */
    int moment_length;
    char sql[]; /* of the COPY */
} pg_bulk;

static pg_conn *conn_of(const pg_bulk *b) {
    return (pg_conn *)b->base.conn;
}

/* {====== Beginning ====== */

static void free_bulk(pg_bulk *b) {
    free(b->data);
    free(b->types);
    free(b);
}

/* The types of the columns, as those of an insert's placeholders. */
static int learn_types(pg_bulk *b, const char *into, el_error *err) {
    pg_conn *c = conn_of(b);
    int n = b->base.ncolumns;
    char *sql = malloc(strlen(into) + 64 + (size_t)n * 8), *to = sql;
    if (sql == NULL) {
        return el_fail(err, EL_ERR_NOMEM, 0, "out of memory for %d columns", n);
    }
    to += sprintf(to, "INSERT INTO %s VALUES (", into);
    for (int i = 1; i <= n; i++) {
        to += sprintf(to, i < n ? "$%d, " : "$%d)", i);
    }
    PGresult *answers[2] = {0};
    int failed, rc = el_pg_start(c, &c->main, err);
    if (rc == EL_OK) {
        bool sent = PQenterPipelineMode(c->main.pg) &&
                    PQsendPrepare(c->main.pg, "", sql, 0, NULL) &&
                    PQsendDescribePrepared(c->main.pg, "") && PQpipelineSync(c->main.pg);
        rc = el_pg_answers(c, &c->main, sent, 1, answers, 2, 0, &failed, err);
    }
    for (int i = 0; rc == EL_OK && i < n; i++) {
        b->types[i] = PQparamtype(answers[1], i);
    }
    PQclear(answers[0]);
    PQclear(answers[1]);
    free(sql);
    return rc;
}

/* Rules, row level security, views: the server says 0A000 or 42809. */
static int start_copy(pg_bulk *b, el_error *err) {
    pg_conn *c = conn_of(b);
    if (el_pg_start(c, &c->main, err) != EL_OK) {
        return EL_FAIL;
    }
    int sent = PQsendQuery(c->main.pg, b->sql);
    PGresult *r = sent ? PQgetResult(c->main.pg) : NULL;
    bool ready = PQresultStatus(r) == PGRES_COPY_IN;
    if (ready) {
        PQclear(r);
        return EL_OK;
    }
    if (r != NULL) {
        el_pg_error(err, c, r);
        PQclear(r);
    }
    while (sent && (r = PQgetResult(c->main.pg)) != NULL) {
        PQclear(r);
    }
    el_pg_end(c, &c->main);
    if (PQstatus(c->main.pg) != CONNECTION_OK) {
        el_pg_lost(err, c, NULL, true);
    }
    if (strcmp(err->sqlstate, "42809") == 0) {
        err->kind = EL_ERR_UNSUPPORTED;
    }
    return el_fail(err, EL_ERR_OTHER, 0, "%s did not begin a COPY", c->where);
}

int el_pg_bulk_begin(el_bulk **out, el_conn *base, const char *into, int ncolumns,
                     el_error *err) {
    static const char head[] = "COPY ", tail[] = " FROM STDIN";
    size_t n = strlen(into);
    pg_bulk *b = malloc(sizeof *b + sizeof head + n + sizeof tail);
    if (b == NULL) {
        return el_fail(err, EL_ERR_NOMEM, 0, "out of memory for a COPY");
    }
    *b = (pg_bulk){.base = {.conn = base, .ncolumns = ncolumns, .own = true},
                   .size = FIRST_SIZE};
    sprintf(b->sql, "%s%s%s", head, into, tail);
    b->base.sql = b->sql;
    b->data = malloc(b->size);
    b->types = calloc((size_t)ncolumns, sizeof *b->types);
    int rc = EL_OK;
    if (b->data == NULL || b->types == NULL) {
        rc = el_fail(err, EL_ERR_NOMEM, 0, "out of memory for a COPY");
    }
    if (rc != EL_OK || learn_types(b, into, err) != EL_OK || start_copy(b, err) != EL_OK) {
        free_bulk(b);
        return EL_FAIL;
    }
    *out = &b->base;
    return EL_OK;
}

/* }====== */

/* {====== Rows ====== */

/* Makes room for n more bytes. */
static int reserve(pg_bulk *b, size_t n, el_error *err) {
    if (b->size - b->n >= n) {
        return EL_OK;
    }
    size_t size = b->size;
    while (size - b->n < n) {
        if (size > SIZE_MAX / 2) {
            return el_fail(err, EL_ERR_NOMEM, 0, "out of memory for a row");
        }
        size *= 2;
    }
    char *data = realloc(b->data, size);
    if (data == NULL) {
        return el_fail(err, EL_ERR_NOMEM, 0, "out of memory for a row of %zu bytes", size);
    }
    b->data = data;
    b->size = size;
    return EL_OK;
}

static void put(pg_bulk *b, const char *p, size_t n) {
    memcpy(b->data + b->n, p, n);
    b->n += n;
}

/* In COPY's text a line, a column and NULL are marked by these. */
static int put_text(pg_bulk *b, int column, const char *p, size_t n, el_error *err) {
    if (n > SIZE_MAX / 4 || reserve(b, 2 * n + PG_NUMBER_SIZE, err) != EL_OK) {
        return EL_FAIL;
    }
    char *to = b->data + b->n;
    for (size_t i = 0; i < n; i++) {
        char c = p[i];
        if ((unsigned char)c > '\r' && c != '\\') {
            *to++ = c;
            continue;
        }
        switch (c) {
        case '\0':
            return el_fail(err, EL_ERR_VALUE, 0,
                           "the text for column %d holds a zero byte, which PostgreSQL "
                           "text can't; use a binary column",
                           column + 1);
        case '\\':
            *to++ = '\\';
            *to++ = '\\';
            break;
        case '\n':
            *to++ = '\\';
            *to++ = 'n';
            break;
        case '\r':
            *to++ = '\\';
            *to++ = 'r';
            break;
        case '\t':
            *to++ = '\\';
            *to++ = 't';
            break;
        default:
            *to++ = c;
        }
    }
    b->n = (size_t)(to - b->data);
    return EL_OK;
}

static int put_bytes(pg_bulk *b, const char *p, size_t n, el_error *err) {
    static const char digits[] = "0123456789abcdef";
    if (n > SIZE_MAX / 4 || reserve(b, 2 * n + PG_NUMBER_SIZE, err) != EL_OK) {
        return EL_FAIL;
    }
    put(b, "\\\\x", 3);
    for (size_t i = 0; i < n; i++) {
        b->data[b->n++] = digits[(unsigned char)p[i] >> 4];
        b->data[b->n++] = digits[p[i] & 15];
    }
    return EL_OK;
}

#define TWO_TO_63 9223372036854775808.0

/* As statements send it: a whole number without an exponent, which integers read. */
static void put_float(pg_bulk *b, double d) {
    char text[PG_NUMBER_SIZE];
    bool whole = d >= -TWO_TO_63 && d < TWO_TO_63 && d == trunc(d) &&
                 (d != 0 || !signbit(d));
    int n = whole ? el_pg_format_int(text, (int64_t)d) : el_pg_format_double(text, d);
    put(b, text, (size_t)n);
}

static void put_moment(pg_bulk *b, int64_t micros) {
    if (b->moment_length == 0 || b->moment != micros) {
        b->moment = micros;
        b->moment_length = el_pg_format_timestamp(b->moment_text, micros);
    }
    put(b, b->moment_text, (size_t)b->moment_length);
}

static int put_value(pg_bulk *b, int i, const el_value *v, el_error *err) {
    char text[PG_NUMBER_SIZE];
    if (reserve(b, PG_NUMBER_SIZE, err) != EL_OK) {
        return EL_FAIL;
    }
    switch (v->type) {
    case EL_NULL:
        put(b, "\\N", 2);
        return EL_OK;
    case EL_BOOL:
        put(b, v->u.b ? "t" : "f", 1);
        return EL_OK;
    case EL_INT:
        put(b, text, (size_t)el_pg_format_int(text, v->u.i));
        return EL_OK;
    case EL_FLOAT:
        put_float(b, v->u.d);
        return EL_OK;
    case EL_TIMESTAMP:
        put_moment(b, v->u.i);
        return EL_OK;
    case EL_LIST:
    case EL_DOC:
        return el_fail(err, EL_ERR_UNSUPPORTED, 0, "COPY takes no %s for column %d",
                       el_type_name(v->type), i + 1);
    case EL_BYTES:
        if (b->types[i] != PG_OID_BYTEA) {
            return el_fail(err, EL_ERR_VALUE, 0,
                           "column %d holds no bytes, and the value is no valid text",
                           i + 1);
        }
        return put_bytes(b, v->u.s.p, v->u.s.n, err);
    default:
        return b->types[i] == PG_OID_BYTEA ? put_bytes(b, v->u.s.p, v->u.s.n, err)
                                           : put_text(b, i, v->u.s.p, v->u.s.n, err);
    }
}

/* Fails without a reason, which comes with the end. */
static int hand_over(pg_bulk *b) {
    size_t at = 0;
    PGconn *pg = conn_of(b)->main.pg;
    while (at < b->n) {
        size_t n = b->n - at < (1u << 28) ? b->n - at : 1u << 28;
        if (PQputCopyData(pg, b->data + at, (int)n) != 1) {
            b->refused = true;
            return EL_FAIL;
        }
        at += n;
    }
    b->n = 0;
    return EL_OK;
}

int el_pg_bulk_row(el_bulk *base, const el_value *values, el_error *err) {
    pg_bulk *b = (pg_bulk *)base;
    for (int i = 0; i < base->ncolumns; i++) {
        if (i > 0) {
            b->data[b->n++] = '\t';
        }
        if (put_value(b, i, &values[i], err) != EL_OK) {
            return EL_FAIL;
        }
    }
    b->data[b->n++] = '\n'; /* put_value left room for it */
    return b->n < SEND_SIZE ? EL_OK : hand_over(b);
}

/* }====== */

/* {====== The end ====== */

/* "COPY users, line 3, column age": the row, counted from 1; 0 when it isn't told. */
static int64_t line_of(const PGresult *r) {
    const char *context = PQresultErrorField(r, PG_DIAG_CONTEXT);
    const char *line = NULL;
    while (context != NULL && (context = strstr(context, ", line ")) != NULL) {
        line = context += strlen(", line "); /* the last: names may look like it */
    }
    return line != NULL ? strtoll(line, NULL, 10) : 0;
}

int el_pg_bulk_end(el_bulk *base, bool good, int64_t *failed, el_error *err) {
    pg_bulk *b = (pg_bulk *)base;
    pg_conn *c = conn_of(b);
    PGconn *pg = c->main.pg;
    PGresult *r, *bad = NULL;
    *failed = 0;
    if (good) {
        good = hand_over(b) == EL_OK;
    }
    PQputCopyEnd(pg, good ? NULL : "the rows were given up");
    while ((r = PQgetResult(pg)) != NULL) {
        if (bad == NULL && PQresultStatus(r) != PGRES_COMMAND_OK) {
            bad = r;
        } else {
            PQclear(r);
        }
    }
    el_pg_end(c, &c->main);
    int rc = EL_OK;
    if (PQstatus(pg) != CONNECTION_OK) {
        rc = el_pg_lost(err, c, bad, true);
    } else if (bad != NULL && (good || b->refused)) {
        *failed = line_of(bad);
        rc = el_pg_error(err, c, bad);
    }
    PQclear(bad);
    free_bulk(b);
    return rc;
}

/* }====== */
