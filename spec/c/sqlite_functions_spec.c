/* SPDX-License-Identifier: MIT
**
** sqlite_functions_spec.c - decimals in a real SQLite database: order, keys, functions,
** sums over groups and windows.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sqlite_functions.h"

static int open_database(void **state) {
    sqlite3 *db;
    if (sqlite3_open(":memory:", &db) != SQLITE_OK ||
        el_sqlite_functions(db) != SQLITE_OK ||
        sqlite3_exec(
            db,
            "CREATE TABLE p (id INTEGER PRIMARY KEY, x TEXT COLLATE decimal UNIQUE);"
            "INSERT INTO p (x) VALUES ('9.5'), ('10.25'), ('-3'), ('100'),"
            " ('0.000001'), (NULL), ('12345678901234567890.1234567890')",
            NULL, NULL, NULL) != SQLITE_OK) {
        return -1;
    }
    *state = db;
    return 0;
}

static int close_database(void **state) {
    return sqlite3_close(*state);
}

/* The rows' first columns with commas between them, or "error: " and the message. */
static void assert_gives(sqlite3 *db, const char *sql, const char *expected) {
    sqlite3_stmt *s;
    char got[1024] = "";
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    }
    int rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(s, 0);
        size_t n = strlen(got);
        sqlite3_snprintf((int)(sizeof got - n), got + n, "%s%s", n ? "," : "",
                         text ? text : "NULL");
    }
    if (rc != SQLITE_DONE) {
        sqlite3_snprintf(sizeof got, got, "error: %s", sqlite3_errmsg(db));
    }
    sqlite3_finalize(s);
    assert_string_equal(got, expected);
}

static void orders_and_compares(void **state) {
    sqlite3 *db = *state;
    assert_gives(db, "SELECT x FROM p WHERE x IS NOT NULL ORDER BY x",
                 "-3,0.000001,9.5,10.25,100,12345678901234567890.1234567890");
    assert_gives(db, "SELECT id FROM p WHERE x = '9.50'", "1");
    assert_gives(db, "SELECT id FROM p WHERE x = 100", "4");
    assert_gives(db, "SELECT id FROM p WHERE x > 9 AND x < 100 ORDER BY x", "1,2");
    assert_gives(db, "SELECT id FROM p WHERE x IN ('9.500', '100.0') ORDER BY id", "1,4");
    assert_gives(db, "SELECT min(x) FROM p", "-3");
    assert_gives(db, "SELECT max(x) FROM p", "12345678901234567890.1234567890");
    assert_gives(db, "INSERT INTO p (x) VALUES ('10.250')",
                 "error: UNIQUE constraint failed: p.x");
}

static void calculates(void **state) {
    sqlite3 *db = *state;
    assert_gives(db, "SELECT decimal_add('0.1', '0.2')", "0.3");
    assert_gives(db, "SELECT decimal_sub(1, '0.10')", "0.90");
    assert_gives(db, "SELECT decimal_mul('1.10', -2)", "-2.20");
    assert_gives(db, "SELECT decimal_div('2', 3, 4)", "0.6667");
    assert_gives(db, "SELECT decimal_round('2.345', 2)", "2.35");
    assert_gives(db, "SELECT decimal_cmp('9.5', '10.25') || decimal_cmp(2, '2.00')",
                 "-10");
    assert_gives(db, "SELECT typeof(decimal_add(1, 2)) || typeof(decimal_cmp(1, 2))",
                 "textinteger");
    assert_gives(db, "SELECT decimal_add('1', NULL)", "NULL");
    assert_gives(
        db, "SELECT decimal_add('1', 0.5)",
        "error: decimal_add: a real number is not exact; write it as text, '0.1'");
    assert_gives(db, "SELECT decimal_add('1', 'x')",
                 "error: decimal_add: text of 1 bytes is no decimal number; write it as "
                 "12.30 or 1e5");
    assert_gives(db, "SELECT decimal_div('1', '0.0', 2)",
                 "error: decimal_div: division by zero");
    assert_gives(db, "SELECT decimal_round('1', -1)",
                 "error: decimal_round: the scale must be from 0 to 16383, got -1");
}

static void sums(void **state) {
    sqlite3 *db = *state;
    assert_gives(db, "SELECT decimal_sum(x) FROM p", "12345678901234568006.8734577890");
    assert_gives(db, "SELECT decimal_sum(x) FROM p WHERE id > 99", "NULL");
    assert_gives(db, "SELECT decimal_sum(x) FROM p WHERE x IS NULL", "NULL");
    assert_gives(db, "SELECT decimal_avg(x) FROM p WHERE id <= 3", "5.583333");
    assert_gives(db, "SELECT decimal_avg(x) FROM p WHERE id > 99", "NULL");
    assert_gives(db,
                 "SELECT decimal_sum(column1) FROM (VALUES (9223372036854775807), (1))",
                 "9223372036854775808");
    assert_gives(db, "SELECT decimal_sum(column1) FROM (VALUES (1), ('0.1'), ('-0.10'))",
                 "1.00");
    assert_gives(db,
                 "SELECT decimal_sum(column1) FROM (VALUES ('1e-30'), ('2'), ('1e-30'))",
                 "2.000000000000000000000000000002");
    assert_gives(
        db,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
        "100000) SELECT decimal_sum('0.1') FROM n",
        "10000.0");
    assert_gives(
        db, "SELECT decimal_sum(column1) FROM (VALUES ('1'), (0.5))",
        "error: a decimal aggregate: a real number is not exact; write it as text, "
        "'0.1'");
}

static void slides_over_windows(void **state) {
    sqlite3 *db = *state;
    assert_gives(db,
                 "SELECT decimal_sum(column1) OVER (ORDER BY column1 ROWS BETWEEN 1 "
                 "PRECEDING AND CURRENT ROW) FROM (VALUES ('1.5'), ('2.5'), ('9.5'))",
                 "1.5,4.0,12.0");
    assert_gives(
        db,
        "SELECT decimal_avg(column1) OVER (ORDER BY column1 ROWS BETWEEN 1 "
        "PRECEDING AND 1 PRECEDING) FROM (VALUES (1), (2), (9223372036854775807))",
        "NULL,1.0000,2.0000");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(orders_and_compares, open_database,
                                        close_database),
        cmocka_unit_test_setup_teardown(calculates, open_database, close_database),
        cmocka_unit_test_setup_teardown(sums, open_database, close_database),
        cmocka_unit_test_setup_teardown(slides_over_windows, open_database,
                                        close_database),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
