/* SPDX-License-Identifier: MIT
**
** pg_values_spec.c - values between PostgreSQL and the driver, both ways: every type with
** its edge values, in both wire formats, whole results, single rows and streams.
*/
#include "pg_support.h"

#include <float.h>
#include <locale.h>
#include <math.h>

/* {====== Reading ====== */

#define US INT64_C(1000000)
#define BYTES_0_1_255 "\0\1\377"
#define DIGITS_60 "123456789012345678901234567890.123456789012345678901234567890"
#define UUID_TEXT "00112233-4455-6677-8899-aabbccddeeff"

/* What a column says of itself, and what its cell is. */
static const struct read_case {
    const char *sql;
    el_type column;
    el_value value;
} reads[] = {
    {"true", EL_BOOL, {.type = EL_BOOL, .u.b = true}},
    {"false", EL_BOOL, {.type = EL_BOOL, .u.b = false}},
    {"32767::int2", EL_INT, {.type = EL_INT, .u.i = 32767}},
    {"(-32768)::int2", EL_INT, {.type = EL_INT, .u.i = -32768}},
    {"2147483647::int4", EL_INT, {.type = EL_INT, .u.i = INT32_MAX}},
    {"(-2147483648)::int4", EL_INT, {.type = EL_INT, .u.i = INT32_MIN}},
    {"9223372036854775807::int8", EL_INT, {.type = EL_INT, .u.i = INT64_MAX}},
    {"(-9223372036854775808)::int8", EL_INT, {.type = EL_INT, .u.i = INT64_MIN}},
    {"4294967295::oid", EL_INT, {.type = EL_INT, .u.i = INT64_C(4294967295)}},
    {"0.1::float8", EL_FLOAT, {.type = EL_FLOAT, .u.d = 0.1}},
    {"'-0'::float8", EL_FLOAT, {.type = EL_FLOAT, .u.d = -0.0}},
    {"1.7976931348623157e308::float8", EL_FLOAT, {.type = EL_FLOAT, .u.d = DBL_MAX}},
    {"5e-324::float8", EL_FLOAT, {.type = EL_FLOAT, .u.d = 0x1p-1074}},
    {"'NaN'::float8", EL_FLOAT, {.type = EL_FLOAT, .u.d = NAN}},
    {"'-Infinity'::float8", EL_FLOAT, {.type = EL_FLOAT, .u.d = -INFINITY}},
    {"0.1::float4", EL_FLOAT, {.type = EL_FLOAT, .u.d = 0.1}},
    {"16777216::float4", EL_FLOAT, {.type = EL_FLOAT, .u.d = 16777216}},
    {"3.4028235e38::float4", EL_FLOAT, {.type = EL_FLOAT, .u.d = 3.4028235e38}},
    {DIGITS_60 "::numeric", EL_DECIMAL, STR(EL_DECIMAL, DIGITS_60)},
    {"(-1.500)::numeric(10,3)", EL_DECIMAL, STR(EL_DECIMAL, "-1.500")},
    {"18446744073709551615::numeric", EL_DECIMAL,
     STR(EL_DECIMAL, "18446744073709551615")},
    {"'NaN'::numeric", EL_DECIMAL, {.type = EL_FLOAT, .u.d = NAN}},
    {"'Infinity'::numeric", EL_DECIMAL, {.type = EL_FLOAT, .u.d = INFINITY}},
    {"'-Infinity'::numeric", EL_DECIMAL, {.type = EL_FLOAT, .u.d = -INFINITY}},
    {"''::text", EL_TEXT, STR(EL_TEXT, "")},
    {"'h\xc3\xa9llo \xf0\x9f\x90\x98'::varchar(20)", EL_TEXT,
     STR(EL_TEXT, "h\xc3\xa9llo \xf0\x9f\x90\x98")},
    {"'ab'::char(4)", EL_TEXT, STR(EL_TEXT, "ab  ")},
    {"'pg_class'::name", EL_TEXT, STR(EL_TEXT, "pg_class")},
    {"'x'", EL_TEXT, STR(EL_TEXT, "x")},
    {"''::bytea", EL_BYTES, STR(EL_BYTES, "")},
    {"'\\x0001ff'::bytea", EL_BYTES, STR(EL_BYTES, BYTES_0_1_255)},
    {"'1970-01-01 00:00:00'::timestamp", EL_TIMESTAMP, {.type = EL_TIMESTAMP, .u.i = 0}},
    {"'2024-02-29 12:34:56.789012'::timestamp",
     EL_TIMESTAMP,
     {.type = EL_TIMESTAMP, .u.i = 1709210096 * US + 789012}},
    {"'2024-02-29 12:34:56.5+02'::timestamptz",
     EL_TIMESTAMP,
     {.type = EL_TIMESTAMP, .u.i = 1709202896 * US + 500000}},
    {"'1969-12-31 23:59:59.999999'::timestamp",
     EL_TIMESTAMP,
     {.type = EL_TIMESTAMP, .u.i = -1}},
    {"'0001-01-01 00:00:00'::timestamp",
     EL_TIMESTAMP,
     {.type = EL_TIMESTAMP, .u.i = -62135596800 * US}},
    {"'9999-12-31 23:59:59.999999+00'::timestamptz",
     EL_TIMESTAMP,
     {.type = EL_TIMESTAMP, .u.i = 253402300800 * US - 1}},
    {"'infinity'::timestamp", EL_TIMESTAMP, STR(EL_TEXT, "infinity")},
    {"'-infinity'::timestamptz", EL_TIMESTAMP, STR(EL_TEXT, "-infinity")},
    {"'10000-01-01 00:00:00.25'::timestamp", EL_TIMESTAMP,
     STR(EL_TEXT, "10000-01-01 00:00:00.25")},
    {"'0044-03-15 12:00:00 BC'::timestamp", EL_TIMESTAMP,
     STR(EL_TEXT, "0044-03-15 12:00:00 BC")},
    {"'0044-03-15 12:00:00+00 BC'::timestamptz", EL_TIMESTAMP,
     STR(EL_TEXT, "0044-03-15 12:00:00+00 BC")},
    {"'294276-12-31 23:59:59.999999+00'::timestamptz", EL_TIMESTAMP,
     STR(EL_TEXT, "294276-12-31 23:59:59.999999+00")},
    {"'2024-02-29'::date", EL_DATE, STR(EL_DATE, "2024-02-29")},
    {"'0001-01-01'::date", EL_DATE, STR(EL_DATE, "0001-01-01")},
    {"'infinity'::date", EL_DATE, STR(EL_TEXT, "infinity")},
    {"'0044-03-15 BC'::date", EL_DATE, STR(EL_TEXT, "0044-03-15 BC")},
    {"'12:34:56'::time", EL_TIME, STR(EL_TIME, "12:34:56")},
    {"'23:59:59.000001'::time", EL_TIME, STR(EL_TIME, "23:59:59.000001")},
    {"'12:34:56.5+00'::timetz", EL_TIME, STR(EL_TIME, "12:34:56.5")},
    {"'12:34:56+05:30'::timetz", EL_TIME, STR(EL_TEXT, "12:34:56+05:30")},
    {"'{\"a\": [1,  2]}'::json", EL_JSON, STR(EL_JSON, "{\"a\": [1,  2]}")},
    {"'{\"a\":[]}'::jsonb", EL_JSON, STR(EL_JSON, "{\"a\": []}")},
    {"'" UUID_TEXT "'::uuid", EL_UUID, STR(EL_UUID, UUID_TEXT)},
    {"'FFEEDDCC-BBAA-9988-7766-554433221100'::uuid", EL_UUID,
     STR(EL_UUID, "ffeeddcc-bbaa-9988-7766-554433221100")},
    {"'{1,NULL,3}'::int[]", EL_TEXT, STR(EL_TEXT, "{1,NULL,3}")},
    {"'[1,5)'::int4range", EL_TEXT, STR(EL_TEXT, "[1,5)")},
    {"'192.168.0.1/24'::inet", EL_TEXT, STR(EL_TEXT, "192.168.0.1/24")},
    {"'1 year 2 days 03:00:00'::interval", EL_TEXT,
     STR(EL_TEXT, "1 year 2 days 03:00:00")},
    {"'101'::bit(3)", EL_TEXT, STR(EL_TEXT, "101")},
    {"NULL::int4", EL_INT, {.type = EL_NULL}},
    {"NULL::bytea", EL_BYTES, {.type = EL_NULL}},
    {"NULL::timestamptz", EL_TIMESTAMP, {.type = EL_NULL}},
    {"NULL::jsonb", EL_JSON, {.type = EL_NULL}},
};

