/* SPDX-License-Identifier: MIT
**
** mysql_stream_spec.c - rows pulled from the server: memory stays flat, and the
** connection goes on working, in a transaction and past its end.
*/
#include "mysql_support.h"

enum { ROWS = 200000 };

static int make_rows(void **state) {
    setup(state);
    script(*state, "DROP TABLE IF EXISTS s_row, s_ten;"
                   "CREATE TABLE s_ten (d INT); INSERT INTO s_ten VALUES (0),(1),(2),(3),"
                   "(4),(5),(6),(7),(8),(9);"
                   "CREATE TABLE s_row (id INT PRIMARY KEY, a VARCHAR(100), b BIGINT)");
    run(*state,
        "INSERT INTO s_row SELECT n, concat('text of row ', n), n * 3 FROM (SELECT a.d + "
        "b.d * 10 + c.d * 100 + e.d * 1000 + f.d * 10000 + g.d * 100000 AS n FROM s_ten "
        "a, "
        "s_ten b, s_ten c, s_ten e, s_ten f, (SELECT 0 d UNION ALL SELECT 1) g) t",
        NOARGS);
    return 0;
}

static int drop_rows(void **state) {
    script(*state, "DROP TABLE IF EXISTS s_row, s_ten");
    return teardown(state);
}

static el_stmt *open_stream(el_conn *c) {
    el_stmt *s = prepare(c, "SELECT id, a, b FROM s_row WHERE id >= ? ORDER BY id",
                         EL_STMT_STREAM);
    execute(s, ARGS(INT(0)));
    return s;
}

/* Reads `n` rows, the first of which has this id; all of them when n is negative. */
static int read_rows(el_stmt *s, int n, int id) {
    el_value v[3];
    int count = 0;
    while (count != n && next_row(s, v)) {
        char text[40];
        int len = snprintf(text, sizeof text, "text of row %d", id);
        assert_int_equal(v[0].u.i, id);
        assert_int_equal(v[1].u.s.n, len);
        assert_memory_equal(v[1].u.s.p, text, (size_t)len);
        assert_int_equal(v[2].u.i, (int64_t)id * 3);
        id++;
        count++;
    }
    return count;
}

static void keeps_memory_flat(void **state) {
    el_stmt *s = open_stream(*state);
    assert_int_equal(read_rows(s, 5000, 0), 5000);
    long before = resident();
    assert_int_equal(read_rows(s, -1, 5000), ROWS - 5000);
    assert_false(s->active);
    assert_true(resident() - before < 2048);
    finalize(s);
}

/* A few long rows at a time, many short ones: a fetch brings about the same bytes. */
static void keeps_memory_flat_with_long_rows(void **state) {
    el_stmt *s =
        prepare(*state, "SELECT repeat('x', 1000000), id FROM s_row WHERE id < 300",
                EL_STMT_STREAM);
    el_value v[2];
    execute(s, NOARGS);
    for (int i = 0; i < 20; i++) {
        assert_true(next_row(s, v));
    }
    long before = resident();
    int count = 20;
    while (next_row(s, v)) {
        assert_int_equal(v[0].u.s.n, 1000000);
        count++;
    }
    assert_int_equal(count, 300);
    assert_true(resident() - before < 16384);
    finalize(s);
}

static void other_statements_work_meanwhile(void **state) {
    el_conn *c = *state;
    el_stmt *s = open_stream(c), *other = open_stream(c);
    el_stmt *update = prepare(c, "UPDATE s_row SET b = b WHERE id = ?", 0);
    int count = 0;
    for (int got; (got = read_rows(s, 1000, count)) > 0; count += got) {
        execute(update, ARGS(INT(count)));
        assert_int_equal(update->affected, 1);
        assert_cell(c, "SELECT count(*) FROM s_ten", INT(10));
        assert_int_equal(read_rows(other, 10, count / 100), 10);
    }
    assert_int_equal(count, ROWS);
    finalize(update);
    finalize(other);
    finalize(s);
}

static void stops_early_and_starts_again(void **state) {
    el_conn *c = *state;
    el_stmt *s = open_stream(c);
    assert_int_equal(read_rows(s, 10, 0), 10);
    c->driver->reset(s);
    assert_false(s->active);
    execute(s, ARGS(INT(100)));
    assert_int_equal(read_rows(s, 2000, 100), 2000);
    execute(s, ARGS(INT(ROWS - 5))); /* drops what was open */
    assert_int_equal(read_rows(s, -1, ROWS - 5), 5);
    execute(s, ARGS(INT(ROWS)));
    assert_int_equal(read_rows(s, -1, 0), 0);
    execute(s, ARGS(INT(0)));
    assert_int_equal(read_rows(s, 1, 0), 1);
    finalize(s);
    assert_cell(c, "SELECT 1", INT(1));
}

