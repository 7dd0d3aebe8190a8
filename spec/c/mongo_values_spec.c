/* SPDX-License-Identifier: MIT
**
** mongo_values_spec.c - values to MongoDB and back: every type of BSON, every type of
** el_value, nested, at their limits, and those that must be refused before anything is
** sent.
*/
#include <float.h>
#include <math.h>

#include "mongo_support.h"

static const char insert_text[] =
    "{\"insert\":\"values\",\"documents\":[{\"_id\":?,\"v\":?}]}";
static const char find_text[] =
    "{\"find\":\"values\",\"filter\":{\"_id\":?},\"$fields\":[\"v\"]}";

/* Stores a value and reads it back. */
static void round_trip(el_conn *c, el_value v, el_value back, const char *what) {
    static int64_t id = 0;
    el_value got[MAX_VALUES];
    id++;
    assert_int_equal(run(c, insert_text, ARGS(INT(id), v)), 1);
    el_stmt *s = prepare(c, find_text, 0);
    execute(s, ARGS(INT(id)));
    assert_true(next_row(s, got));
    assert_value(&got[0], &back, what);
    assert_false(next_row(s, got));
    finalize(s);
}

static void same(el_conn *c, el_value v, const char *what) {
    round_trip(c, v, v, what);
}

#define SAME(v) same(c, v, #v)
#define BACK(v, b) round_trip(c, v, b, #v)

static void plain_values(void **state) {
    el_conn *c = *state;
    empty(c, "values");
    SAME(NIL);
    SAME(BOOL(true));
    SAME(BOOL(false));
    SAME(INT(0));
    SAME(INT(-1));
    SAME(INT(INT32_MAX));
    SAME(INT(INT32_MIN));
    SAME(INT((int64_t)INT32_MAX + 1));
    SAME(INT((int64_t)INT32_MIN - 1));
    SAME(INT(INT64_MAX));
    SAME(INT(INT64_MIN));
    SAME(FLT(0.1));
    SAME(FLT(-0.0));
    SAME(FLT(3.0));
    SAME(FLT(DBL_MAX));
    SAME(FLT(DBL_TRUE_MIN));
    SAME(FLT((double)INFINITY));
    SAME(TEXT(""));
    SAME(TEXT("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"));
    SAME(TEXT("a\0b"));
    SAME(TEXT("$a.b"));
    SAME(STR(EL_BYTES, ""));
    SAME(STR(EL_BYTES, "\0\xFF\x80"));
    SAME(STR(EL_UUID, "01234567-89ab-cdef-0123-456789abcdef"));
    SAME(STR(EL_OBJECT_ID, "0123456789abcdef01234567"));
    BACK(STR(EL_DATE, "2024-02-29"), TEXT("2024-02-29"));
    BACK(STR(EL_TIME, "23:59:59"), TEXT("23:59:59"));
}

static void moments(void **state) {
    el_conn *c = *state;
    SAME(MOMENT(0));
    SAME(MOMENT(-1000));
    SAME(MOMENT(1700000000123000));
    SAME(MOMENT(-62135596800000000));
    SAME(MOMENT(253402300799999000));
    el_error err;
    run_failing(c, insert_text, ARGS(INT(0), MOMENT(1700000000123001)), &err);
    assert_kind(&err, EL_ERR_VALUE, "");
    assert_non_null(strstr(err.message, ": the value is a moment"));
    assert_string_not_equal(err.column, "");
    assert_non_null(strstr(err.message, "milliseconds"));
}

static void decimals(void **state) {
    el_conn *c = *state;
    SAME(STR(EL_DECIMAL, "0"));
    SAME(STR(EL_DECIMAL, "12.30"));
    SAME(STR(EL_DECIMAL, "-0.05"));
    SAME(STR(EL_DECIMAL, "1000"));
    SAME(STR(EL_DECIMAL, "0.00"));
    SAME(STR(EL_DECIMAL, "9223372036854775808"));
    SAME(STR(EL_DECIMAL, "1234567890123456789012345678901234"));
    SAME(STR(EL_DECIMAL, "-9.999999999999999999999999999999999"));
    BACK(STR(EL_DECIMAL, "+1.5"), STR(EL_DECIMAL, "1.5"));
    BACK(STR(EL_DECIMAL, "10000000000000000000000000000000000"),
         STR(EL_DECIMAL, "1.000000000000000000000000000000000E+34"));
    static const char *const refused[] = {"12345678901234567890123456789012345",
                                          "0.12345678901234567890123456789012345",
                                          "1e6200", "x", ""};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        el_error err;
        el_value v = BYTES(EL_DECIMAL, refused[i], strlen(refused[i]));
        run_failing(c, insert_text, ARGS(INT(0), v), &err);
        assert_kind(&err, EL_ERR_VALUE, "");
        assert_true(refused[i][0] == '\0' || refused[i][1] == '\0' ||
                    strstr(err.message, refused[i]) == NULL);
    }
}

