/* SPDX-License-Identifier: MIT
**
** mongo_codec_spec.c - the parts of the MongoDB driver that need no server: documents
** that servers refuse to store, malformed ones, and memory that runs out at each
** allocation of the driver's own in turn.
*/
#include "mongo_support.h"

#include "failing_malloc.h"
#include "mongo_driver.h"

/* {====== Documents ====== */

/* {"v": value} as BSON. */
static int write_document(mg_buf *b, const el_value *v, el_error *err) {
    size_t at;
    if (el_mg_open_doc(b, &at, err) != EL_OK ||
        el_mg_put_value(b, "v", 1, v, 0, err) != EL_OK) {
        return EL_FAIL;
    }
    return el_mg_close_doc(b, at, MG_MAX_DOC, err);
}

/* The document of a value that `text` spells; the caller releases it. */
static mg_buf document_of(el_type type, const char *text) {
    mg_buf b = {0};
    el_error err = {0};
    el_value v = BYTES(type, text, strlen(text));
    if (write_document(&b, &v, &err) != EL_OK) {
        fail_msg("%s: %s", text, err.message);
    }
    return b;
}

static int read_document(const mg_buf *b, char *out, size_t size, el_error *err) {
    static const char text[] = "{\"find\":\"c\",\"$fields\":[\"v\"]}";
    mg_text *t = NULL;
    mg_result *r = NULL;
    el_value v;
    out[0] = '\0';
    int rc = el_mg_text_new(&t, text, sizeof text - 1, err);
    if (rc == EL_OK) {
        rc = el_mg_result_new(&r, t, err);
    }
    if (rc == EL_OK) {
        rc = el_mg_result_add(r, b->p, b->n, err);
    }
    if (rc == EL_OK) {
        el_mg_cell(r, 0, 0, &v);
        write_value(out, size, &v);
    }
    el_mg_result_free(r);
    if (t) {
        el_mg_text_drop(t);
    }
    return rc;
}

static const char every_kind[] = "{\"a\":[1,4294967296,0.5,\"t\",true,null,{\"\":{}}],"
                                 "\"a\":2,\"b\":12345678901234567890}";
static const char every_written[] =
    "{a:[1,4294967296,0.5f,\"t\",true,null,{:{}}],a:2,b:decimal(12345678901234567890)}";

/* Servers may refuse two fields of one name; the driver keeps what it is given. */
static void keeps_what_it_is_given(void **state) {
    (void)state;
    mg_buf b = document_of(EL_JSON, every_kind);
    el_error err = {0};
    char text[500];
    assert_int_equal(read_document(&b, text, sizeof text, &err), EL_OK);
    assert_string_equal(text, every_written);
    el_mg_buf_release(&b);
}

static void special_values_of_all_types(void **state) {
    (void)state;
    static const char dbpointer[] =
        "{ \"$dbPointer\" : { \"$ref\" : \"a.b\", \"$id\" : { \"$oid\" : "
        "\"0123456789abcdef01234567\" } } }";
    const char *const texts[] = {
        "{ \"$date\" : { \"$numberLong\" : \"9223372036854775807\" } }",
        "{ \"$date\" : { \"$numberLong\" : \"253402300800000\" } }",
        "{ \"$symbol\" : \"s\" }",
        "{ \"$code\" : \"f\", \"$scope\" : { \"x\" : { \"$numberInt\" : \"1\" } } }",
        dbpointer,
        "{ \"$numberDecimal\" : \"NaN\" }",
        "{ \"$numberDecimal\" : \"-0E+3\" }"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        mg_buf b = document_of(EL_SPECIAL, texts[i]);
        el_error err = {0};
        char text[500], expected[500];
        assert_int_equal(read_document(&b, text, sizeof text, &err), EL_OK);
        snprintf(expected, sizeof expected, "special(%s)", texts[i]);
        assert_string_equal(text, expected);
        el_mg_buf_release(&b);
    }
}