/* The first column by a row of its own, or out of the whole result. */
static void check_read(el_conn *c, const struct read_case *r, const char *sql,
                       unsigned flags, bool whole) {
    el_stmt *s = prepare(c, sql, flags);
    el_value v[MAX_VALUES];
    el_error err = {0};
    execute(s, NOARGS);
    assert_int_equal(s->columns[0].type, r->column);
    if (whole) {
        void *result;
        size_t nrows;
        assert_int_equal(c->driver->take(s, &result, &nrows, &err), EL_OK);
        finalize(s);
        assert_int_equal(nrows, 1);
        c->driver->cell(result, 0, 0, v);
        assert_value(v, &r->value, sql);
        c->driver->discard(result);
    } else {
        assert_true(next_row(s, v));
        assert_value(v, &r->value, sql);
        assert_false(next_row(s, v));
        finalize(s);
    }
}

static void reads_every_type(void **state) {
    char sql[512];
    for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++) {
        /* A numeric beside it keeps the whole result in text format, where the second
           bytea wants scratch memory of its own. */
        static const char *const others[] = {"", ", 0.5::numeric, '\\x6162'::bytea"};
        for (size_t other = 0; other < 2; other++) {
            snprintf(sql, sizeof sql, "SELECT %s AS x%s", reads[i].sql, others[other]);
            check_read(*state, &reads[i], sql, 0, false);
            check_read(*state, &reads[i], sql, 0, true);
            check_read(*state, &reads[i], sql, EL_STMT_ONCE, false);
            check_read(*state, &reads[i], sql, EL_STMT_ONCE, true);
            check_read(*state, &reads[i], sql, EL_STMT_STREAM, false);
        }
    }
}

