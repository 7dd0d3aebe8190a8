/* SPDX-License-Identifier: MIT
**
** mongo_faults_spec.c - the MongoDB driver when the server fails by its fail points:
** commands whose link is closed, whose answer comes late or with a label, writes that
** are done but not confirmed.  Links that are cut from outside are mongo_link_spec.c.
*/
#include "mongo_support.h"

/* {====== Fail points ====== */

/* The next `times` commands of that name fail so; `data` is JSON, {"errorCode":2}. */
static void fail_point(const char *command, int times, const char *data) {
    el_conn *c = open_conn(); /* another one: it would be part of a transaction */
    char text[400];
    snprintf(text, sizeof text,
             "{\"configureFailPoint\":\"failCommand\",\"mode\":{\"times\":%d},\"data\":{"
             "\"failCommands\":[\"%s\"],%s},\"$db\":\"admin\"}",
             times, command, data);
    run(c, text, NOARGS);
    el_conn_release(c);
}

static const char closed[] = "\"closeConnection\":true";
static const char insert[] = "{\"insert\":\"faults\",\"documents\":[{\"a\":1}]}";

static el_conn *open_with(const char *option) {
    char uri[200];
    const char *base = setting("EL_SPEC_MONGO_URI");
    el_conn *c = NULL;
    el_error err = {0};
    snprintf(uri, sizeof uri, "%s%s%s", base, strchr(base, '?') ? "&" : "/?", option);
    if (connect_to(&c, uri, &err) != EL_OK) {
        fail_msg("%s", err.message);
    }
    return c;
}

/* }====== */

/* {====== Closed links ====== */

/* The client library tries reads and findAndModify once more by itself. */
static void one_failure_is_not_seen(void **state) {
    el_conn *c = *state;
    empty(c, "faults");
    assert_int_equal(run(c, insert, NOARGS), 1);
    fail_point("find", 1, closed);
    run(c, "{\"find\":\"faults\",\"filter\":{}}", NOARGS);
    fail_point("aggregate", 1, closed);
    run(c, "{\"aggregate\":\"faults\",\"pipeline\":[],\"cursor\":{}}", NOARGS);
    fail_point("findAndModify", 1, closed);
    assert_int_equal(run(c,
                         "{\"findAndModify\":\"faults\",\"query\":{\"a\":1},\"update\":{"
                         "\"$inc\":{\"a\":1}}}",
                         NOARGS),
                     1);
    assert_int_equal(scalar(c, "{\"find\":\"faults\",\"filter\":{},\"$fields\":[\"a\"]}"),
                     2);
}

/* The connection is of no use then; another one is, at once. */
static void a_failure_that_stays(void **state) {
    static const char *const commands[][2] = {
        {"insert", insert},
        {"find", "{\"find\":\"faults\",\"filter\":{}}"},
        {"update", "{\"update\":\"faults\",\"updates\":[{\"q\":{},\"u\":{\"$set\":{\"b\":"
                   "1}},\"multi\":true}]}"},
        {"createIndexes", "{\"createIndexes\":\"faults\",\"indexes\":[{\"key\":{\"a\":1},"
                          "\"name\":\"a\"}]}"}};
    empty(*state, "faults");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        el_conn *c = open_conn();
        el_error err;
        double begun = seconds();
        fail_point(commands[i][0], 2, closed);
        run_failing(c, commands[i][1], NOARGS, &err);
        fail_point(commands[i][0], 0, closed);
        assert_kind(&err, EL_ERR_LOST, "08006");
        assert_non_null(strstr(err.message, "may have run"));
        assert_false(c->open);
        el_conn_release(c);
        assert_true(seconds() - begun < 3);
        assert_int_equal(count(*state, "faults"), 0);
    }
}

