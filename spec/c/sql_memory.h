/* SPDX-License-Identifier: MIT
**
** sql_memory.h - driver_memory.h's work in SQL.  The specs that include this say which
** server it is, and how it writes SELECT and INSERT.
*/
#ifndef EL_SQL_MEMORY_H
#define EL_SQL_MEMORY_H

#include "driver_memory.h"

#include "bulk.h"

/* {====== The table ====== */

static int run_script(const char *sql, el_error *err) {
    return conn->driver->script(conn, sql, strlen(sql), err);
}

static int make_empty(el_error *err) {
    int rc = run_script("DROP TABLE IF EXISTS memory_c", err);
    return rc == EL_OK
               ? run_script("CREATE TABLE memory_c (id bigint NOT NULL PRIMARY KEY, "
                            "name text, at timestamp NULL, price numeric(20,2))",
                            err)
               : rc;
}

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

/* }====== */

/* {====== The work ====== */

static int query_with_values(const char *sql, unsigned flags, int *rows, el_error *err) {
    el_value args[] = {INT(1000000), TEXT("none"), MOMENT(INT64_C(1709200800000000)),
                       STR(EL_DECIMAL, "1234567890.12")};
    return query(sql, flags, args, 4, rows, err);
}

static int select_all(unsigned flags, int *rows, el_error *err) {
    return query_with_values(SELECT, flags, rows, err);
}

static int insert_and_save(el_error *err) {
    int ignored;
    int rc = query_with_values(INSERT, 0, &ignored, err);
    rc = rc == EL_OK ? conn->driver->transact(conn, EL_TX_SAVE, "one", err) : rc;
    return rc == EL_OK ? conn->driver->transact(conn, EL_TX_RELEASE, "one", err) : rc;
}

static int write_in_a_transaction(el_error *err) {
    return in_a_transaction(insert_and_save, err);
}

static int run_a_script(el_error *err) {
    return run_script("UPDATE memory_c SET name = 'x' WHERE id = -1; SELECT 1; SELECT 2",
                      err);
}

/* What the server said is told in full, or that there is no memory. */
static int break_unique(el_error *err) {
    int rc = break_key("INSERT INTO memory_c (id) VALUES (1)", err);
    assert_true(rc != EL_OK || *err->message != '\0');
    return rc;
}

static int insert_many(el_error *err) {
    el_bulk *b = NULL;
    int64_t failed_row;
    el_statements *cache = el_statements_new(conn, 10);
    int rc = cache ? EL_OK : el_fail(err, EL_ERR_NOMEM, 0, "no memory for statements");
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
    return rc;
}

static int write_in_bulk(el_error *err) {
    return in_a_transaction(insert_many, err);
}

/* }====== */

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

#endif
