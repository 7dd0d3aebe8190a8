/* SPDX-License-Identifier: MIT
**
** bulk_spec.c - many rows into one table, on every driver: SQLite by statements, the
** servers (EL_SPEC_PG_*, EL_SPEC_MYSQL_*) by their own way.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bulk.h"
#include "failing_malloc.h"

#define INTO "bulk_c (id, name, score)"

typedef struct engine {
    const char *driver;
    const char *prefix; /* of the variables; NULL: SQLite in memory */
    bool names_row;     /* says which row was wrong */
    const char *kill;   /* ends the link, from another one */
    el_conn *c;
    el_statements *cache;
} engine;

/* {====== Connections ====== */

static el_conn *connect_to(const engine *e) {
    static const char *const keys[] = {"host", "port", "user", "password", "name"};
    static const char *const names[] = {"HOST", "PORT", "USER", "PASSWORD", "NAME"};
    el_option options[6] = {{"path", ":memory:"}, {NULL, NULL}};
    const el_driver *d = NULL;
    el_conn *c = NULL;
    el_error err = {0};
    for (int i = 0; e->prefix && i < 5; i++) {
        char name[40];
        snprintf(name, sizeof name, "EL_SPEC_%s_%s", e->prefix, names[i]);
        options[i] = (el_option){keys[i], getenv(name)};
        options[i + 1].key = NULL;
        if (!options[i].value) {
            fail_msg("%s is not set: script/servers env tells it", name);
        }
    }
    if (el_driver_load(&d, e->driver, &err) != EL_OK ||
        d->open(&c, options, &err) != EL_OK) {
        fail_msg("%s", err.message);
    }
    return c;
}

static void script(el_conn *c, const char *sql) {
    el_error err = {0};
    if (c->driver->script(c, sql, strlen(sql), &err) != EL_OK) {
        fail_msg("%s: %s", sql, err.message);
    }
}

static int64_t scalar(el_conn *c, const char *sql) {
    el_error err = {0};
    el_stmt *s = NULL;
    el_value v[2];
    el_query q = {.sql = sql, .len = strlen(sql)};
    const el_driver *d = c->driver;
    if (d->prepare(&s, c, &q, &err) != EL_OK || d->execute(s, NULL, 0, &err) != EL_OK ||
        d->fetch(s, &err) != EL_ROW || d->row(s, v, &err) != EL_OK) {
        fail_msg("%s: %s", sql, err.message);
    }
    int64_t n = v[0].type == EL_INT ? v[0].u.i : strtoll(v[0].u.s.p, NULL, 10);
    d->finalize(s);
    return n;
}

static void transact(engine *e, el_txop op) {
    el_error err = {0};
    if (e->c->driver->transact(e->c, op, NULL, &err) != EL_OK) {
        fail_msg("%s", err.message);
    }
}

static int setup(void **state) {
    engine *e = *state;
    e->c = connect_to(e);
    e->cache = el_statements_new(e->c, EL_STATEMENTS_LIMIT);
    script(e->c, "drop table if exists bulk_c");
    script(e->c,
           "create table bulk_c (id bigint not null primary key, name varchar(100), "
           "score double precision)");
    return 0;
}

static int teardown(void **state) {
    engine *e = *state;
    el_statements_free(e->cache);
    el_conn_release(e->c);
    return 0;
}

/* }====== */

/* {====== Rows ====== */

static el_bulk *begin(engine *e, const char *into, int ncolumns) {
    el_error err = {0};
    el_bulk *b = NULL;
    if (el_bulk_begin(&b, e->cache, into, ncolumns, 50, &err) != EL_OK) {
        fail_msg("%s", err.message);
    }
    return b;
}

static el_value text(const char *p) {
    return (el_value){.type = EL_TEXT, .u.s = {p, strlen(p)}};
}

/* Row i; its text lives in one of `slots` for as long as any driver wants it. */
static void make_row(el_value *v, int64_t i) {
    static char slots[8192][32];
    char *name = slots[i % 8192];
    snprintf(name, sizeof slots[0], "n%lld\t\\N\n", (long long)i);
    v[0] = (el_value){.type = EL_INT, .u.i = i};
    v[1] = text(name);
    if (i % 5 == 0) {
        v[1].type = EL_NULL;
    }
    v[2] = (el_value){.type = EL_FLOAT, .u.d = (double)i / 4};
}

