/* SPDX-License-Identifier: MIT
**
** pg_copy.c - many rows into one table by COPY.  In binary where the columns are of types
** that are sent so; else, and from the first value on that has no binary form for its
** column, in text, which the server reads as it does the values of statements.
*/
#include <endian.h>
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
    bool binary;
    int64_t rows, ended; /* written; of these by a COPY that is over */
    bool over;           /* no COPY is open */
    bool refused;        /* the server takes no more; the end tells why */
    Oid *types;          /* of the columns */
    int64_t moment;
    char moment_text[PG_NUMBER_SIZE]; /* rows that are written together share it */
    int moment_length;
    size_t sql_length; /* up to the table's columns */
    char sql[];        /* of the COPY */
} pg_bulk;

#define TEXT_TAIL " FROM STDIN"
#define BINARY_TAIL " FROM STDIN (FORMAT binary)"

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

static bool has_binary(Oid type) {
    switch (type) {
    case PG_OID_INT2:
    case PG_OID_INT4:
    case PG_OID_INT8:
    case PG_OID_FLOAT8:
    case PG_OID_BOOL:
    case PG_OID_TIMESTAMP:
    case PG_OID_TIMESTAMPTZ:
    case PG_OID_DATE:
    case PG_OID_UUID:
    case PG_OID_BYTEA:
    case PG_OID_TEXT:
    case PG_OID_VARCHAR:
    case PG_OID_BPCHAR:
    case PG_OID_JSON:
    case PG_OID_JSONB:
        return true;
    default:
        return false;
    }
}

/*
** Rules and row level security (0A000) and views (42809) take no COPY; of a view the
** server says so once it has the rows.
*/
static int copy_error(el_error *err, const pg_conn *c, const PGresult *r) {
    el_pg_error(err, c, r);
    if (strcmp(err->sqlstate, "42809") == 0) {
        err->kind = EL_ERR_UNSUPPORTED;
    }
    return EL_FAIL;
}

static int start_copy(pg_bulk *b, bool binary, el_error *err) {
    static const char head[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0"; /* and one more zero */
    pg_conn *c = conn_of(b);
    b->binary = binary;
    const char *tail = binary ? BINARY_TAIL : TEXT_TAIL;
    memcpy(b->sql + b->sql_length, tail, strlen(tail) + 1);
    b->n = binary ? sizeof head : 0;
    memcpy(b->data, head, b->n);
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
        copy_error(err, c, r);
        PQclear(r);
    }
    while (sent && (r = PQgetResult(c->main.pg)) != NULL) {
        PQclear(r);
    }
    el_pg_end(c, &c->main);
    if (PQstatus(c->main.pg) != CONNECTION_OK) {
        el_pg_lost(err, c, NULL, true);
    }
    return el_fail(err, EL_ERR_OTHER, 0, "%s did not begin a COPY", c->where);
}

int el_pg_bulk_begin(el_bulk **out, el_conn *base, const char *into, int ncolumns,
                     el_error *err) {
    static const char head[] = "COPY ";
    pg_bulk *b = malloc(sizeof *b + sizeof head + strlen(into) + sizeof BINARY_TAIL);
    if (b == NULL) {
        return el_fail(err, EL_ERR_NOMEM, 0, "out of memory for a COPY");
    }
    *b = (pg_bulk){.base = {.conn = base, .ncolumns = ncolumns, .own = true},
                   .size = FIRST_SIZE};
    b->sql_length = (size_t)sprintf(b->sql, "%s%s", head, into);
    b->base.sql = b->sql;
    b->data = malloc(b->size);
    b->types = calloc((size_t)ncolumns, sizeof *b->types);
    int rc = EL_OK;
    if (b->data == NULL || b->types == NULL) {
        rc = el_fail(err, EL_ERR_NOMEM, 0, "out of memory for a COPY");
    }
    rc = rc == EL_OK ? learn_types(b, into, err) : rc;
    bool binary = rc == EL_OK;
    for (int i = 0; i < ncolumns && binary; i++) {
        binary = has_binary(b->types[i]);
    }
    rc = rc == EL_OK ? start_copy(b, binary, err) : rc;
    if (rc != EL_OK) {
        free_bulk(b);
        return EL_FAIL;
    }
    *out = &b->base;
    return EL_OK;
}

/* }====== */

/* {====== Values as text ====== */

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
        return el_fail(err, EL_ERR_NOMEM, 0, "out of memory for a row of %zu bytes",
                       size);
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
    bool whole =
        d >= -TWO_TO_63 && d < TWO_TO_63 && d == trunc(d) && (d != 0 || !signbit(d));
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

