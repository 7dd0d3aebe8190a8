/* SPDX-License-Identifier: MIT
**
** mysql_values_spec.c - values through the MySQL driver: every column type there and
** back with its edges, as prepared result and as text, short and very long.
*/
#include "mysql_support.h"

/* {====== Reading ====== */

typedef struct read_case {
    const char *type, *literal;
    el_value expected;
} read_case;

static const int64_t moment = 1709214305123456; /* 2024-02-29T13:45:05.123456Z */

#define CASES(name) static const read_case name[] =

CASES(number_cases){
    {"TINYINT", "-128", {.type = EL_INT, .u.i = -128}},
    {"TINYINT UNSIGNED", "255", {.type = EL_INT, .u.i = 255}},
    {"TINYINT(1)", "1", {.type = EL_BOOL, .u.b = true}},
    {"TINYINT(1)", "0", {.type = EL_BOOL, .u.b = false}},
    {"TINYINT(1)", "2", {.type = EL_INT, .u.i = 2}},
    {"TINYINT(1)", "-1", {.type = EL_INT, .u.i = -1}},
    {"BOOLEAN", "TRUE", {.type = EL_BOOL, .u.b = true}},
    {"TINYINT(1) UNSIGNED", "1", {.type = EL_INT, .u.i = 1}},
    {"SMALLINT", "-32768", {.type = EL_INT, .u.i = -32768}},
    {"SMALLINT UNSIGNED", "65535", {.type = EL_INT, .u.i = 65535}},
    {"MEDIUMINT", "-8388608", {.type = EL_INT, .u.i = -8388608}},
    {"MEDIUMINT UNSIGNED", "16777215", {.type = EL_INT, .u.i = 16777215}},
    {"INT", "-2147483648", {.type = EL_INT, .u.i = INT32_MIN}},
    {"INT UNSIGNED", "4294967295", {.type = EL_INT, .u.i = UINT32_MAX}},
    {"INT(10) ZEROFILL", "42", {.type = EL_INT, .u.i = 42}},
    {"BIGINT", "-9223372036854775808", {.type = EL_INT, .u.i = INT64_MIN}},
    {"BIGINT", "9223372036854775807", {.type = EL_INT, .u.i = INT64_MAX}},
    {"BIGINT UNSIGNED", "9223372036854775807", {.type = EL_INT, .u.i = INT64_MAX}},
    {"BIGINT UNSIGNED",
     "9223372036854775808",
     {.type = EL_DECIMAL, .u.s = {"9223372036854775808", 19}}},
    {"BIGINT UNSIGNED",
     "18446744073709551615",
     {.type = EL_DECIMAL, .u.s = {"18446744073709551615", 20}}},
    {"YEAR", "2155", {.type = EL_INT, .u.i = 2155}},
    {"YEAR", "0", {.type = EL_INT, .u.i = 0}},
    {"BIT(1)", "b'1'", {.type = EL_INT, .u.i = 1}},
    {"BIT(13)", "b'1000000000001'", {.type = EL_INT, .u.i = 4097}},
    {"BIT(63)", "0x7FFFFFFFFFFFFFFF", {.type = EL_INT, .u.i = INT64_MAX}},
    {"BIT(64)",
     "0x8000000000000001",
     {.type = EL_BYTES, .u.s = {"\x80\0\0\0\0\0\0\x01", 8}}},
    {"DOUBLE", "0.1", {.type = EL_FLOAT, .u.d = 0.1}},
    {"DOUBLE",
     "1.7976931348623157e308",
     {.type = EL_FLOAT, .u.d = 1.7976931348623157e308}},
    {"DOUBLE",
     "-2.2250738585072014e-308",
     {.type = EL_FLOAT, .u.d = -2.2250738585072014e-308}},
    {"DECIMAL(10,4)", "12.3", {.type = EL_DECIMAL, .u.s = {"12.3000", 7}}},
    {"DECIMAL(65,30)",
     "-12345678901234567890123456789012345.123456789012345678901234567891",
     {.type = EL_DECIMAL,
      .u.s = {"-12345678901234567890123456789012345.123456789012345678901234567891",
              67}}},
    {"DECIMAL(5,0)", "0", {.type = EL_DECIMAL, .u.s = {"0", 1}}},
};

