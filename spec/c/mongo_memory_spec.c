/* SPDX-License-Identifier: MIT
**
** mongo_memory_spec.c - the MongoDB driver when memory runs out, at each of its own calls
** of malloc in turn: an error of kind noMemory, nothing lost, and it works afterwards.
** The client library ends the process when it has none, so it keeps the system's.
*/
#include "mongo_support.h"

#include "bulk.h"
#include "failing_malloc.h"

extern const el_driver *const el_driver_module;

static el_conn *conn;

/* {====== The server ====== */

static int open_server(el_conn **out, el_error *err) {
    el_option options[MAX_OPTIONS];
    server_options(options, NULL);
    return el_driver_module->open(out, options, err);
}

static int open_it(void **state) {
    el_error err = {0};
    (void)state;
    if (open_server(&conn, &err) != EL_OK) {
        print_error("%s\n", err.message);
        return 1;
    }
    empty(conn, "memory_c");
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

/* Runs a command with values of several types, reads all rows; how many in *rows. */
static int query(const char *text, unsigned flags, int nargs, int *rows, el_error *err) {
    static const char *const keys[] = {"a", "list", "long enough to be copied elsewhere"};
    el_value parts[] = {INT(1), TEXT("two"), FLT(3)};
    el_iter list = walk_over(NULL, parts, 3);
    el_value fields[] = {INT(1), {.type = EL_LIST, .u.nested = &list}, TEXT("c")};
    el_iter doc = walk_over(keys, fields, 3);
    el_value args[] = {INT(1000000),
                       TEXT("none"),
                       MOMENT(INT64_C(1709200800000000)),
                       STR(EL_DECIMAL, "1234567890.12"),
                       JSON("{\"j\":[1,{\"k\":2.5}]}"),
                       {.type = EL_DOC, .u.nested = &doc}};
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

static const char find[] =
    "{\"find\":\"memory_c\",\"filter\":{\"_id\":{\"$ne\":?},\"name\":{\"$ne\":?},\"at\":{"
    "\"$ne\":?},\"price\":{\"$ne\":?},\"json\":{\"$ne\":?},\"doc\":{\"$ne\":?}},"
    "\"$fields\":[\"_id\",\"name\",\"doc\",\"doc.list\"]}";
static const char insert[] =
    "{\"insert\":\"memory_c\",\"documents\":[{\"_id\":?,\"name\":?,\"at\":?,\"price\":?,"
    "\"json\":?,\"doc\":?}]}";

static int read_rows(el_error *err) {
    int rows;
    int rc = query(find, 0, 6, &rows, err);
    assert_true(rc != EL_OK || rows == 700);
    return rc;
}

static int stream_rows(el_error *err) {
    int rows;
    int rc = query(find, EL_STMT_STREAM, 6, &rows, err);
    assert_true(rc != EL_OK || rows == 700);
    return rc;
}

static int take_rows(el_error *err) {
    static const char all[] = "{\"find\":\"memory_c\",\"$fields\":[\"_id\",\"name\"]}";
    el_query q = {.sql = all, .len = sizeof all - 1};
    el_value cell;
    el_stmt *s = NULL;
    void *result = NULL;
    size_t n;
    if (conn->driver->prepare(&s, conn, &q, err) != EL_OK) {
        return EL_FAIL;
    }
    int rc = conn->driver->execute(s, NOARGS, err);
    rc = rc == EL_OK ? conn->driver->take(s, &result, &n, err) : rc;
    if (rc == EL_OK) {
        assert_int_equal(n, 700);
        conn->driver->cell(result, 699, 1, &cell);
        assert_value(&cell, &TEXT("a name"), "name");
        conn->driver->discard(result);
    }
    conn->driver->finalize(s);
    return rc;
}

/* One whose values no el_value has: they are put into a copy. */
static int read_special(el_error *err) {
    int rows;
    return query("{\"find\":\"memory_special\"}", 0, 0, &rows, err);
}

static int write_in_a_transaction(el_error *err) {
    int ignored;
    int rc = conn->driver->transact(conn, EL_TX_BEGIN, NULL, err);
    rc = rc == EL_OK ? query(insert, 0, 6, &ignored, err) : rc;
    feed();
    assert_int_equal(conn->driver->transact(conn, EL_TX_ROLLBACK, NULL, NULL), EL_OK);
    return rc;
}

static int break_unique(el_error *err) {
    el_error e = {0};
    int ignored;
    static const char text[] = "{\"insert\":\"memory_c\",\"documents\":[{\"_id\":1}]}";
    assert_int_equal(query(text, 0, 0, &ignored, &e), EL_FAIL);
    if (e.kind == EL_ERR_UNIQUE) {
        assert_string_equal(e.constraint, "_id_");
        return EL_OK;
    }
    *err = e;
    return EL_FAIL;
}

static int write_in_bulk(el_error *err) {
    el_bulk *b = NULL;
    int64_t failed_row;
    int rc = conn->driver->transact(conn, EL_TX_BEGIN, NULL, err);
    rc = rc == EL_OK
             ? conn->driver->bulk_begin(
                   &b, conn, "{\"insert\":\"memory_c\",\"$fields\":[\"_id\",\"name\"]}",
                   2, err)
             : rc;
    for (int i = 0; rc == EL_OK && i < 130; i++) {
        el_value row[] = {INT(5000 + i), TEXT("many")};
        rc = conn->driver->bulk_row(b, row, err);
    }
    if (b && conn->driver->bulk_end(b, rc == EL_OK, &failed_row, err) != EL_OK) {
        rc = EL_FAIL;
    }
    feed();
    assert_int_equal(conn->driver->transact(conn, EL_TX_ROLLBACK, NULL, NULL), EL_OK);
    return rc;
}

/* }====== */

static void fill(void) {
    el_bulk *b = NULL;
    el_error err = {0};
    int64_t failed;
    static const char into[] =
        "{\"insert\":\"memory_c\",\"$fields\":[\"_id\",\"name\",\"doc\"]}";
    assert_int_equal(conn->driver->bulk_begin(&b, conn, into, 3, &err), EL_OK);
    for (int i = 1; i <= 700; i++) {
        el_value row[] = {INT(i), TEXT("a name"), JSON("{\"list\":[1,2,{\"x\":1}]}")};
        assert_int_equal(conn->driver->bulk_row(b, row, &err), EL_OK);
    }
    assert_int_equal(conn->driver->bulk_end(b, true, &failed, &err), EL_OK);
}

static void opening(void **state) {
    (void)state;
    starve(open_and_close, 3, still_works);
}

static void reading(void **state) {
    (void)state;
    fill();
    starve(read_rows, 5, still_works);
    starve(stream_rows, 5, still_works);
    starve(take_rows, 5, still_works);
    empty(conn, "memory_special");
    run(conn, "{\"insert\":\"memory_special\",\"documents\":[{\"a\":?}]}",
        ARGS(STR(EL_SPECIAL, "{\"$minKey\":1}")));
    starve(read_special, 3, still_works);
}

static void writing(void **state) {
    (void)state;
    starve(write_in_a_transaction, 3, still_works);
    starve(write_in_bulk, 3, still_works);
    run(conn, "{\"insert\":\"memory_c\",\"documents\":[{\"_id\":1}]}", NOARGS);
    starve(break_unique, 2, still_works);
    assert_int_equal(count(conn, "memory_c"), 1);
}

int main(void) {
#define SPEC(f) cmocka_unit_test_setup_teardown(f, open_it, close_it)
    const struct CMUnitTest tests[] = {SPEC(opening), SPEC(reading), SPEC(writing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
