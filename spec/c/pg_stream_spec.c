/* SPDX-License-Identifier: MIT
**
** pg_stream_spec.c - streams of the PostgreSQL driver: constant memory, other statements
** beside them, in and out of transactions, and what ends them early.
*/
#include "pg_support.h"

#include <pthread.h>
#include <sys/resource.h>

/* AddressSanitizer keeps freed memory for a while: not so much that it hides the point.
 */
const char *__asan_default_options(void);

const char *__asan_default_options(void) {
    return "quarantine_size_mb=4";
}

static int make_rows(void **state) {
    *state = open_conn();
    script(*state,
           "DROP TABLE IF EXISTS el_stream; CREATE TABLE el_stream (id int, t text);"
           "INSERT INTO el_stream SELECT i, 'row ' || i FROM generate_series(1, 5000) i");
    return 0;
}

static int drop_rows(void **state) {
    script(*state, "DROP TABLE el_stream");
    el_conn_release(*state);
    return 0;
}

static el_stmt *stream(el_conn *c, const char *sql, const el_value *args, int n) {
    el_stmt *s = prepare(c, sql, EL_STMT_STREAM);
    execute(s, args, n);
    return s;
}

/* Reads n rows of an integer column that counts up from `first`. */
static void read_rows(el_stmt *s, int64_t first, int64_t n) {
    el_value v[MAX_VALUES];
    for (int64_t i = 0; i < n; i++) {
        assert_true(next_row(s, v));
        assert_int_equal(v[0].u.i, first + i);
    }
}

static void read_end(el_stmt *s) {
    el_value v[MAX_VALUES];
    assert_false(next_row(s, v));
    assert_false(s->active);
}

/* Other links of this session, by their name. */
static int64_t links_of(const char *name) {
    el_conn *other = open_conn();
    char sql[160];
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM pg_stat_activity WHERE application_name = '%s'", name);
    int64_t n = scalar(other, sql);
    el_conn_release(other);
    return n;
}

static el_conn *open_named(const char *name) {
    const el_option extra[] = {{"application_name", name}, {NULL, NULL}};
    el_conn *c = NULL;
    el_error err = {0};
    if (connect_with(&c, extra, &err) != EL_OK) {
        fail_msg("%s", err.message);
    }
    return c;
}

/* {====== Outside transactions ====== */

static void streams_all_rows_in_order(void **state) {
    el_conn *c = *state;
    static const int sizes[] = {0, 1, 15, 16, 17, 144, 145, 1168, 5000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        el_stmt *s = stream(c, "SELECT id, t FROM el_stream WHERE id <= $1 ORDER BY id",
                            ARGS(INT(sizes[i])));
        assert_int_equal(s->ncolumns, 2);
        read_rows(s, 1, sizes[i]);
        read_end(s);
        read_end(s);
        execute(s, ARGS(INT(3))); /* again */
        read_rows(s, 1, 3);
        read_end(s);
        finalize(s);
    }
    assert_int_equal(c->driver->txstate(c), EL_TX_NONE);
}

/* 200 MB of rows pass through. */
static void streams_in_constant_memory(void **state) {
    el_conn *c = *state;
    struct rusage before, after;
    const el_value *none = NULL;
    getrusage(RUSAGE_SELF, &before);
    el_stmt *s = stream(
        c, "SELECT i, repeat('x', 1000) FROM generate_series(1, 200000) i", none, 0);
    read_rows(s, 1, 200000);
    read_end(s);
    finalize(s);
    getrusage(RUSAGE_SELF, &after);
    long grown = after.ru_maxrss - before.ru_maxrss; /* KiB */
    if (grown > 24L * 1024) {
        fail_msg("memory grew by %ld KiB", grown);
    }
}

