/* SPDX-License-Identifier: MIT
**
** mysql_spec.c - the MySQL driver against a running server: connecting, statements,
** scripts, transactions, cancel.  Values, errors and streams have specs of their own.
*/
#include <pthread.h>

#include "mysql_support.h"

/* {====== Connecting ====== */

static void describes_itself(void **state) {
    el_conn *c = *state;
    el_error err = {0};
    assert_int_equal(c->driver->abi, EL_DRIVER_ABI);
    assert_string_equal(c->driver->name, "mysql");
    assert_true(strcmp(c->product, "mariadb") == 0 || strcmp(c->product, "mysql") == 0);
    el_stmt *s = prepare(c, "SELECT version()", 0);
    el_value v[1];
    execute(s, NOARGS);
    assert_true(next_row(s, v));
    int major = 0, minor = 0, patch = 0;
    sscanf(v[0].u.s.p, "%d.%d.%d", &major, &minor, &patch);
    assert_int_equal(c->version, major * 10000 + minor * 100 + patch);
    assert_true(c->version > 50000);
    finalize(s);
    assert_int_equal(c->max_params, 65535);
    assert_true(c->open);
    assert_int_equal(c->driver->ping(c, &err), EL_OK);
}

static void sets_up_the_session(void **state) {
    el_conn *c = *state;
    assert_cell(c, "SELECT @@time_zone", TEXT("+00:00"));
    assert_cell(c, "SELECT @@character_set_client", TEXT("utf8mb4"));
    assert_cell(c, "SELECT @@character_set_results", TEXT("utf8mb4"));
    assert_cell(c, "SELECT timestampdiff(SECOND, utc_timestamp(), now())", INT(0));
    static const char *const modes[] = {
        "STRICT_ALL_TABLES",         "STRICT_TRANS_TABLES",
        "ONLY_FULL_GROUP_BY",        "NO_ZERO_DATE",
        "NO_ZERO_IN_DATE",           "NO_ENGINE_SUBSTITUTION",
        "ERROR_FOR_DIVISION_BY_ZERO"};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        char sql[100];
        snprintf(sql, sizeof sql, "SELECT find_in_set('%s', @@sql_mode) > 0", modes[i]);
        assert_cell(c, sql, INT(1));
    }
}