CASES(time_cases){
    {"DATE", "'2024-02-29'", {.type = EL_DATE, .u.s = {"2024-02-29", 10}}},
    {"DATE", "'0001-01-01'", {.type = EL_DATE, .u.s = {"0001-01-01", 10}}},
    {"DATE", "'9999-12-31'", {.type = EL_DATE, .u.s = {"9999-12-31", 10}}},
    {"TIME", "'00:00:00'", {.type = EL_TIME, .u.s = {"00:00:00", 8}}},
    {"TIME(6)", "'23:59:59.999999'", {.type = EL_TIME, .u.s = {"23:59:59.999999", 15}}},
    {"TIME(3)", "'01:02:03.5'", {.type = EL_TIME, .u.s = {"01:02:03.500000", 15}}},
    {"TIME", "'-838:59:59'", {.type = EL_TEXT, .u.s = {"-838:59:59", 10}}},
    {"TIME", "'24:00:00'", {.type = EL_TEXT, .u.s = {"24:00:00", 8}}},
    {"TIME", "'-00:00:01'", {.type = EL_TEXT, .u.s = {"-00:00:01", 9}}},
    {"DATETIME", "'1970-01-01 00:00:00'", {.type = EL_TIMESTAMP, .u.i = 0}},
    {"DATETIME(6)",
     "'2024-02-29 13:45:05.123456'",
     {.type = EL_TIMESTAMP, .u.i = 1709214305123456}},
    {"DATETIME(6)", "'1969-12-31 23:59:59.999999'", {.type = EL_TIMESTAMP, .u.i = -1}},
    {"DATETIME(6)",
     "'9999-12-31 23:59:59.999999'",
     {.type = EL_TIMESTAMP, .u.i = 253402300799999999}},
    {"TIMESTAMP(6) NULL",
     "'2024-02-29 13:45:05.123456'",
     {.type = EL_TIMESTAMP, .u.i = 1709214305123456}},
};

CASES(text_cases){
    {"CHAR(4)", "'ab'", {.type = EL_TEXT, .u.s = {"ab", 2}}},
    {"VARCHAR(20)", "''", {.type = EL_TEXT, .u.s = {"", 0}}},
    {"VARCHAR(20)",
     "'gr\xc3\xbc\xc3\x9f \xf0\x9f\x8d\x8b'",
     {.type = EL_TEXT, .u.s = {"gr\xc3\xbc\xc3\x9f \xf0\x9f\x8d\x8b", 11}}},
    {"TEXT", "'a\\0b'", {.type = EL_TEXT, .u.s = {"a\0b", 3}}},
    {"VARCHAR(9) CHARACTER SET latin1",
     "'\xc3\xa4'",
     {.type = EL_TEXT, .u.s = {"\xc3\xa4", 2}}},
    {"VARCHAR(9) COLLATE utf8mb4_bin", "'x'", {.type = EL_TEXT, .u.s = {"x", 1}}},
    {"ENUM('small','large')", "'large'", {.type = EL_TEXT, .u.s = {"large", 5}}},
    {"SET('a','b','c')", "'c,a'", {.type = EL_TEXT, .u.s = {"a,c", 3}}},
    {"BINARY(3)", "0x0102", {.type = EL_BYTES, .u.s = {"\x01\x02\0", 3}}},
    {"VARBINARY(9)", "0x00FF00", {.type = EL_BYTES, .u.s = {"\0\xff\0", 3}}},
    {"BLOB", "''", {.type = EL_BYTES, .u.s = {"", 0}}},
    {"LONGBLOB", "0xDEADBEEF", {.type = EL_BYTES, .u.s = {"\xde\xad\xbe\xef", 4}}},
    {"JSON",
     "'{\"a\": [1, null]}'",
     {.type = EL_JSON, .u.s = {"{\"a\": [1, null]}", 16}}},
};

/* Reads the case by a prepared statement, then (with SHOW-like means) as text. */
static void check_case(el_conn *c, const read_case *t) {
    char sql[500];
    el_value v[2], expected = t->expected;
    if (expected.type == EL_JSON && !knows_declared_types(c)) {
        expected.type = EL_TEXT;
    }
    run(c, "DROP TEMPORARY TABLE IF EXISTS one", NOARGS);
    snprintf(sql, sizeof sql,
             "CREATE TEMPORARY TABLE one (a %s, b %s) CHARACTER SET utf8mb4", t->type,
             t->type);
    run(c, sql, NOARGS);
    snprintf(sql, sizeof sql, "INSERT INTO one VALUES (%s, NULL)", t->literal);
    assert_int_equal(run(c, sql, NOARGS), 1);
    static const unsigned flags[] = {0, EL_STMT_STREAM};
    for (size_t i = 0; i < 2; i++) {
        el_stmt *s = prepare(c, "SELECT a, b FROM one", flags[i]);
        assert_int_equal(s->ncolumns, 2);
        assert_string_equal(s->columns[1].name, "b");
        for (int again = 0; again < 2; again++) {
            execute(s, NOARGS);
            assert_true(next_row(s, v));
            assert_value(&v[0], &expected, t->type);
            assert_int_equal(v[1].type, EL_NULL);
            assert_false(next_row(s, v));
        }
        finalize(s);
    }
    run(c, "DROP TEMPORARY TABLE one", NOARGS);
}