static void works_beside_other_statements(void **state) {
    el_conn *c = *state;
    el_stmt *s = stream(c, "SELECT id FROM el_stream ORDER BY id", NOARGS);
    el_stmt *find = prepare(c, "SELECT t FROM el_stream WHERE id = $1", 0);
    el_value v[2];
    for (int i = 1; i <= 2000; i++) {
        read_rows(s, i, 1);
        if (i % 100 == 0) {
            execute(find, ARGS(INT(i)));
            assert_true(next_row(find, v));
            assert_int_equal(
                run(c, "UPDATE el_stream SET t = t WHERE id = $1", ARGS(INT(i))), 1);
        }
    }
    assert_true(transact(c, EL_TX_BEGIN, NULL)); /* no business of an older stream */
    assert_true(transact(c, EL_TX_ROLLBACK, NULL));
    read_rows(s, 2001, 3000);
    read_end(s);
    finalize(find);
    finalize(s);
}

static void runs_several_at_once_and_keeps_two_links(void **state) {
    (void)state;
    enum { N = 5 };
    el_conn *c = open_named("el_several");
    el_stmt *s[N];
    for (int i = 0; i < N; i++) {
        s[i] = stream(c, "SELECT i FROM generate_series(1, 3000) i", NOARGS);
    }
    for (int row = 1; row <= 3000; row++) {
        for (int i = 0; i < N; i++) {
            read_rows(s[i], row, 1);
        }
        if (row == 1) {
            assert_int_equal(links_of("el_several"), 1 + N);
        }
    }
    for (int i = 0; i < N; i++) {
        if (i % 2 == 0) {
            read_end(s[i]);
        }
        finalize(s[i]);
    }
    sleep_ms(200); /* closed links leave the server's list a little later */
    assert_int_equal(links_of("el_several"), 1 + 2);
    for (int i = 0; i < 20; i++) { /* reuses them */
        el_stmt *again = stream(c, "SELECT 1", NOARGS);
        read_rows(again, 1, 1);
        finalize(again);
    }
    assert_int_equal(links_of("el_several"), 1 + 2);
    el_conn_release(c);
    sleep_ms(200);
    assert_int_equal(links_of("el_several"), 0);
}

/* A stream that is over, or was given up, must not keep its locks. */
static void leaves_no_lock_behind(void **state) {
    (void)state;
    const el_option impatient[] = {{"options", "-c lock_timeout=2s"}, {NULL, NULL}};
    el_conn *c = NULL;
    el_error err = {0};
    assert_int_equal(connect_with(&c, impatient, &err), EL_OK);
    script(c, "CREATE TABLE el_locked AS SELECT 1 AS id FROM generate_series(1, 1000)");
    el_stmt *s = stream(c, "SELECT id FROM el_locked", NOARGS);
    read_rows(s, 1, 1);
    c->driver->reset(s);
    script(c, "ALTER TABLE el_locked ADD COLUMN x int");
    execute(s, NOARGS);
    for (int i = 0; i < 1000; i++) {
        read_rows(s, 1, 1);
    }
    read_end(s);
    script(c, "DROP TABLE el_locked");
    finalize(s);
    el_conn_release(c);
}

