/* SPDX-License-Identifier: MIT
**
** pg_values_fuzz.c - cells as a PostgreSQL server (or what pretends to be one) sends
** them, by type and in both formats, and values on their way out, read back by the same
** driver.  First byte: what to do.
*/
#include "fuzz.h"

#include "pg.h"

static const Oid oids[] = {
    PG_OID_BOOL,       PG_OID_BYTEA,   PG_OID_NAME,    PG_OID_INT8,
    PG_OID_INT2,       PG_OID_INT4,    PG_OID_TEXT,    PG_OID_OID,
    PG_OID_JSON,       PG_OID_FLOAT4,  PG_OID_FLOAT8,  PG_OID_UUID,
    PG_OID_VARCHAR,    PG_OID_DATE,    PG_OID_TIME,    PG_OID_TIMETZ,
    PG_OID_JSONB,      PG_OID_NUMERIC, PG_OID_UNKNOWN, PG_OID_TIMESTAMP,
    PG_OID_BPCHAR,     1007,           2249,           0,
    PG_OID_TIMESTAMPTZ};
enum { NOIDS = sizeof oids / sizeof *oids, MAX_COLUMNS = 6, MAX_ROWS = 20 };

static void touch(const el_value *v) {
    if (el_type_has_bytes(v->type)) {
        fuzz_touch(v->u.s.p, v->u.s.n);
    }
    REQUIRE(v->type <= EL_OBJECT_ID);
}

static bool same(const el_value *a, const el_value *b) {
    if (a->type != b->type) {
        return false;
    }
    if (el_type_has_bytes(a->type)) {
        return a->u.s.n == b->u.s.n &&
               (a->u.s.n == 0 || memcmp(a->u.s.p, b->u.s.p, a->u.s.n) == 0);
    }
    return a->type == EL_NULL ||
           (a->type == EL_BOOL ? a->u.b == b->u.b
                               : memcmp(&a->u, &b->u, sizeof a->u.i) == 0);
}

/* {====== Reading ====== */

static PGresult *result(const PGresAttDesc *columns, int n) {
    PGresult *pg = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc copy[MAX_COLUMNS];
    REQUIRE(pg);
    memcpy(copy, columns, (size_t)n * sizeof *copy);
    REQUIRE(n == 0 || PQsetResultAttrs(pg, n, copy));
    return pg;
}

/* The cells of a result stand in one block; here each has a block of its own. */
static void decode_alone(pg_result *r) {
    for (int row = 0; row < (int)r->nrows; row++) {
        for (int i = 0; i < r->ncols; i++) {
            if (!PQgetisnull(r->pg, row, i)) {
                size_t n = (size_t)PQgetlength(r->pg, row, i);
                fuzz_input in = {(uint8_t *)PQgetvalue(r->pg, row, i), NULL};
                in.end = in.p + n;
                char *bytes = fuzz_text(&in, &n);
                el_value v;
                r->columns[i].decode(&v, bytes, n, r->scratch);
                touch(&v);
                free(bytes);
            }
        }
    }
}