static void checks_options(void **state) {
    (void)state;
    static const struct {
        const char *key, *value, *told;
    } bad[] = {
        {"hsot", "x", "hsot"},
        {"port", "12x", "port"},
        {"port", "70000", "port"},
        {"connect_timeout", "soon", "connect_timeout"},
        {"ssl_mode", "maybe", "verify-full"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        el_option extra[] = {{bad[i].key, bad[i].value}, {NULL, NULL}};
        el_conn *c = NULL;
        el_error err = {0};
        assert_int_equal(connect_with(&c, extra, &err), EL_FAIL);
        assert_null(c);
        assert_int_equal(err.kind, EL_ERR_MISUSE);
        assert_non_null(strstr(err.message, bad[i].told));
    }
}

/* Encrypted where the server can, and refused where that was asked for and it can't. */
static void obeys_ssl_mode(void **state) {
    el_conn *c = *state;
    el_stmt *s = prepare(c, "SHOW STATUS LIKE 'Ssl_cipher'", 0);
    el_value v[2];
    execute(s, NOARGS);
    assert_true(next_row(s, v));
    bool encrypted = v[1].u.s.n > 0;
    finalize(s);
    static const char *const modes[] = {"disabled", "preferred", "required"};
    for (int i = 0; i < 3; i++) {
        el_option extra[] = {{"ssl_mode", modes[i]}, {NULL, NULL}};
        el_conn *other = NULL;
        el_error err = {0};
        int rc = connect_with(&other, extra, &err);
        if (i == 2 && !encrypted) {
            assert_int_equal(rc, EL_FAIL);
            assert_int_equal(err.kind, EL_ERR_CONNECT);
            continue;
        }
        assert_int_equal(rc, EL_OK);
        s = prepare(other, "SHOW STATUS LIKE 'Ssl_cipher'", 0);
        execute(s, NOARGS);
        assert_true(next_row(s, v));
        assert_int_equal(v[1].u.s.n > 0, encrypted && i > 0);
        finalize(s);
        el_conn_release(other);
    }
    el_option extra[] = {
        {"ssl_mode", "verify-full"}, {"ssl_ca", "/dev/null"}, {NULL, NULL}};
    el_conn *other = NULL;
    el_error err = {0};
    assert_int_equal(connect_with(&other, extra, &err), EL_FAIL);
    assert_int_equal(err.kind, EL_ERR_CONNECT);
}

/* Where EL_SPEC_TLS_CA names the CA that signed the server's certificate. */
static void verifies_certificates(void **state) {
    (void)state;
    const char *ca = getenv("EL_SPEC_TLS_CA");
    if (ca == NULL) {
        skip();
    }
    static const char *const modes[] = {"verify-full", "verify-ca", "verify_identity",
                                        NULL};
    for (int i = 0; i < 4; i++) {
        /* a CA without a mode is used, too */
        el_option extra[] = {
            {"host", "localhost"}, {"ssl_ca", ca}, {"ssl_mode", modes[i]}, {NULL, NULL}};
        el_conn *c = NULL;
        el_error err = {0};
        if (connect_with(&c, extra, &err) != EL_OK) {
            fail_msg("%s: %s", modes[i] ? modes[i] : "no mode", err.message);
        }
        el_stmt *s = prepare(c, "SHOW STATUS LIKE 'Ssl_cipher'", 0);
        el_value v[2];
        execute(s, NOARGS);
        assert_true(next_row(s, v));
        assert_true(v[1].u.s.n > 0);
        finalize(s);
        el_conn_release(c);
    }
    el_option extra[] = {{"ssl_mode", "verify-full"}, {NULL, NULL}};
    el_conn *c = NULL;
    el_error err = {0};
    assert_int_equal(connect_with(&c, extra, &err), EL_FAIL); /* no CA that knows it */
    assert_int_equal(err.kind, EL_ERR_CONNECT);
}

static void connects_by_socket(void **state) {
    el_stmt *s = prepare(*state, "SELECT @@socket", 0);
    el_value v[1];
    char path[200];
    execute(s, NOARGS);
    assert_true(next_row(s, v));
    snprintf(path, sizeof path, "%.*s", (int)v[0].u.s.n, v[0].u.s.p);
    finalize(s);
    if (access(path, R_OK | W_OK) != 0) {
        skip(); /* a server on another machine */
    }
    el_option extra[] = {{"socket", path}, {NULL, NULL}};
    el_conn *c = NULL;
    el_error err = {0};
    if (connect_with(&c, extra, &err) != EL_OK) {
        fail_msg("%s", err.message);
    }
    assert_cell(c, "SELECT connection_id() > 0", INT(1));
    el_conn_release(c);
}

/* }====== */

/* {====== Statements ====== */

static void counts_rows_and_keys(void **state) {
    el_conn *c = *state;
    run(c, "CREATE TEMPORARY TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a INT)", NOARGS);
    el_stmt *s = prepare(c, "INSERT INTO t (a) VALUES (?), (?), (?)", 0);
    assert_int_equal(s->nparams, 3);
    assert_int_equal(s->ncolumns, 0);
    execute(s, ARGS(INT(1), INT(2), INT(2)));
    assert_int_equal(s->affected, 3);
    assert_int_equal(s->last_id, 1);
    assert_false(s->active);
    finalize(s);
    /* rows that were found count, also when nothing in them changes */
    assert_int_equal(run(c, "UPDATE t SET a = 2 WHERE a = ?", ARGS(INT(2))), 2);
    assert_int_equal(run(c, "UPDATE t SET a = 3 WHERE a = 99", NOARGS), 0);
    s = prepare(c, "SELECT * FROM t", 0);
    assert_int_equal(s->ncolumns, 2);
    execute(s, NOARGS);
    assert_int_equal(s->affected, 0);
    assert_true(s->active);
    finalize(s);
    assert_int_equal(run(c, "DELETE FROM t WHERE a = ?", ARGS(INT(2))), 2);
    run(c, "DROP TEMPORARY TABLE t", NOARGS);
}

static void returns_what_it_wrote(void **state) {
    el_conn *c = *state;
    if (strcmp(c->product, "mariadb") != 0 || c->version < 100500) {
        skip();
    }
    run(c, "CREATE TEMPORARY TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a INT)", NOARGS);
    el_stmt *s = prepare(c, "INSERT INTO t (a) VALUES (?), (?) RETURNING id, a", 0);
    el_value v[2];
    for (int i = 0; i < 2; i++) {
        execute(s, ARGS(INT(10), INT(20)));
        assert_int_equal(s->affected, 2);
        assert_true(next_row(s, v));
        assert_int_equal(v[0].u.i, 2 * i + 1);
        assert_true(next_row(s, v));
        assert_int_equal(v[1].u.i, 20);
        assert_false(next_row(s, v));
    }
    finalize(s);
    run(c, "DROP TEMPORARY TABLE t", NOARGS);
}

static void refuses_wrong_counts(void **state) {
    el_conn *c = *state;
    el_error err = {0};
    el_stmt *s = prepare(c, "SELECT ? + ?", 0);
    assert_int_equal(c->driver->execute(s, ARGS(INT(1)), &err), EL_FAIL);
    assert_int_equal(err.kind, EL_ERR_MISUSE);
    el_error_clear(&err);
    assert_int_equal(c->driver->execute(s, NOARGS, &err), EL_FAIL);
    el_value v[1];
    assert_int_equal(c->driver->fetch(s, &err), EL_DONE);
    el_error_clear(&err);
    assert_int_equal(c->driver->row(s, v, &err), EL_FAIL);
    assert_int_equal(err.kind, EL_ERR_MISUSE);
    execute(s, ARGS(INT(1), INT(2)));
    el_error_clear(&err);
    assert_int_equal(c->driver->row(s, v, &err), EL_FAIL);
    assert_true(next_row(s, v));
    finalize(s);
}

/* A `?` that is no placeholder, and statements that can't be prepared or need not be. */
static void runs_statements_as_text(void **state) {
    el_conn *c = *state;
    run(c, "CREATE TEMPORARY TABLE t (a VARCHAR(9) DEFAULT '?') COMMENT 'a ? b'", NOARGS);
    assert_int_equal(run(c, "INSERT INTO t VALUES ('?') /* ? */", NOARGS), 1);
    run(c, "SET @a = '?', @b = \"it's ?\" -- ?", NOARGS);
    assert_cell(c, "SELECT concat(@a, @b)", TEXT("?it's ?"));
    run(c, "LOCK TABLES t WRITE", NOARGS);
    run(c, "UNLOCK TABLES", NOARGS);
    el_stmt *s = prepare(c, "SHOW VARIABLES LIKE 'port'", EL_STMT_ONCE);
    el_value v[2];
    execute(s, NOARGS);
    assert_int_equal(s->ncolumns, 2);
    assert_true(next_row(s, v));
    assert_value(&v[0], &TEXT("port"), "SHOW");
    assert_false(next_row(s, v));
    execute(s, NOARGS);
    assert_true(s->active);
    finalize(s);
    el_error err;
    run_failing(c, "SELECT 1; SELECT 2", NOARGS, &err);
    assert_kind(&err, EL_ERR_SYNTAX, "42601");
    run(c, "DROP TEMPORARY TABLE t", NOARGS);
}

static void works_on_beside_open_results(void **state) {
    el_conn *c = *state;
    el_stmt *a = prepare(c, "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3", 0);
    el_stmt *b = prepare(c, "SELECT ?", 0);
    el_value v[1];
    execute(a, NOARGS);
    assert_true(next_row(a, v));
    execute(b, ARGS(INT(5)));
    assert_true(next_row(a, v));
    assert_int_equal(v[0].u.i, 2);
    assert_true(next_row(b, v));
    assert_int_equal(v[0].u.i, 5);
    c->driver->reset(a);
    assert_false(a->active);
    execute(a, NOARGS);
    assert_true(next_row(a, v));
    assert_int_equal(v[0].u.i, 1);
    finalize(a);
    finalize(b);
}

/* The table changed between two executes of one statement. */
static void notices_changed_tables(void **state) {
    el_conn *c = *state;
    script(c, "DROP TABLE IF EXISTS changing; CREATE TABLE changing (a INT, b INT);"
              "INSERT INTO changing VALUES (1, 2)");
    el_stmt *s = prepare(c, "SELECT * FROM changing WHERE a = ?", 0);
    el_value v[3];
    execute(s, ARGS(INT(1)));
    assert_true(next_row(s, v));
    run(c, "ALTER TABLE changing ADD COLUMN z VARCHAR(9) DEFAULT 'new' FIRST", NOARGS);
    execute(s, ARGS(INT(1)));
    assert_int_equal(s->ncolumns, 3);
    assert_string_equal(s->columns[0].name, "z");
    assert_true(next_row(s, v));
    assert_value(&v[0], &TEXT("new"), "new column");
    assert_value(&v[2], &INT(2), "old column");
    run(c, "ALTER TABLE changing CHANGE b c VARCHAR(20)", NOARGS);
    execute(s, ARGS(INT(1)));
    assert_string_equal(s->columns[2].name, "c");
    assert_true(next_row(s, v));
    assert_value(&v[2], &TEXT("2"), "other type");
    run(c, "ALTER TABLE changing DROP COLUMN z, CHANGE c d VARCHAR(20)", NOARGS);
    execute(s, ARGS(INT(1)));
    assert_int_equal(s->ncolumns, 2);
    assert_string_equal(s->columns[1].name, "d");
    assert_true(next_row(s, v));
    assert_value(&v[1], &TEXT("2"), "column left");
    assert_false(next_row(s, v));
    finalize(s);
    run(c, "DROP TABLE changing", NOARGS);
}

static void calls_procedures(void **state) {
    el_conn *c = *state;
    run(c, "DROP PROCEDURE IF EXISTS two_results", NOARGS);
    run(c,
        "CREATE PROCEDURE two_results(n INT) BEGIN SELECT n AS a; SELECT n + 1, 'x' AS b;"
        "IF n > 5 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'n is too large';"
        "END IF; END",
        NOARGS);
    el_stmt *s = prepare(c, "CALL two_results(?)", 0);
    el_value v[2];
    el_error err = {0};
    for (int i = 0; i < 3; i++) {
        execute(s, ARGS(INT(i)));
        assert_int_equal(s->ncolumns, 1);
        el_query q = {.sql = "SELECT 1", .len = 8};
        el_stmt *other = NULL;
        assert_int_equal(c->driver->prepare(&other, c, &q, &err), EL_FAIL);
        assert_int_equal(err.kind, EL_ERR_MISUSE); /* and not a broken protocol */
        el_error_clear(&err);
        assert_true(next_row(s, v));
        assert_int_equal(v[0].u.i, i);
        if (i == 1) {
            c->driver->reset(s);
        } else {
            assert_false(next_row(s, v));
        }
        assert_cell(c, "SELECT 1", INT(1));
    }
    execute(s, ARGS(INT(6)));
    assert_true(next_row(s, v));
    assert_int_equal(c->driver->fetch(s, &err), EL_FAIL);
    assert_string_equal(err.message, "n is too large");
    assert_string_equal(err.sqlstate, "45000");
    finalize(s);
    assert_cell(c, "SELECT 1", INT(1));
    run(c, "DROP PROCEDURE two_results", NOARGS);
}

/* What "SHOW ... STATUS LIKE ..." says, a number. */
static int64_t status(el_conn *c, const char *sql) {
    el_stmt *s = prepare(c, sql, EL_STMT_ONCE);
    el_value v[2];
    execute(s, NOARGS);
    assert_true(next_row(s, v));
    int64_t n = strtoll(v[1].u.s.p, NULL, 10);
    finalize(s);
    return n;
}

/* How many statements this session has open. */
static int64_t open_statements(el_conn *c) {
    return status(c, "SHOW SESSION STATUS LIKE 'Com_stmt_prepare'") -
           status(c, "SHOW SESSION STATUS LIKE 'Com_stmt_close'");
}

static void closes_what_it_prepared(void **state) {
    enum { STATEMENTS = 10000, OTHERS = 1000 };
    static const char all_sessions[] = "SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'";
    el_conn *c = *state;
    int64_t before = open_statements(c), around = status(c, all_sessions);
    for (int i = 0; i < STATEMENTS; i++) {
        char sql[40];
        snprintf(sql, sizeof sql, "SELECT ? + %d", i);
        el_stmt *s = prepare(c, sql, i % 2 ? EL_STMT_STREAM : 0);
        if (i % 10 == 0) {
            execute(s, ARGS(INT(i)));
        }
        finalize(s);
    }
    assert_int_equal(open_statements(c), before);
    /* nor are they in a session beside it; other programs may have some on this server */
    assert_true(status(c, all_sessions) - around < OTHERS);
}

/* }====== */

/* {====== Scripts ====== */

static void runs_scripts(void **state) {
    el_conn *c = *state;
    el_error err = {0};
    script(c, "CREATE TEMPORARY TABLE t (a VARCHAR(9)); INSERT INTO t VALUES ('a;b');"
              "SELECT * FROM t; INSERT INTO t VALUES ('c'); -- the end");
    assert_cell(c, "SELECT count(*) FROM t", INT(2));
    script(c, "");
    script(c, "/* nothing */");
    const char *bad = "INSERT INTO t VALUES ('d'); INSERT INTO t VALUES ('1234567890');"
                      "INSERT INTO t VALUES ('never')";
    assert_int_equal(c->driver->script(c, bad, strlen(bad), &err), EL_FAIL);
    assert_kind(&err, EL_ERR_VALUE, "22001");
    assert_non_null(strstr(err.message, "statement 2"));
    assert_string_equal(err.column, "a");
    assert_cell(c, "SELECT count(*) FROM t", INT(3));
    el_error_clear(&err);
    bad = "SELEC 1";
    assert_int_equal(c->driver->script(c, bad, strlen(bad), &err), EL_FAIL);
    assert_kind(&err, EL_ERR_SYNTAX, "42601");
    assert_non_null(strstr(err.message, "statement 1"));
    run_failing(c, "SELECT 1; SELECT 2", NOARGS, &err); /* only scripts may */
    run(c, "DROP TEMPORARY TABLE t", NOARGS);
}

/* }====== */

/* {====== Transactions ====== */

static void commits_and_rolls_back(void **state) {
    el_conn *c = *state;
    el_error err = {0};
    script(c, "DROP TABLE IF EXISTS tx; CREATE TABLE tx (a INT PRIMARY KEY)");
    assert_false(in_transaction(c));
    assert_true(transact(c, EL_TX_BEGIN, NULL));
    assert_true(in_transaction(c));
    run(c, "INSERT INTO tx VALUES (1)", NOARGS);
    assert_true(transact(c, EL_TX_SAVE, "s `1`"));
    run(c, "INSERT INTO tx VALUES (2)", NOARGS);
    assert_true(transact(c, EL_TX_ROLLBACK_TO, "s `1`"));
    assert_true(transact(c, EL_TX_SAVE, "two"));
    assert_true(transact(c, EL_TX_RELEASE, "two"));
    assert_int_equal(c->driver->transact(c, EL_TX_BEGIN, NULL, &err), EL_FAIL);
    assert_int_equal(err.kind, EL_ERR_MISUSE); /* it would commit */
    assert_true(transact(c, EL_TX_COMMIT, NULL));
    assert_false(in_transaction(c));
    assert_cell(c, "SELECT group_concat(a) FROM tx", TEXT("1"));
    assert_true(transact(c, EL_TX_BEGIN, NULL));
    run(c, "DELETE FROM tx", NOARGS);
    assert_true(transact(c, EL_TX_ROLLBACK, NULL));
    assert_cell(c, "SELECT count(*) FROM tx", INT(1));
    run(c, "DROP TABLE tx", NOARGS);
}

static void sets_isolation_levels(void **state) {
    el_conn *c = *state;
    el_error err = {0};
    assert_int_equal(c->driver->transact(c, EL_TX_BEGIN, "loose", &err), EL_FAIL);
    assert_int_equal(err.kind, EL_ERR_MISUSE);
    assert_false(in_transaction(c));
    script(c,
           "DROP TABLE IF EXISTS tx; CREATE TABLE tx (a INT); INSERT INTO tx VALUES (1)");
    el_conn *other = open_conn();
    static const struct {
        const char *level;
        int64_t seen;
    } cases[] = {{"read committed", 2}, {"repeatable read", 1}, {"READ UNCOMMITTED", 2}};
    for (int i = 0; i < 3; i++) {
        run(other, "UPDATE tx SET a = 1", NOARGS);
        assert_true(transact(c, EL_TX_BEGIN, cases[i].level));
        assert_cell(c, "SELECT a FROM tx", INT(1));
        run(other, "UPDATE tx SET a = 2", NOARGS);
        assert_cell(c, "SELECT a FROM tx", INT(cases[i].seen));
        assert_true(transact(c, EL_TX_COMMIT, NULL));
    }
    assert_true(transact(c, EL_TX_BEGIN, "serializable"));
    assert_true(transact(c, EL_TX_COMMIT, NULL));
    el_conn_release(other);
    run(c, "DROP TABLE tx", NOARGS);
}

/* What ends a transaction without being asked shows in txstate, also after an error. */
static void sees_implicit_commits(void **state) {
    el_conn *c = *state;
    el_error err = {0};
    run(c, "DROP TABLE IF EXISTS tx", NOARGS);
    assert_true(transact(c, EL_TX_BEGIN, NULL));
    assert_true(transact(c, EL_TX_SAVE, "s"));
    run(c, "CREATE TABLE tx (a INT PRIMARY KEY)", NOARGS);
    assert_false(in_transaction(c));
    assert_int_equal(c->driver->transact(c, EL_TX_RELEASE, "s", &err), EL_FAIL);
    assert_int_equal(err.kind, EL_ERR_MISUSE);
    assert_true(transact(c, EL_TX_BEGIN, NULL));
    run_failing(c, "CREATE TABLE tx (a INT)", NOARGS, &err);
    assert_kind(&err, EL_ERR_SYNTAX, "42P07");
    assert_false(in_transaction(c));
    assert_true(transact(c, EL_TX_BEGIN, NULL));
    run(c, "INSERT INTO tx VALUES (1)", NOARGS);
    run_failing(c, "INSERT INTO tx VALUES (1)", NOARGS, &err);
    assert_true(in_transaction(c)); /* this error undoes its statement only */
    run_failing(c, "SELECT nothing FROM tx", NOARGS, &err);
    assert_true(in_transaction(c));
    assert_true(transact(c, EL_TX_COMMIT, NULL));
    assert_cell(c, "SELECT count(*) FROM tx", INT(1));
    run(c, "DROP TABLE tx", NOARGS);
}

typedef struct rival {
    el_conn *c;
    el_error err;
    int rc;
} rival;

static void *update_second_row(void *ud) {
    rival *r = ud;
    el_query q = {.sql = "UPDATE tx SET b = 2 WHERE a = 1", .len = 31};
    el_stmt *s = NULL;
    r->rc = r->c->driver->prepare(&s, r->c, &q, &r->err);
    if (r->rc == EL_OK) {
        r->rc = r->c->driver->execute(s, NOARGS, &r->err);
        finalize(s);
    }
    return NULL;
}

static void reports_deadlocks_and_locks(void **state) {
    el_conn *c = *state;
    script(c, "DROP TABLE IF EXISTS tx; CREATE TABLE tx (a INT PRIMARY KEY, b INT);"
              "INSERT INTO tx VALUES (1, 0), (2, 0)");
    rival r = {.c = open_conn()};
    assert_true(transact(c, EL_TX_BEGIN, NULL));
    assert_true(transact(r.c, EL_TX_BEGIN, NULL));
    run(c, "UPDATE tx SET b = 1 WHERE a = 1", NOARGS);
    run(r.c, "UPDATE tx SET b = 1 WHERE a = 2", NOARGS);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, update_second_row, &r), 0);
    usleep(300000);
    el_error err = {0};
    el_query q = {.sql = "UPDATE tx SET b = 2 WHERE a = 2", .len = 31};
    el_stmt *s = NULL;
    assert_int_equal(c->driver->prepare(&s, c, &q, &err), EL_OK);
    int rc = c->driver->execute(s, NOARGS, &err);
    finalize(s);
    pthread_join(thread, NULL);
    assert_true((rc == EL_FAIL) != (r.rc == EL_FAIL));
    el_conn *victim = rc == EL_FAIL ? c : r.c;
    assert_kind(rc == EL_FAIL ? &err : &r.err, EL_ERR_CONFLICT, "40001");
    assert_false(in_transaction(victim)); /* the server rolled all of it back */
    transact(c, EL_TX_ROLLBACK, NULL);
    transact(r.c, EL_TX_ROLLBACK, NULL);
    assert_true(transact(c, EL_TX_BEGIN, NULL));
    run(c, "UPDATE tx SET b = 1 WHERE a = 1", NOARGS);
    run(r.c, "SET innodb_lock_wait_timeout = 1", NOARGS);
    assert_true(transact(r.c, EL_TX_BEGIN, NULL));
    run(r.c, "UPDATE tx SET b = 7 WHERE a = 2", NOARGS);
    run_failing(r.c, "UPDATE tx SET b = 3 WHERE a = 1", NOARGS, &err);
    assert_int_equal(err.kind, EL_ERR_BUSY);
    assert_true(in_transaction(r.c));
    assert_true(transact(c, EL_TX_ROLLBACK, NULL));
    el_conn_release(r.c);
    run(c, "DROP TABLE tx", NOARGS);
}