/* What the script set on its session holds for its streams, too. */
static void reads_as_the_session_does(void **state) {
    (void)state;
    el_conn *c = open_named("el_session");
    script(c, "DROP SCHEMA IF EXISTS el_tenant CASCADE; CREATE SCHEMA el_tenant;"
              "CREATE TABLE el_tenant.el_stream AS SELECT i + 70000 AS id "
              "FROM generate_series(1, 3000) i; SET search_path = el_tenant");
    el_stmt *s = stream(c, "SELECT id FROM el_stream ORDER BY id", NOARGS);
    read_rows(s, 70001, 1000);
    assert_true(transact(c, EL_TX_BEGIN, NULL)); /* outlives other transactions */
    script(c, "DELETE FROM el_stream");
    assert_true(transact(c, EL_TX_SAVE, "sp"));
    read_rows(s, 71001, 1000);
    assert_true(transact(c, EL_TX_ROLLBACK, NULL));
    read_rows(s, 72001, 1000);
    read_end(s);
    execute(s, NOARGS);
    read_rows(s, 70001, 20);
    script(c, "CLOSE ALL"); /* somebody closes it behind our back */
    c->driver->reset(s);
    execute(s, NOARGS);
    read_rows(s, 70001, 20);
    finalize(s);
    assert_int_equal(scalar(c, "SELECT count(*) FROM pg_cursors WHERE name LIKE 'el_%'"),
                     0);
    assert_int_equal(links_of("el_session"), 1);
    /* a failure far behind the first rows */
    el_error err = {0};
    s = prepare(c, "SELECT 1 / (4000 - i) FROM generate_series(1, 5000) i",
                EL_STMT_STREAM);
    assert_int_equal(c->driver->execute(s, NOARGS, &err), EL_FAIL);
    assert_kind(&err, EL_ERR_VALUE, "22012");
    assert_int_equal(c->driver->txstate(c), EL_TX_NONE);
    finalize(s);
    script(c, "SET ROLE pg_monitor");
    run_failing(c, "SELECT rolpassword FROM pg_authid", NOARGS, &err);
    assert_kind(&err, EL_ERR_AUTH, "42501");
    s = prepare(c, "SELECT rolpassword FROM pg_authid", EL_STMT_STREAM);
    el_error_clear(&err);
    assert_int_equal(c->driver->execute(s, NOARGS, &err), EL_FAIL);
    assert_kind(&err, EL_ERR_AUTH, "42501");
    finalize(s);
    script(c, "RESET ROLE; DROP SCHEMA el_tenant CASCADE");
    el_conn_release(c);
}

/* A cached statement meets a table that is another one by now. */
static void follows_a_changed_table(void **state) {
    (void)state;
    el_conn *c = open_conn();
    el_value v[MAX_VALUES];
    script(c, "DROP TABLE IF EXISTS el_changed; CREATE TABLE el_changed AS "
              "SELECT i AS id, 'x' AS t FROM generate_series(1, 100) i");
    el_stmt *s = stream(c, "SELECT * FROM el_changed", NOARGS);
    read_rows(s, 1, 100);
    for (int in_tx = 0; in_tx < 2; in_tx++) {
        if (in_tx) {
            assert_true(transact(c, EL_TX_BEGIN, NULL));
        }
        script(c, "ALTER TABLE el_changed ALTER id TYPE numeric(9, 1)");
        execute(s, NOARGS);
        assert_true(next_row(s, v));
        assert_value(&v[0], &STR(EL_DECIMAL, "1.0"), "numeric");
        assert_int_equal(s->columns[0].type, EL_DECIMAL);
        c->driver->reset(s);
        script(c, "ALTER TABLE el_changed ALTER id TYPE int, ADD COLUMN IF NOT EXISTS "
                  "last bool");
        execute(s, NOARGS);
        read_rows(s, 1, 1);
        assert_int_equal(s->ncolumns, 3);
        c->driver->reset(s);
        if (in_tx) {
            assert_true(transact(c, EL_TX_COMMIT, NULL));
        }
    }
    finalize(s);
    script(c, "DROP TABLE el_changed");
    el_conn_release(c);
}