static void read_result(fuzz_input *in) {
    static char name[] = "column";
    PGresAttDesc columns[MAX_COLUMNS] = {0};
    int n = 1 + (int)(fuzz_byte(in) % MAX_COLUMNS);
    for (int i = 0; i < n; i++) {
        unsigned byte = fuzz_byte(in);
        columns[i] = (PGresAttDesc){
            .name = name, .typid = oids[(byte >> 1) % NOIDS], .format = (int)(byte & 1)};
    }
    PGresult *pg = result(columns, n);
    for (int row = 0; row < MAX_ROWS && fuzz_left(in) > 0; row++) {
        for (int i = 0; i < n; i++) {
            size_t length = fuzz_byte(in);
            bool null = length == 255;
            char *bytes = fuzz_text(in, &length);
            REQUIRE(PQsetvalue(pg, row, i, null ? NULL : bytes, null ? -1 : (int)length));
            free(bytes);
        }
    }
    el_error err = {0};
    (void)el_pg_format(pg);
    el_column *described = el_pg_columns(pg, &err);
    REQUIRE(described && el_pg_columns_fit(described, n, pg));
    free(described);
    pg_result *r = el_pg_result_new(pg, &err);
    REQUIRE(r && r->ncols == n);
    for (size_t row = 0; row < r->nrows; row++) {
        el_value values[MAX_COLUMNS];
        REQUIRE(el_pg_result_row(r, row, values, &err) == EL_OK);
        for (int i = 0; i < n; i++) {
            touch(&values[i]);
        }
    }
    REQUIRE(el_pg_result_reserve(r, &err) == EL_OK);
    decode_alone(r);
    for (size_t row = 0; row < r->nrows; row++) {
        for (int i = 0; i < n; i++) {
            el_value cell;
            el_pg_result_cell(r, row, i, &cell);
            touch(&cell);
        }
    }
    el_pg_result_free(r);
}

/* }====== */

/* {====== Sending ====== */

/* What the driver reads when the server sends back what it was sent. */
static void read_back(const pg_args *a, el_value *out, pg_result **keep) {
    static char name[] = "echo";
    PGresAttDesc column = {.name = name, .typid = a->types[0], .format = a->formats[0]};
    PGresult *pg = result(&column, 1);
    char empty[1] = "";
    const char *p = a->values[0];
    int n = a->formats[0] == PG_TEXT && p ? (int)strlen(p) : a->lengths[0];
    REQUIRE(PQsetvalue(pg, 0, 0, p && n == 0 ? empty : (char *)(uintptr_t)p, p ? n : -1));
    el_error err = {0};
    *keep = el_pg_result_new(pg, &err);
    REQUIRE(*keep && el_pg_result_row(*keep, 0, out, &err) == EL_OK);
}

static void send_value(fuzz_input *in) {
    static const struct {
        el_type type;
        Oid oid;
    } pairs[] = {{EL_INT, PG_OID_INT8},        {EL_INT, PG_OID_INT4},
                 {EL_INT, PG_OID_INT2},        {EL_INT, PG_OID_NUMERIC},
                 {EL_INT, PG_OID_TEXT},        {EL_FLOAT, PG_OID_FLOAT8},
                 {EL_FLOAT, PG_OID_FLOAT4},    {EL_FLOAT, PG_OID_INT8},
                 {EL_BOOL, PG_OID_BOOL},       {EL_TIMESTAMP, PG_OID_TIMESTAMP},
                 {EL_TEXT, PG_OID_TEXT},       {EL_TIMESTAMP, PG_OID_TIMESTAMPTZ},
                 {EL_TEXT, PG_OID_BYTEA},      {EL_BYTES, PG_OID_BYTEA},
                 {EL_JSON, PG_OID_JSON},       {EL_JSON, PG_OID_JSONB},
                 {EL_DECIMAL, PG_OID_NUMERIC}, {EL_TIMESTAMP, PG_OID_TEXT},
                 {EL_UUID, PG_OID_UUID},       {EL_NULL, PG_OID_INT4},
                 {EL_TEXT, PG_OID_VARCHAR},    {EL_FLOAT, PG_OID_NUMERIC}};
    unsigned which = fuzz_byte(in) % (sizeof pairs / sizeof *pairs);
    el_value v = {.type = pairs[which].type}, back;
    size_t n = fuzz_left(in);
    char *bytes = NULL;
    if (el_type_has_bytes(v.type)) {
        v.u.s.p = bytes = fuzz_bytes(in, &n);
        v.u.s.n = n;
    } else if (v.type == EL_BOOL) {
        v.u.b = fuzz_byte(in) & 1;
    } else if (v.type != EL_NULL) {
        uint64_t word = fuzz_word(in);
        memcpy(&v.u, &word, sizeof word);
        if (v.type == EL_TIMESTAMP) { /* what bindings/ lets through */
            v.u.i %= INT64_C(62135596800000000);
        }
    }
    pg_args a;
    pg_result *keep = NULL;
    el_error err = {0};
    REQUIRE(el_pg_args_init(&a, 1, &err) == EL_OK);
    a.described = true;
    a.types[0] = pairs[which].oid;
    if (el_pg_args_bind(&a, &v, &err) != EL_OK) {
        REQUIRE(err.kind == EL_ERR_VALUE && bytes && memchr(bytes, '\0', n));
    } else {
        read_back(&a, &back, &keep);
        touch(&back);
        bool exact = v.type == EL_NULL || pairs[which].oid == PG_OID_FLOAT8 ||
                     pairs[which].oid == PG_OID_INT8 || pairs[which].oid == PG_OID_BOOL ||
                     pairs[which].oid == PG_OID_TIMESTAMP ||
                     pairs[which].oid == PG_OID_TIMESTAMPTZ ||
                     pairs[which].oid == PG_OID_TEXT || pairs[which].oid == PG_OID_BYTEA;
        if (exact && v.type != EL_FLOAT && back.type == v.type) {
            REQUIRE(same(&v, &back));
        }
        if (v.type == EL_FLOAT && pairs[which].oid == PG_OID_FLOAT8) {
            REQUIRE(same(&v, &back));
        }
        if (v.type == EL_FLOAT && back.type == EL_FLOAT) {
            REQUIRE(back.u.d == v.u.d || v.u.d != v.u.d);
        }
    }
    el_pg_result_free(keep);
    el_pg_args_release(&a);
    free(bytes);
}