static void reads_enums_and_domains(void **state) {
    el_conn *c = *state;
    script(c, "DROP DOMAIN IF EXISTS el_age; DROP TYPE IF EXISTS el_mood;"
              "CREATE TYPE el_mood AS ENUM ('sad', 'glad'); CREATE DOMAIN el_age AS int");
    el_stmt *s = prepare(c, "SELECT $1::el_mood, $2::el_age", 0);
    el_value v[2];
    execute(s, ARGS(TEXT("glad"), INT(7)));
    assert_true(next_row(s, v));
    assert_value(&v[0], &TEXT("glad"), "enum");
    assert_value(&v[1], &INT(7), "domain");
    finalize(s);
    script(c, "DROP DOMAIN el_age; DROP TYPE el_mood");
}

/* Values of one row must not share scratch memory. */
static void decodes_all_columns_of_a_row(void **state) {
    el_stmt *s = prepare(*state,
                         "SELECT '\\x0102'::bytea, 1::numeric, '\\x030405'::bytea, "
                         "'\\x'::bytea, '" UUID_TEXT "'::uuid, NULL::bytea",
                         0);
    el_value v[6];
    execute(s, NOARGS);
    assert_true(next_row(s, v));
    assert_value(&v[0], &STR(EL_BYTES, "\1\2"), "first");
    assert_value(&v[1], &STR(EL_DECIMAL, "1"), "second");
    assert_value(&v[2], &STR(EL_BYTES, "\3\4\5"), "third");
    assert_value(&v[3], &STR(EL_BYTES, ""), "fourth");
    assert_value(&v[4], &STR(EL_UUID, UUID_TEXT), "fifth");
    assert_value(&v[5], &NIL, "sixth");
    finalize(s);
    s = prepare(*state,
                "SELECT '" UUID_TEXT "'::uuid, 1, 'infinity'::timestamp, "
                "'ffeeddcc-bbaa-9988-7766-554433221100'::uuid",
                0);
    execute(s, NOARGS);
    assert_true(next_row(s, v));
    assert_value(&v[0], &STR(EL_UUID, UUID_TEXT), "first uuid");
    assert_value(&v[3], &STR(EL_UUID, "ffeeddcc-bbaa-9988-7766-554433221100"),
                 "second uuid");
    finalize(s);
}

static void names_columns(void **state) {
    el_stmt *s = prepare(*state, "SELECT 1 AS one, 2 AS \"Two \xc3\xa9\", 3 AS one", 0);
    assert_int_equal(s->ncolumns, 3);
    assert_string_equal(s->columns[0].name, "one");
    assert_string_equal(s->columns[1].name, "Two \xc3\xa9");
    assert_int_equal(s->columns[1].namelen, 6);
    assert_string_equal(s->columns[2].name, "one");
    finalize(s);
}

/* }====== */

/* {====== Round trips ====== */

