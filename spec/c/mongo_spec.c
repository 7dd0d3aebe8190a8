/* SPDX-License-Identifier: MIT
**
** mongo_spec.c - the MongoDB driver through its contract: connections, commands, rows,
** bulk inserts and errors by kind.  What breaks on the way is mongo_link_spec.c, values
** are mongo_values_spec.c.
*/
#include "mongo_support.h"

/* {====== Connections ====== */

static void opens(void **state) {
    el_conn *c = *state;
    el_error err = {0};
    assert_int_equal(c->driver->abi, EL_DRIVER_ABI);
    assert_string_equal(c->product, "mongodb");
    assert_true(c->version > 30600);
    assert_true(c->open);
    assert_true(c->driver->caps & EL_CAP_DOCUMENTS);
    assert_int_equal(c->driver->ping(c, &err), EL_OK);
    assert_int_equal(c->driver->txstate(c), EL_TX_NONE);
}

static void refuses_settings(void **state) {
    (void)state;
    static const el_option cases[][4] = {
        {{"uri", "mongodb://"}},
        {{"uri", "http://h"}},
        {{"uri", "mongodb://me:secret@h/?tlz=1&readPreference=odd"}},
        {{"uri", "mongodb://me:sec@secret@h/d"}}, /* no host is named secret@h */
        {{"uri", "mongodb://me:12/secret@h/d"}},
        {{"uri", "mongodb://me:%secret@h/d"}},
        {{"uri", "mongodb://me:secret@h:99999999/d"}},
        {{"uri", "mongodb://me:secret@h/d?tls=secret"}},
        {{"uri", "mongodb+srv://me:secret@host/d"}},
        {{"uri", "mongodb+srv://me:secret@a.b.example:27017/d"}},
        {{"uri", "mongodb://me:secret@h/d?tls=true&tlsCAFile=/no/such.pem"}},
        {{"uri", "mongodb://me:secret@h/d?tls=true&tlsCertificateKeyFile=/no/such.pem"}},
        {{"uri", "mongodb://127.0.0.1"}},
        {{"uri", "mongodb://127.0.0.1"}, {"db", "d"}, {"connect_timeout", "soon"}},
        {{"url", "mongodb://127.0.0.1"}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        el_conn *c = NULL;
        el_error err = {0};
        assert_int_equal(driver()->open(&c, cases[i], &err), EL_FAIL);
        assert_kind(&err, EL_ERR_MISUSE, "");
        assert_null(c);
        assert_null(strstr(err.message, "secret"));
    }
}

static void nobody_listens(void **state) {
    (void)state;
    el_conn *c = NULL;
    el_error err = {0};
    double begun = seconds();
    assert_int_equal(connect_to(&c, "mongodb://me:secret@127.0.0.1:1", &err), EL_FAIL);
    assert_kind(&err, EL_ERR_CONNECT, "08001");
    assert_non_null(strstr(err.message, "127.0.0.1:1"));
    assert_null(strstr(err.message, "secret"));
    assert_true(seconds() - begun < 2);
    el_error_clear(&err);
    assert_int_equal(connect_to(&c, "mongodb://no-such-host.invalid", &err), EL_FAIL);
    assert_kind(&err, EL_ERR_CONNECT, "08001");
    el_error_clear(&err);
    begun = seconds();
    assert_int_equal(
        connect_to(&c, "mongodb+srv://me:secret@no.such.host.invalid/d", &err), EL_FAIL);
    assert_kind(&err, EL_ERR_CONNECT, "08001");
    assert_non_null(strstr(err.message, "no.such.host.invalid"));
    assert_null(strstr(err.message, "secret"));
    assert_true(seconds() - begun < 5);
    el_error_clear(&err);
    begun = seconds(); /* an address that does not answer at all */
    assert_int_equal(connect_to(&c, "mongodb://192.0.2.1:27017", &err), EL_FAIL);
    assert_kind(&err, EL_ERR_CONNECT, "08001");
    assert_true(seconds() - begun < 6);
}

/* A single server with TLS that asks for a password. */
static void secure_server(void **state) {
    (void)state;
    const char *uri = setting("EL_SPEC_MONGO_SECURE_URI");
    el_conn *c = NULL;
    el_error err = {0};
    if (connect_to(&c, uri, &err) != EL_OK) {
        fail_msg("%s", err.message);
    }
    empty(c, "things");
    assert_int_equal(run(c, "{\"insert\":\"things\",\"documents\":[{\"a\":1}]}", NOARGS),
                     1);
    assert_int_equal(count(c, "things"), 1);
    assert_int_equal(c->driver->transact(c, EL_TX_BEGIN, NULL, &err), EL_FAIL);
    assert_kind(&err, EL_ERR_UNSUPPORTED, NULL);
    assert_non_null(strstr(err.message, "--replSet"));
    el_conn_release(c);

    char wrong[400];
    const char *at = strchr(uri, '@');
    snprintf(wrong, sizeof wrong, "mongodb://eloquent:secretpassword%s", at);
    el_error_clear(&err);
    assert_int_equal(connect_to(&c, wrong, &err), EL_FAIL);
    assert_kind(&err, EL_ERR_AUTH, "28000");
    assert_null(strstr(err.message, "secretpassword"));

    snprintf(wrong, sizeof wrong, "mongodb://%s", at + 1); /* no user */
    el_error_clear(&err);
    int rc = connect_to(&c, wrong, &err);
    if (rc == EL_OK) { /* saying who it is needs no user */
        run_failing(c, "{\"find\":\"things\"}", NOARGS, &err);
        el_conn_release(c);
    }
    assert_kind(&err, EL_ERR_AUTH, NULL);

    el_error_clear(&err); /* an authority that the system does not know */
    snprintf(wrong, sizeof wrong, "%.*s?tls=true&authSource=admin",
             (int)(strchr(uri, '?') - uri), uri);
    assert_int_equal(connect_to(&c, wrong, &err), EL_FAIL);
    assert_kind(&err, EL_ERR_CONNECT, NULL);
}

static void a_statement_keeps_its_connection(void **state) {
    (void)state;
    el_conn *c = open_conn();
    el_stmt *s = prepare(c, "{\"ping\":1,\"$fields\":[\"ok\"]}", 0);
    assert_int_equal(c->refs, 2);
    el_conn_release(c);
    execute(s, NOARGS);
    el_value v[1];
    assert_true(next_row(s, v));
    assert_int_equal(v[0].type, EL_FLOAT);
    finalize(s);
}

/* }====== */

/* {====== Commands ====== */

static void texts_that_are_none(void **state) {
    el_conn *c = *state;
    static const char *const texts[] = {
        "",
        " ",
        "{}",
        "[]",
        "SELECT 1",
        "{\"find\"}",
        "{\"find\":}",
        "{\"find\":\"a\"",
        "{\"find\":\"a\"} x",
        "{\"find\":\"a\",}",
        "{?:1}",
        "{\"a\":??}",
        "{\"a\":1 \"b\":2}",
        "{\"find\":\"a\",\"$fields\":[]}",
        "{\"find\":\"a\",\"$fields\":[1]}",
        "{\"find\":\"a\",\"$fields\":\"a\"}",
        "{\"find\":\"a\",\"$fields\":[\"a\",\"a\"]}",
        "{\"find\":\"a\",\"$fields\":[\"a\"],\"$fields\":[\"b\"]}",
        "{\"find\":\"a\",\"$db\":1}",
        "{\"find\":\"a\",\"$db\":?}",
        "{\"a\":18446744073709551616}",
        "{\"a\\u0000\":1}",
        "{\"a\":\"\xFF\"}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        el_error err;
        run_failing(c, texts[i], NOARGS, &err);
        assert_kind(&err, EL_ERR_SYNTAX, NULL);
    }
    el_error err;
    run_failing(c, "{\"find\":\"a\",\"filter\":{\"a\":?}}", NOARGS, &err);
    assert_kind(&err, EL_ERR_MISUSE, NULL);
    run_failing(c, "{\"ping\":1}", ARGS(INT(1)), &err);
    assert_kind(&err, EL_ERR_MISUSE, NULL);
}

static const char insert_people[] =
    "{\"insert\":\"people\",\"documents\":["
    "{\"_id\":?,\"name\":?,\"address\":{\"city\":?,\"zip\":12345},\"tags\":[?,\"x\",?]},"
    "{\"_id\":2,\"name\":\"Bo\"}]}";

static void make_people(el_conn *c) {
    empty(c, "people");
    assert_int_equal(run(c, insert_people,
                         ARGS(INT(1), TEXT("Al"), TEXT("Rome"), TEXT("a"), TEXT("b"))),
                     2);
}

static void writes_and_reads(void **state) {
    el_conn *c = *state;
    el_value v[MAX_VALUES];
    make_people(c);
    el_stmt *s =
        prepare(c,
                "{\"find\":\"people\",\"filter\":{\"_id\":{\"$gte\":?}},\"sort\":{"
                "\"_id\":1},\"$fields\":[\"name\",\"address.city\",\"tags\","
                "\"_id\",\"tags.1\",\"address.none\"]}",
                0);
    assert_int_equal(s->nparams, 1);
    assert_int_equal(s->ncolumns, 6);
    assert_string_equal(s->columns[1].name, "address.city");
    assert_int_equal(s->columns[1].namelen, 12);
    for (int again = 0; again < 3; again++) {
        execute(s, ARGS(INT(1)));
        assert_true(s->active);
        assert_true(next_row(s, v));
        assert_value(&v[0], &TEXT("Al"), "name");
        assert_value(&v[1], &TEXT("Rome"), "city");
        assert_written(&v[2], "[\"a\",\"x\",\"b\"]");
        assert_value(&v[3], &INT(1), "_id");
        assert_value(&v[4], &TEXT("x"), "tags.1");
        assert_int_equal(v[5].type, EL_NULL);
        if (again == 1) {
            continue; /* not read to the end */
        }
        assert_true(next_row(s, v));
        assert_value(&v[0], &TEXT("Bo"), "name");
        assert_int_equal(v[1].type, EL_NULL);
        assert_false(next_row(s, v));
        assert_false(s->active);
        assert_false(next_row(s, v));
    }
    el_error err = {0};
    assert_int_equal(c->driver->row(s, v, &err), EL_FAIL);
    assert_kind(&err, EL_ERR_MISUSE, NULL);
    finalize(s);
}

static void paths_through_lists(void **state) {
    el_conn *c = *state;
    el_value v[MAX_VALUES];
    empty(c, "people");
    run(c,
        "{\"insert\":\"people\",\"documents\":[{\"_id\":1,\"l\":[{\"a\":1,\"b\":[{\"c\":"
        "2},"
        "{\"c\":3}]},5,{\"a\":null},{},{\"b\":[{\"c\":[4]}]}]},{\"_id\":2,\"l\":[]},"
        "{\"_id\":3,\"l\":{\"a\":7}},{\"_id\":4}]}",
        NOARGS);
    el_stmt *s = prepare(c,
                         "{\"find\":\"people\",\"sort\":{\"_id\":1},\"$fields\":[\"l.a\","
                         "\"_id\",\"l.b.c\",\"l.0.a\",\"l.9.a\",\"l.b.1.c\"]}",
                         0);
    execute(s, NOARGS);
    assert_true(next_row(s, v));
    assert_written(&v[0], "[1,null]");
    assert_value(&v[1], &INT(1), "_id");
    assert_written(&v[2], "[2,3,[4]]");
    assert_value(&v[3], &INT(1), "l.0.a");
    assert_int_equal(v[4].type, EL_NULL);
    assert_written(&v[5], "[3]");
    assert_true(next_row(s, v));
    assert_written(&v[0], "[]");
    assert_int_equal(v[3].type, EL_NULL);
    assert_true(next_row(s, v));
    assert_value(&v[0], &INT(7), "l.a");
    assert_true(next_row(s, v));
    assert_int_equal(v[0].type, EL_NULL);
    assert_false(next_row(s, v));
    finalize(s);
}

static void whole_documents(void **state) {
    el_conn *c = *state;
    el_value v[1];
    make_people(c);
    el_stmt *s = prepare(c, "{\"find\":\"people\",\"sort\":{\"_id\":-1}}", 0);
    assert_int_equal(s->ncolumns, 1);
    assert_string_equal(s->columns[0].name, "document");
    execute(s, NOARGS);
    assert_true(next_row(s, v));
    assert_written(&v[0], "{_id:2,name:\"Bo\"}");
    assert_true(next_row(s, v));
    assert_written(&v[0], "{_id:1,name:\"Al\",address:{city:\"Rome\",zip:12345},"
                          "tags:[\"a\",\"x\",\"b\"]}");
    finalize(s);
}

static void counts_what_was_written(void **state) {
    el_conn *c = *state;
    make_people(c);
    static const char update[] =
        "{\"update\":\"people\",\"updates\":[{\"q\":{\"_id\":{\"$lte\":?}},"
        "\"u\":{\"$set\":{\"n\":?}},\"multi\":true}]}";
    el_stmt *s = prepare(c, update, 0);
    assert_int_equal(s->ncolumns, 0);
    execute(s, ARGS(INT(2), INT(5)));
    assert_int_equal(s->affected, 2);
    assert_false(s->active);
    execute(s, ARGS(INT(2), INT(5))); /* matched, though nothing changes */
    assert_int_equal(s->affected, 2);
    execute(s, ARGS(INT(0), INT(5)));
    assert_int_equal(s->affected, 0);
    finalize(s);
    assert_int_equal(run(c,
                         "{\"update\":\"people\",\"updates\":[{\"q\":{\"_id\":9},\"u\":"
                         "{\"$set\":{\"n\":1}},\"upsert\":true}]}",
                         NOARGS),
                     1);
    assert_int_equal(count(c, "people"), 3);
    assert_int_equal(
        run(c, "{\"delete\":\"people\",\"deletes\":[{\"q\":{\"n\":?},\"limit\":0}]}",
            ARGS(INT(5))),
        2);
    assert_int_equal(count(c, "people"), 1);
}

static void find_and_modify(void **state) {
    el_conn *c = *state;
    el_value v[2];
    make_people(c);
    el_stmt *s =
        prepare(c,
                "{\"findAndModify\":\"people\",\"query\":{\"_id\":?},\"update\":{"
                "\"$inc\":{\"n\":?}},\"new\":true,\"$fields\":[\"_id\",\"n\"]}",
                0);
    for (int64_t i = 1; i <= 3; i++) {
        execute(s, ARGS(INT(2), INT(10)));
        assert_int_equal(s->affected, 1);
        assert_true(next_row(s, v));
        assert_value(&v[1], &INT(10 * i), "n");
        assert_false(next_row(s, v));
    }
    execute(s, ARGS(INT(77), INT(10)));
    assert_int_equal(s->affected, 0);
    assert_false(next_row(s, v));
    finalize(s);
}

static void other_commands(void **state) {
    el_conn *c = *state;
    el_value v[2];
    make_people(c);
    assert_int_equal(count(c, "people"), 2);
    el_stmt *s = prepare(
        c, "{\"distinct\":\"people\",\"key\":\"name\",\"$fields\":[\"values\"]}", 0);
    execute(s, NOARGS);
    assert_true(next_row(s, v));
    assert_written(&v[0], "[\"Al\",\"Bo\"]");
    finalize(s);
    s = prepare(
        c,
        "{\"aggregate\":\"people\",\"pipeline\":[{\"$match\":{\"_id\":{\"$in\":?}}},{"
        "\"$group\":{\"_id\":null,\"n\":{\"$sum\":\"$_id\"}}}],\"cursor\":{},"
        "\"$fields\":[\"n\"]}",
        0);
    execute(s, ARGS(JSON("[1,2,3]")));
    assert_true(next_row(s, v));
    assert_value(&v[0], &INT(3), "sum");
    finalize(s);
    s = prepare(c, "{\"ping\":1}", 0);
    execute(s, NOARGS);
    assert_true(next_row(s, v));
    assert_int_equal(v[0].type, EL_DOC);
    assert_false(next_row(s, v));
    finalize(s);
    s = prepare(
        c,
        "{\"listCollections\":1,\"filter\":{\"name\":\"people\"},\"$fields\":[\"name\"]}",
        0);
    execute(s, NOARGS);
    assert_true(next_row(s, v));
    assert_value(&v[0], &TEXT("people"), "name");
    finalize(s);
    run(c,
        "{\"delete\":\"people\",\"deletes\":[{\"q\":{},\"limit\":0}],\"$db\":\"eloquent_"
        "other\"}",
        NOARGS);
    assert_int_equal(count(c, "people"), 2);
    run(c, "{\"insert\":\"people\",\"documents\":[{\"a\":1}],\"$db\":\"eloquent_other\"}",
        NOARGS);
    assert_int_equal(
        scalar(c,
               "{\"count\":\"people\",\"$db\":\"eloquent_other\",\"$fields\":[\"n\"]}"),
        1);
    el_error err = {0};
    static const char script[] = "{\"drop\":\"people\"}";
    assert_int_equal(c->driver->script(c, script, sizeof script - 1, &err), EL_OK);
    assert_int_equal(count(c, "people"), 0);
}

/* }====== */

/* {====== Cursors ====== */

enum { MANY = 2500 };

static void make_many(el_conn *c) {
    el_bulk *b = NULL;
    el_error err = {0};
    int64_t failed;
    empty(c, "many");
    assert_int_equal(
        c->driver->bulk_begin(&b, c, "{\"insert\":\"many\",\"$fields\":[\"_id\",\"t\"]}",
                              2, &err),
        EL_OK);
    for (int64_t i = 0; i < MANY; i++) {
        assert_int_equal(c->driver->bulk_row(b, (el_value[]){INT(i), TEXT("text")}, &err),
                         EL_OK);
    }
    if (c->driver->bulk_end(b, true, &failed, &err) != EL_OK) {
        fail_msg("%s", err.message);
    }
}

static const char find_many[] =
    "{\"find\":\"many\",\"sort\":{\"_id\":1},\"$fields\":[\"_id\",\"t\"]}";

static void cursors_side_by_side(void **state) {
    el_conn *c = *state;
    enum { CURSORS = 5 };
    el_stmt *s[CURSORS];
    el_value v[2];
    make_many(c);
    assert_int_equal(count(c, "many"), MANY);
    for (int i = 0; i < CURSORS; i++) {
        s[i] = prepare(c, find_many, i < 4 ? EL_STMT_STREAM : 0);
        execute(s[i], NOARGS);
    }
    for (int64_t row = 0; row < MANY; row++) {
        for (int i = 0; i < CURSORS; i++) {
            assert_true(next_row(s[i], v));
            assert_value(&v[0], &INT(row), "_id");
        }
        if (row == 1200) {
            c->driver->reset(s[3]); /* given up in the middle, and begun anew */
            execute(s[3], NOARGS);
            for (int64_t k = 0; k <= row; k++) {
                assert_true(next_row(s[3], v));
            }
        }
    }
    for (int i = 0; i < CURSORS; i++) {
        assert_false(next_row(s[i], v));
        finalize(s[i]);
    }
    s[0] = prepare(c, find_many, EL_STMT_STREAM);
    execute(s[0], NOARGS);
    assert_true(next_row(s[0], v));
    finalize(s[0]); /* with its cursor open */
}

static void takes_whole_results(void **state) {
    el_conn *c = *state;
    el_error err = {0};
    void *result = NULL;
    size_t n = 0;
    el_value v;
    make_many(c);
    el_stmt *s = prepare(c, find_many, 0);
    execute(s, NOARGS);
    assert_int_equal(c->driver->take(s, &result, &n, &err), EL_OK);
    assert_int_equal(n, MANY);
    assert_false(s->active);
    execute(s, NOARGS); /* the statement is free */
    finalize(s);
    for (size_t i = 0; i < n; i += 7) {
        size_t row = (i * 31) % n;
        c->driver->cell(result, row, 0, &v);
        assert_value(&v, &INT((int64_t)row), "_id");
        c->driver->cell(result, row, 1, &v);
        assert_value(&v, &TEXT("text"), "t");
    }
    c->driver->discard(result);
    s = prepare(c, find_many, 0);
    assert_int_equal(c->driver->take(s, &result, &n, &err), EL_FAIL);
    assert_kind(&err, EL_ERR_MISUSE, NULL);
    finalize(s);
}

/* }====== */

/* {====== Bulk ====== */

/* Rows of all types that values have, and a field that is written under two names. */
static void bulk_writes_values(void **state) {
    el_conn *c = *state;
    const el_driver *d = c->driver;
    static const char into[] =
        "{\"insert\":\"many\",\"$fields\":[[\"id\",\"_id\"],\"a_long_name\",\"b\"]}";
    static const char find[] = "{\"find\":\"many\",\"sort\":{\"_id\":1},\"$fields\":"
                               "[\"_id\",\"id\",\"a_long_name\",\"b\"]}";
    const el_value rows[][3] = {
        {INT(1), TEXT("t\xc3\xa4xt"), FLT(0.5)},
        {INT(2), NIL, BOOL(true)},
        {INT(3), INT(INT32_MAX), INT(INT64_MIN)},
        {INT(4), TEXT(""), MOMENT(-1000)},
        {INT(INT64_MAX), STR(EL_DECIMAL, "1.50"), STR(EL_DATE, "2024-02-29")}};
    enum { COUNT = sizeof rows / sizeof *rows };
    el_bulk *b = NULL;
    el_error err = {0};
    int64_t failed = 0;
    el_value got[MAX_VALUES];
    empty(c, "many");
    assert_int_equal(d->bulk_begin(&b, c, into, 3, &err), EL_OK);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(d->bulk_row(b, rows[i], &err), EL_OK);
    }
    assert_int_equal(d->bulk_end(b, true, &failed, &err), EL_OK);
    el_stmt *s = prepare(c, find, 0);
    execute(s, NOARGS);
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(next_row(s, got));
        assert_value(&got[0], &rows[i][0], "_id");
        assert_value(&got[1], &rows[i][0], "id");
        assert_value(&got[2], &rows[i][1], "a_long_name");
        el_value last = i == COUNT - 1 ? (el_value)TEXT("2024-02-29") : rows[i][2];
        assert_value(&got[3], &last, "b");
    }
    finalize(s);

    assert_int_equal(d->bulk_begin(&b, c, into, 3, &err), EL_OK);
    assert_int_equal(d->bulk_row(b, (el_value[]){INT(9), TEXT("\xff"), NIL}, &err),
                     EL_FAIL);
    assert_int_equal(d->bulk_end(b, false, &failed, &err), EL_OK);
    assert_kind(&err, EL_ERR_VALUE, "");
    assert_int_equal(count(c, "many"), COUNT);
}