static int add(el_bulk *b, int64_t from, int64_t to, el_error *err) {
    for (int64_t i = from; i <= to; i++) {
        el_value v[3];
        make_row(v, i);
        if (el_bulk_row(b, v, err) != EL_OK) {
            return EL_FAIL;
        }
    }
    return EL_OK;
}

static void writes_any_number_of_rows(void **state) {
    engine *e = *state;
    static const int64_t counts[] = {0, 1, 2, 49, 50, 51, 99, 4000, 4001, 20011};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        int64_t n = counts[i], failed = -1;
        el_error err = {0};
        transact(e, EL_TX_BEGIN);
        el_bulk *b = begin(e, INTO, 3);
        assert_non_null(strstr(b->sql, INTO));
        assert_int_equal(add(b, 1, n, &err), EL_OK);
        assert_int_equal(el_bulk_end(b, true, &failed, &err), EL_OK);
        assert_int_equal(failed, 0);
        assert_int_equal(scalar(e->c, "select count(*) from bulk_c"), n);
        assert_int_equal(scalar(e->c, "select count(*) from bulk_c where name is null"),
                         n / 5);
        assert_int_equal(scalar(e->c, "select count(*) from bulk_c where score * 4 = id"),
                         n);
        transact(e, EL_TX_ROLLBACK);
        assert_int_equal(scalar(e->c, "select count(*) from bulk_c"), 0);
    }
}

static void keeps_values_of_several_types(void **state) {
    engine *e = *state;
    el_error err = {0};
    int64_t failed;
    transact(e, EL_TX_BEGIN);
    el_bulk *b = begin(e, INTO, 3);
    for (int64_t i = 1; i <= 200; i++) {
        el_value v[3];
        make_row(v, i);
        if (i % 3 == 0) { /* digits for an integer: no binary form on PostgreSQL */
            v[0] = (el_value){.type = EL_DECIMAL, .u.s = {v[1].u.s.p, 0}};
            static char digits[201][8];
            snprintf(digits[i], sizeof digits[0], "%d", (int)i);
            v[0].u.s.p = digits[i];
            v[0].u.s.n = strlen(digits[i]);
        }
        v[2] = i % 2 == 0 ? (el_value){.type = EL_INT, .u.i = i} : v[2];
        assert_int_equal(el_bulk_row(b, v, &err), EL_OK);
    }
    if (el_bulk_end(b, true, &failed, &err) != EL_OK) {
        fail_msg("%s", err.message);
    }
    transact(e, EL_TX_COMMIT);
    assert_int_equal(scalar(e->c, "select sum(id) from bulk_c"), 200 * 201 / 2);
    assert_int_equal(scalar(e->c, "select count(*) from bulk_c where score = id"), 100);
    assert_int_equal(scalar(e->c, "select count(*) from bulk_c where score * 4 = id"),
                     100);
}

static void names_the_row_that_is_wrong(void **state) {
    engine *e = *state;
    el_error err = {0};
    int64_t failed = 0;
    transact(e, EL_TX_BEGIN);
    el_bulk *b = begin(e, INTO, 3);
    int rc = add(b, 1, 170, &err);
    rc = rc == EL_OK ? add(b, 77, 77, &err) : rc;
    rc = rc == EL_OK ? add(b, 172, 300, &err) : rc;
    int end = el_bulk_end(b, rc == EL_OK, &failed, &err);
    assert_true(rc == EL_FAIL || end == EL_FAIL);
    assert_int_equal(err.kind, EL_ERR_UNIQUE);
    assert_int_equal(failed, e->names_row ? 171 : 0);
    assert_null(strstr(err.message, "n77"));
    transact(e, EL_TX_ROLLBACK);
    assert_int_equal(scalar(e->c, "select count(*) from bulk_c"), 0);
}

static void gives_up(void **state) {
    engine *e = *state;
    el_error err = {0};
    int64_t failed = 0;
    transact(e, EL_TX_BEGIN);
    el_bulk *b = begin(e, INTO, 3);
    assert_int_equal(add(b, 1, 30, &err), EL_OK);
    assert_int_equal(el_bulk_end(b, false, &failed, &err), EL_OK);
    transact(e, EL_TX_ROLLBACK);
    assert_int_equal(scalar(e->c, "select count(*) from bulk_c"), 0);
    assert_true(e->c->open);
}

