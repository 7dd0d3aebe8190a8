/* SPDX-License-Identifier: MIT
**
** mongo_fuzz.c - command texts of MongoDB, documents as a server (or what pretends to be
** one) sends them, and values on their way out.  First byte: what to do.
*/
#include "fuzz.h"

#include "mongo_driver.h"

/* {====== What all of them need ====== */

static void touch(const el_value *v, int depth) {
    if (el_type_has_bytes(v->type)) {
        fuzz_touch(v->u.s.p, v->u.s.n);
        REQUIRE(v->type != EL_OBJECT_ID || v->u.s.n == 24);
        REQUIRE(v->type != EL_UUID || v->u.s.n == 36);
    } else if (v->type == EL_DOC || v->type == EL_LIST) {
        el_iter it = *v->u.nested, room;
        const char *key;
        size_t n;
        el_value item;
        while (depth < 200 && it.next(&it, &key, &n, &item, &room)) {
            REQUIRE((key == NULL) == (v->type == EL_LIST));
            if (key) {
                fuzz_touch(key, n);
            }
            touch(&item, depth + 1);
        }
    }
}

/* What the driver wrote is BSON. */
static void require_bson(const mg_buf *b) {
    bson_t doc;
    bool special;
    el_error err = {0};
    REQUIRE(bson_init_static(&doc, b->p, b->n));
    REQUIRE(bson_validate(&doc, BSON_VALIDATE_NONE, NULL));
    REQUIRE(el_mg_check(b->p, b->n, NULL, &special, &err) == EL_OK);
}

/* }====== */

/* {====== Documents of a server ====== */

/* Reading, and writing what was read: the same values come back. */
static void copy_value(const el_value *v) {
    mg_buf b = {0};
    size_t at;
    el_error err = {0};
    REQUIRE(el_mg_open_doc(&b, &at, &err) == EL_OK);
    if (el_mg_put_value(&b, "v", 1, v, 0, &err) == EL_OK) {
        REQUIRE(el_mg_close_doc(&b, at, MG_MAX_DOC, &err) == EL_OK);
        require_bson(&b);
    } else {
        REQUIRE(err.kind == EL_ERR_VALUE);
    }
    el_mg_buf_release(&b);
}

static void read_document(fuzz_input *in) {
    static const char text[] =
        "{\"find\":\"c\",\"$fields\":[\"_id\",\"a\",\"b.c\",\"d.0\"]}";
    mg_text *t = NULL;
    mg_result *r = NULL;
    el_error err = {0};
    size_t n = fuzz_left(in);
    unsigned char *doc = (unsigned char *)fuzz_bytes(in, &n);
    REQUIRE(el_mg_text_new(&t, text, sizeof text - 1, &err) == EL_OK);
    REQUIRE(el_mg_result_new(&r, t, &err) == EL_OK);
    if (n >= 4) { /* most lengths are right, or nothing would come of it */
        doc[0] = (unsigned char)n;
        doc[1] = (unsigned char)(n >> 8);
        doc[2] = doc[3] = 0;
    }
    if (n >= 5 && el_mg_result_add(r, doc, n, &err) == EL_OK) {
        el_value v;
        el_iter whole;
        for (int i = 0; i < 4; i++) {
            el_mg_cell(r, 0, i, &v);
            touch(&v, 0);
        }
        el_mg_iter(&whole, r->rows[0].doc, r->rows[0].size, false);
        v = (el_value){.type = EL_DOC, .u.nested = &whole};
        touch(&v, 0);
        copy_value(&v);
    } else {
        REQUIRE(n < 5 || err.kind != EL_ERR_NONE);
    }
    el_mg_result_free(r);
    el_mg_text_drop(t);
    free(doc);
}

/* }====== */

/* {====== Command texts ====== */

static void bind_values(const mg_text *t) {
    mg_buf out = {0};
    el_error err = {0};
    size_t n = (size_t)t->nparams;
    el_value *args = calloc(n ? n : 1, sizeof *args);
    REQUIRE(args);
    for (size_t i = 0; i < n; i++) {
        args[i] = i % 3 == 0   ? (el_value){.type = EL_INT, .u.i = (int64_t)i << (i % 60)}
                  : i % 3 == 1 ? (el_value){.type = EL_TEXT, .u.s = {"text", 4}}
                               : (el_value){.type = EL_JSON, .u.s = {"{\"a\":[1]}", 9}};
    }
    REQUIRE(el_mg_text_bind(t, &out, args, 100, &err) == EL_OK);
    require_bson(&out);
    el_mg_buf_release(&out);
    free(args);
}

static void read_text(fuzz_input *in) {
    mg_text *t = NULL;
    el_error err = {0};
    size_t n = fuzz_left(in);
    char *text = fuzz_bytes(in, &n);
    if (el_mg_text_new(&t, text, n, &err) == EL_OK) {
        REQUIRE(t->nparams >= 0 && t->command);
        for (int i = 0; i < t->nfields; i++) {
            REQUIRE(t->fields[i].len == strlen(t->fields[i].path));
        }
        bind_values(t);
        el_mg_text_drop(t);
    } else {
        REQUIRE(err.kind == EL_ERR_SYNTAX || err.kind == EL_ERR_VALUE);
        REQUIRE(err.message[0] != '\0');
    }
    free(text);
}

/* }====== */

/* One value of any type whose bytes are the input. */
static void write_value(fuzz_input *in) {
    static const el_type types[] = {EL_TEXT, EL_BYTES,     EL_DECIMAL,   EL_JSON,
                                    EL_UUID, EL_OBJECT_ID, EL_TIMESTAMP, EL_SPECIAL};
    el_value v = {.type = types[fuzz_byte(in) % (sizeof types / sizeof *types)]};
    char *bytes = NULL;
    if (v.type == EL_TIMESTAMP) {
        v.u.i = (int64_t)fuzz_word(in);
    } else {
        size_t n = fuzz_left(in);
        bytes = fuzz_bytes(in, &n);
        v.u.s.p = bytes;
        v.u.s.n = n;
    }
    copy_value(&v);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return fuzz_choose(data, size, read_text, read_document, write_value);
}