/* }====== */

/* {====== Cancel ====== */

static void *cancel_soon(void *ud) {
    rival *r = ud;
    usleep(400000);
    r->rc = r->c->driver->cancel(r->c, &r->err);
    return NULL;
}

static void cancels_from_a_thread(void **state) {
    el_conn *c = *state;
    el_error err = {0};
    static const char *const slow[] = {
        "SELECT count(*) FROM information_schema.columns a, information_schema.columns b,"
        "information_schema.columns d WHERE a.column_name < d.column_name",
        /* alone, a sleep() that is canceled is no error for the server: it returns 1 */
        "SELECT a FROM (SELECT 1 a UNION ALL SELECT 2) t WHERE sleep(10) = 0"};
    for (int i = 0; i < 2; i++) {
        rival r = {.c = c};
        pthread_t thread;
        double start = seconds();
        assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &r), 0);
        run_failing(c, slow[i], NOARGS, &err);
        pthread_join(thread, NULL);
        assert_int_equal(r.rc, EL_OK);
        assert_int_equal(err.kind, EL_ERR_CANCELED);
        assert_true(seconds() - start < 5);
        assert_true(c->open);
        assert_cell(c, "SELECT 1", INT(1));
    }
    /* with nothing running it does nothing, and the next statement is safe */
    assert_int_equal(c->driver->cancel(c, &err), EL_OK);
    assert_cell(c, "SELECT 1", INT(1));
}

/* }====== */

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(describes_itself),
        cmocka_unit_test(sets_up_the_session),
        cmocka_unit_test(checks_options),
        cmocka_unit_test(obeys_ssl_mode),
        cmocka_unit_test(verifies_certificates),
        cmocka_unit_test(connects_by_socket),
        cmocka_unit_test(counts_rows_and_keys),
        cmocka_unit_test(returns_what_it_wrote),
        cmocka_unit_test(refuses_wrong_counts),
        cmocka_unit_test(runs_statements_as_text),
        cmocka_unit_test(works_on_beside_open_results),
        cmocka_unit_test(notices_changed_tables),
        cmocka_unit_test(calls_procedures),
        cmocka_unit_test(closes_what_it_prepared),
        cmocka_unit_test(runs_scripts),
        cmocka_unit_test(commits_and_rolls_back),
        cmocka_unit_test(sets_isolation_levels),
        cmocka_unit_test(sees_implicit_commits),
        cmocka_unit_test(reports_deadlocks_and_locks),
        cmocka_unit_test(cancels_from_a_thread),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
