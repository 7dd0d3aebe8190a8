/* SPDX-License-Identifier: MIT
**
** sqlite_memory_spec.c - the SQLite driver when memory runs out, at each allocation of
** its own and of SQLite's in turn: an error, nothing leaked, and usable afterwards.
*/
#include <sqlite3.h>

#include "sqlite_support.h"

#include "failing_malloc.h"

/* {====== SQLite's own allocations fail as well ====== */

static sqlite3_mem_methods original;

static void *sqlite_malloc(int n) {
    return allocation_fails() ? NULL : original.xMalloc(n);
}

static void *sqlite_realloc(void *p, int n) {
    return allocation_fails() ? NULL : original.xRealloc(p, n);
}

static int setup(void **state) {
    sqlite3_mem_methods methods;
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &original) != SQLITE_OK) {
        return 1;
    }
    methods = original;
    methods.xMalloc = sqlite_malloc;
    methods.xRealloc = sqlite_realloc;
    return sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK ||
           sqlite3_initialize() != SQLITE_OK || setup_driver(state);
}

/* }====== */

static int open_and_close(el_error *err) {
    static const el_option options[] = {{"path", ":memory:"}, {NULL, NULL}};
    el_conn *c = NULL;
    if (driver->open(&c, options, err) != EL_OK) {
        assert_null(c);
        return EL_FAIL;
    }
    el_conn_release(c);
    return EL_OK;
}

static void opening(void **state) {
    (void)state;
    starve(open_and_close, 10, NULL);
}

static int query(el_error *err) {
    static const char sql[] = "SELECT id, name, at FROM t WHERE name <> ? AND at <> ?";
    el_query q = {.sql = sql, .len = sizeof sql - 1};
    el_value args[2] = {TEXT("none"), {.type = EL_TIMESTAMP, .u.i = 5}}, out[3];
    el_stmt *s = NULL;
    if (driver->prepare(&s, conn, &q, err) != EL_OK) {
        assert_null(s);
        return EL_FAIL;
    }
    int rc = driver->execute(s, args, 2, err);
    while (rc == EL_OK || rc == EL_ROW) {
        rc = driver->fetch(s, err);
        if (rc == EL_ROW && driver->row(s, out, err) != EL_OK) {
            rc = EL_FAIL;
        }
    }
    driver->finalize(s);
    return rc == EL_DONE ? EL_OK : EL_FAIL;
}

static void querying(void **state) {
    (void)state;
    script(conn,
           "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, at TIMESTAMP);"
           "INSERT INTO t VALUES(1, hex(zeroblob(9000)), '2024-01-01'),(2, 'b', 'x')");
    starve(query, 5, NULL);
}

static int write_rows(el_error *err) {
    static const char sql[] =
        "INSERT INTO t(name) VALUES(?), (hex(zeroblob(5000))) RETURNING id";
    el_query q = {.sql = sql, .len = sizeof sql - 1};
    el_value arg = TEXT("a");
    el_stmt *s = NULL;
    if (driver->transact(conn, EL_TX_BEGIN, NULL, err) != EL_OK) {
        return EL_FAIL;
    }
    int rc = driver->prepare(&s, conn, &q, err);
    if (rc == EL_OK) {
        rc = driver->execute(s, &arg, 1, err);
        while (rc == EL_OK || rc == EL_ROW) {
            rc = driver->fetch(s, err);
        }
        driver->finalize(s);
    }
    if (rc == EL_DONE) {
        rc = driver->transact(conn, EL_TX_COMMIT, NULL, err);
    }
    if (rc != EL_OK) {
        feed();
        assert_int_equal(driver->transact(conn, EL_TX_ROLLBACK, NULL, NULL), EL_OK);
    }
    assert_int_equal(driver->txstate(conn), EL_TX_NONE);
    return rc;
}

static void writing(void **state) {
    (void)state;
    script(conn, "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT)");
    starve(write_rows, 5, NULL);
    assert_int_equal(scalar(conn, "SELECT count(*) % 2 FROM t"), 0); /* both or none */
}

/* The same outside a transaction: an error means that nothing was written. */
static int write_alone(el_error *err) {
    static const char sql[] = "INSERT INTO t(name) SELECT hex(zeroblob(3000)) "
                              "FROM (VALUES(1),(2),(3)) RETURNING id, name";
    el_query q = {.sql = sql, .len = sizeof sql - 1};
    el_stmt *s = NULL;
    long left = allocations_left;
    feed();
    int64_t before = scalar(conn, "SELECT count(*) FROM t");
    allocations_left = left;
    int rc = driver->prepare(&s, conn, &q, err);
    if (rc == EL_OK) {
        rc = driver->execute(s, NULL, 0, err);
        assert_int_equal(s->affected, rc == EL_OK ? 3 : 0);
        driver->finalize(s);
    }
    feed();
    assert_int_equal(scalar(conn, "SELECT count(*) FROM t") - before,
                     rc == EL_OK ? 3 : 0);
    return rc;
}

static void writing_alone(void **state) {
    (void)state;
    script(conn, "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT)");
    starve(write_alone, 8, NULL);
}

static int run_script(el_error *err) {
    static const char sql[] = "CREATE TABLE IF NOT EXISTS s(a); DELETE FROM s; "
                              "INSERT INTO s VALUES(1),(2); SELECT * FROM s";
    return driver->script(conn, sql, sizeof sql - 1, err);
}

static void scripts(void **state) {
    (void)state;
    starve(run_script, 5, NULL);
}

/*
** The kind of a broken constraint needs no memory, but its details do: the schema is
** asked for them, and SQLite's own message may be missing.
*/
static int break_unique(el_error *err) {
    static const char sql[] = "INSERT INTO u VALUES(1)";
    el_query q = {.sql = sql, .len = sizeof sql - 1};
    el_stmt *s = NULL;
    el_error e = {0};
    if (driver->prepare(&s, conn, &q, err) != EL_OK) {
        return EL_FAIL;
    }
    assert_int_equal(driver->execute(s, NULL, 0, &e), EL_FAIL);
    driver->finalize(s);
    if (e.kind == EL_ERR_UNIQUE) {
        assert_string_equal(e.table, ran_out && !*e.table ? "" : "u");
        assert_string_equal(e.column, ran_out && !*e.column ? "" : "a");
        return EL_OK;
    }
    *err = e;
    return EL_FAIL;
}

static void errors(void **state) {
    (void)state;
    script(conn, "CREATE TABLE u(a UNIQUE); INSERT INTO u VALUES(1)");
    starve(break_unique, 2, NULL);
}

int main(void) {
#define SPEC(f) cmocka_unit_test_setup_teardown(f, setup_memory, teardown_memory)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening), SPEC(querying), SPEC(writing),
        SPEC(writing_alone),       SPEC(scripts),  SPEC(errors),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