/* What a row lends stays, also when the rows after it are read out of the way. */
static void keeps_its_row_beside_another_statement(void **state) {
    el_conn *c = *state;
    el_stmt *s = open_stream(c);
    el_value v[3];
    el_error err = {0};
    assert_true(next_row(s, v));
    for (int again = 0; again < 2; again++) {
        assert_cell(c, "SELECT 'some other text that is long'",
                    TEXT("some other text that is long"));
        assert_value(&v[0], &INT(0), "id");
        assert_value(&v[1], &TEXT("text of row 0"), "text");
        assert_int_equal(c->driver->row(s, v, &err), EL_OK);
    }
    assert_int_equal(read_rows(s, -1, 1), ROWS - 1);
    finalize(s);
}

/* Rows that make way, of all kinds of values and of any length. */
static void sets_any_row_aside(void **state) {
    el_conn *c = *state;
    el_stmt *s =
        prepare(c,
                "SELECT id, NULL, a = 'text of row 1', id / 4e0, '', "
                "repeat('x', CASE id WHEN 1 THEN 3000000 ELSE id END), "
                "TIMESTAMP '2024-02-29 12:34:56.789', DATE '2024-02-29', "
                "CAST(id AS DECIMAL(30,2)) FROM s_row WHERE id < 2000 ORDER BY id",
                EL_STMT_STREAM);
    el_value v[9];
    execute(s, NOARGS);
    assert_true(next_row(s, v));
    assert_cell(c, "SELECT 1", INT(1));
    for (int64_t i = 1; i < 2000; i++) {
        assert_true(next_row(s, v));
        assert_value(&v[0], &INT(i), "id");
        assert_value(&v[1], &NIL, "NULL");
        assert_value(&v[2], &INT(i == 1), "comparison");
        assert_value(&v[3], &FLT((double)i / 4), "float");
        assert_value(&v[4], &TEXT(""), "empty text");
        assert_int_equal(v[5].u.s.n, i == 1 ? 3000000 : i);
        assert_int_equal(v[5].u.s.p[v[5].u.s.n - 1], 'x');
        assert_value(&v[6], &MOMENT(INT64_C(1709210096789000)), "timestamp");
        assert_value(&v[7], &STR(EL_DATE, "2024-02-29"), "date");
        assert_int_equal(v[8].type, EL_DECIMAL);
        if (i % 500 == 0) {
            assert_cell(c, "SELECT 2", INT(2));
        }
    }
    assert_false(next_row(s, v));
    finalize(s);
}

/* The rows had nowhere to go: the stream says so, and nothing else is hurt. */
static void has_no_room_to_set_aside(void **state) {
    el_conn *c = *state;
    const char *folder = getenv("TMPDIR");
    char *before = folder != NULL ? strdup(folder) : NULL;
    el_stmt *s = open_stream(c);
    el_error err = {0};
    assert_int_equal(read_rows(s, 3, 0), 3);
    setenv("TMPDIR", "/nowhere/at/all", 1);
    assert_cell(c, "SELECT 1", INT(1));
    int rc;
    while ((rc = c->driver->fetch(s, &err)) == EL_ROW) {
    }
    assert_int_equal(rc, EL_FAIL);
    assert_int_equal(err.kind, EL_ERR_OTHER);
    assert_non_null(strstr(err.message, "TMPDIR"));
    assert_false(s->active);
    before != NULL ? setenv("TMPDIR", before, 1) : unsetenv("TMPDIR");
    free(before);
    execute(s, ARGS(INT(0)));
    assert_int_equal(read_rows(s, -1, 0), ROWS);
    finalize(s);
    assert_cell(c, "SELECT 1", INT(1));
}

/* What goes wrong among its rows is told where they are read. */
static void fails_where_it_is_read(void **state) {
    el_conn *c = *state;
    for (int beside = 0; beside < 2; beside++) {
        el_stmt *s = prepare(c,
                             "SELECT id, (SELECT d FROM s_ten WHERE d <= 1 AND s_row.id "
                             ">= 150000 OR d = 0) FROM s_row",
                             EL_STMT_STREAM);
        el_error err = {0};
        el_value v[2];
        execute(s, NOARGS);
        assert_true(next_row(s, v));
        if (beside) {
            assert_cell(c, "SELECT 1", INT(1));
        }
        int rc, count = 1;
        while ((rc = c->driver->fetch(s, &err)) == EL_ROW) {
            count++;
        }
        assert_int_equal(rc, EL_FAIL);
        assert_int_equal(count, 150000);
        assert_int_equal(err.code, 1242);
        assert_false(s->active);
        finalize(s);
        assert_cell(c, "SELECT 2", INT(2));
    }
}