/* Rows that came before are good, and the statement ends. */
static void a_cursor_is_cut(void **state) {
    el_conn *direct = *state, *c = open_conn();
    el_bulk *b = NULL;
    el_error err = {0};
    el_value v[1];
    int64_t failed;
    int rows = 0, rc;
    empty(direct, "faults");
    assert_int_equal(
        direct->driver->bulk_begin(
            &b, direct, "{\"insert\":\"faults\",\"$fields\":[\"_id\"]}", 1, &err),
        EL_OK);
    for (int64_t i = 0; i < 1000; i++) {
        assert_int_equal(direct->driver->bulk_row(b, &INT(i), &err), EL_OK);
    }
    assert_int_equal(direct->driver->bulk_end(b, true, &failed, &err), EL_OK);
    el_stmt *s =
        prepare(c, "{\"find\":\"faults\",\"sort\":{\"_id\":1},\"$fields\":[\"_id\"]}",
                EL_STMT_STREAM);
    execute(s, NOARGS);
    fail_point("getMore", 1, closed);
    while ((rc = c->driver->fetch(s, &err)) == EL_ROW) {
        assert_int_equal(c->driver->row(s, v, &err), EL_OK);
        assert_value(&v[0], &INT(rows), "_id");
        rows++;
    }
    assert_int_equal(rc, EL_FAIL);
    assert_kind(&err, EL_ERR_LOST, "08006");
    assert_true(rows > 0 && rows < 1000);
    assert_false(s->active);
    finalize(s);
    el_conn_release(c);
    c = open_conn(); /* a whole result, whose later parts come by getMore, too */
    fail_point("getMore", 1, closed);
    run_failing(c, "{\"find\":\"faults\",\"batchSize\":10}", NOARGS, &err);
    assert_kind(&err, EL_ERR_LOST, "08006");
    el_conn_release(c);
}

/* }====== */

/* {====== Transactions ====== */

static void write_in_transaction(el_conn *c) {
    empty(c, "faults");
    assert_true(transact(c, EL_TX_BEGIN, NULL));
    run(c, insert, NOARGS);
}

/* A commit is tried once more by itself, and done once. */
static void a_commit_is_tried_again(void **state) {
    el_conn *c = *state;
    write_in_transaction(c);
    fail_point("commitTransaction", 1, closed);
    assert_true(transact(c, EL_TX_COMMIT, NULL));
    assert_int_equal(count(c, "faults"), 1);
    write_in_transaction(c);
    fail_point("commitTransaction", 1,
               "\"errorCode\":91,\"errorLabels\":[\"RetryableWriteError\"]");
    assert_true(transact(c, EL_TX_COMMIT, NULL));
    assert_int_equal(count(c, "faults"), 1);
}

/* Whatever it was that failed, nobody knows whether the transaction was committed. */
static void a_commit_of_unknown_result(void **state) {
    static const char *const causes[] = {
        closed,
        "\"errorCode\":50,\"errorLabels\":[\"UnknownTransactionCommitResult\"]",
        "\"errorCode\":91,\"errorLabels\":[\"RetryableWriteError\"]",
        "\"writeConcernError\":{\"code\":64,\"errmsg\":\"waited too long\"}",
    };
    for (size_t i = 0; i < sizeof causes / sizeof *causes; i++) {
        el_conn *c = open_conn();
        el_error err = {0};
        write_in_transaction(c);
        fail_point("commitTransaction", 2, causes[i]);
        assert_int_equal(c->driver->transact(c, EL_TX_COMMIT, NULL, &err), EL_FAIL);
        fail_point("commitTransaction", 0, closed);
        assert_kind(&err, EL_ERR_LOST, "08007");
        assert_non_null(strstr(err.message, "may have been committed"));
        assert_int_equal(c->driver->txstate(c), EL_TX_NONE);
        el_conn_release(c);
        empty(*state, "faults");
    }
}

/* Errors that carry the label are conflicts: the transaction may run again. */
static void what_passes_is_a_conflict(void **state) {
    el_conn *c = *state;
    static const char *const causes[] = {
        "\"errorCode\":112,\"errorLabels\":[\"TransientTransactionError\"]",
        "\"errorCode\":10107,\"errorLabels\":[\"TransientTransactionError\"]",
        "\"errorCode\":246,\"errorLabels\":[\"TransientTransactionError\"]",
    };
    for (size_t i = 0; i < sizeof causes / sizeof *causes; i++) {
        el_error err = {0};
        write_in_transaction(c);
        fail_point("insert", 1, causes[i]);
        run_failing(c, insert, NOARGS, &err);
        assert_kind(&err, EL_ERR_CONFLICT, "40001");
        assert_true(transact(c, EL_TX_ROLLBACK, NULL));
        assert_int_equal(count(c, "faults"), 0);
        write_in_transaction(c);
        fail_point("commitTransaction", 1, causes[i]);
        el_error_clear(&err);
        assert_int_equal(c->driver->transact(c, EL_TX_COMMIT, NULL, &err), EL_FAIL);
        assert_kind(&err, EL_ERR_CONFLICT, "40001");
        assert_int_equal(c->driver->txstate(c), EL_TX_NONE);
        assert_int_equal(count(c, "faults"), 0);
    }
}

