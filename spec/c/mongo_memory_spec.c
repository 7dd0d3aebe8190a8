/* SPDX-License-Identifier: MIT
**
** mongo_memory_spec.c - the MongoDB driver when memory runs out: driver_memory.h.  Its
** client library ends the process when it has none, so it keeps the system's.
*/
#include "mongo_support.h"

#include "driver_memory.h"

/* {====== The collection ====== */

static int make_empty(el_error *err) {
    (void)err;
    empty(conn, "memory_c");
    return EL_OK;
}

static void fill(void) {
    el_bulk *b = NULL;
    el_error err = {0};
    int64_t failed;
    static const char into[] =
        "{\"insert\":\"memory_c\",\"$fields\":[\"_id\",\"name\",\"doc\"]}";
    assert_int_equal(conn->driver->bulk_begin(&b, conn, into, 3, &err), EL_OK);
    for (int i = 1; i <= 700; i++) {
        el_value row[] = {INT(i), TEXT("a name"), JSON("{\"list\":[1,2,{\"x\":1}]}")};
        assert_int_equal(conn->driver->bulk_row(b, row, &err), EL_OK);
    }
    assert_int_equal(conn->driver->bulk_end(b, true, &failed, &err), EL_OK);
}

/* }====== */

/* {====== The work ====== */

static int query_with_values(const char *text, unsigned flags, int *rows, el_error *err) {
    static const char *const keys[] = {"a", "list", "long enough to be copied elsewhere"};
    el_value parts[] = {INT(1), TEXT("two"), FLT(3)};
    el_iter list = walk_over(NULL, parts, 3);
    el_value fields[] = {INT(1), {.type = EL_LIST, .u.nested = &list}, TEXT("c")};
    el_iter doc = walk_over(keys, fields, 3);
    el_value args[] = {INT(1000000),
                       TEXT("none"),
                       MOMENT(INT64_C(1709200800000000)),
                       STR(EL_DECIMAL, "1234567890.12"),
                       JSON("{\"j\":[1,{\"k\":2.5}]}"),
                       {.type = EL_DOC, .u.nested = &doc}};
    return query(text, flags, args, 6, rows, err);
}

static const char find[] =
    "{\"find\":\"memory_c\",\"filter\":{\"_id\":{\"$ne\":?},\"name\":{\"$ne\":?},\"at\":{"
    "\"$ne\":?},\"price\":{\"$ne\":?},\"json\":{\"$ne\":?},\"doc\":{\"$ne\":?}},"
    "\"$fields\":[\"_id\",\"name\",\"doc\",\"doc.list\"]}";
static const char insert[] =
    "{\"insert\":\"memory_c\",\"documents\":[{\"_id\":?,\"name\":?,\"at\":?,\"price\":?,"
    "\"json\":?,\"doc\":?}]}";

static int select_all(unsigned flags, int *rows, el_error *err) {
    return query_with_values(find, flags, rows, err);
}

static int take_rows(el_error *err) {
    static const char all[] = "{\"find\":\"memory_c\",\"$fields\":[\"_id\",\"name\"]}";
    el_query q = {.sql = all, .len = sizeof all - 1};
    el_value cell;
    el_stmt *s = NULL;
    void *result = NULL;
    size_t n;
    if (conn->driver->prepare(&s, conn, &q, err) != EL_OK) {
        return EL_FAIL;
    }
    int rc = conn->driver->execute(s, NOARGS, err);
    rc = rc == EL_OK ? conn->driver->take(s, &result, &n, err) : rc;
    if (rc == EL_OK) {
        assert_int_equal(n, 700);
        conn->driver->cell(result, 699, 1, &cell);
        assert_value(&cell, &TEXT("a name"), "name");
        conn->driver->discard(result);
    }
    conn->driver->finalize(s);
    return rc;
}

/* One whose values no el_value has: they are put into a copy. */
static int read_special(el_error *err) {
    int rows;
    return query("{\"find\":\"memory_special\"}", 0, NOARGS, &rows, err);
}

/* A path through a list: the list of its values is put into a copy. */
static int read_lists(el_error *err) {
    int rows;
    return query(
        "{\"find\":\"memory_c\",\"limit\":2,\"$fields\":[\"_id\",\"doc.list.x\"]}", 0,
        NOARGS, &rows, err);
}

static int insert_one(el_error *err) {
    int ignored;
    return query_with_values(insert, 0, &ignored, err);
}

static int write_in_a_transaction(el_error *err) {
    return in_a_transaction(insert_one, err);
}

static int break_unique(el_error *err) {
    int rc = break_key("{\"insert\":\"memory_c\",\"documents\":[{\"_id\":1}]}", err);
    if (rc == EL_OK) {
        assert_string_equal(err->constraint, "_id_");
    }
    return rc;
}

static int insert_many(el_error *err) {
    el_bulk *b = NULL;
    int64_t failed_row;
    static const char into[] = "{\"insert\":\"memory_c\",\"$fields\":[\"_id\",\"name\"]}";
    int rc = conn->driver->bulk_begin(&b, conn, into, 2, err);
    for (int i = 0; rc == EL_OK && i < 130; i++) {
        el_value row[] = {INT(5000 + i), TEXT("many")};
        rc = conn->driver->bulk_row(b, row, err);
    }
    if (b && conn->driver->bulk_end(b, rc == EL_OK, &failed_row, err) != EL_OK) {
        rc = EL_FAIL;
    }
    return rc;
}

static int write_in_bulk(el_error *err) {
    return in_a_transaction(insert_many, err);
}

/* }====== */

static void reading(void **state) {
    (void)state;
    fill();
    starve(read_rows, 5, still_works);
    starve(stream_rows, 5, still_works);
    starve(take_rows, 5, still_works);
    starve(read_lists, 4, still_works);
    empty(conn, "memory_special");
    run(conn, "{\"insert\":\"memory_special\",\"documents\":[{\"a\":?}]}",
        ARGS(STR(EL_SPECIAL, "{\"$minKey\":1}")));
    starve(read_special, 3, still_works);
}

static void writing(void **state) {
    (void)state;
    starve(write_in_a_transaction, 3, still_works);
    starve(write_in_bulk, 3, still_works);
    run(conn, "{\"insert\":\"memory_c\",\"documents\":[{\"_id\":1}]}", NOARGS);
    starve(break_unique, 2, still_works);
    assert_int_equal(count(conn, "memory_c"), 1);
}