static void reads_numbers(void **state) {
    for (size_t i = 0; i < sizeof number_cases / sizeof *number_cases; i++) {
        check_case(*state, &number_cases[i]);
    }
}

static void reads_times(void **state) {
    for (size_t i = 0; i < sizeof time_cases / sizeof *time_cases; i++) {
        check_case(*state, &time_cases[i]);
    }
}

static void reads_texts(void **state) {
    for (size_t i = 0; i < sizeof text_cases / sizeof *text_cases; i++) {
        check_case(*state, &text_cases[i]);
    }
}

static void reads_a_uuid(void **state) {
    el_conn *c = *state;
    if (strcmp(c->product, "mariadb") != 0 || c->version < 100700 ||
        !knows_declared_types(c)) {
        skip();
    }
    read_case t = {"UUID", "'123E4567-E89B-12D3-A456-426655440000'",
                   STR(EL_UUID, "123e4567-e89b-12d3-a456-426655440000")};
    check_case(c, &t);
    el_stmt *s = prepare(c, "SELECT CAST(? AS UUID)", 0);
    el_value v[1];
    execute(s, ARGS(t.expected));
    assert_true(next_row(s, v));
    assert_value(&v[0], &t.expected, "uuid");
    finalize(s);
}

/* A FLOAT is what its shortest text says, as everywhere else. */
static void reads_floats_by_their_text(void **state) {
    el_conn *c = *state;
    static const double numbers[] = {
        0.1,         16777216.0, 16777217.0, 3.4028234663852886e38,
        1.17549e-38, -0.3,       123456.79,  0.0};
    run(c, "CREATE TEMPORARY TABLE f (a FLOAT)", NOARGS);
    el_stmt *in = prepare(c, "INSERT INTO f VALUES (?)", 0);
    el_stmt *out = prepare(c, "SELECT a FROM f", 0);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        el_value v[1];
        run(c, "DELETE FROM f", NOARGS);
        execute(in, ARGS(FLT(numbers[i])));
        execute(out, NOARGS);
        assert_true(next_row(out, v));
        assert_int_equal(v[0].type, EL_FLOAT);
        assert_true((float)v[0].u.d == (float)numbers[i]);
        if (numbers[i] != 16777217.0) {
            assert_true(v[0].u.d == numbers[i]);
        }
    }
    finalize(in);
    finalize(out);
    run(c, "DROP TEMPORARY TABLE f", NOARGS);
}

static void reads_zero_dates_as_text(void **state) {
    el_conn *c = *state;
    script(c, "SET sql_mode = ''; CREATE TEMPORARY TABLE z (a DATE, b DATETIME, c DATE);"
              "INSERT INTO z VALUES (0, 0, '2024-00-10')");
    el_stmt *s = prepare(c, "SELECT * FROM z", 0);
    el_value v[3], date = TEXT("0000-00-00"), moment0 = TEXT("0000-00-00 00:00:00"),
                   part = TEXT("2024-00-10");
    execute(s, NOARGS);
    assert_true(next_row(s, v));
    assert_value(&v[0], &date, "zero date");
    assert_value(&v[1], &moment0, "zero datetime");
    assert_value(&v[2], &part, "date without a month");
    finalize(s);
    run(c, "DROP TEMPORARY TABLE z", NOARGS);
}

static void reads_expressions(void **state) {
    el_conn *c = *state;
    assert_cell(c, "SELECT 1 + 1", INT(2));
    assert_cell(c, "SELECT count(*) FROM (SELECT 1) t", INT(1));
    assert_cell(c, "SELECT sum(a) FROM (SELECT 1 a UNION ALL SELECT 2) t",
                STR(EL_DECIMAL, "3"));
    assert_cell(c, "SELECT NULL", NIL);
    assert_cell(c, "SELECT 'it''s'", TEXT("it's"));
    assert_cell(c, "SELECT concat('a', 1)", TEXT("a1"));
    assert_cell(c, "SELECT x'4142'", STR(EL_BYTES, "AB"));
    assert_cell(c, "SELECT 0.5", STR(EL_DECIMAL, "0.5"));
    assert_cell(c, "SELECT 1e0/3", FLT(1.0 / 3));
    assert_cell(c, "SELECT ST_AsText(Point(1, 2))", TEXT("POINT(1 2)"));
}

