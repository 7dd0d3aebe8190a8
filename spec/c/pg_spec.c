/* SPDX-License-Identifier: MIT
**
** pg_spec.c - the PostgreSQL driver against a running server: connecting, statements,
** transactions.  Values, errors and streams have specs of their own.
*/
#include "pg_support.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* The only cell of a text query. */
static void assert_text(el_conn *c, const char *sql, const char *expected) {
    el_stmt *s = prepare(c, sql, EL_STMT_ONCE);
    el_value v[MAX_VALUES], want = {.type = EL_TEXT, .u.s = {expected, strlen(expected)}};
    execute(s, NOARGS);
    assert_true(next_row(s, v));
    assert_value(&v[0], &want, sql);
    finalize(s);
}

/* {====== Connecting ====== */

static void describes_itself(void **state) {
    el_conn *c = *state;
    assert_int_equal(c->driver->abi, EL_DRIVER_ABI);
    assert_string_equal(c->driver->name, "pg");
    assert_string_equal(c->product, "postgresql");
    int64_t number = scalar(c, "SELECT current_setting('server_version_num')::int");
    assert_int_equal(c->version, number / 10000 * 10000 + number % 10000 * 100);
    assert_int_equal(c->max_params, 65535);
    assert_true(c->open);
    el_error err = {0};
    assert_int_equal(c->driver->ping(c, &err), EL_OK);
}

static void sets_up_the_session(void **state) {
    (void)state;
    const el_option extra[] = {
        {"options", "-c work_mem=7MB -c datestyle=German -c timezone=Asia/Tokyo"},
        {"application_name", "el spec's"},
        {NULL, NULL}};
    el_conn *c = NULL;
    el_error err = {0};
    assert_int_equal(connect_with(&c, extra, &err), EL_OK);
    assert_text(c, "SHOW timezone", "UTC");
    assert_text(c, "SHOW datestyle", "ISO, YMD");
    assert_text(c, "SHOW client_encoding", "UTF8");
    assert_text(c, "SHOW bytea_output", "hex");
    assert_text(c, "SHOW work_mem", "7MB");
    assert_text(c, "SHOW application_name", "el spec's");
    el_conn_release(c);
    c = open_conn();
    assert_text(c, "SHOW application_name", "eloquent");
    el_conn_release(c);
}

/* Fails to connect, and the message says where but not the password. */
static void refuse(const el_option *extra, el_errkind kind, const char *state,
                   const char *says) {
    el_conn *c = NULL;
    el_error err = {0};
    if (connect_with(&c, extra, &err) != EL_FAIL) {
        fail_msg("connected, expected: %s", says);
    }
    assert_null(c);
    assert_kind(&err, kind, state);
    if (strstr(err.message, says) == NULL) {
        fail_msg("\"%s\" is not in: %s", says, err.message);
    }
    assert_null(strstr(err.message, setting("EL_SPEC_PG_PASSWORD")));
    assert_null(strstr(err.message, "geheim"));
}

static void refuses_wrong_credentials(void **state) {
    (void)state;
    refuse((el_option[]){{"password", "geheim"}, {NULL, NULL}}, EL_ERR_AUTH, "28P01",
           setting("EL_SPEC_PG_PORT"));
    refuse((el_option[]){{"user", "el_nobody"}, {NULL, NULL}}, EL_ERR_AUTH, "28P01",
           "el_nobody");
    refuse((el_option[]){{"password", ""}, {NULL, NULL}}, EL_ERR_AUTH, "", "password");
    refuse((el_option[]){{"name", "el_missing"}, {NULL, NULL}}, EL_ERR_NOT_FOUND, "3D000",
           "create the database");
    char text[256]; /* a name is a name, never a connection string */
    snprintf(text, sizeof text, "dbname=%s", setting("EL_SPEC_PG_NAME"));
    refuse((el_option[]){{"name", text}, {NULL, NULL}}, EL_ERR_NOT_FOUND, "3D000", text);
}

