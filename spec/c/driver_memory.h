/* SPDX-License-Identifier: MIT
**
** driver_memory.h - a server's driver when memory runs out, at each of its own calls
** of malloc in turn: an error of kind noMemory, nothing lost, and it works afterwards.
** The program has the driver's code in it, so its malloc is the one below; the client
** library keeps the system's.  The specs that include this name the server.
*/
#ifndef EL_DRIVER_MEMORY_H
#define EL_DRIVER_MEMORY_H

#include "server_support.h"

#include "bulk.h"
#include "failing_malloc.h"

extern const el_driver *const el_driver_module;

/* {====== The server ====== */

static el_conn *conn;

static int open_server(el_conn **out, el_error *err) {
    el_option options[MAX_OPTIONS];
    server_options(options, NULL);
    return el_driver_module->open(out, options, err);
}

static int run_script(const char *sql, el_error *err) {
    return conn->driver->script(conn, sql, strlen(sql), err);
}

static int make_table(void **state) {
    el_error err = {0};
    (void)state;
    int rc = open_server(&conn, &err);
    rc = rc == EL_OK ? run_script("DROP TABLE IF EXISTS memory_c", &err) : rc;
    rc = rc == EL_OK
             ? run_script("CREATE TABLE memory_c (id bigint NOT NULL PRIMARY KEY, "
                          "name text, at timestamp NULL, price numeric(20,2))",
                          &err)
             : rc;
    if (rc != EL_OK) {
        print_error("%s\n", err.message);
    }
    return rc != EL_OK;
}

static int close_server(void **state) {
    (void)state;
    el_conn_release(conn);
    return 0;
}

static void still_works(void) {
    assert_true(conn->open);
    assert_int_equal(conn->driver->txstate(conn), EL_TX_NONE);
}

/* }====== */

/* {====== The work ====== */

static int open_and_close(el_error *err) {
    el_conn *c = NULL;
    if (open_server(&c, err) != EL_OK) {
        assert_null(c);
        return EL_FAIL;
    }
    el_conn_release(c);
    return EL_OK;
}

/* Runs `sql` with values of several types, reads all rows; how many in *rows. */
static int query(const char *sql, unsigned flags, int nargs, int *rows, el_error *err) {
    el_value args[] = {INT(1000000), TEXT("none"), MOMENT(INT64_C(1709200800000000)),
                       STR(EL_DECIMAL, "1234567890.12")};
    el_query q = {.sql = sql, .len = strlen(sql), .flags = flags};
    el_value out[4];
    el_stmt *s = NULL;
    *rows = 0;
    if (conn->driver->prepare(&s, conn, &q, err) != EL_OK) {
        assert_null(s);
        return EL_FAIL;
    }
    int rc = conn->driver->execute(s, args, nargs, err);
    while (rc == EL_OK || rc == EL_ROW) {
        rc = s->ncolumns > 0 ? conn->driver->fetch(s, err) : EL_DONE;
        if (rc == EL_ROW) {
            ++*rows;
            rc = conn->driver->row(s, out, err) == EL_OK ? EL_ROW : EL_FAIL;
        }
    }
    conn->driver->finalize(s);
    return rc == EL_DONE ? EL_OK : EL_FAIL;
}

static int read_rows(el_error *err) {
    int rows;
    int rc = query(SELECT, 0, 4, &rows, err);
    assert_true(rc != EL_OK || rows == 700);
    return rc;
}

static int stream_rows(el_error *err) {
    int rows;
    int rc = query(SELECT, EL_STMT_STREAM, 4, &rows, err);
    assert_true(rc != EL_OK || rows == 700);
    return rc;
}

static int write_in_a_transaction(el_error *err) {
    int ignored;
    int rc = conn->driver->transact(conn, EL_TX_BEGIN, NULL, err);
    rc = rc == EL_OK ? query(INSERT, 0, 4, &ignored, err) : rc;
    rc = rc == EL_OK ? conn->driver->transact(conn, EL_TX_SAVE, "one", err) : rc;
    rc = rc == EL_OK ? conn->driver->transact(conn, EL_TX_RELEASE, "one", err) : rc;
    feed();
    assert_int_equal(conn->driver->transact(conn, EL_TX_ROLLBACK, NULL, NULL), EL_OK);
    return rc;
}

static int run_a_script(el_error *err) {
    return run_script("UPDATE memory_c SET name = 'x' WHERE id = -1; SELECT 1; SELECT 2",
                      err);
}

/* What the server said is told in full, or that there is no memory. */
static int break_unique(el_error *err) {
    el_error e = {0};
    int ignored;
    static const char sql[] = "INSERT INTO memory_c (id) VALUES (1)";
    assert_int_equal(query(sql, 0, 0, &ignored, &e), EL_FAIL);
    if (e.kind == EL_ERR_UNIQUE) {
        assert_true(*e.message != '\0');
        return EL_OK;
    }
    *err = e;
    return EL_FAIL;
}

static int write_in_bulk(el_error *err) {
    el_bulk *b = NULL;
    int64_t failed_row;
    int rc = conn->driver->transact(conn, EL_TX_BEGIN, NULL, err);
    el_statements *cache = rc == EL_OK ? el_statements_new(conn, 10) : NULL;
    if (rc == EL_OK && !cache) {
        rc = el_fail(err, EL_ERR_NOMEM, 0, "no memory for statements");
    }
    rc = rc == EL_OK ? el_bulk_begin(&b, cache, "memory_c (id, name, price)", 3, 50, err)
                     : rc;
    for (int i = 0; rc == EL_OK && i < 130; i++) {
        el_value row[] = {INT(5000 + i), TEXT("many"), STR(EL_DECIMAL, "0.25")};
        rc = el_bulk_row(b, row, err);
    }
    if (b && el_bulk_end(b, rc == EL_OK, &failed_row, err) != EL_OK) {
        rc = EL_FAIL;
    }
    feed();
    el_statements_free(cache);
    assert_int_equal(conn->driver->transact(conn, EL_TX_ROLLBACK, NULL, NULL), EL_OK);
    return rc;
}

/* }====== */

static void fill(void) {
    char sql[200];
    el_error err = {0};
    for (int i = 1; i <= 700; i++) {
        snprintf(sql, sizeof sql,
                 "INSERT INTO memory_c VALUES (%d, '%0*d', '2024-01-31 12:00:00', %d.25)",
                 i, i % 90 + 1, i, i);
        assert_int_equal(run_script(sql, &err), EL_OK);
    }
}

static void opening(void **state) {
    (void)state;
    starve(open_and_close, 3, still_works);
}

static void reading(void **state) {
    (void)state;
    fill();
    starve(read_rows, 3, still_works);
    starve(stream_rows, 3, still_works);
}

static void writing(void **state) {
    (void)state;
    starve(write_in_a_transaction, 2, still_works);
    starve(write_in_bulk, 3, still_works);
    starve(run_a_script, 0, still_works);
    assert_int_equal(run_script("INSERT INTO memory_c (id) VALUES (1)", NULL), EL_OK);
    starve(break_unique, 1, still_works);
}

int main(void) {
#define SPEC(f) cmocka_unit_test_setup_teardown(f, make_table, close_server)
    const struct CMUnitTest tests[] = {SPEC(opening), SPEC(reading), SPEC(writing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
