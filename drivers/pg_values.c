/* SPDX-License-Identifier: MIT
**
** pg_values.c - cells of a PGresult as values.  The way to read a column is chosen once
** per result; a cell is decoded when it is asked for.  Sending values is pg_bind.c.
*/
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg.h"

enum scratch { /* memory that decoding a cell takes */
               PG_SCRATCH_NONE,
               PG_SCRATCH_FIXED,  /* FIXED_SIZE at the most */
               PG_SCRATCH_LENGTH, /* no more than the cell's own length */
               FIXED_SIZE = 64
};

/* {====== Both formats ====== */

static void set_text(el_value *out, el_type type, const char *p, size_t n) {
    out->type = type;
    out->u.s.p = p;
    out->u.s.n = n;
}

static void as_text(el_value *out, const char *p, size_t n, unsigned char *scratch) {
    (void)scratch;
    set_text(out, EL_TEXT, p, n);
}

static void as_json(el_value *out, const char *p, size_t n, unsigned char *scratch) {
    (void)scratch;
    set_text(out, EL_JSON, p, n);
}

/* }====== */

/* {====== Text format; the bytes of a cell end with NUL ====== */

static void text_bool(el_value *out, const char *p, size_t n, unsigned char *scratch) {
    (void)n, (void)scratch;
    out->type = EL_BOOL;
    out->u.b = p[0] == 't';
}

static void text_int(el_value *out, const char *p, size_t n, unsigned char *scratch) {
    (void)scratch;
    bool minus = n > 0 && p[0] == '-';
    uint64_t value = 0;
    for (size_t i = minus; i < n; i++) {
        value = value * 10 + (uint64_t)(p[i] - '0');
    }
    out->type = EL_INT;
    out->u.i = (int64_t)(minus ? 0 - value : value);
}

/* The script may have set a locale in which 1.5 is no number. */
static void text_float(el_value *out, const char *p, size_t n, unsigned char *scratch) {
    (void)n, (void)scratch;
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    out->type = EL_FLOAT;
    out->u.d = plain != (locale_t)0 ? strtod_l(p, NULL, plain) : strtod(p, NULL);
    if (plain != (locale_t)0) {
        freelocale(plain);
    }
}

/* NaN and the infinities are no exact numbers. */
static void text_numeric(el_value *out, const char *p, size_t n, unsigned char *scratch) {
    if (n > 0 && (p[n - 1] == 'N' || p[n - 1] == 'y')) {
        text_float(out, p, n, scratch);
    } else {
        set_text(out, EL_DECIMAL, p, n);
    }
}