/* What BSON has and el_value hasn't: there and back, also inside of others. */
static void special_values(void **state) {
    el_conn *c = *state;
    static const char *const texts[] = {
        "{ \"$minKey\" : 1 }",
        "{ \"$maxKey\" : 1 }",
        "{ \"$timestamp\" : { \"t\" : 4294967295, \"i\" : 7 } }",
        "{ \"$regularExpression\" : { \"pattern\" : \"^a\\\"b\", \"options\" : \"i\" } }",
        "{ \"$code\" : \"return 1\" }",
        "{ \"$binary\" : { \"base64\" : \"AAEC\", \"subType\" : \"80\" } }",
        "{ \"$binary\" : { \"base64\" : \"AAEC\", \"subType\" : \"04\" } }",
        "{ \"$numberDecimal\" : \"NaN\" }",
        "{ \"$numberDecimal\" : \"-Infinity\" }",
        "{ \"$numberDecimal\" : \"-0.0\" }",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        el_value v = BYTES(EL_SPECIAL, texts[i], strlen(texts[i])), got[1];
        round_trip(c, v, v, texts[i]);
        static const char *const keys[] = {"a", "b", "c"};
        el_iter list = walk_over(NULL, &v, 1);
        el_value inner[] = {INT(1), {.type = EL_LIST, .u.nested = &list}, TEXT("z")};
        el_iter doc = walk_over(keys, inner, 3);
        el_value whole = {.type = EL_DOC, .u.nested = &doc};
        run(c, insert_text, ARGS(INT(1000 + (int64_t)i), whole));
        el_stmt *s = prepare(c, find_text, 0);
        execute(s, ARGS(INT(1000 + (int64_t)i)));
        assert_true(next_row(s, got));
        char expected[300];
        snprintf(expected, sizeof expected, "{a:1,b:[special(%s)],c:\"z\"}", texts[i]);
        assert_written(&got[0], expected);
        finalize(s);
    }
    static const char *const refused[] = {
        "", "x", "{}", "[1]", "{\"a\":1}", "1}, \"w\":{\"$minKey\":1", "1,\"w\":2"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        el_error err;
        el_value v = BYTES(EL_SPECIAL, refused[i], strlen(refused[i]));
        run_failing(c, insert_text, ARGS(INT(0), v), &err);
        assert_kind(&err, EL_ERR_VALUE, "");
    }
}