/* A list whose elements are taken from the input; nested ones share one iterator. */
typedef struct elements {
    const uint8_t *p, *end;
    const el_iter *self;
} elements;

static bool next_element(el_iter *it, const char **key, size_t *keylen, el_value *out,
                         el_iter *room) {
    (void)room;
    elements e;
    memcpy(&e, &it->state, sizeof e);
    if (e.p == e.end) {
        return false;
    }
    *key = NULL;
    *keylen = 0;
    size_t left = (size_t)(e.end - e.p);
    unsigned type = *e.p++ % (EL_DOC + 1), n = left > 1 ? *e.p % 9 : 0;
    n = n > left - 1 ? (unsigned)(left - 1) : n;
    *out = (el_value){.type = (el_type)type};
    if (el_type_has_bytes(out->type)) {
        out->u.s.p = (const char *)e.p;
        out->u.s.n = n;
    } else if (out->type == EL_LIST) {
        out->u.nested = e.self;
    } else if (out->type == EL_BOOL) {
        out->u.b = n & 1;
    } else {
        memcpy(&out->u, e.p, n);
    }
    e.p += n;
    memcpy(&it->state, &e, sizeof e);
    return true;
}

static void send_list(fuzz_input *in) {
    size_t n = fuzz_left(in);
    n = n > 40 ? 40 : n;
    char *bytes = fuzz_bytes(in, &n);
    el_iter list = {.next = next_element};
    elements e = {(uint8_t *)bytes, (uint8_t *)bytes + n, &list};
    if (n > 0 && memchr(bytes, EL_LIST, n)) { /* 6 levels of itself: keep it short */
        e.end = e.p + (n > 6 ? 6 : n);
    }
    memcpy(&list.state, &e, sizeof e);
    el_value v = {.type = EL_LIST, .u.nested = &list};
    pg_args a;
    el_error err = {0};
    REQUIRE(el_pg_args_init(&a, 1, &err) == EL_OK);
    if (el_pg_args_bind(&a, &v, &err) == EL_OK) {
        size_t len = strlen(a.values[0]);
        REQUIRE(len >= 2 && a.values[0][0] == '{' && a.values[0][len - 1] == '}');
    } else {
        REQUIRE(err.kind == EL_ERR_VALUE || err.kind == EL_ERR_UNSUPPORTED);
    }
    el_pg_args_release(&a);
    free(bytes);
}

/* }====== */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return fuzz_choose(data, size, read_result, send_value, send_list);
}