static unsigned hex_digit(char c) {
    return (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

static void text_bytea(el_value *out, const char *p, size_t n, unsigned char *scratch) {
    size_t len = n >= 2 ? (n - 2) / 2 : 0;
    for (size_t i = 0; i < len; i++) { /* after "\x" */
        scratch[i] =
            (unsigned char)(hex_digit(p[2 + 2 * i]) << 4 | hex_digit(p[3 + 2 * i]));
    }
    set_text(out, EL_BYTES, (const char *)scratch, len);
}

/* Infinity and years that no timestamp here has stay text. */
static void text_timestamp(el_value *out, const char *p, size_t n,
                           unsigned char *scratch) {
    (void)scratch;
    if (el_timestamp_parse(&out->u.i, p, n)) {
        out->type = EL_TIMESTAMP;
    } else {
        set_text(out, EL_TEXT, p, n);
    }
}

static void text_date(el_value *out, const char *p, size_t n, unsigned char *scratch) {
    (void)scratch;
    bool plain = n == 10 && p[4] == '-' && p[7] == '-';
    set_text(out, plain ? EL_DATE : EL_TEXT, p, n);
}

/* A fraction has six digits, as on the other engines; the server drops zeros. */
static void text_time(el_value *out, const char *p, size_t n, unsigned char *scratch) {
    static const size_t full = sizeof "00:00:00.000000" - 1;
    if (n > 8 && n < full && p[8] == '.') {
        memcpy(scratch, p, n);
        memset(scratch + n, '0', full - n);
        p = (const char *)scratch;
        n = full;
    }
    set_text(out, EL_TIME, p, n);
}

/* In UTC the offset says nothing; any other one must not get lost. */
static void text_timetz(el_value *out, const char *p, size_t n, unsigned char *scratch) {
    (void)scratch;
    bool utc = n > 3 && memcmp(p + n - 3, "+00", 3) == 0;
    set_text(out, utc ? EL_TIME : EL_TEXT, p, utc ? n - 3 : n);
}

static void text_uuid(el_value *out, const char *p, size_t n, unsigned char *scratch) {
    (void)scratch;
    set_text(out, EL_UUID, p, n);
}

/* }====== */

/* {====== Binary format ====== */

/* A server that sends another length than the type has lies about the type. */
static bool has_length(el_value *out, const char *p, size_t n, size_t expected) {
    if (n != expected) {
        set_text(out, EL_BYTES, p, n);
    }
    return n == expected;
}

static uint64_t big_endian(const char *p, size_t n) {
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++) {
        value = value << 8 | (unsigned char)p[i];
    }
    return value;
}

static void binary_bool(el_value *out, const char *p, size_t n, unsigned char *scratch) {
    (void)n, (void)scratch;
    out->type = EL_BOOL;
    out->u.b = p[0] != 0;
}

static void binary_int2(el_value *out, const char *p, size_t n, unsigned char *scratch) {
    (void)scratch;
    if (has_length(out, p, n, 2)) {
        out->type = EL_INT;
        out->u.i = (int16_t)big_endian(p, 2);
    }
}

static void binary_int4(el_value *out, const char *p, size_t n, unsigned char *scratch) {
    (void)scratch;
    if (has_length(out, p, n, 4)) {
        out->type = EL_INT;
        out->u.i = (int32_t)big_endian(p, 4);
    }
}

static void binary_oid(el_value *out, const char *p, size_t n, unsigned char *scratch) {
    (void)scratch;
    if (has_length(out, p, n, 4)) {
        out->type = EL_INT;
        out->u.i = (int64_t)big_endian(p, 4);
    }
}

static void binary_int8(el_value *out, const char *p, size_t n, unsigned char *scratch) {
    (void)scratch;
    if (has_length(out, p, n, 8)) {
        out->type = EL_INT;
        out->u.i = (int64_t)big_endian(p, 8);
    }
}

static void binary_float8(el_value *out, const char *p, size_t n,
                          unsigned char *scratch) {
    (void)scratch;
    if (has_length(out, p, n, 8)) {
        uint64_t bits = big_endian(p, 8);
        out->type = EL_FLOAT;
        memcpy(&out->u.d, &bits, sizeof bits);
    }
}

static void binary_bytea(el_value *out, const char *p, size_t n, unsigned char *scratch) {
    (void)scratch;
    set_text(out, EL_BYTES, p, n);
}

/*
** As the server writes it in text; year 0 is its `0001 BC`.  Its range ends beyond what
** microseconds since 1970 can count, so late moments are looked up 400 years earlier.
*/
static void rare_timestamp(el_value *out, int64_t since_2000, const char *zone,
                           char *text) {
    const int64_t cycle = INT64_C(146097) * 86400 * 1000000;
    bool late = since_2000 > 0;
    el_civil t;
    el_civil_from_micros(&t, (late ? since_2000 - cycle : since_2000) + PG_EPOCH_MICROS);
    int year = t.year + (late ? 400 : 0);
    int n =
        snprintf(text, FIXED_SIZE, "%04d-%02d-%02d %02d:%02d:%02d",
                 year > 0 ? year : 1 - year, t.month, t.day, t.hour, t.minute, t.second);
    if (t.micro != 0) {
        n += snprintf(text + n, (size_t)(FIXED_SIZE - n), ".%06d", t.micro);
        while (text[n - 1] == '0') {
            n--;
        }
    }
    n +=
        snprintf(text + n, (size_t)(FIXED_SIZE - n), "%s%s", zone, year > 0 ? "" : " BC");
    set_text(out, EL_TEXT, text, (size_t)n);
}

static void any_timestamp(el_value *out, const char *p, const char *zone, char *text) {
    const int64_t min = INT64_C(-62135596800000000) - PG_EPOCH_MICROS;
    const int64_t max = INT64_C(253402300799999999) - PG_EPOCH_MICROS;
    int64_t since_2000 = (int64_t)big_endian(p, 8);
    if (since_2000 >= min && since_2000 <= max) {
        out->type = EL_TIMESTAMP;
        out->u.i = since_2000 + PG_EPOCH_MICROS;
    } else if (since_2000 == INT64_MAX) {
        set_text(out, EL_TEXT, "infinity", 8);
    } else if (since_2000 == INT64_MIN) {
        set_text(out, EL_TEXT, "-infinity", 9);
    } else {
        rare_timestamp(out, since_2000, zone, text);
    }
}

static void binary_timestamp(el_value *out, const char *p, size_t n,
                             unsigned char *scratch) {
    if (has_length(out, p, n, 8)) {
        any_timestamp(out, p, "", (char *)scratch);
    }
}

static void binary_timestamptz(el_value *out, const char *p, size_t n,
                               unsigned char *scratch) {
    if (has_length(out, p, n, 8)) {
        any_timestamp(out, p, "+00", (char *)scratch);
    }
}

static void binary_uuid(el_value *out, const char *p, size_t n, unsigned char *scratch) {
    static const char digits[] = "0123456789abcdef";
    char *to = (char *)scratch;
    for (size_t i = 0; i < n && i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *to++ = '-';
        }
        *to++ = digits[(unsigned char)p[i] >> 4];
        *to++ = digits[p[i] & 15];
    }
    set_text(out, EL_UUID, (const char *)scratch, (size_t)(to - (char *)scratch));
}