/* }====== */

/* {====== Values in binary ====== */

/* Each begins with its length; -1 is NULL. */
static void put_length(pg_bulk *b, size_t n) {
    uint32_t big = htobe32((uint32_t)n);
    put(b, (const char *)&big, sizeof big);
}

static int put_16(pg_bulk *b, int64_t i) {
    uint16_t big = htobe16((uint16_t)i);
    if (i < INT16_MIN || i > INT16_MAX) {
        return EL_DONE;
    }
    put_length(b, sizeof big);
    put(b, (const char *)&big, sizeof big);
    return EL_OK;
}

static int put_32(pg_bulk *b, int64_t i) {
    uint32_t big = htobe32((uint32_t)i);
    if (i < INT32_MIN || i > INT32_MAX) {
        return EL_DONE;
    }
    put_length(b, sizeof big);
    put(b, (const char *)&big, sizeof big);
    return EL_OK;
}

static int put_64(pg_bulk *b, uint64_t bits) {
    uint64_t big = htobe64(bits);
    put_length(b, sizeof big);
    put(b, (const char *)&big, sizeof big);
    return EL_OK;
}

static int put_days(pg_bulk *b, const char *p, size_t n) {
    const int64_t day = INT64_C(86400000000);
    int64_t micros;
    if (n != sizeof "YYYY-MM-DD" - 1 || !el_timestamp_parse(&micros, p, n)) {
        return EL_DONE;
    }
    return put_32(b, (micros - PG_EPOCH_MICROS) / day);
}

static int hex_value(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int put_uuid(pg_bulk *b, const char *p, size_t n) {
    char bytes[16];
    size_t at = 0;
    for (size_t i = 0; i + 1 < n && at < sizeof bytes; i += 2) {
        i += p[i] == '-';
        int high = hex_value(p[i]), low = i + 1 < n ? hex_value(p[i + 1]) : -1;
        if (high < 0 || low < 0) {
            return EL_DONE;
        }
        bytes[at++] = (char)(high << 4 | low);
    }
    if (n != 36 || at != sizeof bytes) {
        return EL_DONE;
    }
    put_length(b, sizeof bytes);
    put(b, bytes, sizeof bytes);
    return EL_OK;
}

static int put_long(pg_bulk *b, const char *p, size_t n, bool version, el_error *err) {
    if (n > INT32_MAX - 1 || reserve(b, n + PG_NUMBER_SIZE, err) != EL_OK) {
        return el_fail(err, EL_ERR_VALUE, 0,
                       "a value has %zu bytes, PostgreSQL takes 1 GB", n);
    }
    put_length(b, n + version);
    if (version) {
        put(b, "\1", 1); /* of jsonb */
    }
    put(b, p, n);
    return EL_OK;
}

static int put_bytes_binary(pg_bulk *b, int i, const el_value *v, el_error *err) {
    const char *p = v->u.s.p;
    size_t n = v->u.s.n;
    switch (b->types[i]) {
    case PG_OID_BYTEA:
        return put_long(b, p, n, false, err);
    case PG_OID_TEXT:
    case PG_OID_VARCHAR:
    case PG_OID_BPCHAR:
    case PG_OID_JSON:
    case PG_OID_JSONB:
        if (v->type == EL_BYTES || memchr(n > 0 ? p : "", '\0', n) != NULL) {
            return EL_DONE; /* an error, which the text form knows to tell */
        }
        return put_long(b, p, n, b->types[i] == PG_OID_JSONB, err);
    case PG_OID_UUID:
        return put_uuid(b, p, n);
    case PG_OID_DATE:
        return v->type == EL_DATE ? put_days(b, p, n) : EL_DONE;
    default:
        return EL_DONE;
    }
}

static int put_int_binary(pg_bulk *b, int i, int64_t value) {
    switch (b->types[i]) {
    case PG_OID_INT2:
        return put_16(b, value);
    case PG_OID_INT4:
        return put_32(b, value);
    case PG_OID_INT8:
        return put_64(b, (uint64_t)value);
    default:
        return EL_DONE;
    }
}

/* EL_DONE when the value has no binary form for its column. */
static int put_binary(pg_bulk *b, int i, const el_value *v, el_error *err) {
    Oid type = b->types[i];
    uint64_t bits;
    if (reserve(b, PG_NUMBER_SIZE, err) != EL_OK) {
        return EL_FAIL;
    }
    switch (v->type) {
    case EL_NULL:
        put_length(b, UINT32_MAX);
        return EL_OK;
    case EL_BOOL:
        if (type != PG_OID_BOOL) {
            return EL_DONE;
        }
        put_length(b, 1);
        put(b, v->u.b ? "\1" : "", 1);
        return EL_OK;
    case EL_INT:
        return put_int_binary(b, i, v->u.i);
    case EL_FLOAT:
        memcpy(&bits, &v->u.d, sizeof bits);
        return type == PG_OID_FLOAT8 ? put_64(b, bits) : EL_DONE;
    case EL_TIMESTAMP:
        return type == PG_OID_TIMESTAMP || type == PG_OID_TIMESTAMPTZ
                   ? put_64(b, (uint64_t)(v->u.i - PG_EPOCH_MICROS))
                   : EL_DONE;
    case EL_LIST:
    case EL_DOC:
        return EL_DONE;
    default:
        return put_bytes_binary(b, i, v, err);
    }
}

/* }====== */

/* {====== Rows ====== */

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

/* "COPY users, line 3, column age": the row, counted from 1; 0 when it isn't told. */
static int64_t line_of(const PGresult *r) {
    const char *context = PQresultErrorField(r, PG_DIAG_CONTEXT);
    const char *line = NULL;
    while (context != NULL && (context = strstr(context, ", line ")) != NULL) {
        line = context += strlen(", line "); /* the last: names may look like it */
    }
    return line != NULL ? strtoll(line, NULL, 10) : 0;
}

/* Ends the COPY and waits for what the server says. */
static int end_copy(pg_bulk *b, bool good, el_error *err) {
    pg_conn *c = conn_of(b);
    PGconn *pg = c->main.pg;
    PGresult *r, *bad = NULL;
    if (good && b->binary) {
        put(b, "\377\377", 2); /* every row leaves room for it */
    }
    good = good && hand_over(b) == EL_OK;
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
        int64_t line = line_of(bad);
        b->base.failed = line > 0 ? b->ended + line : 0;
        rc = copy_error(err, c, bad);
    }
    PQclear(bad);
    b->over = true;
    return rc;
}

