/* SPDX-License-Identifier: MIT
**
** pg_errors_spec.c - failures of the PostgreSQL driver: their kinds, SQLSTATEs and names;
** statements that are interrupted, and a server that goes away.
*/
#include "pg_support.h"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

/* {====== Errors ====== */

static void make_tables(el_conn *c) {
    script(c,
           "SET client_min_messages = error; DROP TABLE IF EXISTS el_user, el_team;"
           "CREATE TABLE el_team (id int PRIMARY KEY, name text NOT NULL,"
           "  CONSTRAINT el_short CHECK (length(name) < 9));"
           "CREATE TABLE el_user (id int PRIMARY KEY, team_id int CONSTRAINT el_user_team"
           "  REFERENCES el_team DEFERRABLE, code varchar(3), \"Odd name\" int UNIQUE,"
           "  slot int, EXCLUDE USING btree (slot WITH =),"
           "  CONSTRAINT el_pair UNIQUE (team_id, code));"
           "INSERT INTO el_team VALUES (1, 'one'); INSERT INTO el_user VALUES (1, 1, "
           "'a', 5, 7)");
}

static void tells_errors_by_code(void **state) {
    el_conn *c = *state;
    static const struct {
        const char *sql;
        el_errkind kind;
        const char *sqlstate, *table, *column, *constraint;
    } cases[] = {
        {"INSERT INTO el_team VALUES (1, 'x')", EL_ERR_UNIQUE, "23505", "el_team", "id",
         "el_team_pkey"},
        {"INSERT INTO el_user VALUES (2, 1, 'a', 6)", EL_ERR_UNIQUE, "23505", "el_user",
         "team_id, code", "el_pair"},
        {"INSERT INTO el_user VALUES (2, 1, 'b', 5)", EL_ERR_UNIQUE, "23505", "el_user",
         "Odd name", "el_user_Odd name_key"},
        {"INSERT INTO el_user VALUES (2, 99)", EL_ERR_FOREIGN_KEY, "23503", "el_user",
         "team_id", "el_user_team"},
        {"DELETE FROM el_team", EL_ERR_FOREIGN_KEY, "23503", "el_user", "",
         "el_user_team"},
        {"INSERT INTO el_team VALUES (2, NULL)", EL_ERR_NOT_NULL, "23502", "el_team",
         "name", ""},
        {"INSERT INTO el_team VALUES (2, 'much too long')", EL_ERR_CHECK, "23514",
         "el_team", "", "el_short"},
        {"INSERT INTO el_user (id, slot) VALUES (3, 7)", EL_ERR_CHECK, "23P01", "el_user",
         "", "el_user_slot_excl"},
        {"INSERT INTO el_user VALUES (9, 1, 'abcd')", EL_ERR_VALUE, "22001", "", "", ""},
        {"SELEC 1", EL_ERR_SYNTAX, "42601", "", "", ""},
        {"SELECT * FROM el_nothing", EL_ERR_SYNTAX, "42P01", "el_nothing", "", ""},
        {"SELECT nothing FROM el_team", EL_ERR_SYNTAX, "42703", "", "nothing", ""},
        {"SELECT el_nothing(1)", EL_ERR_SYNTAX, "42883", "", "", ""},
        {"SELECT 1 / 0", EL_ERR_VALUE, "22012", "", "", ""},
        {"CREATE TABLE el_team (id int)", EL_ERR_SYNTAX, "42P07", "", "", ""},
        {"SELECT count(*) FROM el_team FOR UPDATE", EL_ERR_UNSUPPORTED, "0A000", "", "",
         ""},
        {"DO $$ BEGIN RAISE 'out of stock'; END $$", EL_ERR_OTHER, "P0001", "", "", ""},
        {"SELECT * FROM pg_authid LIMIT 0 FOR UPDATE", EL_ERR_AUTH, "42501", "", "", ""},
    };
    make_tables(c);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        el_error err = {0};
        bool denied = cases[i].kind == EL_ERR_AUTH;
        script(c, denied ? "SET ROLE pg_monitor" : "RESET ROLE");
        run_failing(c, cases[i].sql, NOARGS, &err);
        assert_kind(&err, cases[i].kind, cases[i].sqlstate);
        assert_string_equal(err.table, cases[i].table);
        assert_string_equal(err.column, cases[i].column);
        assert_string_equal(err.constraint, cases[i].constraint);
        assert_null(strstr(err.message, "much too long")); /* no DETAIL with the row */
    }
    script(c, "RESET ROLE; DROP TABLE el_user, el_team");
}

static void says_where_the_syntax_is_wrong(void **state) {
    el_error err = {0};
    run_failing(*state, "SELECT * FORM x", NOARGS, &err);
    assert_non_null(strstr(err.message, "at character 10"));
}