/* The few statements that come as text are read by the same types. */
static void reads_text_results(void **state) {
    el_conn *c = *state;
    el_value v[MAX_VALUES];
    script(c,
           "CREATE TABLE IF NOT EXISTS text_result (i INT, u BIGINT UNSIGNED, d DOUBLE,"
           "n DECIMAL(5,2), t DATETIME(6), m TIME(6), y DATE, b TINYINT(1), s TEXT,"
           "x BLOB, j JSON, bits BIT(9), e INT);"
           "TRUNCATE text_result; INSERT INTO text_result VALUES (-5,"
           "18446744073709551615, 0.1, 1.5, '2024-02-29 13:45:05.123456', '-01:00:00.5',"
           "'2024-02-29', 1, 'text', 0x00FF, '[]', b'100000001', NULL)");
    const el_value expected[] = {INT(-5),
                                 STR(EL_DECIMAL, "18446744073709551615"),
                                 FLT(0.1),
                                 STR(EL_DECIMAL, "1.50"),
                                 MOMENT(moment),
                                 TEXT("-01:00:00.500000"),
                                 STR(EL_DATE, "2024-02-29"),
                                 BOOL(true),
                                 TEXT("text"),
                                 BYTES(EL_BYTES, "\0\xff", 2),
                                 STR(EL_JSON, "[]"),
                                 INT(257),
                                 NIL};
    run(c, "HANDLER text_result OPEN", NOARGS);
    el_stmt *s = prepare(c, "HANDLER text_result READ FIRST", EL_STMT_ONCE);
    execute(s, NOARGS);
    assert_int_equal(s->ncolumns, 13);
    assert_string_equal(s->columns[12].name, "e");
    assert_true(next_row(s, v));
    for (int i = 0; i < 13; i++) {
        if (expected[i].type != EL_JSON || knows_declared_types(c)) {
            assert_value(&v[i], &expected[i], s->columns[i].name);
        }
    }
    assert_false(next_row(s, v));
    finalize(s);
    run(c, "HANDLER text_result CLOSE", NOARGS);
    run(c, "DROP TABLE text_result", NOARGS);
}

/* }====== */

/* {====== Binding ====== */

