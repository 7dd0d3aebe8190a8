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
        cmocka_unit_test(works_in_a_transaction),
        cmocka_unit_test(outlives_transactions),
        cmocka_unit_test(streams_anything),
    };
    return cmocka_run_group_tests(tests, make_rows, drop_rows);
}