static void reports_a_deferred_failure_at_commit(void **state) {
    el_conn *c = *state;
    el_error err = {0};
    make_tables(c);
    assert_true(transact(c, EL_TX_BEGIN, NULL));
    run(c, "SET CONSTRAINTS ALL DEFERRED", NOARGS);
    run(c, "INSERT INTO el_user VALUES (2, 99)", NOARGS);
    assert_int_equal(c->driver->transact(c, EL_TX_COMMIT, NULL, &err), EL_FAIL);
    assert_kind(&err, EL_ERR_FOREIGN_KEY, "23503");
    assert_int_equal(c->driver->txstate(c), EL_TX_NONE);
    script(c, "DROP TABLE el_user, el_team");
}

static void tells_what_two_connections_do_to_each_other(void **state) {
    el_conn *a = *state, *b = open_conn();
    el_error err = {0};
    script(a, "DROP TABLE IF EXISTS el_shared; CREATE TABLE el_shared (id int, n int);"
              "INSERT INTO el_shared VALUES (1, 0)");
    assert_true(transact(a, EL_TX_BEGIN, "repeatable read"));
    assert_true(transact(b, EL_TX_BEGIN, "repeatable read"));
    assert_int_equal(scalar(a, "SELECT n FROM el_shared"), 0);
    assert_int_equal(scalar(b, "SELECT n FROM el_shared"), 0);
    run(b, "UPDATE el_shared SET n = 1", NOARGS);
    run_failing(a, "SELECT n FROM el_shared FOR UPDATE NOWAIT", NOARGS, &err);
    assert_kind(&err, EL_ERR_BUSY, "55P03");
    assert_true(transact(a, EL_TX_ROLLBACK, NULL));
    assert_true(transact(a, EL_TX_BEGIN, "repeatable read"));
    assert_int_equal(scalar(a, "SELECT n FROM el_shared"), 0);
    assert_true(transact(b, EL_TX_COMMIT, NULL));
    run_failing(a, "UPDATE el_shared SET n = 2", NOARGS, &err);
    assert_kind(&err, EL_ERR_CONFLICT, "40001");
    assert_true(transact(a, EL_TX_ROLLBACK, NULL));
    script(a, "SET default_transaction_read_only = on");
    run_failing(a, "UPDATE el_shared SET n = 2", NOARGS, &err);
    assert_kind(&err, EL_ERR_UNSUPPORTED, "25006");
    script(a, "RESET default_transaction_read_only");
    script(a, "DROP TABLE el_shared");
    el_conn_release(b);
}

/* }====== */

/* {====== Interruptions and losses ====== */

static void cancels_from_another_thread(void **state) {
    el_conn *c = *state;
    el_error err = {0};
    pthread_t thread;
    void *ok;
    assert_int_equal(c->driver->cancel(c, &err),
                     EL_OK); /* nothing runs: nothing happens */
    double start = seconds();
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, c), 0);
    run_failing(c, "SELECT pg_sleep(20)", NOARGS, &err);
    pthread_join(thread, &ok);
    assert_non_null(ok);
    assert_true(seconds() - start < 5);
    assert_kind(&err, EL_ERR_CANCELED, "57014");
    assert_true(c->open);
    assert_int_equal(scalar(c, "SELECT 1"), 1);
    el_error_clear(&err);
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, c), 0);
    assert_int_equal(c->driver->script(c, "SELECT pg_sleep(20)", 19, &err), EL_FAIL);
    pthread_join(thread, NULL);
    assert_kind(&err, EL_ERR_CANCELED, "57014");
    script(c, "SET statement_timeout = 100");
    run_failing(c, "SELECT pg_sleep(20)", NOARGS, &err);
    assert_kind(&err, EL_ERR_CANCELED, "57014");
    script(c, "RESET statement_timeout");
}

static void on_alarm(int signal) {
    (void)signal;
}