static void binds_every_type(void **state) {
    el_conn *c = *state;
    const struct {
        const char *type;
        el_value value, expected;
    } cases[] = {
        {"BIGINT", INT(INT64_MIN), INT(INT64_MIN)},
        {"BIGINT", INT(INT64_MAX), INT(INT64_MAX)},
        {"DOUBLE", FLT(-1.5), FLT(-1.5)},
        {"DOUBLE", FLT(5e-324), FLT(5e-324)},
        {"DOUBLE", FLT(1.0 / 3), FLT(1.0 / 3)},
        {"BOOLEAN", BOOL(true), BOOL(true)},
        {"BOOLEAN", BOOL(false), BOOL(false)},
        {"VARCHAR(20)", TEXT("12E10"), TEXT("12E10")},
        {"VARCHAR(20)", TEXT("a\0'\"\\b"), TEXT("a\0'\"\\b")},
        {"VARCHAR(20)", TEXT(""), TEXT("")},
        {"BLOB", BYTES(EL_BYTES, "\0\xff\x80", 3), BYTES(EL_BYTES, "\0\xff\x80", 3)},
        {"DECIMAL(40,20)", STR(EL_DECIMAL, "12345678901234567890.12345678901234567891"),
         STR(EL_DECIMAL, "12345678901234567890.12345678901234567891")},
        {"BIGINT UNSIGNED", STR(EL_DECIMAL, "18446744073709551615"),
         STR(EL_DECIMAL, "18446744073709551615")},
        {"DATETIME(6)", MOMENT(moment), MOMENT(moment)},
        {"DATETIME(6)", MOMENT(-1), MOMENT(-1)},
        {"DATETIME(6)", MOMENT(-62135596800000000), MOMENT(-62135596800000000)},
        {"DATETIME(6)", MOMENT(253402300799999999), MOMENT(253402300799999999)},
        {"DATE", STR(EL_DATE, "2024-02-29"), STR(EL_DATE, "2024-02-29")},
        {"TIME(6)", STR(EL_TIME, "23:59:59.000001"), STR(EL_TIME, "23:59:59.000001")},
        {"JSON", STR(EL_JSON, "[1, \"\xc3\xa4\"]"), STR(EL_JSON, "[1, \"\xc3\xa4\"]")},
        {"CHAR(36)", STR(EL_UUID, "123e4567-e89b-12d3-a456-426655440000"),
         TEXT("123e4567-e89b-12d3-a456-426655440000")},
        {"CHAR(24)", STR(EL_OBJECT_ID, "0123456789abcdef01234567"),
         TEXT("0123456789abcdef01234567")},
        {"INT", NIL, NIL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char sql[200];
        el_value v[1], expected = cases[i].expected;
        if (expected.type == EL_JSON && !knows_declared_types(c)) {
            expected.type = EL_TEXT;
        }
        run(c, "DROP TEMPORARY TABLE IF EXISTS one", NOARGS);
        snprintf(sql, sizeof sql, "CREATE TEMPORARY TABLE one (a %s)", cases[i].type);
        run(c, sql, NOARGS);
        assert_int_equal(run(c, "INSERT INTO one VALUES (?)", &cases[i].value, 1), 1);
        el_stmt *s = prepare(c, "SELECT a FROM one WHERE a = ? OR a IS NULL", 0);
        execute(s, &cases[i].value, 1);
        assert_true(next_row(s, v));
        assert_value(&v[0], &expected, cases[i].type);
        finalize(s);
        run(c, "DROP TEMPORARY TABLE one", NOARGS);
    }
}

/* One statement, other types from one execute to the next. */
static void changes_types_between_executes(void **state) {
    el_conn *c = *state;
    run(c, "CREATE TEMPORARY TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(50))",
        NOARGS);
    el_stmt *s = prepare(c, "INSERT INTO t (a) VALUES (?)", 0);
    execute(s, ARGS(INT(42)));
    assert_int_equal(s->last_id, 1);
    execute(s, ARGS(NIL));
    execute(s, ARGS(TEXT("text")));
    execute(s, ARGS(BOOL(true)));
    assert_int_equal(s->last_id, 4);
    assert_int_equal(s->affected, 1);
    finalize(s);
    assert_cell(c, "SELECT group_concat(coalesce(a, 'NULL') ORDER BY id) FROM t",
                TEXT("42,NULL,text,1"));
    run(c, "DROP TEMPORARY TABLE t", NOARGS);
}

static void refuses_what_has_no_place(void **state) {
    el_conn *c = *state;
    const double zero = 0.0;
    const el_value bad[] = {FLT(zero / zero),  FLT(1.0 / zero),
                            FLT(-1.0 / zero),  MOMENT(253402300800000000),
                            MOMENT(INT64_MIN), {.type = EL_LIST, .u.nested = NULL}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        el_error err;
        run_failing(c, "SELECT ?, ?", ARGS(INT(1), bad[i]), &err);
        assert_int_equal(err.kind, EL_ERR_VALUE);
        assert_non_null(strstr(err.message, "value 2"));
    }
    assert_cell(c, "SELECT 1", INT(1));
}

/* }====== */

/* {====== Long values ====== */

static char *long_text(size_t n, unsigned seed) {
    char *p = malloc(n);
    assert_non_null(p);
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        p[i] = (char)(seed >> 24);
    }
    return p;
}

static void carries_long_values(void **state) {
    el_conn *c = *state;
    static const size_t sizes[] = {255,   256,     257,     4096,    65535,
                                   65536, 1048575, 1048576, 1048577, 10000000};
    run(c, "CREATE TEMPORARY TABLE l (id INT, a LONGBLOB, b INT)", NOARGS);
    for (int i = 0; i < (int)(sizeof sizes / sizeof *sizes); i++) {
        char *p = long_text(sizes[i], (unsigned)i);
        assert_int_equal(run(c, "INSERT INTO l VALUES (?, ?, ?)",
                             ARGS(INT(i), BYTES(EL_BYTES, p, sizes[i]), INT(7))),
                         1);
        free(p);
    }
    static const unsigned flags[] = {0, EL_STMT_STREAM};
    for (size_t f = 0; f < 2; f++) {
        el_stmt *s = prepare(c, "SELECT id, a, b, a FROM l ORDER BY id DESC", flags[f]);
        el_value v[4];
        execute(s, NOARGS);
        int rows = 0;
        while (next_row(s, v)) {
            size_t n = sizes[v[0].u.i];
            char *p = long_text(n, (unsigned)v[0].u.i);
            el_value expected = BYTES(EL_BYTES, p, n);
            assert_value(&v[1], &expected, "long value");
            assert_value(&v[3], &expected, "long value, second time");
            assert_int_equal(v[2].u.i, 7);
            free(p);
            rows++;
        }
        assert_int_equal(rows, sizeof sizes / sizeof *sizes);
        finalize(s);
    }
    run(c, "DROP TEMPORARY TABLE l", NOARGS);
}