static const struct trip_case {
    const char *type;
    el_value value;
    el_value back; /* of type EL_LIST: the same */
} trips[] = {
#define SAME                                                                             \
    { .type = EL_LIST }
    {"int8", {.type = EL_INT, .u.i = INT64_MAX}, SAME},
    {"int8", {.type = EL_INT, .u.i = INT64_MIN}, SAME},
    {"int4", {.type = EL_INT, .u.i = INT32_MIN}, SAME},
    {"int2", {.type = EL_INT, .u.i = -1}, SAME},
    {"int4", {.type = EL_FLOAT, .u.d = 1e9}, {.type = EL_INT, .u.i = 1000000000}},
    {"int8", {.type = EL_FLOAT, .u.d = -0x1p63}, {.type = EL_INT, .u.i = INT64_MIN}},
    {"float8", {.type = EL_INT, .u.i = 3}, {.type = EL_FLOAT, .u.d = 3}},
    {"float8", {.type = EL_FLOAT, .u.d = 0.1 + 0.2}, SAME},
    {"float8", {.type = EL_FLOAT, .u.d = DBL_MAX}, SAME},
    {"float8", {.type = EL_FLOAT, .u.d = 0x1p-1074}, SAME},
    {"float8", {.type = EL_FLOAT, .u.d = -0.0}, SAME},
    {"float8", {.type = EL_FLOAT, .u.d = NAN}, SAME},
    {"float8", {.type = EL_FLOAT, .u.d = INFINITY}, SAME},
    {"float8", {.type = EL_FLOAT, .u.d = -INFINITY}, SAME},
    {"numeric", {.type = EL_FLOAT, .u.d = 0.1}, STR(EL_DECIMAL, "0.1")},
    {"numeric", STR(EL_DECIMAL, DIGITS_60), SAME},
    {"numeric", STR(EL_DECIMAL, "-0.00"), STR(EL_DECIMAL, "0.00")},
    {"numeric",
     {.type = EL_INT, .u.i = INT64_MIN},
     STR(EL_DECIMAL, "-9223372036854775808")},
    {"bool", {.type = EL_BOOL, .u.b = true}, SAME},
    {"bool", {.type = EL_BOOL, .u.b = false}, SAME},
    {"bool", {.type = EL_INT, .u.i = 1}, {.type = EL_BOOL, .u.b = true}},
    {"text", STR(EL_TEXT, ""), SAME},
    {"text", STR(EL_TEXT, "12E10 ' \\ \" $1 ? \xe2\x82\xac"), SAME},
    {"text", {.type = EL_INT, .u.i = 42}, STR(EL_TEXT, "42")},
    {"varchar", STR(EL_TEXT, "abc"), SAME},
    {"bytea", STR(EL_BYTES, BYTES_0_1_255), SAME},
    {"bytea", STR(EL_BYTES, ""), SAME},
    {"bytea", STR(EL_BYTES, "\\x41"), SAME},
    {"timestamp", {.type = EL_TIMESTAMP, .u.i = -62135596800 * US}, SAME},
    {"timestamp", {.type = EL_TIMESTAMP, .u.i = 253402300800 * US - 1}, SAME},
    {"timestamptz", {.type = EL_TIMESTAMP, .u.i = -1}, SAME},
    {"timestamptz", {.type = EL_TIMESTAMP, .u.i = 1709210096 * US + 789012}, SAME},
    {"text",
     {.type = EL_TIMESTAMP, .u.i = 0},
     STR(EL_TEXT, "1970-01-01 00:00:00.000000+00")},
    {"date", STR(EL_DATE, "9999-12-31"), SAME},
    {"time", STR(EL_TIME, "23:59:59.999999"), SAME},
    {"json", STR(EL_JSON, "{\"b\": 1, \"a\": [ ]}"), SAME},
    {"jsonb", STR(EL_JSON, "{\"n\": 12345678901234567890.1}"), SAME},
    {"uuid", STR(EL_UUID, UUID_TEXT), SAME},
    {"uuid", STR(EL_TEXT, UUID_TEXT), STR(EL_UUID, UUID_TEXT)},
    {"int4", {.type = EL_NULL}, SAME},
    {"bytea", {.type = EL_NULL}, SAME},
    {"text", {.type = EL_NULL}, SAME},
};

static void round_trips(void **state) {
    static const unsigned flags[] = {0, EL_STMT_ONCE, EL_STMT_STREAM};
    for (size_t i = 0; i < sizeof trips / sizeof trips[0]; i++) {
        const struct trip_case *t = &trips[i];
        for (size_t f = 0; f < 3; f++) {
            char sql[64];
            snprintf(sql, sizeof sql, "SELECT $1::%s", t->type);
            el_stmt *s = prepare(*state, sql, flags[f]);
            el_value v[1];
            execute(s, &t->value, 1);
            assert_true(next_row(s, v));
            assert_value(v, t->back.type == EL_LIST ? &t->value : &t->back, sql);
            finalize(s);
        }
    }
}

