/* SPDX-License-Identifier: MIT
**
** mysql_errors_spec.c - failures of the MySQL driver: their kinds, SQLSTATEs and names,
** never a value in a message; servers that refuse, are not there, or go away.
*/
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#include "mysql_support.h"

static const char secret[] = "s3cr3t' for key 'fake";

static void no_secret(const el_error *err) {
    if (strstr(err->message, "s3cr3t") || strstr(err->constraint, "s3cr3t") ||
        strstr(err->constraint, "fake") || strstr(err->message, "fake")) {
        fail_msg("shows the value: %s (%s)", err->message, err->constraint);
    }
}

static void assert_names(const el_error *err, const char *table, const char *column,
                         const char *constraint) {
    if (strcmp(err->table, table) != 0 || strcmp(err->column, column) != 0 ||
        strcmp(err->constraint, constraint) != 0) {
        fail_msg("got table '%s' column '%s' constraint '%s': %s", err->table,
                 err->column, err->constraint, err->message);
    }
}

static int make_tables(void **state) {
    setup(state);
    script(
        *state,
        "DROP TABLE IF EXISTS e_child, e_user, e_check;"
        "CREATE TABLE e_user (id INT PRIMARY KEY, email VARCHAR(40), team INT, "
        "name VARCHAR(5) NOT NULL, born DATE, small TINYINT, "
        "UNIQUE KEY users_email_unique (email), UNIQUE KEY `odd, \"key\"` (team, name))"
        " CHARACTER SET utf8mb4;"
        "CREATE TABLE e_child (id INT PRIMARY KEY, user_id INT, CONSTRAINT child_user "
        "FOREIGN KEY (user_id) REFERENCES e_user (id));"
        "CREATE TABLE e_check (a INT, CONSTRAINT positive CHECK (a > 0));"
        "INSERT INTO e_user VALUES (1, 'a@b', 1, 'ann', NULL, 0);"
        "INSERT INTO e_child VALUES (1, 1)");
    return 0;
}

static int drop_tables(void **state) {
    script(*state, "DROP TABLE IF EXISTS e_child, e_user, e_check");
    return teardown(state);
}

/* {====== Constraints ====== */

static void unique_keys(void **state) {
    el_conn *c = *state;
    el_error err;
    el_value mail = BYTES(EL_TEXT, secret, sizeof secret - 1);
    run(c, "INSERT INTO e_user (id, email, name) VALUES (2, ?, 'bob')", &mail, 1);
    run_failing(c, "INSERT INTO e_user (id, email, name) VALUES (3, ?, 'bob')", &mail, 1,
                &err);
    assert_kind(&err, EL_ERR_UNIQUE, "23505");
    assert_int_equal(err.code, 1062);
    assert_names(&err, "e_user", "email", "users_email_unique");
    no_secret(&err);
    run_failing(c, "UPDATE `e_user` SET email = ? WHERE id = 1", &mail, 1, &err);
    assert_names(&err, "e_user", "email", "users_email_unique");
    no_secret(&err);
    run_failing(c, "/* x */ insert into e_user (id, name) values (1, 'x')", NOARGS, &err);
    assert_names(&err, "e_user", "id", "PRIMARY");
    run_failing(c, "INSERT INTO e_user (id, team, name) VALUES (9, 1, 'ann')", NOARGS,
                &err);
    assert_kind(&err, EL_ERR_UNIQUE, "23505");
    assert_names(&err, "e_user", "team, name", "odd, \"key\"");
    char sql[200];
    snprintf(sql, sizeof sql, "REPLACE INTO %s.e_child VALUES (1, 1)",
             setting("EL_SPEC_MYSQL_NAME"));
    run(c, sql, NOARGS);
    snprintf(sql, sizeof sql, "INSERT INTO `%s`.`e_child` VALUES (1, 1)",
             setting("EL_SPEC_MYSQL_NAME"));
    run_failing(c, sql, NOARGS, &err);
    assert_names(&err, "e_child", "id", "PRIMARY");
    /* another table than the first one: no guess */
    run(c, "INSERT INTO e_check VALUES (1)", NOARGS);
    run_failing(c, "UPDATE e_check x, e_user u SET u.email = 'a@b' WHERE u.id = 2",
                NOARGS, &err);
    assert_kind(&err, EL_ERR_UNIQUE, "23505");
    assert_string_equal(err.constraint, "users_email_unique");
    assert_string_not_equal(err.table, "e_check");
    run_failing(c, "UPDATE e_check x JOIN e_user u SET u.email = 'a@b' WHERE u.id = 2",
                NOARGS, &err);
    assert_string_not_equal(err.table, "e_check");
    run(c, "DELETE FROM e_user WHERE id = 2", NOARGS);
}