static void bears_signals(void **state) {
    struct sigaction action = {.sa_handler = on_alarm}, old; /* no SA_RESTART */
    struct itimerval often = {{0, 5000}, {0, 5000}}, never = {0};
    assert_int_equal(sigaction(SIGALRM, &action, &old), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    for (int i = 0; i < 5; i++) {
        run(*state, "SELECT pg_sleep(0.05)", NOARGS);
        el_conn *c = open_conn();
        assert_int_equal(scalar(c, "SELECT 1"), 1);
        el_conn_release(c);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &old, NULL);
}

static void assert_dead(el_conn *c) {
    el_error err = {0};
    assert_false(c->open);
    assert_int_equal(c->driver->ping(c, &err), EL_FAIL);
    assert_kind(&err, EL_ERR_LOST, "");
    run_failing(c, "SELECT 1", NOARGS, &err);
    assert_kind(&err, EL_ERR_LOST, "");
    assert_int_equal(c->driver->txstate(c), EL_TX_NONE);
    assert_false(transact(c, EL_TX_BEGIN, NULL));
    assert_false(transact(c, EL_TX_ROLLBACK, NULL));
}

/* Nothing was sent, so it may be tried on another connection. */
static void notices_a_loss_while_idle(void **state) {
    (void)state;
    el_conn *c = open_conn();
    el_error err = {0};
    el_stmt *s = prepare(c, "SELECT 1", 0),
            *second = prepare(c, "SELECT 2", EL_STMT_STREAM);
    kill_backend(pid_of(c));
    assert_int_equal(c->driver->execute(s, NOARGS, &err), EL_FAIL);
    assert_kind(&err, EL_ERR_CONNECT, "");
    assert_dead(c);
    el_conn_release(c);
    finalize(s);
    finalize(second);
}

static void notices_a_loss_in_a_transaction(void **state) {
    (void)state;
    el_conn *c = open_conn();
    el_error err = {0};
    assert_true(transact(c, EL_TX_BEGIN, NULL));
    kill_backend(pid_of(c));
    assert_int_equal(c->driver->transact(c, EL_TX_COMMIT, NULL, &err), EL_FAIL);
    assert_kind(&err, EL_ERR_LOST, "");
    assert_dead(c);
    el_conn_release(c);
}

static void *kill_soon(void *arg) {
    sleep_ms(300);
    kill_backend(*(int *)arg);
    return NULL;
}

static void notices_a_loss_in_a_statement(void **state) {
    (void)state;
    for (int script_too = 0; script_too < 2; script_too++) {
        el_conn *c = open_conn();
        el_error err = {0};
        pthread_t thread;
        int pid = pid_of(c);
        assert_int_equal(pthread_create(&thread, NULL, kill_soon, &pid), 0);
        if (script_too) {
            assert_int_equal(c->driver->script(c, "SELECT pg_sleep(20)", 19, &err),
                             EL_FAIL);
        } else {
            run_failing(c, "SELECT pg_sleep(20)", NOARGS, &err);
        }
        pthread_join(thread, NULL);
        assert_kind(&err, EL_ERR_LOST, "57P01");
        assert_dead(c);
        el_conn_release(c);
    }
}

/* Parsing waits for a lock; so does the cursor of a stream, on its side link. */
static void is_interrupted_while_it_prepares(void **state) {
    el_conn *owner = *state, *c = open_conn();
    el_error err = {0};
    pthread_t thread;
    el_query q = {.sql = "SELECT * FROM el_held", .len = 21};
    el_stmt *s = NULL;
    script(owner, "DROP TABLE IF EXISTS el_held; CREATE TABLE el_held (id int)");
    el_stmt *stream = prepare(c, "SELECT * FROM el_held", EL_STMT_STREAM);
    assert_true(transact(owner, EL_TX_BEGIN, NULL));
    script(owner, "LOCK TABLE el_held");
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, c), 0);
    assert_int_equal(c->driver->prepare(&s, c, &q, &err), EL_FAIL);
    pthread_join(thread, NULL);
    assert_kind(&err, EL_ERR_CANCELED, "57014");
    el_error_clear(&err);
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, c), 0);
    assert_int_equal(c->driver->execute(stream, NOARGS, &err), EL_FAIL);
    pthread_join(thread, NULL);
    assert_kind(&err, EL_ERR_CANCELED, "57014");
    assert_int_equal(scalar(c, "SELECT 1"), 1);
    el_error_clear(&err);
    int pid = pid_of(c);
    assert_int_equal(pthread_create(&thread, NULL, kill_soon, &pid), 0);
    assert_int_equal(c->driver->prepare(&s, c, &q, &err), EL_FAIL);
    pthread_join(thread, NULL);
    assert_kind(&err, EL_ERR_LOST, "57P01");
    assert_dead(c);
    assert_null(s);
    finalize(stream);
    el_conn_release(c);
    assert_true(transact(owner, EL_TX_ROLLBACK, NULL));
    script(owner, "DROP TABLE el_held");
}

/* }====== */

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_errors_by_code),
        cmocka_unit_test(says_where_the_syntax_is_wrong),
        cmocka_unit_test(reports_a_deferred_failure_at_commit),
        cmocka_unit_test(tells_what_two_connections_do_to_each_other),
        cmocka_unit_test(cancels_from_another_thread),
        cmocka_unit_test(bears_signals),
        cmocka_unit_test(notices_a_loss_while_idle),
        cmocka_unit_test(notices_a_loss_in_a_transaction),
        cmocka_unit_test(notices_a_loss_in_a_statement),
        cmocka_unit_test(is_interrupted_while_it_prepares),
    };
    return cmocka_run_group_tests_name("pg errors", tests, setup, teardown);
}
