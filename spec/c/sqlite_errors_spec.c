/* SPDX-License-Identifier: MIT
**
** sqlite_errors_spec.c - the kind, the SQLSTATE and the names in each of SQLite's errors,
** and that bound values are in none of them.
*/
#include "sqlite_support.h"

static const char schema[] =
    "CREATE TABLE teams(id INTEGER PRIMARY KEY, name TEXT UNIQUE);"
    "CREATE TABLE users(id INTEGER PRIMARY KEY, email TEXT NOT NULL, team INTEGER"
    "  REFERENCES teams(id), age INTEGER CONSTRAINT age_positive CHECK(age > 0),"
    "  nick TEXT);"
    "CREATE UNIQUE INDEX users_email_unique ON users(email);"
    "CREATE UNIQUE INDEX users_nick_lower ON users(lower(nick));"
    "CREATE TABLE pairs(a, b, c REFERENCES teams(id), d REFERENCES users(id),"
    "  PRIMARY KEY(a, b));"
    "CREATE TABLE \"odd \"\"name\"(\"a.b\" NOT NULL, x);"
    "CREATE TABLE late(t REFERENCES teams(id) DEFERRABLE INITIALLY DEFERRED);"
    "CREATE TABLE typed(n INTEGER) STRICT;"
    "CREATE TABLE guarded(a);"
    "CREATE TRIGGER guard BEFORE INSERT ON guarded WHEN new.a IS NULL BEGIN"
    "  SELECT RAISE(ABORT, 'a must be given'); END;"
    "INSERT INTO teams VALUES(1, 'red'),(2, 'blue');"
    "INSERT INTO users VALUES(1, 'a@x', 1, 5, 'Ann');"
    "INSERT INTO pairs VALUES(1, 1, NULL, NULL);";

static int setup(void **state) {
    setup_memory(state);
    script(conn, schema);
    return 0;
}

typedef struct expectation {
    const char *sql;
    el_errkind kind;
    const char *sqlstate, *table, *column, *constraint, *words;
} expectation;

static void check(const expectation *x) {
    el_error e = error_of(conn, x->sql, NULL, 0);
    if (e.kind != x->kind || strcmp(e.sqlstate, x->sqlstate) != 0 ||
        strcmp(e.table, x->table) != 0 || strcmp(e.column, x->column) != 0 ||
        strcmp(e.constraint, x->constraint) != 0 || !strstr(e.message, x->words)) {
        fail_msg("%s: %s %s table '%s' column '%s' constraint '%s': %s", x->sql,
                 el_errkind_name(e.kind), e.sqlstate, e.table, e.column, e.constraint,
                 e.message);
    }
    assert_int_equal(scalar(conn, "SELECT count(*) FROM users"), 1); /* still works */
}