static void foreign_keys(void **state) {
    el_conn *c = *state;
    el_error err;
    run_failing(c, "INSERT INTO e_child VALUES (2, ?)", ARGS(INT(424242)), &err);
    assert_kind(&err, EL_ERR_FOREIGN_KEY, "23503");
    assert_names(&err, "e_child", "user_id", "child_user");
    assert_null(strstr(err.message, "424242"));
    run_failing(c, "DELETE FROM e_user WHERE id = 1", NOARGS, &err);
    assert_kind(&err, EL_ERR_FOREIGN_KEY, "23503");
    assert_names(&err, "e_child", "user_id", "child_user");
}

static void not_null_and_check(void **state) {
    el_conn *c = *state;
    el_error err;
    run_failing(c, "INSERT INTO e_user (id, name) VALUES (5, ?)", ARGS(NIL), &err);
    assert_kind(&err, EL_ERR_NOT_NULL, "23502");
    assert_names(&err, "e_user", "name", "");
    run_failing(c, "INSERT INTO e_user (id) VALUES (5)", NOARGS, &err);
    assert_kind(&err, EL_ERR_NOT_NULL, "23502");
    assert_names(&err, "e_user", "name", "");
    run_failing(c, "UPDATE e_user SET name = NULL", NOARGS, &err);
    assert_kind(&err, EL_ERR_NOT_NULL, "23502");
    run_failing(c, "INSERT INTO e_check VALUES (?)", ARGS(INT(-77)), &err);
    assert_kind(&err, EL_ERR_CHECK, "23514");
    assert_names(&err, "e_check", "", "positive");
    assert_null(strstr(err.message, "77"));
}

/* }====== */

/* {====== Statements and values ====== */

static void syntax(void **state) {
    el_conn *c = *state;
    el_error err;
    run_failing(c, "SELECT 1 FRMO e_user WHERE a = ?", ARGS(INT(1)), &err);
    assert_kind(&err, EL_ERR_SYNTAX, "42601");
    assert_non_null(strstr(err.message, "e_user"));
    run_failing(c, "SELECT (", NOARGS, &err);
    assert_kind(&err, EL_ERR_SYNTAX, "42601");
    run_failing(c, "", NOARGS, &err);
    assert_kind(&err, EL_ERR_SYNTAX, "42601");
    run_failing(c, "SELECT u.nothing FROM e_user u", NOARGS, &err);
    assert_kind(&err, EL_ERR_SYNTAX, "42703");
    assert_names(&err, "", "nothing", "");
    run_failing(c, "INSERT INTO e_user (nothing) VALUES (1)", NOARGS, &err);
    assert_kind(&err, EL_ERR_SYNTAX, "42703");
    assert_string_equal(err.column, "nothing");
    run_failing(c, "SELECT * FROM nowhere", NOARGS, &err);
    assert_kind(&err, EL_ERR_SYNTAX, "42P01");
    assert_names(&err, "nowhere", "", "");
    run_failing(c, "DROP TABLE nowhere", NOARGS, &err);
    assert_kind(&err, EL_ERR_SYNTAX, "42P01");
    run_failing(c, "SELECT no_such_function(1)", NOARGS, &err);
    assert_int_equal(err.kind, EL_ERR_SYNTAX);
    run_failing(c, "SELECT team, name FROM e_user GROUP BY team", NOARGS, &err);
    assert_int_equal(err.kind, EL_ERR_SYNTAX);
    run_failing(c, "INSERT INTO e_check VALUES (1, 2)", NOARGS, &err);
    assert_true(err.kind == EL_ERR_SYNTAX);
}