/* A link that breaks inside one: the server undoes it. */
static void a_transaction_loses_its_link(void **state) {
    el_conn *c = open_conn();
    el_error err = {0};
    write_in_transaction(c);
    fail_point("insert", 1, closed);
    run_failing(c, insert, NOARGS, &err);
    assert_kind(&err, EL_ERR_LOST, "08006");
    assert_int_equal(c->driver->txstate(c), EL_TX_NONE);
    el_conn_release(c);
    assert_int_equal(count(*state, "faults"), 0);
}

/* }====== */

/* {====== Writes that are done and not confirmed ====== */

static void an_unconfirmed_write(void **state) {
    el_conn *c = *state;
    static const int codes[] = {64, 91, 100};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        char data[120];
        el_error err = {0};
        el_bulk *b = NULL;
        int64_t failed;
        empty(c, "faults");
        snprintf(data, sizeof data,
                 "\"writeConcernError\":{\"code\":%d,\"errmsg\":\"not by all\"}",
                 codes[i]);
        fail_point("insert", 1, data);
        run_failing(c, insert, NOARGS, &err);
        assert_kind(&err, EL_ERR_LOST, "08007");
        assert_int_equal(err.code, codes[i]);
        assert_non_null(strstr(err.message, "written"));
        assert_int_equal(count(c, "faults"), 1);
        assert_true(c->open);

        el_error_clear(&err);
        assert_int_equal(
            c->driver->bulk_begin(&b, c, "{\"insert\":\"faults\",\"$fields\":[\"a\"]}", 1,
                                  &err),
            EL_OK);
        assert_int_equal(c->driver->bulk_row(b, &INT(1), &err), EL_OK);
        fail_point("insert", 1, data);
        assert_int_equal(c->driver->bulk_end(b, true, &failed, &err), EL_FAIL);
        assert_kind(&err, EL_ERR_LOST, "08007");
        assert_int_equal(failed, 0);
        assert_int_equal(count(c, "faults"), 2);
    }
}

/* }====== */

/* {====== Late answers ====== */

static void a_late_answer(void **state) {
    el_conn *c = open_with("socketTimeoutMS=300");
    el_error err;
    double begun = seconds();
    empty(*state, "faults");
    fail_point("createIndexes", 1, "\"blockConnection\":true,\"blockTimeMS\":1500");
    run_failing(c,
                "{\"createIndexes\":\"faults\",\"indexes\":[{\"key\":{\"a\":1},\"name\":"
                "\"a\"}]}",
                NOARGS, &err);
    assert_kind(&err, EL_ERR_LOST, "08006");
    assert_true(seconds() - begun < 1.4);
    el_conn_release(c);
    run(*state, "{\"ping\":1}", NOARGS);
    fail_point("find", 1, "\"errorCode\":50");
    run_failing(*state, "{\"find\":\"faults\",\"maxTimeMS\":100}", NOARGS, &err);
    assert_kind(&err, EL_ERR_CANCELED, "57014");
    assert_non_null(strstr(err.message, "maxTimeMS"));
}

/* }====== */

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_failure_is_not_seen),
        cmocka_unit_test(a_failure_that_stays),
        cmocka_unit_test(a_cursor_is_cut),
        cmocka_unit_test(a_commit_is_tried_again),
        cmocka_unit_test(a_commit_of_unknown_result),
        cmocka_unit_test(what_passes_is_a_conflict),
        cmocka_unit_test(a_transaction_loses_its_link),
        cmocka_unit_test(an_unconfirmed_write),
        cmocka_unit_test(a_late_answer),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