/* One byte of version before the text. */
static void binary_jsonb(el_value *out, const char *p, size_t n, unsigned char *scratch) {
    (void)scratch;
    set_text(out, EL_JSON, p + (n > 0), n - (n > 0));
}

/* }====== */

/* {====== Types ====== */

/*
** `gains` marks what is cheaper or smaller in binary.  Types without a binary reader
** (numeric needs its digits, float4 its shortest text) keep a result in text.
*/
static const struct pg_type {
    Oid oid;
    el_type type;
    pg_decoder *text, *binary;
    unsigned char text_scratch, binary_scratch;
    bool gains;
} types[] = {
    {PG_OID_INT4, EL_INT, text_int, binary_int4, 0, 0, true},
    {PG_OID_INT8, EL_INT, text_int, binary_int8, 0, 0, true},
    {PG_OID_TEXT, EL_TEXT, as_text, as_text, 0, 0, false},
    {PG_OID_VARCHAR, EL_TEXT, as_text, as_text, 0, 0, false},
    {PG_OID_BOOL, EL_BOOL, text_bool, binary_bool, 0, 0, false},
    {PG_OID_TIMESTAMP, EL_TIMESTAMP, text_timestamp, binary_timestamp, 0,
     PG_SCRATCH_FIXED, true},
    {PG_OID_TIMESTAMPTZ, EL_TIMESTAMP, text_timestamp, binary_timestamptz, 0,
     PG_SCRATCH_FIXED, true},
    {PG_OID_NUMERIC, EL_DECIMAL, text_numeric, NULL, 0, 0, false},
    {PG_OID_FLOAT8, EL_FLOAT, text_float, binary_float8, 0, 0, true},
    {PG_OID_JSONB, EL_JSON, as_json, binary_jsonb, 0, 0, false},
    {PG_OID_JSON, EL_JSON, as_json, as_json, 0, 0, false},
    {PG_OID_UUID, EL_UUID, text_uuid, binary_uuid, 0, PG_SCRATCH_FIXED, false},
    {PG_OID_DATE, EL_DATE, text_date, NULL, 0, 0, false},
    {PG_OID_TIME, EL_TIME, text_time, NULL, PG_SCRATCH_FIXED, 0, false},
    {PG_OID_TIMETZ, EL_TIME, text_timetz, NULL, 0, 0, false},
    {PG_OID_BYTEA, EL_BYTES, text_bytea, binary_bytea, PG_SCRATCH_LENGTH, 0, true},
    {PG_OID_INT2, EL_INT, text_int, binary_int2, 0, 0, true},
    {PG_OID_OID, EL_INT, text_int, binary_oid, 0, 0, true},
    {PG_OID_FLOAT4, EL_FLOAT, text_float, NULL, 0, 0, false},
    {PG_OID_BPCHAR, EL_TEXT, as_text, as_text, 0, 0, false},
    {PG_OID_NAME, EL_TEXT, as_text, as_text, 0, 0, false},
    {PG_OID_UNKNOWN, EL_TEXT, as_text, as_text, 0, 0, false},
    {0, EL_TEXT, as_text, NULL, 0, 0, false}, /* arrays, ranges, enums and the rest */
};

static const struct pg_type *type_of(Oid oid) {
    const struct pg_type *t = types;
    while (t->oid != oid && t->oid != 0) {
        t++;
    }
    return t;
}

int el_pg_format(const PGresult *pg) {
    bool gains = false;
    for (int i = 0, n = PQnfields(pg); i < n; i++) {
        const struct pg_type *t = type_of(PQftype(pg, i));
        if (t->binary == NULL) {
            return PG_TEXT;
        }
        gains = gains || t->gains;
    }
    return gains ? PG_BINARY : PG_TEXT;
}