/* {"v": JSON}'s inner document as a row; its columns are printed into `out`. */
static void print_row(mg_result *r, size_t row, int ncolumns, char out[500]) {
    size_t n = 0;
    for (int i = 0; i < ncolumns; i++) {
        char text[200] = "";
        el_value v;
        el_mg_cell(r, row, i, &v);
        write_value(text, sizeof text, &v);
        n += (size_t)snprintf(out + n, 500 - n, "%s%s", i ? " " : "", text);
    }
}

/* Documents with their fields in any order, too few, too many, and far from the start. */
static void fields_where_they_stand(void **state) {
    (void)state;
    static const char command[] =
        "{\"find\":\"c\",\"$fields\":[\"a\",\"of_many_letters\","
        "[\"id\",\"_id\"],\"c.d\",\"b\"]}";
    static const char *const rows[][2] = {
        {"{\"b\":1,\"a\":2,\"of_many_letters\":3,\"id\":4,\"c\":{\"d\":5}}", "2 3 4 5 1"},
        {"{\"b\":1,\"a\":2,\"of_many_letters\":3,\"id\":4}", "2 3 4 null 1"},
        {"{\"a\":2,\"_id\":9,\"b\":\"x\",\"more\":1}", "2 null 9 null \"x\""},
        {"{\"_id\":9,\"id\":null,\"of_many_letter\":1}", "null null 9 null null"},
        {"{\"c.d\":7,\"of_many_letters\":[1,{\"a\":2}],\"b\":true}",
         "null [1,{a:2}] null 7 true"},
        {"{\"c\":1,\"\":1,\"aa\":1,\"id\":0}", "null null 0 null null"},
        {"{}", "null null null null null"}};
    mg_text *t = NULL;
    mg_result *r = NULL;
    el_error err = {0};
    char text[500];
    enum { COUNT = sizeof rows / sizeof *rows };
    mg_buf docs[COUNT + 1] = {{0}};
    assert_int_equal(el_mg_text_new(&t, command, sizeof command - 1, &err), EL_OK);
    assert_int_equal(el_mg_result_new(&r, t, &err), EL_OK);
    for (size_t i = 0; i < COUNT; i++) {
        size_t at = 5 + 2; /* what is around the inner document */
        docs[i] = document_of(EL_JSON, rows[i][0]);
        assert_int_equal(el_mg_result_add(r, docs[i].p + at, docs[i].n - at - 1, &err),
                         EL_OK);
    }
    size_t large = 70000, at;
    el_value filler = BYTES(EL_BYTES, calloc(large, 1), large), one = INT(1),
             nothing = NIL;
    mg_buf *b = &docs[COUNT];
    assert_int_equal(el_mg_open_doc(b, &at, &err), EL_OK);
    assert_int_equal(el_mg_put_value(b, "a", 1, &one, 0, &err), EL_OK);
    assert_int_equal(el_mg_put_value(b, "_id", 3, &one, 0, &err), EL_OK);
    assert_int_equal(el_mg_put_value(b, "x", 1, &filler, 0, &err), EL_OK);
    assert_int_equal(el_mg_put_value(b, "b", 1, &one, 0, &err), EL_OK);
    assert_int_equal(el_mg_put_value(b, "id", 2, &nothing, 0, &err), EL_OK);
    assert_int_equal(el_mg_close_doc(b, at, MG_MAX_DOC, &err), EL_OK);
    assert_int_equal(el_mg_result_add(r, b->p, b->n, &err), EL_OK);
    for (size_t k = 0; k < COUNT + COUNT; k++) { /* there and back */
        size_t i = k < COUNT ? k : COUNT + COUNT - 1 - k;
        print_row(r, i, 5, text);
        assert_string_equal(text, rows[i][1]);
    }
    print_row(r, COUNT, 5, text);
    assert_string_equal(text, "1 null 1 null 1");
    el_mg_result_free(r);
    el_mg_text_drop(t);
    for (size_t i = 0; i <= COUNT; i++) {
        el_mg_buf_release(&docs[i]);
    }
    free((void *)(uintptr_t)filler.u.s.p);
}