static void refuses_unknown_tables_and_columns(void **state) {
    engine *e = *state;
    static const char *const wrong[] = {"no_such_table (id, name, score)",
                                        "bulk_c (id, name, no_such)", "bulk_c (id"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        el_error err = {0};
        el_bulk *b = NULL;
        int64_t failed;
        transact(e, EL_TX_BEGIN);
        int rc = el_bulk_begin(&b, e->cache, wrong[i], 3, 50, &err);
        rc = rc == EL_OK ? add(b, 1, 60, &err) : rc;
        if (b) {
            el_bulk_end(b, rc == EL_OK, &failed, &err);
        }
        assert_int_equal(err.kind, EL_ERR_SYNTAX);
        transact(e, EL_TX_ROLLBACK);
        assert_int_equal(scalar(e->c, "select count(*) from bulk_c"), 0);
    }
}

static void survives_a_lost_link(void **state) {
    engine *e = *state;
    if (!e->kill) {
        return;
    }
    char sql[100];
    el_error err = {0};
    int64_t failed;
    bool pg = strcmp(e->driver, "pg") == 0;
    int64_t id = scalar(e->c, pg ? "select pg_backend_pid()" : "select connection_id()");
    el_conn *other = connect_to(e);
    transact(e, EL_TX_BEGIN);
    el_bulk *b = begin(e, INTO, 3);
    int rc = add(b, 1, 5000, &err);
    snprintf(sql, sizeof sql, e->kill, (long long)id);
    script(other, sql);
    for (int64_t i = 0; rc == EL_OK && i < 60; i++) { /* more than buffers hold */
        rc = add(b, 10000 + i * 4000, 13999 + i * 4000, &err);
    }
    rc = el_bulk_end(b, rc == EL_OK, &failed, &err) == EL_OK ? rc : EL_FAIL;
    assert_int_equal(rc, EL_FAIL);
    assert_true(err.kind == EL_ERR_LOST || err.kind == EL_ERR_CONNECT);
    assert_false(e->c->open);
    assert_int_equal(scalar(other, "select count(*) from bulk_c"), 0);
    el_conn_release(other);
}

/* Every call fails once; afterwards there are all rows, or an error and none. */
static void survives_a_failing_malloc(void **state) {
    engine *e = *state;
    bool done = false;
    for (long n = 0; !done && n < 10000; n++) {
        el_error err = {0};
        el_bulk *b = NULL;
        int64_t failed;
        transact(e, EL_TX_BEGIN);
        starve_once(n);
        int rc = el_bulk_begin(&b, e->cache, INTO, 3, 50, &err);
        rc = rc == EL_OK ? add(b, 1, 130, &err) : rc;
        if (b && el_bulk_end(b, rc == EL_OK, &failed, &err) != EL_OK) {
            rc = EL_FAIL;
        }
        done = !feed();
        if (rc == EL_OK) {
            assert_int_equal(scalar(e->c, "select count(*) from bulk_c"), 130);
        } else {
            assert_int_equal(err.kind, EL_ERR_NOMEM);
        }
        transact(e, EL_TX_ROLLBACK);
        el_statements_clear(e->cache);
    }
    assert_true(done);
}

/* }====== */

#define CASE(f, e)                                                                       \
    { #f, f, setup, teardown, e }

int main(void) {
    static engine sqlite = {"sqlite", NULL, true, NULL, NULL, NULL};
    static engine pg = {"pg", "PG", true, "select pg_terminate_backend(%lld)",
                        NULL, NULL};
    static engine mysql = {"mysql", "MYSQL", false, "kill %lld", NULL, NULL};
    engine *const engines[] = {&sqlite, &pg, &mysql};
    int failures = 0;
    for (size_t i = 0; i < 3; i++) {
        engine *e = engines[i];
        const struct CMUnitTest tests[] = {CASE(writes_any_number_of_rows, e),
                                           CASE(keeps_values_of_several_types, e),
                                           CASE(names_the_row_that_is_wrong, e),
                                           CASE(gives_up, e),
                                           CASE(refuses_unknown_tables_and_columns, e),
                                           CASE(survives_a_lost_link, e)};
        failures += cmocka_run_group_tests_name(e->driver, tests, NULL, NULL);
    }
    const struct CMUnitTest memory[] = {CASE(survives_a_failing_malloc, &sqlite)};
    return failures + cmocka_run_group_tests_name("memory", memory, NULL, NULL);
}