static void json_values(void **state) {
    el_conn *c = *state;
    static const struct {
        const char *json, *written;
    } cases[] = {
        {"{}", "{}"},
        {"[]", "[]"},
        {" { \"b\" : 1 , \"a\" : [ true , false , null ] } ",
         "{b:1,a:[true,false,null]}"},
        {"{\"x\":{\"y\":[[],{}]}}", "{x:{y:[[],{}]}}"},
        {"\"t\\u00e9\\ud83d\\ude00\\n\"", "\"t\xC3\xA9\xF0\x9F\x98\x80\n\""},
        {"9223372036854775807", "9223372036854775807"},
        {"9223372036854775808", "decimal(9223372036854775808)"},
        {"0.1", "0.10000000000000001f"},
        {"1e3", "1000f"},
        {"-0.0", "-0f"},
        {"-0", "-0f"},
        {"0.12345678901234567890123456", "decimal(0.12345678901234567890123456)"},
        {"{\"\":1,\"a.b\":2,\"$c\":3}", "{:1,a.b:2,$c:3}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        el_value got[1], v = BYTES(EL_JSON, cases[i].json, strlen(cases[i].json));
        int64_t id = 2000 + (int64_t)i;
        run(c, insert_text, ARGS(INT(id), v));
        el_stmt *s = prepare(c, find_text, 0);
        execute(s, ARGS(INT(id)));
        assert_true(next_row(s, got));
        assert_written(&got[0], cases[i].written);
        finalize(s);
    }
    static const char *const refused[] = {"",
                                          " ",
                                          "{",
                                          "[1,]",
                                          "{\"a\":}",
                                          "{a:1}",
                                          "'a'",
                                          "01",
                                          "1.",
                                          ".5",
                                          "1e",
                                          "+1",
                                          "nul",
                                          "\"",
                                          "\"\\x\"",
                                          "\"\\ud800\"",
                                          "\"\xFF\"",
                                          "1 2",
                                          "?",
                                          "[?]",
                                          "NaN",
                                          "1e999999999999",
                                          "{\"a\\u0000b\":1}",
                                          "\"\t\"",
                                          "12345678901234567890123456789012345"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        el_error err;
        el_value v = BYTES(EL_JSON, refused[i], strlen(refused[i]));
        run_failing(c, insert_text, ARGS(INT(0), v), &err);
        assert_kind(&err, EL_ERR_VALUE, "");
    }
}

/* Keys that other stores would trip over; missing is not null. */
static void keys_and_order(void **state) {
    el_conn *c = *state;
    static const char *const keys[] = {"z", "", "a.b", "$set", "\xC3\xA9", "a"};
    el_value values[] = {INT(1), INT(2), INT(3), INT(4), INT(5), NIL}, got[2];
    el_iter doc = walk_over(keys, values, 6);
    run(c, insert_text, ARGS(INT(3000), ((el_value){.type = EL_DOC, .u.nested = &doc})));
    el_stmt *s = prepare(c,
                         "{\"find\":\"values\",\"filter\":{\"_id\":?},"
                         "\"$fields\":[\"v\",\"missing\"]}",
                         0);
    execute(s, ARGS(INT(3000)));
    assert_true(next_row(s, got));
    assert_written(&got[0], "{z:1,:2,a.b:3,$set:4,\xC3\xA9:5,a:null}");
    assert_int_equal(got[1].type, EL_NULL);
    finalize(s);

    static const char *const bad[] = {"\xFF"};
    el_iter wrong = walk_over(bad, values, 1);
    el_error err;
    run_failing(c, insert_text,
                ARGS(INT(0), ((el_value){.type = EL_DOC, .u.nested = &wrong})), &err);
    assert_kind(&err, EL_ERR_VALUE, "");
    run_failing(c, insert_text, ARGS(INT(0), TEXT("\xFF\xFE")), &err);
    assert_kind(&err, EL_ERR_VALUE, "");
    run_failing(c, insert_text, ARGS(INT(0), STR(EL_UUID, "0123")), &err);
    assert_kind(&err, EL_ERR_VALUE, "");
    run_failing(c, insert_text,
                ARGS(INT(0), STR(EL_OBJECT_ID, "0123456789abcdef0123456x")), &err);
    assert_kind(&err, EL_ERR_VALUE, "");
}

/* A list that holds itself `depth` times, and then a number. */
typedef struct tower {
    int depth, at;
} tower;

static bool next_floor(el_iter *it, const char **key, size_t *keylen, el_value *out,
                       el_iter *room) {
    tower t;
    memcpy(&t, it->state.bytes, sizeof t);
    if (t.at++ > 0) {
        return false;
    }
    memcpy(it->state.bytes, &t, sizeof t);
    *key = NULL;
    *keylen = 0;
    if (t.depth == 1) {
        *out = INT(7);
        return true;
    }
    tower below = {t.depth - 1, 0};
    *room = (el_iter){.next = next_floor};
    memcpy(room->state.bytes, &below, sizeof below);
    *out = (el_value){.type = EL_LIST, .u.nested = room};
    return true;
}

static int depth_of(const el_value *v) {
    el_iter it, room;
    const char *key;
    size_t keylen;
    el_value item;
    if (v->type != EL_LIST) {
        return 0;
    }
    it = *v->u.nested;
    return it.next(&it, &key, &keylen, &item, &room) ? 1 + depth_of(&item) : 1;
}

static void a_hundred_levels(void **state) {
    el_conn *c = *state;
    for (int levels = 97; levels <= 101; levels += 4) {
        tower t = {levels, 0};
        el_iter it = {.next = next_floor};
        memcpy(it.state.bytes, &t, sizeof t);
        el_value v = {.type = EL_LIST, .u.nested = &it}, got[1];
        if (levels > 100) {
            el_error err;
            run_failing(c, insert_text, ARGS(INT(0), v), &err);
            assert_kind(&err, EL_ERR_VALUE, "");
            assert_non_null(strstr(err.message, "100 levels"));
            continue;
        }
        run(c, insert_text, ARGS(INT(4000 + levels), v));
        el_stmt *s = prepare(c, find_text, 0);
        execute(s, ARGS(INT(4000 + levels)));
        assert_true(next_row(s, got));
        assert_int_equal(depth_of(&got[0]), levels);
        finalize(s);
    }
}

/* A document of exactly 16 MiB is taken, one byte more is refused before it is sent. */
static void sixteen_mebibytes(void **state) {
    el_conn *c = *state;
    enum { LIMIT = 16 * 1024 * 1024 };
    /* {_id: int32, v: text}: 4 + (1+4+4) + (1+2+4 + n + 1) + 1 */
    const size_t n = LIMIT - 4 - 9 - 8 - 1;
    char *text = malloc(n + 1);
    assert_non_null(text);
    memset(text, 'x', n + 1);
    empty(c, "values");
    assert_int_equal(run(c, insert_text, ARGS(INT(1), BYTES(EL_TEXT, text, n))), 1);
    el_error err;
    run_failing(c, insert_text, ARGS(INT(2), BYTES(EL_TEXT, text, n + 1)), &err);
    assert_kind(&err, EL_ERR_VALUE, "");
    assert_non_null(strstr(err.message, "16777217 bytes"));
    assert_int_equal(count(c, "values"), 1);
    el_value got[1];
    el_stmt *s = prepare(c, find_text, 0);
    execute(s, ARGS(INT(1)));
    assert_true(next_row(s, got));
    assert_int_equal(got[0].u.s.n, n);
    assert_memory_equal(got[0].u.s.p, text, n);
    finalize(s);
    empty(c, "values");
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_values),     cmocka_unit_test(moments),
        cmocka_unit_test(decimals),         cmocka_unit_test(special_values),
        cmocka_unit_test(json_values),      cmocka_unit_test(keys_and_order),
        cmocka_unit_test(a_hundred_levels), cmocka_unit_test(sixteen_mebibytes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