/* Strict mode: each of these is an error, none is a warning. */
static void values(void **state) {
    el_conn *c = *state;
    static const struct {
        const char *sql, *state, *column;
    } cases[] = {
        {"INSERT INTO e_user (id, name) VALUES (5, 's3cr3t')", "22001", "name"},
        {"INSERT INTO e_user (id, name, small) VALUES (5, 'x', 128)", "22003", "small"},
        {"INSERT INTO e_user (id, name, born) VALUES (5, 'x', 's3cr3t')", NULL, "born"},
        {"INSERT INTO e_user (id, name, born) VALUES (5, 'x', '2023-02-29')", NULL,
         "born"},
        {"INSERT INTO e_user (id, name, born) VALUES (5, 'x', '0000-00-00')", NULL,
         "born"},
        {"INSERT INTO e_user (id, name, small) VALUES (5, 'x', 's3cr3t')", NULL, "small"},
        {"INSERT INTO e_user (id, name, small) VALUES (5, 'x', 1 / 0)", NULL, ""},
        {"INSERT INTO e_user (id, name, small) VALUES (5, 'x', '12s3cr3t')", NULL,
         "small"},
        {"UPDATE e_user SET name = 's3cr3t' WHERE id = 1", "22001", "name"},
        {"SELECT 9223372036854775807 + 1", "22003", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        el_error err;
        run_failing(c, cases[i].sql, NOARGS, &err);
        if (err.kind != EL_ERR_VALUE) {
            fail_msg("%s: %s %s", cases[i].sql, el_errkind_name(err.kind), err.message);
        }
        if (cases[i].state) {
            assert_string_equal(err.sqlstate, cases[i].state);
        }
        assert_string_equal(err.column, cases[i].column);
        no_secret(&err);
    }
    el_error err;
    run_failing(c, "INSERT INTO e_user (id, name) VALUES (5, ?)", ARGS(TEXT("\xff\xfe")),
                &err);
    assert_int_equal(err.kind, EL_ERR_VALUE);
    assert_cell(c, "SELECT count(*) FROM e_user", INT(1));
}

/* Errors that have no words of ours: what the server quotes stays out. */
static void unlisted_errors(void **state) {
    el_conn *c = *state;
    el_error err;
    run_failing(c, "SELECT (SELECT 1 UNION SELECT 2)", NOARGS, &err);
    assert_int_equal(err.code, 1242);
    assert_string_not_equal(err.message, "");
    run_failing(c, "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'own words'", NOARGS,
                &err);
    assert_kind(&err, EL_ERR_OTHER, "45000");
    assert_string_equal(err.message, "own words");
    run_failing(c, "SET max_statement_time = 's3cr3t'", NOARGS, &err);
    no_secret(&err);
}

/* }====== */

/* {====== Connecting ====== */

static void refused(const char *key, const char *value, el_errkind kind,
                    const char *told) {
    el_option extra[] = {{key, value}, {NULL, NULL}};
    el_conn *c = NULL;
    el_error err = {0};
    assert_int_equal(connect_with(&c, extra, &err), EL_FAIL);
    assert_null(c);
    if (err.kind != kind || !strstr(err.message, told)) {
        fail_msg("%s: %s", el_errkind_name(err.kind), err.message);
    }
    assert_null(strstr(err.message, setting("EL_SPEC_MYSQL_PASSWORD")));
    assert_null(strstr(err.message, "s3cr3t"));
}

static void refusals(void **state) {
    (void)state;
    refused("password", "s3cr3t", EL_ERR_AUTH, setting("EL_SPEC_MYSQL_USER"));
    refused("user", "nobody_here", EL_ERR_AUTH, "nobody_here");
    refused("port", "1", EL_ERR_CONNECT, "onnection refused");
    refused("socket", "/nonexistent/my.sock", EL_ERR_CONNECT, "/nonexistent/my.sock");
    refused("host", "no-such-host.invalid", EL_ERR_CONNECT, "no-such-host.invalid");
}

/* Whether the server says so depends on the rights of the user. */
static void unknown_database(void **state) {
    (void)state;
    el_option extra[] = {{"name", "spec_nowhere"}, {NULL, NULL}};
    el_conn *c = NULL;
    el_error err = {0};
    assert_int_equal(connect_with(&c, extra, &err), EL_FAIL);
    assert_true(err.kind == EL_ERR_NOT_FOUND || err.kind == EL_ERR_AUTH);
    assert_true(err.code == 1049 || err.code == 1044);
}

/* A user who may do next to nothing; skipped where the spec's user can't make one. */
static void missing_rights(void **state) {
    el_conn *c = *state, *limited = NULL;
    const char *sql =
        "CREATE USER IF NOT EXISTS el_limited@'%' IDENTIFIED BY 'lim''ited'";
    el_query q = {.sql = sql, .len = strlen(sql)};
    el_stmt *s = NULL;
    el_error err = {0};
    char grant[200];
    int rc = c->driver->prepare(&s, c, &q, &err);
    rc = rc == EL_OK ? c->driver->execute(s, NOARGS, &err) : rc;
    if (s) {
        finalize(s);
    }
    if (rc != EL_OK) {
        assert_int_equal(err.kind, EL_ERR_AUTH);
        skip();
    }
    snprintf(grant, sizeof grant, "GRANT SELECT ON %s.e_check TO el_limited@'%%'",
             setting("EL_SPEC_MYSQL_NAME"));
    run(c, grant, NOARGS);
    const el_option extra[] = {{"user", "el_limited"}, {"password", "lim'ited"}, {0}};
    if (connect_with(&limited, extra, &err) != EL_OK) {
        fail_msg("%s", err.message);
    }
    assert_cell(limited, "SELECT count(*) FROM e_check WHERE a < 0", INT(0));
    run_failing(limited, "SELECT * FROM e_user", NOARGS, &err);
    assert_int_equal(err.kind, EL_ERR_AUTH);
    run_failing(limited, "DELETE FROM e_check", NOARGS, &err);
    assert_int_equal(err.kind, EL_ERR_AUTH);
    run_failing(limited, "SET GLOBAL max_connections = 100", NOARGS, &err);
    assert_int_equal(err.kind, EL_ERR_AUTH);
    el_conn_release(limited);
    const el_option other[] = {
        {"user", "el_limited"}, {"password", "lim'ited"}, {"name", "mysql"}, {0}};
    el_error_clear(&err);
    assert_int_equal(connect_with(&limited, other, &err), EL_FAIL);
    assert_int_equal(err.kind, EL_ERR_AUTH);
    assert_int_equal(err.code, 1044);
    assert_null(strstr(err.message, "lim'ited"));
    run(c, "DROP USER el_limited@'%'", NOARGS);
}

/* Something that listens and never says a word. */
static void silent_server(void **state) {
    (void)state;
    struct sockaddr_in a = {.sin_family = AF_INET};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    char port[8];
    snprintf(port, sizeof port, "%d", ntohs(a.sin_port));
    el_option extra[] = {{"port", port}, {"connect_timeout", "1"}, {NULL, NULL}};
    el_conn *c = NULL;
    el_error err = {0};
    double start = seconds();
    assert_int_equal(connect_with(&c, extra, &err), EL_FAIL);
    assert_int_equal(err.kind, EL_ERR_CONNECT);
    assert_true(seconds() - start < 5);
    close(fd);
}

/* }====== */

/* {====== Links that break ====== */

static void assert_gone(el_conn *c) {
    el_error err = {0};
    assert_false(c->open);
    assert_int_equal(c->driver->txstate(c), EL_TX_NONE);
    assert_int_equal(c->driver->ping(c, &err), EL_FAIL);
    assert_int_equal(err.kind, EL_ERR_CONNECT);
    assert_non_null(strstr(err.message, setting("EL_SPEC_MYSQL_PORT")));
    el_error_clear(&err);
    assert_false(transact(c, EL_TX_BEGIN, NULL));
    assert_int_equal(c->driver->script(c, "DO 1", 4, &err), EL_FAIL);
    run_failing(c, "SELECT 1", NOARGS, &err);
    assert_int_equal(err.kind, EL_ERR_CONNECT);
}

static void killed_while_idle(void **state) {
    (void)state;
    el_conn *c = open_conn();
    el_error err = {0};
    el_stmt *s = prepare(c, "SELECT ?", 0);
    el_stmt *stored = prepare(c, "SELECT 1 UNION ALL SELECT 2", 0);
    execute(stored, NOARGS);
    kill_link(scalar(c, "SELECT connection_id()"));
    assert_int_equal(c->driver->execute(s, ARGS(INT(1)), &err), EL_FAIL);
    assert_int_equal(err.kind, EL_ERR_CONNECT); /* nothing was sent */
    assert_gone(c);
    el_error_clear(&err);
    assert_int_equal(c->driver->execute(s, ARGS(INT(1)), &err), EL_FAIL);
    assert_int_equal(err.kind, EL_ERR_CONNECT);
    el_error_clear(&err);
    assert_int_equal(c->driver->fetch(stored, &err), EL_FAIL);
    assert_int_equal(err.kind, EL_ERR_CONNECT);
    assert_false(stored->active);
    assert_int_equal(c->driver->fetch(stored, &err), EL_DONE);
    finalize(s);
    finalize(stored);
    el_conn_release(c);
}

static void killed_in_a_transaction(void **state) {
    el_conn *admin = *state;
    script(admin, "DROP TABLE IF EXISTS gone; CREATE TABLE gone (a INT)");
    el_conn *c = open_conn();
    el_error err = {0};
    assert_true(transact(c, EL_TX_BEGIN, NULL));
    run(c, "INSERT INTO gone VALUES (1)", NOARGS);
    kill_link(scalar(c, "SELECT connection_id()"));
    assert_int_equal(c->driver->transact(c, EL_TX_COMMIT, NULL, &err), EL_FAIL);
    assert_int_equal(err.kind, EL_ERR_CONNECT); /* nothing was sent */
    assert_gone(c);
    el_conn_release(c);
    assert_cell(admin, "SELECT count(*) FROM gone", INT(0));
    run(admin, "DROP TABLE gone", NOARGS);
}

typedef struct killer {
    int64_t id;
} killer;

static void *kill_soon(void *ud) {
    usleep(300000);
    kill_link(((killer *)ud)->id);
    return NULL;
}

static void killed_while_a_statement_runs(void **state) {
    (void)state;
    el_conn *c = open_conn();
    el_error err;
    killer k = {scalar(c, "SELECT connection_id()")};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, kill_soon, &k), 0);
    run_failing(c, "SELECT a FROM (SELECT 1 a UNION ALL SELECT 2) t WHERE sleep(10) = 0",
                NOARGS, &err);
    pthread_join(thread, NULL);
    assert_int_equal(err.kind, EL_ERR_LOST); /* it may have taken effect */
    assert_gone(c);
    el_conn_release(c);
}