static void reports_an_unreachable_server(void **state) {
    (void)state;
    refuse((el_option[]){{"host", "127.0.0.1"}, {"port", "1"}, {NULL, NULL}},
           EL_ERR_CONNECT, "", "127.0.0.1:1");
    refuse((el_option[]){{"host", "no-such-host.invalid"}, {NULL, NULL}}, EL_ERR_CONNECT,
           "", "no-such-host.invalid");
    refuse((el_option[]){{"host", "/no/such/folder"}, {NULL, NULL}}, EL_ERR_CONNECT, "",
           "/no/such/folder");
    refuse((el_option[]){{"hosts", "x"}, {NULL, NULL}}, EL_ERR_MISUSE, "", "hosts");
    refuse((el_option[]){{"connect_timeout", "soon"}, {NULL, NULL}}, EL_ERR_MISUSE, "",
           "connect_timeout");
    refuse((el_option[]){{"sslmode", "maybe"}, {NULL, NULL}}, EL_ERR_MISUSE, "",
           "sslmode");
}

/* Somebody listens, and says nothing. */
static void gives_up_after_the_timeout(void **state) {
    (void)state;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof at;
    char port[16], ports[64];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    snprintf(port, sizeof port, "%d", ntohs(at.sin_port));
    double start = seconds();
    refuse((el_option[]){{"host", "127.0.0.1"},
                         {"port", port},
                         {"connect_timeout", "1"},
                         {NULL, NULL}},
           EL_ERR_CONNECT, "", "within 1 second");
    assert_true(seconds() - start < 3);
    /* of two hosts the silent one is passed over */
    snprintf(ports, sizeof ports, "%s,%s", port, setting("EL_SPEC_PG_PORT"));
    char hosts[256];
    snprintf(hosts, sizeof hosts, "127.0.0.1,%s", setting("EL_SPEC_PG_HOST"));
    const el_option two[] = {
        {"host", hosts}, {"port", ports}, {"connect_timeout", "2"}, {NULL, NULL}};
    el_conn *c = NULL;
    el_error err = {0};
    if (connect_with(&c, two, &err) != EL_OK) {
        fail_msg("%s", err.message);
    }
    el_conn_release(c);
    close(fd);
}

static void tries_several_hosts(void **state) {
    (void)state;
    char hosts[256], ports[64];
    snprintf(hosts, sizeof hosts, "127.0.0.1,%s", setting("EL_SPEC_PG_HOST"));
    snprintf(ports, sizeof ports, "1,%s", setting("EL_SPEC_PG_PORT"));
    const el_option two[] = {{"host", hosts}, {"port", ports}, {NULL, NULL}};
    el_conn *c = NULL;
    el_error err = {0};
    if (connect_with(&c, two, &err) != EL_OK) {
        fail_msg("%s", err.message);
    }
    el_conn_release(c);
    refuse(
        (el_option[]){
            {"host", hosts}, {"port", ports}, {"password", "geheim"}, {NULL, NULL}},
        EL_ERR_AUTH, "28P01", hosts);
}

static void insists_on_tls(void **state) {
    el_conn *c = *state;
    const el_option require[] = {{"sslmode", "require"}, {NULL, NULL}};
    el_stmt *s = prepare(c, "SHOW ssl", EL_STMT_ONCE);
    el_value v[1];
    execute(s, NOARGS);
    assert_true(next_row(s, v));
    bool offers_tls = v[0].u.s.n == 2;
    finalize(s);
    if (!offers_tls) {
        refuse(require, EL_ERR_CONNECT, "", "SSL");
        return;
    }
    el_conn *secure = NULL;
    el_error err = {0};
    assert_int_equal(connect_with(&secure, require, &err), EL_OK);
    assert_int_equal(scalar(secure, "SELECT ssl::int FROM pg_stat_ssl "
                                    "WHERE pid = pg_backend_pid()"),
                     1);
    el_conn_release(secure);
    refuse((el_option[]){{"sslmode", "verify-full"},
                         {"sslrootcert", "/no/such/file"},
                         {NULL, NULL}},
           EL_ERR_CONNECT, "", "/no/such/file");
}