static void bulk_names_the_row(void **state) {
    el_conn *c = *state;
    const el_driver *d = c->driver;
    static const char into[] = "{\"insert\":\"many\",\"$fields\":[\"_id\",\"t\"]}";
    el_bulk *b = NULL;
    el_error err = {0};
    int64_t failed = 0;
    empty(c, "many");
    assert_int_equal(d->bulk_begin(&b, c, into, 2, &err), EL_OK);
    for (int64_t i = 1; i <= 100; i++) {
        assert_int_equal(d->bulk_row(b, (el_value[]){INT(i == 42 ? 7 : i), NIL}, &err),
                         EL_OK);
        assert_int_equal(b->pending, 0);
    }
    assert_int_equal(d->bulk_end(b, true, &failed, &err), EL_FAIL);
    assert_kind(&err, EL_ERR_UNIQUE, "23505");
    assert_int_equal(failed, 42);
    assert_string_equal(err.table, "many");

    el_error_clear(&err); /* a value that can't be sent */
    empty(c, "many");
    assert_int_equal(d->bulk_begin(&b, c, into, 2, &err), EL_OK);
    assert_int_equal(d->bulk_row(b, (el_value[]){INT(1), NIL}, &err), EL_OK);
    assert_int_equal(d->bulk_row(b, (el_value[]){INT(2), MOMENT(1)}, &err), EL_FAIL);
    assert_int_equal(d->bulk_end(b, false, &failed, &err), EL_OK);
    assert_kind(&err, EL_ERR_VALUE, "");
    assert_int_equal(failed, 2);
    assert_int_equal(count(c, "many"), 0);

    static const char *const wrong[] = {
        "{\"insert\":\"many\"}", "{\"insert\":\"many\",\"$fields\":[\"a\"]}",
        "{\"insert\":\"many\",\"a\":?,\"$fields\":[\"a\",\"b\"]}",
        "{\"delete\":\"many\",\"$fields\":[\"a\",\"b\"]}",
        "{\"insert\":\"many\",\"$fields\":[\"a\",\"b.c\"]}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        el_error_clear(&err);
        assert_int_equal(d->bulk_begin(&b, c, wrong[i], 2, &err), EL_FAIL);
        assert_kind(&err, i < 4 ? EL_ERR_MISUSE : EL_ERR_UNSUPPORTED, NULL);
    }
}