/* More than a packet in one statement, but no value of it too long. */
static void sends_several_long_values(void **state) {
    el_conn *c = *state;
    int64_t packet = scalar(c, "SELECT @@max_allowed_packet");
    size_t n = (size_t)packet / 2 + 1000;
    char *p = long_text(n, 1);
    el_value big = BYTES(EL_BYTES, p, n);
    el_stmt *s = prepare(c, "SELECT length(?) + length(?) + length(?)", 0);
    el_value v[1];
    execute(s, ARGS(big, big, big));
    assert_true(next_row(s, v));
    assert_int_equal(v[0].u.i, 3 * n);
    finalize(s);
    free(p);
}

/* A value that the server can't take costs an error, never the connection. */
static void refuses_too_long_values(void **state) {
    el_conn *c = *state;
    int64_t packet = scalar(c, "SELECT @@max_allowed_packet");
    size_t n = (size_t)packet + 1;
    char *p = calloc(1, n);
    assert_non_null(p);
    el_error err;
    run_failing(c, "SELECT length(?)", ARGS(BYTES(EL_BYTES, p, n)), &err);
    assert_int_equal(err.kind, EL_ERR_VALUE);
    assert_non_null(strstr(err.message, "max_allowed_packet"));
    size_t many = (size_t)packet / 1000000 + 2, bytes = 0;
    char *sql = malloc(100 + many * 12);
    el_value *args = calloc(many, sizeof *args);
    assert_true(sql && args);
    bytes = (size_t)sprintf(sql, "SELECT 1");
    for (size_t i = 0; i < many; i++) {
        bytes += (size_t)sprintf(sql + bytes, ",length(?)");
        args[i] = BYTES(EL_BYTES, p, 1000000);
    }
    run_failing(c, sql, args, (int)many, &err);
    assert_int_equal(err.kind, EL_ERR_VALUE);
    assert_true(c->open);
    assert_cell(c, "SELECT 1", INT(1));
    free(args);
    free(sql);
    free(p);
}

/* What a long result took is given back when it is dropped, while the statement stays. */
static void gives_memory_back(void **state) {
    el_conn *c = *state;
    el_stmt *s = prepare(c, "SELECT repeat('x', ?), ?", 0);
    el_value v[2];
    execute(s, ARGS(INT(30000000), INT(1)));
    assert_true(next_row(s, v));
    assert_int_equal(v[0].u.s.n, 30000000);
    assert_false(next_row(s, v));
    long before = resident();
    for (int i = 0; i < 10; i++) {
        execute(s, ARGS(INT(30000000), INT(1)));
        assert_true(next_row(s, v));
        assert_int_equal(v[0].u.s.n, 30000000);
        assert_false(next_row(s, v));
    }
    assert_true(resident() - before < 40000);
    execute(s, ARGS(INT(5), INT(1)));
    assert_true(next_row(s, v));
    assert_value(&v[0], &TEXT("xxxxx"), "short again");
    finalize(s);
}

/* }====== */

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_numbers),
        cmocka_unit_test(reads_times),
        cmocka_unit_test(reads_texts),
        cmocka_unit_test(reads_a_uuid),
        cmocka_unit_test(reads_floats_by_their_text),
        cmocka_unit_test(reads_expressions),
        cmocka_unit_test(reads_text_results),
        cmocka_unit_test(binds_every_type),
        cmocka_unit_test(changes_types_between_executes),
        cmocka_unit_test(refuses_what_has_no_place),
        cmocka_unit_test(carries_long_values),
        cmocka_unit_test(sends_several_long_values),
        cmocka_unit_test(refuses_too_long_values),
        cmocka_unit_test(gives_memory_back),
        cmocka_unit_test(reads_zero_dates_as_text), /* changes the session's sql_mode */
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