/* }====== */

/* {====== Statements ====== */

static void counts_what_was_written(void **state) {
    el_conn *c = *state;
    script(c, "CREATE TEMP TABLE el_t (id int GENERATED ALWAYS AS IDENTITY, x int)");
    assert_int_equal(run(c, "INSERT INTO el_t (x) VALUES (1), (2), (3)", NOARGS), 3);
    assert_int_equal(run(c, "UPDATE el_t SET x = x + $1", ARGS(INT(1))), 3);
    assert_int_equal(run(c, "SELECT * FROM el_t", NOARGS), 0);
    assert_int_equal(run(c, "DELETE FROM el_t WHERE id = $1", ARGS(INT(99))), 0);
    el_stmt *s = prepare(c, "INSERT INTO el_t (x) VALUES ($1), ($2) RETURNING id, x", 0);
    el_value v[2];
    execute(s, ARGS(INT(7), INT(8)));
    assert_int_equal(s->affected, 2);
    assert_int_equal(s->last_id, 0);
    assert_true(s->active);
    assert_true(next_row(s, v));
    assert_value(&v[0], &INT(4), "id");
    assert_true(next_row(s, v));
    assert_value(&v[1], &INT(8), "x");
    assert_false(next_row(s, v));
    assert_false(s->active);
    finalize(s);
    assert_int_equal(run(c, "DELETE FROM el_t", NOARGS), 5);
    assert_int_equal(run(c, "", NOARGS), 0);
    script(c, "DROP TABLE el_t");
}

static void checks_the_number_of_values(void **state) {
    el_conn *c = *state;
    static const unsigned flags[] = {0, EL_STMT_ONCE, EL_STMT_STREAM};
    for (int i = 0; i < 3; i++) {
        el_stmt *s = prepare(c, "SELECT $1::int + $2::int", flags[i]);
        el_error err = {0};
        el_value args[3] = {INT(1), INT(2), INT(3)};
        assert_int_equal(s->nparams, 2);
        assert_int_equal(c->driver->execute(s, args, 1, &err), EL_FAIL);
        assert_kind(&err, EL_ERR_MISUSE, "");
        el_error_clear(&err);
        assert_int_equal(c->driver->execute(s, args, 3, &err), EL_FAIL);
        assert_kind(&err, EL_ERR_MISUSE, "");
        execute(s, args, 2);
        finalize(s);
    }
}