static void constraints(void **state) {
    (void)state;
    static const expectation cases[] = {
        {"INSERT INTO users VALUES(2, 'a@x', 1, 1, 'x')", EL_ERR_UNIQUE, "23505", "users",
         "email", "users_email_unique", "users.email must be unique"},
        {"INSERT INTO users VALUES(1, 'b@x', 1, 1, 'x')", EL_ERR_UNIQUE, "23505", "users",
         "id", "PRIMARY", "users.id"},
        {"INSERT INTO users VALUES(2, 'b@x', 1, 1, 'ANN')", EL_ERR_UNIQUE, "23505", "",
         "", "users_nick_lower", "unique"},
        {"UPDATE teams SET name = 'red'", EL_ERR_UNIQUE, "23505", "teams", "name",
         "sqlite_autoindex_teams_1", "teams.name"},
        {"INSERT INTO pairs VALUES(1, 1, 1, 1)", EL_ERR_UNIQUE, "23505", "pairs",
         "a, b", "sqlite_autoindex_pairs_1", "pairs.a, pairs.b must be unique"},
        {"INSERT INTO users VALUES(2, NULL, 1, 1, 'x')", EL_ERR_NOT_NULL, "23502",
         "users", "email", "", "users.email can't be NULL"},
        {"INSERT INTO \"odd \"\"name\" VALUES(NULL, 1)", EL_ERR_NOT_NULL, "23502",
         "odd \"name", "a.b", "", "can't be NULL"},
        {"INSERT INTO users VALUES(2, 'b', 1, -1, 'x')", EL_ERR_CHECK, "23514", "users",
         "", "age_positive", "check age_positive of users"},
        {"UPDATE OR ABORT users SET age = 0", EL_ERR_CHECK, "23514", "users", "",
         "age_positive", "users"},
        {"INSERT INTO users(email, team) VALUES('b', 9)", EL_ERR_FOREIGN_KEY, "23503",
         "users", "team", "", "users.team refers to a row of teams"},
        {"REPLACE INTO main.users(email, team) VALUES('b', 9)", EL_ERR_FOREIGN_KEY,
         "23503", "users", "team", "", "users.team"},
        {"/* x */ INSERT OR FAIL INTO\n [users](email, team) VALUES('b', 9)",
         EL_ERR_FOREIGN_KEY, "23503", "users", "team", "", "users.team"},
        {"INSERT INTO pairs VALUES(2, 2, 9, NULL)", EL_ERR_FOREIGN_KEY, "23503", "pairs",
         "", "", "a foreign key of pairs"},
        {"DELETE FROM teams WHERE id = 1", EL_ERR_FOREIGN_KEY, "23503", "teams", "", "",
         "a row of teams can't be deleted"},
        {"DELETE FROM \"main\" . \"teams\" WHERE id = 1", EL_ERR_FOREIGN_KEY, "23503",
         "teams", "", "", "a row of teams"},
        {"UPDATE users SET team = 9", EL_ERR_FOREIGN_KEY, "23503", "users", "", "",
         "the change of users"},
        {"WITH n AS (SELECT 9 AS t) INSERT INTO users(email, team) SELECT 'b', t FROM n",
         EL_ERR_FOREIGN_KEY, "23503", "", "", "", "foreign key"},
        {"INSERT INTO late VALUES(9)", EL_ERR_FOREIGN_KEY, "23503", "late", "t", "",
         "late.t refers to a row of teams"},
        {"INSERT INTO guarded VALUES(NULL)", EL_ERR_CHECK, "45000", "guarded", "", "",
         "a must be given"},
        {"INSERT INTO typed VALUES('x')", EL_ERR_VALUE, "22018", "typed", "n", "",
         "typed.n"},
        {"INSERT INTO teams VALUES('x', 'y')", EL_ERR_VALUE, "22018", "", "", "",
         "wrong type"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check(&cases[i]);
    }
}

static void wrong_sql(void **state) {
    (void)state;
    static const expectation cases[] = {
        {"SELEC 1", EL_ERR_SYNTAX, "42601", "", "", "", "near \"SELEC\""},
        {"SELECT *\nFROM users\nWHERE WHERE", EL_ERR_SYNTAX, "42601", "", "", "",
         "line 3, column 7"},
        {"SELECT (1", EL_ERR_SYNTAX, "42601", "", "", "", "incomplete input"},
        {"SELECT 'open", EL_ERR_SYNTAX, "42601", "", "", "", "unrecognized token"},
        {"SELECT nope FROM users", EL_ERR_SYNTAX, "42703", "", "nope", "",
         "no such column: nope"},
        {"SELECT u.nope FROM users u", EL_ERR_SYNTAX, "42703", "", "nope", "", "u.nope"},
        {"INSERT INTO users(nope) VALUES(1)", EL_ERR_SYNTAX, "42703", "users", "nope", "",
         "no column named nope"},
        {"SELECT id FROM users, teams", EL_ERR_SYNTAX, "42702", "", "id", "",
         "ambiguous"},
        {"SELECT * FROM nope", EL_ERR_SYNTAX, "42P01", "nope", "", "", "no such table"},
        {"SELECT * FROM main.nope", EL_ERR_SYNTAX, "42P01", "nope", "", "", "main.nope"},
        {"DROP TABLE nope", EL_ERR_SYNTAX, "42P01", "nope", "", "", "nope"},
        {"CREATE TABLE users(a)", EL_ERR_SYNTAX, "42P07", "users", "", "",
         "already exists"},
        {"SELECT nope(1)", EL_ERR_SYNTAX, "42883", "", "", "", "no such function"},
        {"SELECT lower(1, 2)", EL_ERR_SYNTAX, "42883", "", "", "", "lower"},
        {"INSERT INTO teams VALUES(1)", EL_ERR_SYNTAX, "42601", "", "", "", "2 columns"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check(&cases[i]);
    }
}

static void failures_while_running(void **state) {
    (void)state;
    static const expectation cases[] = {
        {"SELECT json('[')", EL_ERR_VALUE, "22000", "", "", "", "malformed JSON"},
        {"SELECT sum(x) FROM (SELECT 9223372036854775807 x UNION ALL SELECT 1)",
         EL_ERR_VALUE, "22000", "", "", "", "integer overflow"},
        {"COMMIT", EL_ERR_MISUSE, "25000", "", "", "", "no transaction"},
        {"ROLLBACK TO x", EL_ERR_MISUSE, "25000", "", "", "", "x"},
        {"ATTACH '/nonexistent/folder/x.db' AS x", EL_ERR_OTHER, "58030", "", "", "",
         "can't open"},
        {"SELECT zeroblob(2000000000)", EL_ERR_VALUE, "54000", "", "", "", "longer"},
        {"ALTER TABLE users RENAME COLUMN nope TO n", EL_ERR_SYNTAX, "42703", "", "nope",
         "", "nope"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check(&cases[i]);
    }
}

static void a_table_that_went_away_is_wrong_sql(void **state) {
    (void)state;
    el_stmt *s = prepare(conn, "SELECT * FROM guarded");
    execute(s, NULL, 0);
    script(conn, "DROP TABLE guarded");
    el_error e = {0};
    assert_int_equal(driver->execute(s, NULL, 0, &e), EL_FAIL);
    assert_int_equal(e.kind, EL_ERR_SYNTAX);
    assert_string_equal(e.sqlstate, "42P01");
    assert_string_equal(e.table, "guarded");
    driver->finalize(s);
}

static void a_statement_works_again_after_it_failed(void **state) {
    (void)state;
    el_stmt *s = prepare(conn, "INSERT INTO users(id, email) VALUES(?, ?)");
    el_value args[2] = {INT(1), TEXT("b")};
    el_error e = {0};
    assert_int_equal(driver->execute(s, args, 2, &e), EL_FAIL);
    assert_int_equal(e.kind, EL_ERR_UNIQUE);
    assert_int_equal(s->affected, 0);
    assert_int_equal(s->last_id, 0);
    assert_false(s->active);
    args[0] = INT(2);
    execute(s, args, 2);
    assert_int_equal(s->affected, 1);
    assert_int_equal(s->last_id, 2);
    driver->finalize(s);
}

/* A failure in the middle of the rows, after some were read. */
static void rows_end_where_they_fail(void **state) {
    (void)state;
    el_stmt *s = prepare(
        conn, "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n "
              "WHERE x < 4) SELECT CASE x WHEN 3 THEN json('[') ELSE x END FROM n");
    el_error e = {0};
    execute(s, NULL, 0);
    assert_int_equal(fetch(s), EL_ROW);
    assert_int_equal(fetch(s), EL_ROW);
    assert_int_equal(driver->fetch(s, &e), EL_FAIL);
    assert_int_equal(e.kind, EL_ERR_VALUE);
    assert_false(s->active);
    driver->finalize(s);
}

/* Each of these errors is about the bound text; none of them may repeat it. */
static void bound_values_stay_out(void **state) {
    (void)state;
    script(conn, "CREATE VIRTUAL TABLE words USING fts4(t);"
                 "CREATE TABLE secrets(s TEXT UNIQUE CHECK(length(s) < 40));"
                 "INSERT INTO secrets VALUES('hunter2-hunter2')");
    static const char *const texts[] = {
        "INSERT INTO secrets VALUES(?)",
        "SELECT json(?)",
        "SELECT * FROM words WHERE words MATCH ?",
        "SELECT decimal_add(?, 1)",
        "INSERT INTO typed VALUES(?)",
        "INSERT INTO teams(id) VALUES(?)",
        "SELECT date('now') FROM pragma_table_info(?) WHERE json(?1)",
    };
    el_value values[] = {TEXT("hunter2-hunter2"), TEXT("\"hunter2-hunter2"),
                         TEXT("hunter2-hunter2 hunter2-hunter2 hunter2-hunter2")};
    int failures = 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        for (size_t j = 0; j < sizeof values / sizeof *values; j++) {
            el_stmt *s = prepare(conn, texts[i]);
            el_error e = {0};
            int rc = driver->execute(s, &values[j], 1, &e);
            while (rc == EL_OK || rc == EL_ROW) {
                rc = driver->fetch(s, &e);
            }
            failures += rc == EL_FAIL;
            if (strstr(e.message, "hunter2") || strstr(e.constraint, "hunter2")) {
                fail_msg("%s: %s", texts[i], e.message);
            }
            driver->finalize(s);
        }
    }
    assert_true(failures >= 10);
}

static void the_first_error_stays(void **state) {
    (void)state;
    el_query q = {.sql = "SELEC", .len = 5};
    el_error e = {0};
    el_stmt *s = NULL;
    el_fail(&e, EL_ERR_OTHER, 7, "earlier");
    assert_int_equal(driver->prepare(&s, conn, &q, &e), EL_FAIL);
    assert_string_equal(e.message, "earlier");
    assert_string_equal(e.sqlstate, "");
    assert_int_equal(driver->prepare(&s, conn, &q, NULL), EL_FAIL);
    assert_null(s);
}

static void the_disk_is_full(void **state) {
    (void)state;
    script(conn, "CREATE TABLE big(a); PRAGMA max_page_count = 40");
    el_error e = error_of(conn, "INSERT INTO big VALUES(zeroblob(1000000))", NULL, 0);
    assert_int_equal(e.kind, EL_ERR_OTHER);
    assert_string_equal(e.sqlstate, "53100");
    assert_non_null(strstr(e.message, "disk is full"));
}

static void a_locked_table(void **state) {
    (void)state;
    el_stmt *s = prepare(conn, "SELECT name FROM teams");
    execute(s, NULL, 0);
    el_error e = error_of(conn, "DROP TABLE pairs", NULL, 0);
    assert_int_equal(e.kind, EL_ERR_BUSY);
    assert_string_equal(e.sqlstate, "55P03");
    assert_non_null(strstr(e.message, "cursor"));
    driver->finalize(s);
}

static void long_names_are_cut_not_lost(void **state) {
    (void)state;
    char sql[1200], name[301];
    memset(name, 'n', 300);
    name[300] = '\0';
    snprintf(sql, sizeof sql, "CREATE TABLE %s(%s NOT NULL)", name, name);
    script(conn, sql);
    snprintf(sql, sizeof sql, "INSERT INTO %s VALUES(NULL)", name);
    el_error e = error_of(conn, sql, NULL, 0);
    assert_int_equal(e.kind, EL_ERR_NOT_NULL);
    assert_int_equal(strlen(e.table), sizeof e.table - 1);
    assert_int_equal(strlen(e.column), sizeof e.column - 1);
}

int main(void) {
#define SPEC(f) cmocka_unit_test_setup_teardown(f, setup, teardown_memory)
    const struct CMUnitTest tests[] = {
        SPEC(constraints),
        SPEC(wrong_sql),
        SPEC(failures_while_running),
        SPEC(a_table_that_went_away_is_wrong_sql),
        SPEC(a_statement_works_again_after_it_failed),
        SPEC(rows_end_where_they_fail),
        SPEC(bound_values_stay_out),
        SPEC(the_first_error_stays),
        SPEC(the_disk_is_full),
        SPEC(a_locked_table),
        SPEC(long_names_are_cut_not_lost),
    };
    return cmocka_run_group_tests(tests, setup_driver, NULL);
}