bool el_pg_columns_fit(const el_column *columns, int n, const PGresult *pg) {
    bool fit = n == PQnfields(pg);
    for (int i = 0; fit && i < n; i++) {
        fit = columns[i].type == type_of(PQftype(pg, i))->type &&
              strcmp(columns[i].name, PQfname(pg, i)) == 0;
    }
    return fit;
}

el_column *el_pg_columns(const PGresult *pg, el_error *err) {
    size_t n = (size_t)PQnfields(pg), size = n * sizeof(el_column) + 1;
    for (size_t i = 0; i < n; i++) {
        size += strlen(PQfname(pg, (int)i)) + 1;
    }
    el_column *columns = malloc(size);
    if (columns == NULL) {
        el_fail(err, EL_ERR_NOMEM, 0, "out of memory for %zu columns", n);
        return NULL;
    }
    char *name = (char *)(columns + n);
    for (size_t i = 0; i < n; i++) {
        const char *from = PQfname(pg, (int)i);
        size_t len = strlen(from);
        memcpy(name, from, len + 1);
        columns[i] = (el_column){name, len, type_of(PQftype(pg, (int)i))->type};
        name += len + 1;
    }
    return columns;
}

/* }====== */

/* {====== Results ====== */

pg_result *el_pg_result_new(PGresult *pg, el_error *err) {
    int n = PQnfields(pg);
    pg_result *r = malloc(sizeof *r + (size_t)n * sizeof r->columns[0]);
    if (r == NULL) {
        PQclear(pg);
        el_fail(err, EL_ERR_NOMEM, 0, "out of memory for a result");
        return NULL;
    }
    *r = (pg_result){.pg = pg, .nrows = (size_t)PQntuples(pg), .ncols = n};
    for (int i = 0; i < n; i++) {
        const struct pg_type *t = type_of(PQftype(pg, i));
        bool binary = PQfformat(pg, i) == PG_BINARY && t->binary != NULL;
        r->columns[i].decode = binary ? t->binary : t->text;
        r->columns[i].scratch = binary ? t->binary_scratch : t->text_scratch;
        r->decodes = r->decodes || r->columns[i].scratch != PG_SCRATCH_NONE;
    }
    return r;
}

void el_pg_result_free(pg_result *r) {
    if (r != NULL) {
        PQclear(r->pg);
        free(r->scratch);
        free(r);
    }
}

static size_t scratch_size(const pg_result *r, int row, int column) {
    switch (r->columns[column].scratch) {
    case PG_SCRATCH_FIXED:
        return FIXED_SIZE;
    case PG_SCRATCH_LENGTH:
        return (size_t)PQgetlength(r->pg, row, column);
    default:
        return 0;
    }
}

static int grow(pg_result *r, size_t size, el_error *err) {
    if (size <= r->scratch_size) {
        return EL_OK;
    }
    unsigned char *memory = malloc(size);
    if (memory == NULL) {
        return el_fail(err, EL_ERR_NOMEM, 0, "out of memory for a value of %zu bytes",
                       size);
    }
    free(r->scratch);
    r->scratch = memory;
    r->scratch_size = size;
    return EL_OK;
}

int el_pg_result_reserve(pg_result *r, el_error *err) {
    size_t most = 0;
    for (int i = 0; r->decodes && i < r->ncols; i++) {
        bool each = r->columns[i].scratch == PG_SCRATCH_LENGTH;
        for (size_t row = 0; row < (each ? r->nrows : 1); row++) {
            size_t size = scratch_size(r, (int)row, i);
            most = size > most ? size : most;
        }
    }
    return grow(r, most, err);
}

static void decode(pg_result *r, int row, int column, unsigned char *scratch,
                   el_value *out) {
    if (PQgetisnull(r->pg, row, column)) {
        out->type = EL_NULL;
        return;
    }
    r->columns[column].decode(out, PQgetvalue(r->pg, row, column),
                              (size_t)PQgetlength(r->pg, row, column), scratch);
}

void el_pg_result_cell(pg_result *r, size_t row, int column, el_value *out) {
    decode(r, (int)row, column, r->scratch, out);
}

int el_pg_result_row(pg_result *r, size_t row, el_value *out, el_error *err) {
    size_t size = 0, used = 0;
    for (int i = 0; r->decodes && i < r->ncols; i++) {
        size += scratch_size(r, (int)row, i);
    }
    if (grow(r, size, err) != EL_OK) {
        return EL_FAIL;
    }
    for (int i = 0; i < r->ncols; i++) {
        decode(r, (int)row, i, r->scratch != NULL ? r->scratch + used : NULL, &out[i]);
        used += r->decodes ? scratch_size(r, (int)row, i) : 0;
    }
    return EL_OK;
}

/* }====== */