/* Lent bytes need no NUL behind them. */
static void binds_exactly_the_lent_bytes(void **state) {
    static const char *const types[] = {"text", "int4",  "numeric",
                                        "json", "jsonb", "varchar"};
    char memory[4] = {'1', '2', '3', '4'};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        for (unsigned flags = 0; flags <= EL_STMT_ONCE; flags += EL_STMT_ONCE) {
            char sql[64];
            snprintf(sql, sizeof sql, "SELECT ($1::%s)::text", types[i]);
            el_stmt *s = prepare(*state, sql, flags);
            el_value v[1];
            execute(s, ARGS(BYTES(EL_TEXT, memory, 3)));
            assert_true(next_row(s, v));
            assert_value(v, &TEXT("123"), sql);
            finalize(s);
        }
    }
}

static void round_trips_ten_megabytes(void **state) {
    static const char *const types[] = {"text", "bytea"};
    const size_t n = 10u << 20;
    char *big = malloc(n);
    assert_non_null(big);
    for (int kind = 0; kind < 2; kind++) {
        for (size_t i = 0; i < n; i++) {
            big[i] = (char)(kind == 0 ? 'a' + (int)(i % 26) : (int)(i % 256));
        }
        for (unsigned flags = 0; flags <= EL_STMT_ONCE; flags += EL_STMT_ONCE) {
            char sql[64];
            snprintf(sql, sizeof sql, "SELECT $1::%s", types[kind]);
            el_value big_value = BYTES(kind == 0 ? EL_TEXT : EL_BYTES, big, n), v[1];
            el_stmt *s = prepare(*state, sql, flags);
            execute(s, &big_value, 1);
            assert_true(next_row(s, v));
            assert_int_equal(v[0].type, big_value.type);
            assert_int_equal(v[0].u.s.n, n);
            assert_memory_equal(v[0].u.s.p, big, n);
            finalize(s);
        }
    }
    free(big);
}

