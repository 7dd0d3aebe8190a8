/* SPDX-License-Identifier: MIT
**
** statements_spec.c - the statement cache over the real SQLite driver.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "failing_malloc.h"
#include "statements.h"

static el_conn *conn;
static el_error err;

static int setup(void **state) {
    (void)state;
    const el_driver *d;
    static const el_option options[] = {{"path", ":memory:"}, {NULL, NULL}};
    static const char script[] = "CREATE TABLE t(a); INSERT INTO t VALUES(1),(2),(3)";
    el_error_clear(&err);
    return el_driver_load(&d, "sqlite", &err) != EL_OK ||
           d->open(&conn, options, &err) != EL_OK ||
           d->script(conn, script, strlen(script), &err) != EL_OK;
}

static int teardown(void **state) {
    (void)state;
    assert_int_equal(conn->refs, 1); /* nobody kept a statement */
    el_conn_release(conn);
    return 0;
}

static el_stmt *get(el_statements *cache, const char *sql, unsigned flags) {
    el_stmt *s = NULL;
    if (el_statements_get(&s, cache, sql, strlen(sql), flags, &err) != EL_OK) {
        fail_msg("%s: %s", sql, err.message);
    }
    assert_false(s->active);
    return s;
}

static void use(el_statements *cache, const char *sql) {
    el_stmt *s = get(cache, sql, 0);
    assert_int_equal(conn->driver->execute(s, NULL, 0, &err), EL_OK);
    el_statements_release(cache, s);
}

static int64_t first_integer(el_stmt *s) {
    el_value v;
    assert_int_equal(s->conn->driver->fetch(s, &err), EL_ROW);
    assert_int_equal(s->conn->driver->row(s, &v, &err), EL_OK);
    assert_int_equal(v.type, EL_INT);
    return v.u.i;
}

static void same_text_same_statement(void **state) {
    (void)state;
    el_statements *cache = el_statements_new(conn, EL_STATEMENTS_LIMIT);
    el_stmt *a = get(cache, "SELECT a FROM t", 0);
    el_statements_release(cache, a);
    assert_int_equal(el_statements_idle(cache), 1);
    assert_ptr_equal(get(cache, "SELECT a FROM t", 0), a);
    assert_int_equal(el_statements_idle(cache), 0);
    el_statements_release(cache, a);
    /* another text, other flags, a prefix of it: others */
    el_stmt *b = get(cache, "SELECT a FROM t ", 0);
    el_stmt *c = get(cache, "SELECT a FROM t", EL_STMT_STREAM);
    el_stmt *d = NULL;
    assert_int_equal(el_statements_get(&d, cache, "SELECT a FROM t WHERE 1", 15, 0, &err),
                     EL_OK);
    assert_ptr_not_equal(b, a);
    assert_ptr_not_equal(c, a);
    assert_ptr_equal(d, a);
    el_statements_release(cache, b);
    el_statements_release(cache, c);
    el_statements_release(cache, d);
    assert_int_equal(el_statements_idle(cache), 3);
    el_statements_free(cache);
}

static void a_lent_statement_is_nobody_elses(void **state) {
    (void)state;
    const el_driver *d = conn->driver;
    el_statements *cache = el_statements_new(conn, EL_STATEMENTS_LIMIT);
    el_stmt *outer = get(cache, "SELECT a FROM t ORDER BY a", EL_STMT_STREAM);
    assert_int_equal(d->execute(outer, NULL, 0, &err), EL_OK);
    for (int64_t i = 1; i <= 3; i++) {
        assert_true(first_integer(outer) == i);
        el_stmt *inner = get(cache, "SELECT a FROM t ORDER BY a", EL_STMT_STREAM);
        assert_ptr_not_equal(inner, outer);
        assert_int_equal(d->execute(inner, NULL, 0, &err), EL_OK);
        assert_true(first_integer(inner) == 1);
        el_statements_release(cache, inner);
        assert_int_equal(el_statements_idle(cache), 1);
    }
    assert_int_equal(d->fetch(outer, &err), EL_DONE);
    el_statements_release(cache, outer);
    assert_int_equal(el_statements_idle(cache), 1); /* one of the two was enough */
    el_statements_free(cache);
}