static void reads_temporary_tables_and_sequences(void **state) {
    (void)state;
    el_conn *c = open_conn();
    script(c, "CREATE TEMP TABLE el_temp AS SELECT i FROM generate_series(1, 5000) i;"
              "CREATE TEMP SEQUENCE el_number");
    for (int in_tx = 0; in_tx < 2; in_tx++) {
        if (in_tx) {
            assert_true(transact(c, EL_TX_BEGIN, NULL));
        }
        el_stmt *s = stream(c, "SELECT i FROM el_temp ORDER BY i", NOARGS);
        read_rows(s, 1, 4000);
        assert_int_equal(scalar(c, "SELECT 1"), 1);
        read_rows(s, 4001, 1000);
        read_end(s);
        finalize(s);
        script(c, "CREATE SEQUENCE IF NOT EXISTS el_shared_number");
        script(c, "SELECT setval('el_shared_number', 1, false)");
        s = stream(c, "SELECT nextval('el_shared_number') FROM el_stream", NOARGS);
        read_rows(s, 1, 5000);
        read_end(s);
        finalize(s);
        if (in_tx) {
            assert_true(transact(c, EL_TX_ROLLBACK, NULL));
        }
    }
    script(c, "DROP SEQUENCE el_shared_number");
    el_conn_release(c);
}

static void adapts_to_wide_rows(void **state) {
    el_stmt *s = stream(
        *state, "SELECT i, repeat('x', 3000000) FROM generate_series(1, 60) i", NOARGS);
    read_rows(s, 1, 60);
    read_end(s);
    finalize(s);
}

/* What can't be a cursor is run as usual. */
static void falls_back_to_a_buffered_result(void **state) {
    el_conn *c = *state;
    static const char *const texts[] = {
        "INSERT INTO el_back VALUES (1), (2), (3) RETURNING id",
        "UPDATE el_back SET id = id RETURNING id",
        "WITH w AS (UPDATE el_back SET id = id RETURNING *) SELECT * FROM w ORDER BY 1",
        "SELECT id FROM el_back ORDER BY id FOR UPDATE",
    };
    for (int in_tx = 0; in_tx < 2; in_tx++) {
        script(c, "CREATE TEMP TABLE el_back (id int)");
        if (in_tx) {
            assert_true(transact(c, EL_TX_BEGIN, NULL));
        }
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
            el_stmt *s = stream(c, texts[i], NOARGS);
            read_rows(s, 1, 3);
            read_end(s);
            finalize(s);
            assert_int_equal(c->driver->txstate(c), in_tx ? EL_TX_ACTIVE : EL_TX_NONE);
        }
        el_stmt *s = stream(c, "UPDATE el_back SET id = 0", NOARGS);
        assert_int_equal(s->affected, 3);
        finalize(s);
        if (in_tx) {
            assert_true(transact(c, EL_TX_COMMIT, NULL));
        }
        script(c, "DROP TABLE el_back");
    }
}

/* {====== Failures ====== */

static void fail_fetch(el_stmt *s, el_error *err) {
    int rc;
    el_error_clear(err);
    while ((rc = s->conn->driver->fetch(s, err)) == EL_ROW) {
    }
    assert_int_equal(rc, EL_FAIL);
    assert_false(s->active);
}

static void reports_errors_on_the_way(void **state) {
    el_conn *c = *state;
    el_error err = {0};
    run_failing(c, "SELECT nothing FROM el_stream", NOARGS, &err);
    assert_kind(&err, EL_ERR_SYNTAX, "42703");
    el_stmt *s =
        stream(c, "SELECT 1 / (100 - i) FROM generate_series(1, 5000) i", NOARGS);
    fail_fetch(s, &err);
    assert_kind(&err, EL_ERR_VALUE, "22012");
    el_value v[1];
    assert_false(next_row(s, v)); /* nothing pending */
    finalize(s);
    s = prepare(c, "SELECT 1 / (5 - i) FROM generate_series(1, 5000) i", EL_STMT_STREAM);
    el_error_clear(&err);
    assert_int_equal(c->driver->execute(s, NOARGS, &err), EL_FAIL);
    assert_kind(&err, EL_ERR_VALUE, "22012");
    el_error_clear(&err);
    assert_int_equal(c->driver->execute(s, ARGS(INT(1)), &err), EL_FAIL);
    assert_kind(&err, EL_ERR_MISUSE, "");
    finalize(s);
    assert_int_equal(c->driver->txstate(c), EL_TX_NONE);
    assert_int_equal(scalar(c, "SELECT 1"), 1);
}

