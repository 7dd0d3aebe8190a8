/* SPDX-License-Identifier: MIT
**
** driver_memory.h - a server's driver when memory runs out, at each of its own calls
** of malloc in turn: an error of kind noMemory, nothing lost, and it works afterwards.
** The program has the driver's code in it, so its malloc is the one below; the client
** library keeps the system's.  The specs that include this name the server before it,
** and define the functions that are only declared here.
*/
#ifndef EL_DRIVER_MEMORY_H
#define EL_DRIVER_MEMORY_H

#include "server_support.h"

#include "failing_malloc.h"

extern const el_driver *const el_driver_module;

static el_conn *conn;

/* {====== What each spec defines ====== */

/* Makes memory_c on the server, with nothing in it. */
static int make_empty(el_error *err);

/* Reads memory_c with values of several types in the condition, as query() does. */
static int select_all(unsigned flags, int *rows, el_error *err);

/* Memory runs out while it reads 700 rows, and while it writes. */
static void reading(void **state);
static void writing(void **state);

/* }====== */

/* {====== The server ====== */

static int open_server(el_conn **out, el_error *err) {
    el_option options[MAX_OPTIONS];
    server_options(options, NULL);
    return el_driver_module->open(out, options, err);
}

static int open_it(void **state) {
    el_error err = {0};
    (void)state;
    if (open_server(&conn, &err) != EL_OK || make_empty(&err) != EL_OK) {
        print_error("%s\n", err.message);
        return 1;
    }
    return 0;
}

static int close_it(void **state) {
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

/* Runs `text` and reads all rows; how many in *rows. */
static int query(const char *text, unsigned flags, const el_value *args, int nargs,
                 int *rows, el_error *err) {
    el_query q = {.sql = text, .len = strlen(text), .flags = flags};
    el_value out[8];
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
    int rc = select_all(0, &rows, err);
    assert_true(rc != EL_OK || rows == 700);
    return rc;
}

static int stream_rows(el_error *err) {
    int rows;
    int rc = select_all(EL_STMT_STREAM, &rows, err);
    assert_true(rc != EL_OK || rows == 700);
    return rc;
}

/* Does `f` in a transaction, which is undone with all memory there again. */
static int in_a_transaction(work f, el_error *err) {
    int rc = conn->driver->transact(conn, EL_TX_BEGIN, NULL, err);
    rc = rc == EL_OK ? f(err) : rc;
    feed();
    assert_int_equal(conn->driver->transact(conn, EL_TX_ROLLBACK, NULL, NULL), EL_OK);
    return rc;
}

/* Runs what breaks a unique key: EL_OK where the error says that, else another error. */
static int break_key(const char *text, el_error *err) {
    int ignored;
    assert_int_equal(query(text, 0, NOARGS, &ignored, err), EL_FAIL);
    return err->kind == EL_ERR_UNIQUE ? EL_OK : EL_FAIL;
}

/* }====== */

static void opening(void **state) {
    (void)state;
    starve(open_and_close, 3, still_works);
}

int main(void) {
#define SPEC(f) cmocka_unit_test_setup_teardown(f, open_it, close_it)
    const struct CMUnitTest tests[] = {SPEC(opening), SPEC(reading), SPEC(writing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