/* Documents that fill several commands, some of them as large as one may be. */
static void bulk_of_large_documents(void **state) {
    el_conn *c = *state;
    static const size_t sizes[] = {100, 3000000, 5000000, 16777000,
                                   10,  9000000, 9000000, 1};
    enum { N = sizeof sizes / sizeof *sizes };
    char *text = malloc(16777216);
    assert_non_null(text);
    memset(text, 'y', 16777216);
    el_bulk *b = NULL;
    el_error err = {0};
    int64_t failed = 0;
    empty(c, "many");
    assert_int_equal(
        c->driver->bulk_begin(&b, c, "{\"insert\":\"many\",\"$fields\":[\"_id\",\"t\"]}",
                              2, &err),
        EL_OK);
    for (int64_t i = 0; i < N; i++) {
        el_value row[] = {INT(i), BYTES(EL_TEXT, text, sizes[i])};
        if (c->driver->bulk_row(b, row, &err) != EL_OK) {
            fail_msg("%d: %s", (int)i, err.message);
        }
    }
    assert_int_equal(c->driver->bulk_end(b, true, &failed, &err), EL_OK);
    assert_int_equal(count(c, "many"), N);
    empty(c, "many");
    free(text);
}

/* }====== */

/* {====== Errors ====== */

static void duplicate_keys(void **state) {
    el_conn *c = *state;
    el_error err;
    run(c,
        "{\"createIndexes\":\"unique\",\"indexes\":[{\"key\":{\"team\":1,\"email\":1},"
        "\"name\":\"team_email\",\"unique\":true}]}",
        NOARGS);
    empty(c, "unique");
    static const char insert[] =
        "{\"insert\":\"unique\",\"documents\":[{\"_id\":?,\"team\":1,\"email\":?}]}";
    run(c, insert, ARGS(INT(1), TEXT("hidden@example.org")));
    run_failing(c, insert, ARGS(INT(2), TEXT("hidden@example.org")), &err);
    assert_kind(&err, EL_ERR_UNIQUE, "23505");
    assert_int_equal(err.code, 11000);
    assert_string_equal(err.table, "unique");
    assert_string_equal(err.constraint, "team_email");
    assert_string_equal(err.column, "team, email");
    assert_null(strstr(err.message, "hidden"));
    run_failing(c, insert, ARGS(INT(1), TEXT("b")), &err);
    assert_kind(&err, EL_ERR_UNIQUE, "23505");
    assert_string_equal(err.constraint, "_id_");
    run(c, insert, ARGS(INT(3), TEXT("c")));
    static const char update[] =
        "{\"update\":\"unique\",\"updates\":[{\"q\":{\"_id\":3},\"u\":"
        "{\"$set\":{\"email\":?}}}]}";
    run_failing(c, update, ARGS(TEXT("hidden@example.org")), &err);
    assert_kind(&err, EL_ERR_UNIQUE, "23505");
    run_failing(c,
                "{\"findAndModify\":\"unique\",\"query\":{\"_id\":3},\"update\":"
                "{\"$set\":{\"email\":?}}}",
                ARGS(TEXT("hidden@example.org")), &err);
    assert_kind(&err, EL_ERR_UNIQUE, "23505");
    assert_null(strstr(err.message, "hidden"));
}