/* Each byte of a document changed, and each length cut: an error or other values. */
static void malformed_documents(void **state) {
    (void)state;
    mg_buf b = document_of(EL_JSON, every_kind);
    el_error err = {0};
    char text[500];
    int refused = 0;
    for (size_t i = 0; i < b.n; i++) {
        unsigned char kept = b.p[i];
        for (int k = 0; k < 256; k++) {
            b.p[i] = (unsigned char)k;
            el_error_clear(&err);
            refused += read_document(&b, text, sizeof text, &err) != EL_OK;
            assert_true(err.kind == EL_ERR_NONE || err.kind == EL_ERR_OTHER);
        }
        b.p[i] = kept;
    }
    assert_true(refused > 1000);
    for (size_t n = 0; n < b.n; n++) {
        mg_buf cut = {.p = __real_malloc(n ? n : 1), .n = n};
        memcpy(cut.p, b.p, n);
        el_error_clear(&err);
        assert_int_equal(read_document(&cut, text, sizeof text, &err), EL_FAIL);
        assert_int_equal(err.kind, EL_ERR_OTHER);
        free(cut.p);
    }
    el_mg_buf_release(&b);
}

/* }====== */

/* {====== Memory ====== */

static const char long_command[] =
    "{\"aggregate\":\"c\",\"pipeline\":[{\"$match\":{\"a\":?,\"b\":[?,{\"c\":?}],\"d\":{}"
    "}}],"
    "\"cursor\":{},\"$db\":\"x\",\"$fields\":[\"a\",\"b.c\"]}";

static int bind_once(el_error *err) {
    static const el_value inner[] = {{.type = EL_INT, .u.i = 1},
                                     {.type = EL_TEXT, .u.s = {"text", 4}}};
    char large[2000];
    memset(large, 'x', sizeof large);
    el_iter list = walk_over(NULL, inner, 2);
    const el_value args[] = {BYTES(EL_BYTES, large, sizeof large),
                             {.type = EL_LIST, .u.nested = &list},
                             STR(EL_JSON, "{\"a\":{\"b\":[1,2.5,\"x\"]}}")};
    mg_text *t = NULL;
    mg_buf out = {0};
    int rc = el_mg_text_new(&t, long_command, sizeof long_command - 1, err);
    if (rc == EL_OK) {
        rc = el_mg_text_bind(t, &out, args, 100, err);
        el_mg_text_drop(t);
    }
    el_mg_buf_release(&out);
    return rc;
}

static mg_buf special;

static int read_special(el_error *err) {
    char text[100];
    int rc = read_document(&special, text, sizeof text, err);
    if (rc == EL_OK) {
        assert_string_equal(text, "special({ \"$maxKey\" : 1 })");
    }
    return rc;
}

/* The work fails for want of each of its allocations in turn; there are more than 8. */
static void needs_all_memory(work f) {
    int failures = 0;
    for (int i = 0;; i++) {
        el_error err = {0};
        starve_after(i);
        int rc = f(&err);
        if (!feed()) {
            assert_int_equal(rc, EL_OK);
            break;
        }
        assert_int_equal(rc, EL_FAIL);
        assert_int_equal(err.kind, EL_ERR_NOMEM);
        failures++;
    }
    assert_true(failures > 8);
}

static void memory_runs_out_in_commands(void **state) {
    (void)state;
    needs_all_memory(bind_once);
}

static void memory_runs_out_in_rows(void **state) {
    (void)state;
    special = document_of(EL_SPECIAL, "{ \"$maxKey\" : 1 }");
    needs_all_memory(read_special);
    el_mg_buf_release(&special);
}

/* }====== */

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_it_is_given),
        cmocka_unit_test(special_values_of_all_types),
        cmocka_unit_test(fields_where_they_stand),
        cmocka_unit_test(malformed_documents),
        cmocka_unit_test(memory_runs_out_in_commands),
        cmocka_unit_test(memory_runs_out_in_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
