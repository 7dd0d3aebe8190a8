/* SPDX-License-Identifier: MIT
**
** driver_memory.h - a server's driver when memory runs out, at each of its own calls
** of malloc in turn: an error of kind noMemory, nothing lost, and it works afterwards.
** The program has the driver's code in it, so its malloc is the one below; the client
** library keeps the system's.  The specs that include this name the server.
*/
#ifndef EL_DRIVER_MEMORY_H
#define EL_DRIVER_MEMORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bulk.h"
#include "driver.h"

extern const el_driver *const el_driver_module;

/* {====== Allocations that fail ====== */

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);

static int countdown = -1; /* allocations that still succeed; -1: all of them */
static bool failed;

static bool fails(void) {
    failed = failed || countdown == 0;
    countdown -= countdown > 0;
    return countdown == 0 && failed;
}

void *__wrap_malloc(size_t n) {
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size) {
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n) {
    return fails() ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *text) {
    return fails() ? NULL : __real_strdup(text);
}

/* }====== */

/* {====== The server ====== */

static el_conn *conn;

static int open_server(el_conn **out, el_error *err) {
    static const char *const keys[] = {"host", "port", "user", "password", "name"};
    static const char *const names[] = {"HOST", "PORT", "USER", "PASSWORD", "NAME"};
    el_option options[6] = {{NULL, NULL}};
    for (int i = 0; i < 5; i++) {
        char name[40];
        snprintf(name, sizeof name, "EL_SPEC_" PREFIX "_%s", names[i]);
        options[i] = (el_option){keys[i], getenv(name)};
        if (!options[i].value) {
            fail_msg("%s is not set: script/servers env tells it", name);
        }
    }
    return el_driver_module->open(out, options, err);
}

static int run_script(const char *sql, el_error *err) {
    return conn->driver->script(conn, sql, strlen(sql), err);
}

static int setup(void **state) {
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

static int teardown(void **state) {
    (void)state;
    el_conn_release(conn);
    return 0;
}

/* One piece of work, which reports its failure and frees what it made. */
typedef int (*work)(el_error *err);

/* Runs it with the first allocation failing, then the second, until none does. */
static void starve(work f, int least) {
    int errors = 0;
    for (int n = 0;; n++) {
        el_error e = {0};
        failed = false;
        countdown = n;
        int rc = f(&e);
        countdown = -1;
        if (rc != EL_OK) {
            errors++;
            if (e.kind != EL_ERR_NOMEM) {
                fail_msg("allocation %d: %s: %s", n, el_errkind_name(e.kind), e.message);
            }
            assert_true(conn->open);
            assert_int_equal(conn->driver->txstate(conn), EL_TX_NONE);
        }
        if (!failed) {
            assert_int_equal(rc, EL_OK);
            break;
        }
        assert_true(n < 5000);
    }
    assert_true(errors >= least);
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

#define TEXT(t, text) ((el_value){.type = (t), .u.s = {(text), sizeof(text) - 1}})

/* Runs `sql` with values of several types, reads all rows; how many in *rows. */
static int query(const char *sql, unsigned flags, int nargs, int *rows, el_error *err) {
    el_value args[] = {{.type = EL_INT, .u.i = 1000000},
                       TEXT(EL_TEXT, "none"),
                       {.type = EL_TIMESTAMP, .u.i = INT64_C(1709200800000000)},
                       TEXT(EL_DECIMAL, "1234567890.12")};
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
    countdown = -1;
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
        el_value row[] = {{.type = EL_INT, .u.i = 5000 + i},
                          TEXT(EL_TEXT, "many"),
                          TEXT(EL_DECIMAL, "0.25")};
        rc = el_bulk_row(b, row, err);
    }
    if (b && el_bulk_end(b, rc == EL_OK, &failed_row, err) != EL_OK) {
        rc = EL_FAIL;
    }
    countdown = -1;
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
    starve(open_and_close, 3);
}

static void reading(void **state) {
    (void)state;
    fill();
    starve(read_rows, 3);
    starve(stream_rows, 3);
}

static void writing(void **state) {
    (void)state;
    starve(write_in_a_transaction, 2);
    starve(write_in_bulk, 3);
    starve(run_a_script, 0);
    assert_int_equal(run_script("INSERT INTO memory_c (id) VALUES (1)", NULL), EL_OK);
    starve(break_unique, 1);
}

int main(void) {
#define SPEC(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {SPEC(opening), SPEC(reading), SPEC(writing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