/* A comma as decimal point must not reach the wire, nor confuse what comes from it. */
static void ignores_the_locale(void **state) {
    static const char *const locales[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"};
    for (size_t i = 0; i < 3 && setlocale(LC_NUMERIC, locales[i]) == NULL; i++) {
    }
    el_stmt *s = prepare(*state, "SELECT 0.1::float8, $1::numeric, 2.5::float4", 0);
    el_value v[3];
    execute(s, ARGS(FLT(1.5)));
    assert_true(next_row(s, v));
    assert_value(&v[0], &FLT(0.1), "float8");
    assert_value(&v[1], &STR(EL_DECIMAL, "1.5"), "numeric");
    assert_value(&v[2], &FLT(2.5), "float4");
    finalize(s);
    setlocale(LC_NUMERIC, "C");
}

/* }====== */

/* {====== Lists ====== */

static void check_list(el_conn *c, const char *type, const el_value *values, size_t n,
                       const char *expected) {
    char sql[64];
    el_iter list = walk_over(NULL, values, n);
    el_value arg = {.type = EL_LIST, .u.nested = &list}, v[1];
    el_value text = {.type = EL_TEXT, .u.s = {expected, strlen(expected)}};
    snprintf(sql, sizeof sql, "SELECT ($1::%s[])::text", type);
    el_stmt *s = prepare(c, sql, 0);
    execute(s, &arg, 1);
    assert_true(next_row(s, v));
    assert_value(v, &text, sql);
    finalize(s);
}

static void binds_lists_as_arrays(void **state) {
    el_conn *c = *state;
    el_value ints[] = {INT(1), NIL, INT(INT64_MIN)};
    el_value texts[] = {TEXT("a"), TEXT("b\"c\\d,{}"), TEXT(""), TEXT("NULL")};
    el_value inner[] = {INT(1), INT(2)};
    el_iter pair = walk_over(NULL, inner, 2);
    el_value nested[] = {{.type = EL_LIST, .u.nested = &pair},
                         {.type = EL_LIST, .u.nested = &pair}};
    check_list(c, "int8", ints, 3, "{1,NULL,-9223372036854775808}");
    check_list(c, "text", texts, 4, "{a,\"b\\\"c\\\\d,{}\",\"\",\"NULL\"}");
    check_list(c, "int4", ints, 0, "{}");
    check_list(c, "int4", nested, 2, "{{1,2},{1,2}}");
    check_list(c, "bool", ARGS(BOOL(true), BOOL(false)), "{t,f}");
    check_list(c, "float8", ARGS(FLT(0.1), FLT(INFINITY)), "{0.1,Infinity}");
    check_list(c, "bytea", ARGS(STR(EL_BYTES, BYTES_0_1_255)), "{\"\\\\x0001ff\"}");
    check_list(c, "timestamp", ARGS(MOMENT(0)), "{\"1970-01-01 00:00:00\"}");
}

/* More than the 65,535 values a statement may bind. */
static void finds_by_a_long_list(void **state) {
    enum { N = 100000 };
    el_value *values = calloc(N, sizeof *values), v[1];
    assert_non_null(values);
    for (int i = 0; i < N; i++) {
        values[i] = INT(i);
    }
    el_iter list = walk_over(NULL, values, N);
    el_value arg = {.type = EL_LIST, .u.nested = &list};
    el_stmt *s = prepare(*state,
                         "SELECT count(*) FROM generate_series(-5, 200000) AS g(i) "
                         "WHERE i = ANY($1)",
                         0);
    execute(s, &arg, 1);
    assert_true(next_row(s, v));
    assert_value(v, &INT(N), "count");
    finalize(s);
    free(values);
}

/* }====== */

/* {====== Refusals: kind "value", and the value is not told ====== */

static void refuses_what_does_not_fit(void **state) {
    el_conn *c = *state;
    static const char bad_utf8[] = {'s', 'e', (char)0xff, 'x'};
    const struct {
        const char *sql;
        el_value value;
        const char *sqlstate, *secret;
    } cases[] = {
        {"SELECT $1::int4", INT(INT64_C(77777777777)), "22003", "7777"},
        {"SELECT $1::int2", INT(77777), "22003", "7777"},
        {"SELECT $1::int4", FLT(77777.5), "22P02", "7777"},
        {"SELECT $1::int4", TEXT("geheim"), "22P02", "geheim"},
        {"SELECT ($1::text)::int4", TEXT("geheim"), "22P02", "geheim"},
        {"SELECT $1::uuid", TEXT("geheim"), "22P02", "geheim"},
        {"SELECT $1::date", TEXT("geheim"), "22007", "geheim"},
        {"SELECT $1::date", TEXT("2024-02-30"), "22008", "2024"},
        {"SELECT $1::json", TEXT("{geheim"), "22P02", "geheim"},
        {"SELECT $1::jsonb", TEXT("{geheim"), "22P02", "geheim"},
        {"SELECT $1::numeric(4,2)", STR(EL_DECIMAL, "7777"), "22003", "7777"},
        {"SELECT $1::text", BYTES(EL_TEXT, bad_utf8, 4), "22021", "se"},
        {"SELECT $1::text", STR(EL_TEXT, "ge\0heim"), "", "heim"},
        {"SELECT $1::int4", STR(EL_TEXT, "1\0heim"), "", "heim"},
        {"SELECT 'x' ~ $1", TEXT("(geheim"), "2201B", "geheim"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        el_error err = {0};
        run_failing(c, cases[i].sql, &cases[i].value, 1, &err);
        assert_kind(&err, EL_ERR_VALUE, cases[i].sqlstate);
        if (strstr(err.message, cases[i].secret) != NULL &&
            strcmp(cases[i].secret, "se") != 0) {
            fail_msg("the value is in the message: %s", err.message);
        }
    }
}

static void names_the_placeholder(void **state) {
    el_error err = {0};
    run_failing(*state, "SELECT $1::int4, $2::int4", ARGS(INT(1), TEXT("geheim")), &err);
    assert_kind(&err, EL_ERR_VALUE, "22P02");
    assert_non_null(strstr(err.message, "$2"));
}

/* }====== */

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_type),
        cmocka_unit_test(reads_enums_and_domains),
        cmocka_unit_test(decodes_all_columns_of_a_row),
        cmocka_unit_test(names_columns),
        cmocka_unit_test(round_trips),
        cmocka_unit_test(binds_exactly_the_lent_bytes),
        cmocka_unit_test(round_trips_ten_megabytes),
        cmocka_unit_test(ignores_the_locale),
        cmocka_unit_test(binds_lists_as_arrays),
        cmocka_unit_test(finds_by_a_long_list),
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(names_the_placeholder),
    };
    return cmocka_run_group_tests_name("pg values", tests, setup, teardown);
}
