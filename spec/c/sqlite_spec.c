/* SPDX-License-Identifier: MIT
**
** sqlite_spec.c - the SQLite driver through the contract: statements, values, rows and
** transactions.  Files are sqlite_files_spec.c, errors sqlite_errors_spec.c.
*/
#include <math.h>

#include "sqlite_support.h"

/* {====== Values ====== */

static void assert_same(const el_value *got, const el_value *want) {
    assert_int_equal(got->type, want->type);
    if (want->type == EL_INT || want->type == EL_TIMESTAMP) {
        assert_true(got->u.i == want->u.i);
    } else if (want->type == EL_FLOAT) {
        assert_memory_equal(&got->u.d, &want->u.d, sizeof want->u.d);
    } else if (want->type == EL_BOOL) {
        assert_int_equal(got->u.b, want->u.b);
    } else if (el_type_has_bytes(want->type)) {
        assert_int_equal(got->u.s.n, want->u.s.n);
        assert_memory_equal(got->u.s.p, want->u.s.p, want->u.s.n);
    }
}

/* Writes a value into a column of that declared type and reads it back. */
static void round_trip(const char *type, const el_value *in, const el_value *want) {
    char sql[128];
    el_value got;
    script(conn, "DROP TABLE IF EXISTS v");
    snprintf(sql, sizeof sql, "CREATE TABLE v(a %s)", type);
    script(conn, sql);
    el_stmt *s = prepare(conn, "INSERT INTO v VALUES(?)");
    execute(s, in, 1);
    driver->finalize(s);
    s = prepare(conn, "SELECT a FROM v");
    execute(s, NULL, 0);
    assert_int_equal(fetch(s), EL_ROW);
    row(s, &got);
    assert_same(&got, want);
    assert_int_equal(fetch(s), EL_DONE);
    driver->finalize(s);
}

static el_value bytes_value(el_type type, const char *p, size_t n) {
    return (el_value){.type = type, .u.s = {p, n}};
}

static el_value text_value(el_type type, const char *text) {
    return bytes_value(type, text, strlen(text));
}