/* A statement that runs once is not described, so its placeholders are counted here. */
static void finds_placeholders_in_the_text(void **state) {
    static const struct {
        const char *sql;
        int n;
    } cases[] = {
        {"SELECT 1", 0},
        {"SELECT $1::int, $3::int, $2::int", 3},
        {"SELECT $1::int, $1::int", 1},
        {"SELECT '$1', \"$2\" FROM (SELECT 1 AS \"$2\") x", 0},
        {"SELECT 'it''s $1', $1::int", 1},
        {"SELECT E'\\'$2', $1::int", 1},
        {"SELECT e'\\\\', $1::int, '\\', $2::int", 2},
        {"SELECT '\\', $1::int -- '$2", 1},
        {"SELECT $1::int -- $2\n, $3::int, $2::int", 3},
        {"SELECT /* $1 /* $2 */ $3 */ 1", 0},
        {"SELECT $$ $1 $$, $a$ $2 $$ $a$, $1::int", 1},
        {"SELECT $a$ $b$ $1 $b$ $a$", 0},
        {"SELECT a$1 FROM (SELECT 1 AS a$1) x", 0},
        {"SELECT $1::int/$2::int", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        el_value args[3] = {INT(1), INT(2), INT(3)};
        el_stmt *s = prepare(*state, cases[i].sql, EL_STMT_ONCE);
        if (s->nparams != cases[i].n) {
            fail_msg("%s: %d placeholders, expected %d", cases[i].sql, s->nparams,
                     cases[i].n);
        }
        execute(s, args, cases[i].n);
        finalize(s);
    }
}

static void runs_again_and_again(void **state) {
    el_conn *c = *state;
    el_stmt *s = prepare(c, "SELECT i FROM generate_series(1, $1) i", 0);
    el_value v[1];
    for (int i = 1; i < 50; i++) {
        execute(s, ARGS(INT(i)));
        for (int k = 0; k < i - 1; k++) { /* the last one stays unread */
            assert_true(next_row(s, v));
        }
        if (i % 3 == 0) {
            c->driver->reset(s);
            assert_false(next_row(s, v));
        }
    }
    finalize(s);
}

static void hands_over_whole_results(void **state) {
    (void)state;
    el_conn *c = open_conn();
    el_stmt *s = prepare(c, "SELECT i, 'row ' || i FROM generate_series(1, $1) i", 0);
    el_error err = {0};
    void *first, *second, *none;
    size_t nfirst, nsecond;
    el_value v;
    execute(s, ARGS(INT(1000)));
    assert_int_equal(c->driver->take(s, &first, &nfirst, &err), EL_OK);
    assert_false(s->active);
    assert_int_equal(c->driver->take(s, &none, &nsecond, &err), EL_FAIL);
    assert_kind(&err, EL_ERR_MISUSE, "");
    execute(s, ARGS(INT(0)));
    el_error_clear(&err);
    assert_int_equal(c->driver->take(s, &second, &nsecond, &err), EL_OK);
    assert_int_equal(nsecond, 0);
    const el_driver *d = c->driver;
    finalize(s);
    el_conn_release(c); /* the result outlives both */
    assert_int_equal(nfirst, 1000);
    d->cell(first, 999, 0, &v);
    assert_value(&v, &INT(1000), "id");
    d->cell(first, 0, 1, &v);
    assert_value(&v, &TEXT("row 1"), "text");
    d->discard(first);
    d->discard(second);
}

static void refuses_what_is_no_single_statement(void **state) {
    el_conn *c = *state;
    el_error err = {0};
    run_failing(c, "SELECT 1; DROP TABLE x", NOARGS, &err);
    assert_kind(&err, EL_ERR_SYNTAX, "42601");
    script(c, "CREATE TEMP TABLE el_copy AS SELECT i FROM generate_series(1, 100000) i");
    for (int i = 0; i < 2; i++) {
        static const char *const copies[] = {"COPY el_copy FROM STDIN",
                                             "COPY el_copy TO STDOUT"};
        run_failing(c, copies[i], NOARGS, &err);
        assert_kind(&err, EL_ERR_UNSUPPORTED, "");
        el_error_clear(&err);
        assert_int_equal(c->driver->script(c, copies[i], strlen(copies[i]), &err),
                         EL_FAIL);
        assert_kind(&err, EL_ERR_UNSUPPORTED, "");
        assert_int_equal(scalar(c, "SELECT count(*) FROM el_copy"), 100000);
    }
    script(c, "DROP TABLE el_copy");
}

static int64_t prepared_on_server(el_conn *c) {
    return scalar(c, "SELECT count(*) FROM pg_prepared_statements");
}

static void drops_prepared_statements(void **state) {
    el_conn *c = *state;
    char sql[64];
    for (int i = 0; i < 10000; i++) {
        if (i == 4000) {
            assert_true(transact(c, EL_TX_BEGIN, NULL));
        }
        if (i == 6000) {
            assert_true(prepared_on_server(c) < 50);
            assert_true(transact(c, EL_TX_COMMIT, NULL));
        }
        snprintf(sql, sizeof sql, "SELECT %d + $1", i);
        el_stmt *s = prepare(c, sql, 0);
        execute(s, ARGS(INT(1)));
        finalize(s);
    }
    assert_true(prepared_on_server(c) < 50);
    /* all at once, with nothing prepared after them */
    el_stmt *many[100];
    for (int i = 0; i < 100; i++) {
        snprintf(sql, sizeof sql, "SELECT %d", i);
        many[i] = prepare(c, sql, 0);
    }
    assert_true(prepared_on_server(c) >= 100);
    for (int i = 0; i < 100; i++) {
        finalize(many[i]);
    }
    assert_true(prepared_on_server(c) < 50);
    finalize(prepare(c, "SELECT 1", 0));
    el_stmt *s = prepare(c, "SELECT 2", 0);
    assert_int_equal(prepared_on_server(c), 1);
    finalize(s);
}

static void prepares_again_when_the_table_changed(void **state) {
    el_conn *c = *state;
    el_error err = {0};
    script(c, "CREATE TEMP TABLE el_t AS SELECT 1 AS id");
    el_stmt *s = prepare(c, "SELECT * FROM el_t WHERE id = $1", 0);
    el_value v[2];
    execute(s, ARGS(INT(1)));
    script(c, "ALTER TABLE el_t ADD COLUMN x text DEFAULT 'new'");
    execute(s, ARGS(INT(1)));
    assert_int_equal(s->ncolumns, 2);
    assert_string_equal(s->columns[1].name, "x");
    assert_true(next_row(s, v));
    assert_value(&v[1], &TEXT("new"), "new column");
    /* inside a transaction that is too late: it has to run again */
    assert_true(transact(c, EL_TX_BEGIN, NULL));
    run(c, "ALTER TABLE el_t DROP COLUMN x", NOARGS);
    el_value one = INT(1);
    assert_int_equal(c->driver->execute(s, &one, 1, &err), EL_FAIL);
    assert_kind(&err, EL_ERR_CONFLICT, "0A000");
    assert_true(transact(c, EL_TX_ROLLBACK, NULL));
    execute(s, ARGS(INT(1)));
    assert_int_equal(s->ncolumns, 2);
    finalize(s);
    /* the server forgets all of them, as poolers make it do */
    s = prepare(c, "SELECT $1::int", 0);
    el_stmt *other = prepare(c, "SELECT 2", 0);
    script(c, "DEALLOCATE ALL");
    execute(s, ARGS(INT(5)));
    assert_true(next_row(s, v));
    assert_value(&v[0], &INT(5), "after DEALLOCATE ALL");
    finalize(other);
    finalize(s);
    finalize(prepare(c, "SELECT 3", 0));
    assert_int_equal(scalar(c, "SELECT 4"), 4);
    script(c, "DROP TABLE el_t");
}

static void runs_scripts(void **state) {
    el_conn *c = *state;
    el_error err = {0};
    script(
        c,
        "CREATE TEMP TABLE el_s (id int PRIMARY KEY); -- ; '\n"
        "INSERT INTO el_s VALUES (1); SELECT * FROM el_s; INSERT INTO el_s VALUES (2);");
    static const char bad[] = "INSERT INTO el_s VALUES (3); INSERT INTO el_s VALUES (1); "
                              "INSERT INTO el_s VALUES (4)";
    assert_int_equal(c->driver->script(c, bad, sizeof bad - 1, &err), EL_FAIL);
    assert_kind(&err, EL_ERR_UNIQUE, "23505");
    assert_int_equal(scalar(c, "SELECT count(*) FROM el_s"), 2); /* as one transaction */
    /* only as long as it says */
    assert_int_equal(c->driver->script(c, "SELECT 1 ERROR", 8, &err), EL_OK);
    script(c, "");
    script(c, "DO $$ BEGIN RAISE WARNING 'not on stderr'; END $$; DROP TABLE el_s");
}

/* }====== */

/* {====== Transactions ====== */

static void commits_and_rolls_back(void **state) {
    el_conn *c = *state;
    const el_driver *d = c->driver;
    script(c, "CREATE TEMP TABLE el_t (id int)");
    assert_int_equal(d->txstate(c), EL_TX_NONE);
    assert_true(transact(c, EL_TX_BEGIN, NULL));
    assert_int_equal(d->txstate(c), EL_TX_ACTIVE);
    assert_false(transact(c, EL_TX_BEGIN, NULL));
    run(c, "INSERT INTO el_t VALUES (1)", NOARGS);
    assert_true(transact(c, EL_TX_SAVE, "a\"b; DROP"));
    run(c, "INSERT INTO el_t VALUES (2)", NOARGS);
    assert_true(transact(c, EL_TX_ROLLBACK_TO, "a\"b; DROP"));
    assert_true(transact(c, EL_TX_RELEASE, "a\"b; DROP"));
    assert_true(transact(c, EL_TX_COMMIT, NULL));
    assert_int_equal(scalar(c, "SELECT count(*) FROM el_t"), 1);
    assert_true(transact(c, EL_TX_BEGIN, "serializable"));
    assert_text(c, "SHOW transaction_isolation", "serializable");
    run(c, "DELETE FROM el_t", NOARGS);
    assert_true(transact(c, EL_TX_ROLLBACK, NULL));
    assert_int_equal(scalar(c, "SELECT count(*) FROM el_t"), 1);
    assert_true(transact(c, EL_TX_BEGIN, "Repeatable Read"));
    assert_text(c, "SHOW transaction_isolation", "repeatable read");
    assert_true(transact(c, EL_TX_ROLLBACK, NULL));
    assert_false(transact(c, EL_TX_BEGIN, "chaos; DROP TABLE el_t"));
    assert_false(transact(c, EL_TX_COMMIT, NULL));
    assert_false(transact(c, EL_TX_ROLLBACK, NULL));
    assert_false(transact(c, EL_TX_SAVE, "x"));
    script(c, "DROP TABLE el_t");
}

static void knows_a_failed_transaction(void **state) {
    el_conn *c = *state;
    const el_driver *d = c->driver;
    el_error err = {0};
    assert_true(transact(c, EL_TX_BEGIN, NULL));
    assert_true(transact(c, EL_TX_SAVE, "sp"));
    run_failing(c, "SELECT 1 / 0", NOARGS, &err);
    assert_int_equal(d->txstate(c), EL_TX_FAILED);
    run_failing(c, "SELECT 1", NOARGS, &err);
    assert_kind(&err, EL_ERR_MISUSE, "25P02");
    assert_false(transact(c, EL_TX_COMMIT, NULL));
    assert_true(transact(c, EL_TX_ROLLBACK_TO, "sp"));
    assert_int_equal(d->txstate(c), EL_TX_ACTIVE);
    assert_true(transact(c, EL_TX_COMMIT, NULL));
    assert_true(transact(c, EL_TX_BEGIN, NULL));
    run_failing(c, "SELECT 1 / 0", NOARGS, &err);
    run(c, "ROLLBACK", NOARGS); /* as text works, too */
    assert_int_equal(d->txstate(c), EL_TX_NONE);
}

/* }====== */

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(describes_itself),
        cmocka_unit_test(sets_up_the_session),
        cmocka_unit_test(refuses_wrong_credentials),
        cmocka_unit_test(reports_an_unreachable_server),
        cmocka_unit_test(gives_up_after_the_timeout),
        cmocka_unit_test(tries_several_hosts),
        cmocka_unit_test(insists_on_tls),
        cmocka_unit_test(counts_what_was_written),
        cmocka_unit_test(checks_the_number_of_values),
        cmocka_unit_test(finds_placeholders_in_the_text),
        cmocka_unit_test(runs_again_and_again),
        cmocka_unit_test(hands_over_whole_results),
        cmocka_unit_test(refuses_what_is_no_single_statement),
        cmocka_unit_test(drops_prepared_statements),
        cmocka_unit_test(prepares_again_when_the_table_changed),
        cmocka_unit_test(runs_scripts),
        cmocka_unit_test(commits_and_rolls_back),
        cmocka_unit_test(knows_a_failed_transaction),
    };
    return cmocka_run_group_tests_name("pg", tests, setup, teardown);
}