static void released_statements_are_reset(void **state) {
    (void)state;
    el_statements *cache = el_statements_new(conn, EL_STATEMENTS_LIMIT);
    el_stmt *s = get(cache, "SELECT a FROM t", 0);
    assert_int_equal(conn->driver->execute(s, NULL, 0, &err), EL_OK);
    assert_true(s->active);
    el_statements_release(cache, s);
    /* a statement that still read would keep the table locked */
    assert_int_equal(conn->driver->script(conn, "DROP TABLE t", 12, &err), EL_OK);
    el_statements_free(cache);
}

static void least_recently_used_goes_first(void **state) {
    (void)state;
    char sql[32];
    el_statements *cache = el_statements_new(conn, 4);
    el_stmt *kept[4];
    for (int i = 0; i < 4; i++) {
        snprintf(sql, sizeof sql, "SELECT %d", i);
        kept[i] = get(cache, sql, 0);
        el_statements_release(cache, kept[i]);
    }
    use(cache, "SELECT 0");
    use(cache, "SELECT 4"); /* drives out SELECT 1 */
    assert_int_equal(el_statements_idle(cache), 4);
    assert_int_equal(conn->refs, 1 + 1 + 4);
    el_stmt *s = get(cache, "SELECT 0", 0);
    assert_ptr_equal(s, kept[0]);
    el_statements_release(cache, s);
    s = get(cache, "SELECT 2", 0);
    assert_ptr_equal(s, kept[2]);
    el_statements_release(cache, s);
    s = get(cache, "SELECT 3", 0);
    assert_ptr_equal(s, kept[3]);
    el_statements_release(cache, s);
    s = get(cache, "SELECT 1",
            0); /* prepared anew; nothing is evicted until it returns */
    assert_int_equal(el_statements_idle(cache), 4);
    el_statements_release(cache, s);
    assert_int_equal(el_statements_idle(cache), 4);
    el_statements_free(cache);
}

static void many_texts_stay_bounded(void **state) {
    (void)state;
    char sql[32];
    el_statements *cache = el_statements_new(conn, EL_STATEMENTS_LIMIT);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 1000; i++) {
            snprintf(sql, sizeof sql, "SELECT %d", i);
            use(cache, sql);
            assert_true(el_statements_idle(cache) <= EL_STATEMENTS_LIMIT);
        }
    }
    assert_int_equal(conn->refs, 1 + 1 + EL_STATEMENTS_LIMIT);
    el_statements_free(cache);
}

static void users_are_never_evicted(void **state) {
    (void)state;
    enum { N = 10 };
    el_statements *cache = el_statements_new(conn, 2);
    el_stmt *lent[N];
    char sql[64];
    for (int i = 0; i < N; i++) {
        snprintf(sql, sizeof sql, "SELECT %d UNION ALL SELECT 100", i);
        lent[i] = get(cache, sql, 0);
        assert_int_equal(conn->driver->execute(lent[i], NULL, 0, &err), EL_OK);
    }
    for (int i = 0; i < N; i++) {
        assert_true(first_integer(lent[i]) == i);
    }
    for (int i = 0; i < N; i++) { /* oldest first, not the order of a stack */
        assert_true(first_integer(lent[i]) == 100);
        el_statements_release(cache, lent[i]);
    }
    assert_int_equal(el_statements_idle(cache), 2);
    el_statements_free(cache);
}

static void once_is_not_kept(void **state) {
    (void)state;
    el_statements *cache = el_statements_new(conn, EL_STATEMENTS_LIMIT);
    el_stmt *s = get(cache, "SELECT 1", EL_STMT_ONCE);
    el_statements_release(cache, s);
    assert_int_equal(el_statements_idle(cache), 0);
    el_statements_free(cache);
    cache = el_statements_new(conn, 0);
    use(cache, "SELECT 1");
    assert_int_equal(el_statements_idle(cache), 0);
    el_statements_free(cache);
}