/* Of many rows the rest is not waited for, and the next statement is not hit. */
static void is_left_early(void **state) {
    el_conn *c = *state;
    el_stmt *s = prepare(c, "SELECT x.a, y.a FROM s_row x, s_row y", EL_STMT_STREAM);
    el_stmt *few =
        prepare(c, "SELECT repeat('x', 400), id FROM s_row WHERE id < ?", EL_STMT_STREAM);
    el_value v[2];
    for (int i = 0; i < 20; i++) {
        execute(s, NOARGS); /* it would bring 40 billion rows */
        assert_true(next_row(s, v));
        c->driver->reset(s);
        assert_cell(c, "SELECT 1", INT(1));
        execute(few, ARGS(INT(9000 + 200 * i))); /* about as much as is read */
        assert_true(next_row(few, v));
        c->driver->reset(few);
        assert_cell(c, "SELECT 2", INT(2));
    }
    finalize(few);
    finalize(s);
}

static void works_in_a_transaction(void **state) {
    el_conn *c = *state;
    assert_true(transact(c, EL_TX_BEGIN, NULL));
    run(c, "UPDATE s_row SET a = 'changed here' WHERE id = 0", NOARGS);
    el_stmt *s = prepare(c, "SELECT a, id FROM s_row ORDER BY id", EL_STMT_STREAM);
    el_value v[2];
    execute(s, NOARGS);
    assert_true(next_row(s, v));
    assert_value(&v[0], &TEXT("changed here"), "sees its own transaction");
    run(c, "UPDATE s_row SET b = 0 WHERE id = 1", NOARGS);
    assert_true(transact(c, EL_TX_SAVE, "half"));
    assert_true(next_row(s, v));
    assert_true(transact(c, EL_TX_ROLLBACK_TO, "half"));
    assert_true(next_row(s, v));
    finalize(s);
    assert_true(transact(c, EL_TX_ROLLBACK, NULL));
    assert_cell(c, "SELECT a FROM s_row WHERE id = 0", TEXT("text of row 0"));
}

/* The stream outlives the end of its transaction, and the begin of the next. */
static void outlives_transactions(void **state) {
    el_conn *c = *state;
    static const el_txop ends[] = {EL_TX_COMMIT, EL_TX_ROLLBACK};
    for (int i = 0; i < 2; i++) {
        assert_true(transact(c, EL_TX_BEGIN, NULL));
        run(c, "UPDATE s_row SET b = b WHERE id = 0", NOARGS);
        el_stmt *s = open_stream(c);
        assert_int_equal(read_rows(s, 1500, 0), 1500);
        assert_true(transact(c, ends[i], NULL));
        assert_int_equal(read_rows(s, 50000, 1500), 50000);
        assert_true(transact(c, EL_TX_BEGIN, NULL));
        assert_int_equal(read_rows(s, 50000, 51500), 50000);
        assert_true(transact(c, EL_TX_COMMIT, NULL));
        assert_int_equal(read_rows(s, -1, 101500), ROWS - 101500);
        finalize(s);
    }
}

/* What is no query has nothing to pull from, and comes whole. */
static void streams_anything(void **state) {
    el_conn *c = *state;
    static const char *const texts[] = {"EXPLAIN SELECT * FROM s_ten",
                                        "SHOW TABLES",
                                        "CHECK TABLE s_ten",
                                        "SHOW CREATE TABLE s_ten",
                                        "VALUES (1), (2)",
                                        "(SELECT 1)",
                                        "WITH t AS (SELECT 1 AS a) SELECT a FROM t",
                                        "SHOW GRANTS",
                                        "SELECT @@port"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (i == 4 && strcmp(c->product, "mariadb") != 0) {
            continue;
        }
        el_stmt *s = prepare(c, texts[i], EL_STMT_STREAM);
        el_value v[MAX_VALUES];
        for (int again = 0; again < 2; again++) {
            int count = 0;
            execute(s, NOARGS);
            while (next_row(s, v)) {
                count++;
            }
            assert_true(count > 0);
        }
        finalize(s);
    }
    el_stmt *s = prepare(c, "UPDATE s_ten SET d = d", EL_STMT_STREAM);
    execute(s, NOARGS);
    assert_int_equal(s->affected, 10);
    assert_false(s->active);
    finalize(s);
    assert_cell(c, "SELECT 1", INT(1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_memory_flat),
        cmocka_unit_test(keeps_memory_flat_with_long_rows),
        cmocka_unit_test(other_statements_work_meanwhile),
        cmocka_unit_test(stops_early_and_starts_again),
        cmocka_unit_test(keeps_its_row_beside_another_statement),
        cmocka_unit_test(sets_any_row_aside),
        cmocka_unit_test(has_no_room_to_set_aside),
        cmocka_unit_test(fails_where_it_is_read),
        cmocka_unit_test(is_left_early),
        cmocka_unit_test(works_in_a_transaction),
        cmocka_unit_test(outlives_transactions),
        cmocka_unit_test(streams_anything),
    };
    return cmocka_run_group_tests(tests, make_rows, drop_rows);
}