static void loses_a_side_link_alone(void **state) {
    el_conn *c = *state;
    el_error err = {0};
    el_stmt *s =
        stream(c, "SELECT pg_backend_pid(), i FROM generate_series(1, 5000) i", NOARGS);
    el_value v[2];
    assert_true(next_row(s, v));
    kill_backend((int)v[0].u.i);
    fail_fetch(s, &err);
    assert_kind(&err, EL_ERR_LOST, "");
    assert_true(c->open);
    execute(s, NOARGS); /* on a new link */
    assert_true(next_row(s, v));
    int64_t pid = v[0].u.i;
    c->driver->reset(s);
    kill_backend((int)pid); /* while it is idle */
    execute(s, NOARGS);
    assert_true(next_row(s, v));
    assert_int_not_equal(v[0].u.i, pid);
    finalize(s);
}

static void cancels_a_stream(void **state) {
    el_conn *c = *state;
    el_error err = {0};
    pthread_t thread;
    void *canceled;
    el_stmt *s = stream(c,
                        "SELECT i, CASE WHEN i > 1000 THEN pg_sleep(20) END "
                        "FROM generate_series(1, 5000) i",
                        NOARGS);
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, c), 0);
    fail_fetch(s, &err);
    pthread_join(thread, &canceled);
    assert_non_null(canceled);
    assert_kind(&err, EL_ERR_CANCELED, "57014");
    finalize(s);
}

static void refuses_to_hand_over_a_stream(void **state) {
    el_conn *c = *state;
    el_error err = {0};
    void *result;
    size_t n;
    el_stmt *s = stream(c, "SELECT id FROM el_stream", NOARGS);
    assert_int_equal(c->driver->take(s, &result, &n, &err), EL_FAIL);
    assert_kind(&err, EL_ERR_MISUSE, "");
    finalize(s);
}

/* }====== */

/* {====== Inside transactions ====== */

static void sees_its_own_writes(void **state) {
    el_conn *c = *state;
    assert_true(transact(c, EL_TX_BEGIN, NULL));
    run(c, "INSERT INTO el_stream VALUES (0, 'mine')", NOARGS);
    el_stmt *s = stream(c, "SELECT id FROM el_stream ORDER BY id", NOARGS);
    read_rows(s, 0, 100);
    assert_int_equal(run(c, "UPDATE el_stream SET t = '' WHERE id = 5", NOARGS), 1);
    assert_true(transact(c, EL_TX_SAVE, "inner"));
    read_rows(s, 100, 4901);
    read_end(s);
    assert_int_equal(scalar(c, "SELECT count(*) FROM pg_cursors WHERE name LIKE 'el_%'"),
                     0);
    execute(s, NOARGS);
    read_rows(s, 0, 1);
    c->driver->reset(s);
    assert_int_equal(scalar(c, "SELECT count(*) FROM pg_cursors WHERE name LIKE 'el_%'"),
                     0);
    finalize(s);
    assert_true(transact(c, EL_TX_ROLLBACK, NULL));
}

static void ends_with_its_transaction(void **state) {
    el_conn *c = *state;
    el_error err = {0};
    static const el_txop ends[] = {EL_TX_COMMIT, EL_TX_ROLLBACK};
    for (int i = 0; i < 2; i++) {
        assert_true(transact(c, EL_TX_BEGIN, NULL));
        el_stmt *s = stream(c, "SELECT id FROM el_stream ORDER BY id", NOARGS);
        read_rows(s, 1, 3);
        assert_true(transact(c, ends[i], NULL));
        fail_fetch(s, &err);
        assert_kind(&err, EL_ERR_MISUSE, "");
        assert_true(transact(c, EL_TX_BEGIN, NULL)); /* a later one is none of its */
        c->driver->reset(s);
        assert_int_equal(c->driver->txstate(c), EL_TX_ACTIVE);
        assert_true(transact(c, EL_TX_ROLLBACK, NULL));
        finalize(s);
    }
}