static void statements_outlive_the_cache_and_the_connection(void **state) {
    (void)state;
    el_statements *cache = el_statements_new(conn, EL_STATEMENTS_LIMIT);
    el_stmt *a = get(cache, "SELECT a FROM t ORDER BY a", 0);
    el_stmt *b = get(cache, "SELECT a FROM t ORDER BY a DESC", 0);
    assert_int_equal(conn->driver->execute(a, NULL, 0, &err), EL_OK);
    assert_int_equal(conn->driver->execute(b, NULL, 0, &err), EL_OK);
    el_conn_retain(conn); /* what teardown gives back */
    el_conn_release(conn);
    el_statements_free(cache);
    assert_true(first_integer(a) == 1);
    assert_true(first_integer(b) == 3);
    el_statements_release(cache, a);
    assert_true(first_integer(b) == 2);
    el_statements_release(cache, b);
    assert_int_equal(conn->refs, 1);
}

static void clear_forgets_lent_ones_too(void **state) {
    (void)state;
    el_statements *cache = el_statements_new(conn, EL_STATEMENTS_LIMIT);
    use(cache, "SELECT 1");
    el_stmt *s = get(cache, "SELECT 2", 0);
    el_statements_clear(cache);
    assert_int_equal(el_statements_idle(cache), 0);
    el_statements_release(cache, s);
    assert_int_equal(el_statements_idle(cache), 0);
    use(cache, "SELECT 2");
    assert_int_equal(el_statements_idle(cache), 1);
    el_statements_free(cache);
}