static void killed_in_a_stream(void **state) {
    (void)state;
    el_conn *c = open_conn();
    el_error err = {0};
    run(c, "CREATE TEMPORARY TABLE n (a INT)", NOARGS);
    run(c, "INSERT INTO n VALUES (1),(2),(3),(4),(5),(6),(7),(8),(9),(10)", NOARGS);
    for (int i = 0; i < 3; i++) {
        run(c,
            "CREATE TEMPORARY TABLE m AS SELECT n.a FROM n, (SELECT 1 UNION ALL SELECT 2 "
            "UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5) t",
            NOARGS);
        run(c, "INSERT INTO n SELECT a FROM m", NOARGS);
        run(c, "DROP TEMPORARY TABLE m", NOARGS);
    }
    int64_t id = scalar(c, "SELECT connection_id()");
    el_stmt *s = prepare(c, "SELECT a, repeat('x', 20000) FROM n", EL_STMT_STREAM);
    el_value v[2];
    execute(s, NOARGS);
    assert_true(next_row(s, v));
    kill_link(id);
    int rc;
    while ((rc = c->driver->fetch(s, &err)) == EL_ROW) {
    }
    assert_int_equal(rc, EL_FAIL);
    assert_true(err.kind == EL_ERR_LOST || err.kind == EL_ERR_CONNECT);
    assert_false(s->active);
    assert_gone(c);
    finalize(s);
    el_conn_release(c);
}

/* }====== */

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unique_keys),
        cmocka_unit_test(foreign_keys),
        cmocka_unit_test(not_null_and_check),
        cmocka_unit_test(syntax),
        cmocka_unit_test(values),
        cmocka_unit_test(unlisted_errors),
        cmocka_unit_test(refusals),
        cmocka_unit_test(unknown_database),
        cmocka_unit_test(missing_rights),
        cmocka_unit_test(silent_server),
        cmocka_unit_test(killed_while_idle),
        cmocka_unit_test(killed_in_a_transaction),
        cmocka_unit_test(killed_while_a_statement_runs),
        cmocka_unit_test(killed_in_a_stream),
    };
    return cmocka_run_group_tests(tests, make_tables, drop_tables);
}