/* What is sent so far stays; the rest comes as text. */
static int go_on_in_text(pg_bulk *b, el_error *err) {
    if (end_copy(b, true, err) != EL_OK || start_copy(b, false, err) != EL_OK) {
        return EL_FAIL;
    }
    b->over = false;
    b->ended = b->rows;
    return EL_OK;
}

static int put_binary_row(pg_bulk *b, const el_value *values, el_error *err) {
    size_t before = b->n;
    uint16_t fields = htobe16((uint16_t)b->base.ncolumns);
    int rc = reserve(b, PG_NUMBER_SIZE, err);
    put(b, (const char *)&fields, rc == EL_OK ? sizeof fields : 0);
    for (int i = 0; rc == EL_OK && i < b->base.ncolumns; i++) {
        rc = put_binary(b, i, &values[i], err);
    }
    if (rc == EL_DONE) {
        b->n = before;
    }
    return rc;
}

static int put_text_row(pg_bulk *b, const el_value *values, el_error *err) {
    for (int i = 0; i < b->base.ncolumns; i++) {
        if (i > 0) {
            b->data[b->n++] = '\t'; /* put_value left room for it */
        }
        if (put_value(b, i, &values[i], err) != EL_OK) {
            return EL_FAIL;
        }
    }
    b->data[b->n++] = '\n';
    return EL_OK;
}

int el_pg_bulk_row(el_bulk *base, const el_value *values, el_error *err) {
    pg_bulk *b = (pg_bulk *)base;
    int rc = EL_DONE;
    if (b->binary) {
        rc = put_binary_row(b, values, err);
        if (rc == EL_DONE && go_on_in_text(b, err) != EL_OK) {
            return EL_FAIL;
        }
    }
    rc = rc == EL_DONE ? put_text_row(b, values, err) : rc;
    if (rc != EL_OK) {
        return EL_FAIL;
    }
    b->rows++;
    return b->n < SEND_SIZE ? EL_OK : hand_over(b);
}

int el_pg_bulk_end(el_bulk *base, bool good, int64_t *failed, el_error *err) {
    pg_bulk *b = (pg_bulk *)base;
    int rc = b->over ? EL_OK : end_copy(b, good, err);
    *failed = base->failed;
    free_bulk(b);
    return rc;
}

/* }====== */