static void kinds_of_failures(void **state) {
    el_conn *c = *state;
    el_error err;
    make_people(c);
    static const struct {
        const char *text;
        el_errkind kind;
    } cases[] = {
        {"{\"noSuchCommand\":1}", EL_ERR_SYNTAX},
        {"{\"find\":\"people\",\"filter\":{\"a\":{\"$odd\":\"hidden\"}}}", EL_ERR_SYNTAX},
        {"{\"aggregate\":\"people\",\"pipeline\":[{\"$odd\":1}],\"cursor\":{}}",
         EL_ERR_SYNTAX},
        {"{\"update\":\"people\",\"updates\":[{\"q\":{},\"u\":{\"$set\":{\"a\":1},"
         "\"$inc\":{\"a\":1}}}]}",
         EL_ERR_SYNTAX},
        {"{\"update\":\"people\",\"updates\":[{\"q\":{},\"u\":{\"$inc\":{\"name\":1}}}]}",
         EL_ERR_VALUE},
        {"{\"update\":\"people\",\"updates\":[{\"q\":{\"_id\":1},\"u\":{\"$set\":{\"_"
         "id\":5}}}]}",
         EL_ERR_VALUE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run_failing(c, cases[i].text, NOARGS, &err);
        if (err.kind != cases[i].kind) {
            fail_msg("%s: %s %d %s", cases[i].text, el_errkind_name(err.kind), err.code,
                     err.message);
        }
        assert_string_not_equal(err.sqlstate, "");
        assert_null(strstr(err.message, "hidden"));
    }
}

static void validators(void **state) {
    el_conn *c = *state;
    el_query q = {.sql = "{\"drop\":\"checked\"}", .len = 18};
    el_stmt *s = NULL;
    el_error err = {0};
    assert_int_equal(c->driver->prepare(&s, c, &q, &err), EL_OK);
    c->driver->execute(s, NOARGS, &err); /* it may not be there */
    finalize(s);
    run(c, "{\"create\":\"checked\",\"validator\":{\"age\":{\"$gte\":0}}}", NOARGS);
    run(c, "{\"insert\":\"checked\",\"documents\":[{\"age\":1}]}", NOARGS);
    run_failing(c, "{\"insert\":\"checked\",\"documents\":[{\"age\":-1}]}", NOARGS, &err);
    assert_kind(&err, EL_ERR_CHECK, "23514");
    assert_string_equal(err.table, "checked");
}

/* }====== */

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens),
        cmocka_unit_test(refuses_settings),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(secure_server),
        cmocka_unit_test(a_statement_keeps_its_connection),
        cmocka_unit_test(texts_that_are_none),
        cmocka_unit_test(writes_and_reads),
        cmocka_unit_test(paths_through_lists),
        cmocka_unit_test(whole_documents),
        cmocka_unit_test(counts_what_was_written),
        cmocka_unit_test(find_and_modify),
        cmocka_unit_test(other_commands),
        cmocka_unit_test(cursors_side_by_side),
        cmocka_unit_test(takes_whole_results),
        cmocka_unit_test(bulk_writes_values),
        cmocka_unit_test(bulk_names_the_row),
        cmocka_unit_test(bulk_of_large_documents),
        cmocka_unit_test(duplicate_keys),
        cmocka_unit_test(kinds_of_failures),
        cmocka_unit_test(validators),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