static void failures_decide_what_stays(void **state) {
    (void)state;
    static const struct {
        el_errkind kind;
        const char *sqlstate;
        size_t kept;
    } cases[] = {
        {EL_ERR_UNIQUE, "23505", 1}, {EL_ERR_BUSY, "55P03", 1},
        {EL_ERR_SYNTAX, "42P01", 0}, {EL_ERR_LOST, "08006", 0},
        {EL_ERR_OTHER, "26000", 0},  {EL_ERR_UNSUPPORTED, "0A000", 0},
        {EL_ERR_NONE, "", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        el_statements *cache = el_statements_new(conn, EL_STATEMENTS_LIMIT);
        el_stmt *s = get(cache, "SELECT 1", 0);
        el_error why = {.kind = cases[i].kind};
        el_error_copy(why.sqlstate, sizeof why.sqlstate, cases[i].sqlstate,
                      (unsigned)strlen(cases[i].sqlstate));
        el_statements_failed(cache, s, &why);
        assert_int_equal(el_statements_idle(cache), cases[i].kept);
        el_statements_free(cache);
    }
}

static void a_dropped_table_drops_the_statement(void **state) {
    (void)state;
    el_statements *cache = el_statements_new(conn, EL_STATEMENTS_LIMIT);
    use(cache, "SELECT a FROM t");
    assert_int_equal(conn->driver->script(conn, "DROP TABLE t", 12, &err), EL_OK);
    el_stmt *s = get(cache, "SELECT a FROM t", 0);
    el_error why = {0};
    assert_int_equal(conn->driver->execute(s, NULL, 0, &why), EL_FAIL);
    assert_int_equal(why.kind, EL_ERR_SYNTAX);
    assert_string_equal(why.sqlstate, "42P01");
    el_statements_failed(cache, s, &why);
    assert_int_equal(el_statements_idle(cache), 0);
    el_statements_free(cache);
}

static void bad_sql_keeps_nothing(void **state) {
    (void)state;
    el_statements *cache = el_statements_new(conn, EL_STATEMENTS_LIMIT);
    el_stmt *s = (el_stmt *)state;
    assert_int_equal(el_statements_get(&s, cache, "SELEC", 5, 0, &err), EL_FAIL);
    assert_int_equal(err.kind, EL_ERR_SYNTAX);
    assert_ptr_equal(s, state);
    assert_int_equal(conn->refs, 2);
    el_statements_free(cache);
    el_statements_free(NULL);
}

static void long_and_odd_texts_differ(void **state) {
    (void)state;
    enum { N = 64 };
    el_statements *cache = el_statements_new(conn, N);
    char sql[128];
    el_stmt *s[N];
    for (int i = 0; i < N; i++) { /* lengths around each step of the hash */
        snprintf(sql, sizeof sql, "SELECT 1 AS %.*s", i + 1,
                 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        s[i] = get(cache, sql, 0);
        assert_int_equal(s[i]->columns[0].namelen, i + 1);
        el_statements_release(cache, s[i]);
    }
    for (int i = 0; i < N; i++) {
        snprintf(sql, sizeof sql, "SELECT 1 AS %.*s", i + 1,
                 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        assert_ptr_equal(get(cache, sql, 0), s[i]);
        el_statements_release(cache, s[i]);
    }
    el_statements_free(cache);
}

static void survives_a_failing_malloc(void **state) {
    (void)state;
    starve_once(0);
    assert_null(el_statements_new(conn, 4));
    feed();
    assert_int_equal(conn->refs, 1);
    el_statements *cache = el_statements_new(conn, 4);
    for (int n = 0;; n++) {
        el_stmt *s = NULL;
        el_error why = {0};
        starve_once(n);
        int rc = el_statements_get(&s, cache, "SELECT a, a FROM t", 18, 0, &why);
        bool unused = !feed();
        if (rc == EL_OK) {
            assert_true(unused && n > 2);
            el_statements_release(cache, s);
            break;
        }
        assert_int_equal(why.kind, EL_ERR_NOMEM);
        assert_null(s);
        assert_int_equal(conn->refs, 2);
    }
    el_statements_free(cache);
}

static void takes_back_what_nobody_released(void **state) {
    (void)state;
    el_statements *cache = el_statements_new(conn, EL_STATEMENTS_LIMIT);
    el_stmt *lost = get(cache, "SELECT a FROM t", 0);
    el_stmt *cursor = get(cache, "SELECT a FROM t ORDER BY a DESC", 0);
    el_statements_hold(cache, cursor);
    assert_int_equal(conn->driver->execute(lost, NULL, 0, &err), EL_OK);
    assert_int_equal(conn->driver->execute(cursor, NULL, 0, &err), EL_OK);
    assert_int_equal(conn->refs, 4);
    el_statements_reclaim(cache);
    assert_int_equal(conn->refs, 3);
    assert_int_equal(first_integer(cursor), 3);
    el_statements_release(cache, cursor);
    assert_int_equal(el_statements_idle(cache), 1);
    /* the next user of a kept statement holds it anew, or not */
    get(cache, "SELECT a FROM t ORDER BY a DESC", 0);
    el_statements_reclaim(cache);
    assert_int_equal(conn->refs, 2);
    /* the last one ends a cache that its owner has freed */
    get(cache, "SELECT a FROM t", 0);
    el_statements_free(cache);
    assert_int_equal(conn->refs, 3);
    el_statements_reclaim(cache);
}

int main(void) {
#define SPEC(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        SPEC(same_text_same_statement),
        SPEC(a_lent_statement_is_nobody_elses),
        SPEC(released_statements_are_reset),
        SPEC(least_recently_used_goes_first),
        SPEC(many_texts_stay_bounded),
        SPEC(users_are_never_evicted),
        SPEC(once_is_not_kept),
        SPEC(statements_outlive_the_cache_and_the_connection),
        SPEC(clear_forgets_lent_ones_too),
        SPEC(failures_decide_what_stays),
        SPEC(a_dropped_table_drops_the_statement),
        SPEC(bad_sql_keeps_nothing),
        SPEC(long_and_odd_texts_differ),
        SPEC(survives_a_failing_malloc),
        SPEC(takes_back_what_nobody_released),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