static void every_value_comes_back(void **state) {
    (void)state;
    struct {
        const char *type;
        el_value value;
    } cases[] = {
        {"", NOTHING},
        {"INTEGER", INT(0)},
        {"INTEGER", INT(INT64_MAX)},
        {"INTEGER", INT(INT64_MIN)},
        {"BIGINT", INT(-1)},
        {"REAL", {.type = EL_FLOAT, .u.d = 0.1}},
        {"REAL", {.type = EL_FLOAT, .u.d = 3.0}},
        {"DOUBLE", {.type = EL_FLOAT, .u.d = 1.7976931348623157e308}},
        {"DOUBLE", {.type = EL_FLOAT, .u.d = 5e-324}},
        {"DOUBLE", {.type = EL_FLOAT, .u.d = HUGE_VAL}},
        {"DOUBLE", {.type = EL_FLOAT, .u.d = -HUGE_VAL}},
        {"VARCHAR(255)", text_value(EL_TEXT, "")},
        {"VARCHAR(255)", text_value(EL_TEXT, "caf\xC3\xA9")},
        {"TEXT", text_value(EL_TEXT, "12")},
        {"TEXT", bytes_value(EL_TEXT, "\0a\0", 3)},
        {"BLOB", bytes_value(EL_BYTES, "", 0)},
        {"BLOB", bytes_value(EL_BYTES, "\0\xFF\0", 3)},
        {"BLOB", bytes_value(EL_BYTES, NULL, 0)},
        {"BOOLEAN", {.type = EL_BOOL, .u.b = true}},
        {"bool NOT NULL", {.type = EL_BOOL, .u.b = false}},
        {"DECIMAL TEXT(30,10)",
         text_value(EL_DECIMAL, "12345678901234567890.1234567890")},
        {"DECIMAL TEXT(5,2)", text_value(EL_DECIMAL, "-0.10")},
        {"DATE", text_value(EL_DATE, "2024-02-29")},
        {"TIME", text_value(EL_TIME, "23:59:59")},
        {"TIME", text_value(EL_TIME, "23:59:59.123456")},
        {"JSON TEXT", text_value(EL_JSON, "{\"a\":[1,2.50,null]}")},
        {"JSON TEXT", text_value(EL_JSON, "1.0")},
        {"UUID TEXT", text_value(EL_UUID, "00000000-0000-0000-0000-0000000000ff")},
        {"TIMESTAMP", {.type = EL_TIMESTAMP, .u.i = 0}},
        {"DATETIME", {.type = EL_TIMESTAMP, .u.i = -1}},
        {"TIMESTAMP", {.type = EL_TIMESTAMP, .u.i = INT64_C(-62135596800000000)}},
        {"timestamp", {.type = EL_TIMESTAMP, .u.i = INT64_C(253402300799999999)}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        round_trip(cases[i].type, &cases[i].value, &cases[i].value);
    }
}

static void a_declared_type_promises_nothing(void **state) {
    (void)state;
    struct {
        const char *type;
        el_value in, out;
    } cases[] = {
        {"BOOLEAN", INT(2), INT(2)},
        {"BOOLEAN", TEXT("yes"), TEXT("yes")},
        {"BOOLEAN", NOTHING, NOTHING},
        {"INTEGER", {.type = EL_BOOL, .u.b = true}, INT(1)},
        {"TIMESTAMP", TEXT("soon"), TEXT("soon")},
        {"TIMESTAMP", TEXT("2024-02-30 00:00:00"), TEXT("2024-02-30 00:00:00")},
        {"TIMESTAMP", INT(5), INT(5)},
        {"TIMESTAMP", TEXT("1970-01-01T01:00:00+01:00"), {.type = EL_TIMESTAMP}},
        {"DATE", TEXT("2024-2-1"), TEXT("2024-2-1")},
        {"DATE", TEXT("2024-02-01 00:00"), TEXT("2024-02-01 00:00")},
        {"TIME", TEXT("24:00:00"), TEXT("24:00:00")},
        {"TIME", TEXT("10:00:00Z"), TEXT("10:00:00Z")},
        {"TIME", TEXT("10:00:00+01"), TEXT("10:00:00+01")},
        {"UUID TEXT", TEXT("00000000-0000-0000-0000-0000000000FF"),
         TEXT("00000000-0000-0000-0000-0000000000FF")},
        {"UUID TEXT", TEXT("x"), TEXT("x")},
        {"DECIMAL TEXT", TEXT("1e5"), TEXT("1e5")},
        {"DECIMAL TEXT", TEXT("1."), TEXT("1.")},
        {"DECIMAL TEXT", TEXT("-"), TEXT("-")},
        {"DECIMAL TEXT", TEXT(""), TEXT("")},
        {"DECIMAL(10,2)", INT(7), INT(7)},
        {"NUMERIC", TEXT("abc"), TEXT("abc")},
        {"TEXT", {.type = EL_TIMESTAMP, .u.i = 1}, TEXT("1970-01-01 00:00:00.000001")},
        {"VARCHAR(9)", {.type = EL_DECIMAL, .u.s = {"1.50", 4}}, TEXT("1.50")},
        {"JSON TEXT",
         {.type = EL_BYTES, .u.s = {"{}", 2}},
         {.type = EL_BYTES, .u.s = {"{}", 2}}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        round_trip(cases[i].type, &cases[i].in, &cases[i].out);
    }
}

static void big_values_come_back(void **state) {
    (void)state;
    size_t n = 1 << 20;
    char *p = malloc(n);
    assert_non_null(p);
    for (size_t i = 0; i < n; i++) {
        p[i] = (char)(i % 128);
    }
    el_value text = bytes_value(EL_TEXT, p, n), blob = bytes_value(EL_BYTES, p, n);
    round_trip("TEXT", &text, &text);
    round_trip("BLOB", &blob, &blob);
    free(p);
}

static void what_cannot_be_stored_is_refused(void **state) {
    (void)state;
    el_iter it = {0};
    el_value bad[] = {
        {.type = EL_FLOAT, .u.d = NAN},
        {.type = EL_TIMESTAMP, .u.i = INT64_C(-62135596800000001)},
        {.type = EL_TIMESTAMP, .u.i = INT64_C(253402300800000000)},
        {.type = EL_LIST, .u.nested = &it},
        {.type = EL_DOC, .u.nested = &it},
        {.type = EL_TEXT, .u.s = {"x", (size_t)1 << 31}},
        {.type = EL_BYTES, .u.s = {"x", (size_t)1 << 33}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        el_error e = error_of(conn, "SELECT ?", &bad[i], 1);
        assert_int_equal(e.kind, EL_ERR_VALUE);
    }
}

static void a_timestamp_lives_as_long_as_its_execution(void **state) {
    (void)state;
    el_value args[3] = {
        {.type = EL_TIMESTAMP, .u.i = 0}, INT(1), {.type = EL_TIMESTAMP, .u.i = 1}};
    el_value out[3];
    el_stmt *s = prepare(conn, "SELECT ?, ?, ? UNION ALL SELECT ?1, ?2, ?3");
    for (int round = 0; round < 3; round++) {
        execute(s, args, 3);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(fetch(s), EL_ROW);
            row(s, out);
            assert_memory_equal(out[0].u.s.p, "1970-01-01 00:00:00.000000", 26);
            assert_memory_equal(out[2].u.s.p, "1970-01-01 00:00:00.000001", 26);
        }
        assert_int_equal(fetch(s), EL_DONE);
    }
    driver->finalize(s);
}

/* }====== */

/* {====== Statements ====== */

static void columns_are_described(void **state) {
    (void)state;
    script(conn, "CREATE TABLE t(id INTEGER PRIMARY KEY, b BOOLEAN)");
    el_stmt *s =
        prepare(conn, "SELECT id, b AS \"is b\", 1+1 FROM t WHERE id > ? AND b = ?");
    assert_int_equal(s->nparams, 2);
    assert_int_equal(s->ncolumns, 3);
    assert_string_equal(s->columns[0].name, "id");
    assert_string_equal(s->columns[1].name, "is b");
    assert_int_equal(s->columns[1].namelen, 4);
    assert_int_equal(s->columns[1].type, EL_NULL);
    driver->finalize(s);
    s = prepare(conn, "INSERT INTO t VALUES(1, 1)");
    assert_int_equal(s->ncolumns, 0);
    assert_false(s->active);
    driver->finalize(s);
}

static void columns_follow_the_schema(void **state) {
    (void)state;
    script(conn, "CREATE TABLE t(a BOOLEAN); INSERT INTO t VALUES(1)");
    el_value v[3];
    el_stmt *s = prepare(conn, "SELECT * FROM t");
    execute(s, NULL, 0);
    assert_int_equal(fetch(s), EL_ROW);
    row(s, v);
    assert_int_equal(v[0].type, EL_BOOL);
    driver->reset(s);
    script(conn, "DROP TABLE t; CREATE TABLE t(x INTEGER, y TIMESTAMP, z);"
                 "INSERT INTO t VALUES(1, '1970-01-01', 'z')");
    execute(s, NULL, 0);
    assert_int_equal(s->ncolumns, 3);
    assert_string_equal(s->columns[1].name, "y");
    assert_int_equal(fetch(s), EL_ROW);
    row(s, v);
    assert_int_equal(v[0].type, EL_INT);
    assert_int_equal(v[1].type, EL_TIMESTAMP);
    assert_int_equal(v[2].type, EL_TEXT);
    driver->finalize(s);
}

static void only_one_statement_a_text(void **state) {
    (void)state;
    static const char *const good[] = {"SELECT 1;",          "SELECT 1 ; -- end",
                                       "SELECT 1;;\n;",      "/* a */ SELECT 1 /* b",
                                       "SELECT 1; /* ; */ ", "-- first\nSELECT 1"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(run(conn, good[i]), 1);
    }
    static const char *const bad[] = {"",           " ",          ";",
                                      "-- nothing", "/* x */;",   "SELECT 1; SELECT 2",
                                      "SELECT 1;x", "SELECT 1;/", "SELECT 1; -"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(error_of(conn, bad[i], NULL, 0).kind, EL_ERR_MISUSE);
    }
    el_query q = {.sql = "SELECT 1\0, 2", .len = 12};
    el_error e = {0};
    el_stmt *s;
    assert_int_equal(driver->prepare(&s, conn, &q, &e), EL_FAIL);
    assert_int_equal(e.kind, EL_ERR_SYNTAX);
    q = (el_query){.command = &INT(1)};
    el_error_clear(&e);
    assert_int_equal(driver->prepare(&s, conn, &q, &e), EL_FAIL);
    assert_int_equal(e.kind, EL_ERR_UNSUPPORTED);
}

static void text_needs_no_end(void **state) {
    (void)state;
    char *sql = malloc(8);
    assert_non_null(sql);
    memcpy(sql, "SELECT 7", 8); /* reading a ninth byte is seen by ASan */
    el_query q = {.sql = sql, .len = 8};
    el_error e = {0};
    el_stmt *s;
    assert_int_equal(driver->prepare(&s, conn, &q, &e), EL_OK);
    free(sql);
    execute(s, NULL, 0);
    assert_int_equal(fetch(s), EL_ROW);
    driver->finalize(s);
}

static void the_number_of_values_is_checked(void **state) {
    (void)state;
    el_stmt *s = prepare(conn, "SELECT ?, ?");
    el_value args[3] = {INT(1), INT(2), INT(3)};
    for (int n = 0; n <= 3; n++) {
        el_error e = {0};
        int rc = driver->execute(s, args, n, &e);
        assert_int_equal(rc, n == 2 ? EL_OK : EL_FAIL);
        assert_int_equal(e.kind, n == 2 ? EL_ERR_NONE : EL_ERR_MISUSE);
    }
    driver->finalize(s);
}

static void misuse_is_an_error_not_a_crash(void **state) {
    (void)state;
    el_stmt *s = prepare(conn, "SELECT 1");
    el_value v;
    el_error e = {0};
    assert_int_equal(driver->fetch(s, &e), EL_FAIL);
    assert_int_equal(e.kind, EL_ERR_MISUSE);
    execute(s, NULL, 0);
    el_error_clear(&e);
    assert_int_equal(driver->row(s, &v, &e), EL_FAIL);
    assert_int_equal(e.kind, EL_ERR_MISUSE);
    assert_int_equal(fetch(s), EL_ROW);
    assert_int_equal(fetch(s), EL_DONE);
    assert_int_equal(fetch(s), EL_DONE);
    el_error_clear(&e);
    assert_int_equal(driver->row(s, &v, &e), EL_FAIL);
    driver->reset(s);
    driver->reset(s);
    el_error_clear(&e);
    assert_int_equal(driver->fetch(s, &e), EL_FAIL);
    driver->finalize(s);
}

static void active_says_that_rows_are_left(void **state) {
    (void)state;
    el_stmt *s = prepare(conn, "VALUES(1),(2)");
    execute(s, NULL, 0);
    assert_true(s->active);
    assert_int_equal(fetch(s), EL_ROW);
    assert_int_equal(fetch(s), EL_ROW);
    assert_true(s->active);
    assert_int_equal(fetch(s), EL_DONE);
    assert_false(s->active);
    execute(s, NULL, 0); /* a result that nobody read is dropped */
    execute(s, NULL, 0);
    assert_int_equal(fetch(s), EL_ROW);
    driver->reset(s);
    assert_false(s->active);
    driver->finalize(s);
    s = prepare(conn, "SELECT 1 WHERE 0");
    execute(s, NULL, 0);
    assert_false(s->active);
    assert_int_equal(fetch(s), EL_DONE);
    driver->finalize(s);
}

static void counts_and_keys(void **state) {
    (void)state;
    script(conn, "CREATE TABLE t(id INTEGER PRIMARY KEY, a UNIQUE);"
                 "CREATE TABLE log(id INTEGER PRIMARY KEY, what);"
                 "INSERT INTO log VALUES(1000, 'x');"
                 "CREATE TRIGGER tr AFTER INSERT ON t BEGIN "
                 "INSERT INTO log(what) VALUES(new.a); END;"
                 "CREATE TABLE k(name TEXT PRIMARY KEY) WITHOUT ROWID;");
    static const struct {
        const char *sql;
        int64_t affected, last_id;
    } cases[] = {
        {"INSERT INTO t(a) VALUES('a')", 1, 1},
        {"INSERT INTO t(a) VALUES('b'),('c')", 2, 3},
        {"INSERT OR IGNORE INTO t(a) VALUES('a')", 0, 0},
        {"INSERT INTO t(a) VALUES('a') ON CONFLICT DO NOTHING", 0, 0},
        {"INSERT INTO t(a) VALUES('a') ON CONFLICT(a) DO UPDATE SET a = 'A'", 1, 0},
        {"REPLACE INTO t(a) VALUES('b')", 1, 4},
        {"INSERT INTO t(id, a) VALUES(50, 'x')", 1, 50},
        {"INSERT INTO t(id, a) VALUES(-5, 'neg')", 1, -5},
        {"WITH n(x) AS (VALUES('n1'),('n2')) INSERT INTO t(a) SELECT x FROM n", 2, 52},
        {"UPDATE t SET a = a || '.'", 7, 0},
        {"UPDATE t SET a = a WHERE id = 999", 0, 0},
        {"DELETE FROM t WHERE id IN (1, 3)", 2, 0},
        {"DELETE FROM t WHERE 0", 0, 0},
        {"INSERT INTO k VALUES('k')", 1, 0},
        {"CREATE TABLE made(a)", 0, 0},
        {"CREATE TABLE copied AS SELECT * FROM t", 0, 0},
        {"DROP TABLE made", 0, 0},
        {"CREATE INDEX i ON t(a)", 0, 0},
        {"SELECT * FROM t", 0, 0},
        {"PRAGMA user_version = 3", 0, 0},
        {"DELETE FROM t", 5, 0},
        {"INSERT INTO log(id, what) SELECT 2000 + 1, last_insert_rowid()", 1, 2001},
        {"INSERT OR IGNORE INTO log(id, what) VALUES(2001, last_insert_rowid())", 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        el_stmt *s = prepare(conn, cases[i].sql);
        execute(s, NULL, 0);
        if (s->affected != cases[i].affected || s->last_id != cases[i].last_id) {
            fail_msg("%s: %d rows, key %d", cases[i].sql, (int)s->affected,
                     (int)s->last_id);
        }
        driver->finalize(s);
    }
}

static void sqls_own_last_key_survives(void **state) {
    (void)state;
    script(conn, "CREATE TABLE t(id INTEGER PRIMARY KEY, a UNIQUE)");
    run(conn, "INSERT INTO t VALUES(7, 'a')");
    run(conn, "INSERT OR IGNORE INTO t(a) VALUES('a')");
    run(conn, "UPDATE t SET a = 'b'");
    assert_int_equal(error_of(conn, "INSERT INTO t VALUES(7, 'c')", NULL, 0).kind,
                     EL_ERR_UNIQUE);
    assert_int_equal(scalar(conn, "SELECT last_insert_rowid()"), 7);
    run(conn, "INSERT INTO t(a) VALUES(last_insert_rowid())");
    assert_int_equal(scalar(conn, "SELECT a FROM t WHERE id = 8"), 7);
}

static void counts_belong_to_one_execution(void **state) {
    (void)state;
    script(conn, "CREATE TABLE t(a)");
    el_stmt *s = prepare(conn, "INSERT INTO t SELECT 1 WHERE ?");
    el_value yes = INT(1), no = INT(0);
    execute(s, &yes, 1);
    assert_int_equal(s->affected, 1);
    execute(s, &no, 1);
    assert_int_equal(s->affected, 0);
    assert_int_equal(s->last_id, 0);
    driver->finalize(s);
}

static void returning(void **state) {
    (void)state;
    script(conn, "CREATE TABLE t(id INTEGER PRIMARY KEY, a DEFAULT 'made')");
    el_value v[2];
    el_stmt *s = prepare(conn, "INSERT INTO t(id) VALUES(?),(?) RETURNING id, a");
    el_value args[2] = {NOTHING, INT(9)};
    execute(s, args, 2);
    assert_int_equal(s->ncolumns, 2);
    assert_int_equal(fetch(s), EL_ROW);
    row(s, v);
    assert_int_equal(v[0].u.i, 1);
    assert_memory_equal(v[1].u.s.p, "made", 4);
    assert_int_equal(fetch(s), EL_ROW);
    row(s, v);
    assert_int_equal(v[0].u.i, 9);
    assert_int_equal(fetch(s), EL_DONE);
    assert_int_equal(s->affected, 2);
    assert_int_equal(s->last_id, 9);
    driver->finalize(s);
    s = prepare(conn, "DELETE FROM t RETURNING id");
    execute(s, NULL, 0);
    assert_int_equal(s->affected, 2); /* known before the rows are read */
    driver->reset(s);                 /* rows not read; what was done stays done */
    driver->finalize(s);
    assert_int_equal(scalar(conn, "SELECT count(*) FROM t"), 0);
}

static void returning_many_rows(void **state) {
    (void)state;
    script(conn, "CREATE TABLE t(id INTEGER PRIMARY KEY, at TIMESTAMP, b BOOLEAN, s)");
    el_stmt *s = prepare(
        conn,
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n WHERE x < ?) "
        "INSERT INTO t SELECT x, '1970-01-01', x % 2, hex(zeroblob(x % 3000)) FROM n "
        "WHERE 1 RETURNING *");
    for (int64_t n = 5000; n > 0; n -= 4999) { /* many, then few on the same statement */
        el_value v[4], count = INT(n);
        script(conn, "DELETE FROM t");
        execute(s, &count, 1);
        assert_int_equal(s->affected, n);
        assert_true(s->active);
        for (int64_t i = 1; i <= n; i++) {
            assert_int_equal(fetch(s), EL_ROW);
            row(s, v);
            assert_true(v[0].u.i == i);
            assert_int_equal(v[1].type, EL_TIMESTAMP);
            assert_int_equal(v[2].type, EL_BOOL);
            assert_int_equal(v[3].u.s.n, 2 * (i % 3000));
        }
        assert_int_equal(fetch(s), EL_DONE);
        assert_int_equal(fetch(s), EL_DONE);
        assert_false(s->active);
    }
    driver->finalize(s);
}

/* The commit of a single statement fails after its rows were made. */
static void returning_is_an_error_when_it_was_not_done(void **state) {
    (void)state;
    script(conn, "CREATE TABLE p(id INTEGER PRIMARY KEY);"
                 "CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) "
                 "DEFERRABLE INITIALLY DEFERRED)");
    el_error e = error_of(conn, "INSERT INTO c(p) VALUES(9) RETURNING id", NULL, 0);
    assert_int_equal(e.kind, EL_ERR_FOREIGN_KEY);
    assert_int_equal(scalar(conn, "SELECT count(*) FROM c"), 0);
    assert_int_equal(driver->txstate(conn), EL_TX_NONE);
}

static void statements_interleave(void **state) {
    (void)state;
    script(conn, "CREATE TABLE t(a INTEGER); INSERT INTO t VALUES(1),(2),(3);"
                 "CREATE TABLE u(a)");
    el_stmt *x = prepare(conn, "SELECT a FROM t ORDER BY a");
    el_stmt *y = prepare(conn, "SELECT a FROM t ORDER BY a DESC");
    el_stmt *w = prepare(conn, "INSERT INTO u VALUES(?)");
    el_value vx, vy;
    execute(x, NULL, 0);
    execute(y, NULL, 0);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(fetch(x), EL_ROW);
        assert_int_equal(fetch(y), EL_ROW);
        row(x, &vx);
        row(y, &vy);
        execute(w, &vx, 1); /* an open stream stands beside a write */
        assert_int_equal(vx.u.i, i);
        assert_int_equal(vy.u.i, 4 - i);
        assert_int_equal(scalar(conn, "SELECT count(*) FROM u"), i);
    }
    assert_int_equal(fetch(x), EL_DONE);
    assert_int_equal(fetch(y), EL_DONE);
    driver->finalize(x);
    driver->finalize(y);
    driver->finalize(w);
}

static void a_statement_keeps_its_connection(void **state) {
    (void)state;
    el_conn *c = open_path(":memory:", NULL, NULL);
    el_stmt *s = prepare(c, "VALUES(1),(2)");
    execute(s, NULL, 0);
    el_conn_release(c);
    assert_int_equal(fetch(s), EL_ROW);
    assert_int_equal(fetch(s), EL_ROW);
    assert_int_equal(fetch(s), EL_DONE);
    driver->finalize(s);
}

static void quoted_names_are_no_strings(void **state) {
    (void)state;
    script(conn, "CREATE TABLE t(a)");
    el_error e = error_of(conn, "SELECT \"b\" FROM t", NULL, 0);
    assert_int_equal(e.kind, EL_ERR_SYNTAX);
    assert_string_equal(e.column, "b");
}

/* }====== */

/* {====== Transactions and scripts ====== */

static void transact(el_txop op, const char *name) {
    el_error e = {0};
    if (driver->transact(conn, op, name, &e) != EL_OK) {
        fail_msg("%s", e.message);
    }
}

static el_error transact_error(el_txop op, const char *name) {
    el_error e = {0};
    assert_int_equal(driver->transact(conn, op, name, &e), EL_FAIL);
    return e;
}

static void transactions(void **state) {
    (void)state;
    script(conn, "CREATE TABLE t(a)");
    assert_int_equal(driver->txstate(conn), EL_TX_NONE);
    transact(EL_TX_BEGIN, NULL);
    assert_int_equal(driver->txstate(conn), EL_TX_ACTIVE);
    run(conn, "INSERT INTO t VALUES(1)");
    transact(EL_TX_SAVE, "a \"b\"; --");
    run(conn, "INSERT INTO t VALUES(2)");
    transact(EL_TX_ROLLBACK_TO, "a \"b\"; --");
    run(conn, "INSERT INTO t VALUES(3)");
    transact(EL_TX_RELEASE, "a \"b\"; --");
    transact(EL_TX_COMMIT, NULL);
    assert_int_equal(driver->txstate(conn), EL_TX_NONE);
    assert_int_equal(scalar(conn, "SELECT sum(a) FROM t"), 4);
    transact(EL_TX_BEGIN, NULL);
    run(conn, "DELETE FROM t");
    script(conn, "CREATE TABLE u(a)"); /* DDL is inside it too */
    transact(EL_TX_ROLLBACK, NULL);
    assert_int_equal(scalar(conn, "SELECT count(*) FROM t"), 2);
    assert_int_equal(error_of(conn, "SELECT * FROM u", NULL, 0).kind, EL_ERR_SYNTAX);
}

static void isolation_levels(void **state) {
    (void)state;
    static const char *const good[] = {
        "serializable",     "SERIALIZABLE", "repeatable read", "read committed",
        "read uncommitted", "immediate",    "deferred",        "exclusive"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        transact(EL_TX_BEGIN, good[i]);
        transact(EL_TX_ROLLBACK, NULL);
    }
    el_error e = transact_error(EL_TX_BEGIN, "snapshot; DROP TABLE t");
    assert_int_equal(e.kind, EL_ERR_MISUSE);
}

static void transactions_out_of_order(void **state) {
    (void)state;
    assert_int_equal(transact_error(EL_TX_COMMIT, NULL).kind, EL_ERR_MISUSE);
    transact(EL_TX_ROLLBACK, NULL); /* as the other engines: nothing to do */
    transact(EL_TX_BEGIN, NULL);
    assert_int_equal(transact_error(EL_TX_BEGIN, NULL).kind, EL_ERR_MISUSE);
    assert_int_equal(transact_error(EL_TX_RELEASE, "x").kind, EL_ERR_MISUSE);
    assert_int_equal(driver->txstate(conn), EL_TX_ACTIVE);
    transact(EL_TX_ROLLBACK, NULL);
}

static void a_commit_that_fails_leaves_it_open(void **state) {
    (void)state;
    script(conn, "CREATE TABLE p(id INTEGER PRIMARY KEY);"
                 "CREATE TABLE c(p REFERENCES p(id) DEFERRABLE INITIALLY DEFERRED)");
    transact(EL_TX_BEGIN, NULL);
    run(conn, "INSERT INTO c VALUES(1)");
    el_error e = transact_error(EL_TX_COMMIT, NULL);
    assert_int_equal(e.kind, EL_ERR_FOREIGN_KEY);
    assert_string_equal(e.message, "the transaction can't be committed: c.p refers to a "
                                   "row of p that does not exist");
    assert_string_equal(e.table, "c");
    assert_string_equal(e.column, "p");
    assert_int_equal(driver->txstate(conn), EL_TX_ACTIVE);
    run(conn, "INSERT INTO p VALUES(1)");
    transact(EL_TX_COMMIT, NULL);
}

static void commit_and_rollback_beside_an_open_stream(void **state) {
    (void)state;
    script(conn, "CREATE TABLE t(a); INSERT INTO t VALUES(1),(2),(3)");
    el_stmt *s = prepare(conn, "SELECT a FROM t");
    transact(EL_TX_BEGIN, NULL);
    execute(s, NULL, 0);
    assert_int_equal(fetch(s), EL_ROW);
    run(conn, "UPDATE t SET a = a + 10");
    transact(EL_TX_COMMIT, NULL);
    while (fetch(s) == EL_ROW) {
    }
    transact(EL_TX_BEGIN, NULL);
    execute(s, NULL, 0);
    assert_int_equal(fetch(s), EL_ROW);
    script(conn, "CREATE TABLE u(a)");
    transact(EL_TX_ROLLBACK, NULL);
    el_error e = {0};
    assert_int_equal(driver->fetch(s, &e), EL_FAIL);
    assert_int_equal(e.kind, EL_ERR_MISUSE);
    assert_non_null(strstr(e.message, "rolled back"));
    driver->finalize(s);
}

static void scripts(void **state) {
    (void)state;
    script(conn, "");
    script(conn, " -- nothing\n;; /* */");
    script(conn, "CREATE TABLE t(a); -- one\nINSERT INTO t VALUES('a;b');;"
                 "CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END;"
                 "SELECT * FROM t; INSERT INTO t VALUES(2)");
    assert_int_equal(scalar(conn, "SELECT count(*) FROM t"), 2);
    static const struct {
        const char *sql, *words;
        el_errkind kind;
    } bad[] = {
        {"SELECT 1; SELEC 2; SELECT 3", "statement 2 of the script", EL_ERR_SYNTAX},
        {";; SELECT 1;; -- x\n SELECT * FROM no", "statement 2 of", EL_ERR_SYNTAX},
        {"CREATE TABLE u(a UNIQUE); INSERT INTO u VALUES(1),(1)", "statement 2 of",
         EL_ERR_UNIQUE},
        {"SELECT 1; SELECT ?", "statement 2 of", EL_ERR_MISUSE},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        el_error e = {0};
        assert_int_equal(driver->script(conn, bad[i].sql, strlen(bad[i].sql), &e),
                         EL_FAIL);
        assert_int_equal(e.kind, bad[i].kind);
        assert_non_null(strstr(e.message, bad[i].words));
    }
    el_error e = {0};
    assert_int_equal(driver->script(conn, "SELECT 1;\0x", 11, &e), EL_FAIL);
    assert_int_equal(driver->script(conn, "SELEC", 5, NULL), EL_FAIL);
}

/* }====== */

static void what_the_connection_tells(void **state) {
    (void)state;
    el_error e = {0};
    assert_string_equal(conn->product, "sqlite");
    assert_true(conn->version >= 33900 && conn->version < 40000);
    assert_true(conn->max_params >= 999);
    assert_true(conn->open);
    assert_ptr_equal(conn->driver, driver);
    assert_int_equal(driver->abi, EL_DRIVER_ABI);
    assert_int_equal(driver->ping(conn, &e), EL_OK);
    assert_true(!driver->take == !driver->cell && !driver->cell == !driver->discard);
    assert_int_equal(scalar(conn, "SELECT decimal_cmp('0.10', '0.1')"), 0);
}

static void more_values_than_it_binds(void **state) {
    (void)state;
    size_t n = (size_t)conn->max_params + 1;
    char *sql = malloc(16 + 2 * n);
    assert_non_null(sql);
    char *p = stpcpy(sql, "SELECT 1 IN (?");
    for (size_t i = 1; i < n; i++) {
        p = stpcpy(p, ",?");
    }
    stpcpy(p, ")");
    assert_int_equal(error_of(conn, sql, NULL, 0).kind, EL_ERR_SYNTAX);
    free(sql);
}

int main(void) {
#define SPEC(f) cmocka_unit_test_setup_teardown(f, setup_memory, teardown_memory)
    const struct CMUnitTest tests[] = {
        SPEC(every_value_comes_back),
        SPEC(a_declared_type_promises_nothing),
        SPEC(big_values_come_back),
        SPEC(what_cannot_be_stored_is_refused),
        SPEC(a_timestamp_lives_as_long_as_its_execution),
        SPEC(columns_are_described),
        SPEC(columns_follow_the_schema),
        SPEC(only_one_statement_a_text),
        SPEC(text_needs_no_end),
        SPEC(the_number_of_values_is_checked),
        SPEC(misuse_is_an_error_not_a_crash),
        SPEC(active_says_that_rows_are_left),
        SPEC(counts_and_keys),
        SPEC(sqls_own_last_key_survives),
        SPEC(counts_belong_to_one_execution),
        SPEC(returning),
        SPEC(returning_many_rows),
        SPEC(returning_is_an_error_when_it_was_not_done),
        SPEC(statements_interleave),
        SPEC(a_statement_keeps_its_connection),
        SPEC(quoted_names_are_no_strings),
        SPEC(transactions),
        SPEC(isolation_levels),
        SPEC(transactions_out_of_order),
        SPEC(a_commit_that_fails_leaves_it_open),
        SPEC(commit_and_rollback_beside_an_open_stream),
        SPEC(scripts),
        SPEC(what_the_connection_tells),
        SPEC(more_values_than_it_binds),
    };
    return cmocka_run_group_tests(tests, setup_driver, NULL);
}