static void ends_with_its_savepoint(void **state) {
    el_conn *c = *state;
    el_error err = {0};
    assert_true(transact(c, EL_TX_BEGIN, NULL));
    el_stmt *before = stream(c, "SELECT id FROM el_stream ORDER BY id", NOARGS);
    assert_true(transact(c, EL_TX_SAVE, "sp"));
    el_stmt *after = stream(c, "SELECT id FROM el_stream ORDER BY id", NOARGS);
    el_stmt *unread = stream(c, "SELECT id FROM el_stream ORDER BY id", NOARGS);
    read_rows(before, 1, 10);
    read_rows(after, 1, 10);
    assert_true(transact(c, EL_TX_ROLLBACK_TO, "sp"));
    read_rows(before, 11, 4990);
    read_end(before);
    fail_fetch(after, &err);
    assert_kind(&err, EL_ERR_MISUSE, "");
    finalize(unread);
    finalize(after);
    finalize(before);
    assert_int_equal(c->driver->txstate(c), EL_TX_ACTIVE);
    assert_true(transact(c, EL_TX_COMMIT, NULL));
}

static void fails_in_a_failed_transaction(void **state) {
    el_conn *c = *state;
    el_error err = {0};
    assert_true(transact(c, EL_TX_BEGIN, NULL));
    el_stmt *s = stream(c, "SELECT id FROM el_stream ORDER BY id", NOARGS);
    read_rows(s, 1, 5);
    run_failing(c, "SELECT 1 / 0", NOARGS, &err);
    fail_fetch(s, &err);
    assert_kind(&err, EL_ERR_MISUSE, "25P02");
    finalize(s);
    assert_true(transact(c, EL_TX_ROLLBACK, NULL));
}

static void survives_the_loss_of_the_main_link(void **state) {
    (void)state;
    el_conn *c = open_conn();
    el_error err = {0};
    int pid = pid_of(c);
    el_stmt *side = stream(c, "SELECT i FROM generate_series(1, 5000) i", NOARGS);
    assert_true(transact(c, EL_TX_BEGIN, NULL));
    el_stmt *s = stream(c, "SELECT i FROM generate_series(1, 5000) i", NOARGS);
    read_rows(s, 1, 5);
    read_rows(side, 1, 5);
    kill_backend(pid);
    fail_fetch(s, &err);
    assert_kind(&err, EL_ERR_LOST, "");
    assert_false(c->open);
    el_conn_release(c); /* its statements hold it */
    finalize(s);
    read_rows(side, 6, 4995);
    finalize(side);
}

/* }====== */

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_in_constant_memory),
        cmocka_unit_test(streams_all_rows_in_order),
        cmocka_unit_test(works_beside_other_statements),
        cmocka_unit_test(runs_several_at_once_and_keeps_two_links),
        cmocka_unit_test(leaves_no_lock_behind),
        cmocka_unit_test(reads_as_the_session_does),
        cmocka_unit_test(reads_temporary_tables_and_sequences),
        cmocka_unit_test(follows_a_changed_table),
        cmocka_unit_test(adapts_to_wide_rows),
        cmocka_unit_test(falls_back_to_a_buffered_result),
        cmocka_unit_test(reports_errors_on_the_way),
        cmocka_unit_test(loses_a_side_link_alone),
        cmocka_unit_test(cancels_a_stream),
        cmocka_unit_test(refuses_to_hand_over_a_stream),
        cmocka_unit_test(sees_its_own_writes),
        cmocka_unit_test(ends_with_its_transaction),
        cmocka_unit_test(ends_with_its_savepoint),
        cmocka_unit_test(fails_in_a_failed_transaction),
        cmocka_unit_test(survives_the_loss_of_the_main_link),
    };
    return cmocka_run_group_tests_name("pg streams", tests, make_rows, drop_rows);
}
