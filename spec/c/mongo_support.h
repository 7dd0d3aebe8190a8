/* SPDX-License-Identifier: MIT
**
** mongo_support.h - what the specs of the MongoDB driver share: the server named by
** EL_SPEC_MONGO_*, and short ways to run a command and look at what comes back.
*/
#ifndef EL_MONGO_SUPPORT_H
#define EL_MONGO_SUPPORT_H

#include <unistd.h>

#define SPEC_DRIVER "mongo"
#define SPEC_PREFIX "EL_SPEC_MONGO_"
#define SPEC_KEYS "uri", "db"
#include "server_support.h"

static inline int connect_to(el_conn **out, const char *uri, el_error *err) {
    return connect_with(out, (el_option[]){{"uri", uri}, {NULL, NULL}}, err);
}

static inline void empty(el_conn *c, const char *collection) {
    char text[120];
    snprintf(text, sizeof text,
             "{\"delete\":\"%s\",\"deletes\":[{\"q\":{},\"limit\":0}]}", collection);
    run(c, text, NOARGS);
}

static inline int64_t count(el_conn *c, const char *collection) {
    char text[100];
    snprintf(text, sizeof text, "{\"count\":\"%s\",\"$fields\":[\"n\"]}", collection);
    return scalar(c, text);
}

/* Appends a short notation of a value to a text: {a:1,b:[2,"x"]}. */
static inline void write_value(char *out, size_t size, const el_value *v) {
    size_t n = strlen(out);
    if (v->type == EL_DOC || v->type == EL_LIST) {
        el_iter it = *v->u.nested, room;
        const char *key;
        size_t keylen;
        el_value item;
        snprintf(out + n, size - n, v->type == EL_DOC ? "{" : "[");
        for (int i = 0; it.next(&it, &key, &keylen, &item, &room); i++) {
            n = strlen(out);
            snprintf(out + n, size - n, "%s%.*s%s", i > 0 ? "," : "",
                     key != NULL ? (int)keylen : 0, key != NULL ? key : "",
                     key != NULL ? ":" : "");
            write_value(out, size, &item);
        }
        n = strlen(out);
        snprintf(out + n, size - n, v->type == EL_DOC ? "}" : "]");
    } else if (v->type == EL_TEXT) {
        snprintf(out + n, size - n, "\"%.*s\"", (int)v->u.s.n, v->u.s.p);
    } else if (el_type_has_bytes(v->type)) {
        snprintf(out + n, size - n, "%s(%.*s)", el_type_name(v->type), (int)v->u.s.n,
                 v->u.s.p);
    } else if (v->type == EL_FLOAT) {
        snprintf(out + n, size - n, "%.17gf", v->u.d);
    } else if (v->type == EL_BOOL) {
        snprintf(out + n, size - n, v->u.b ? "true" : "false");
    } else if (v->type == EL_NULL) {
        snprintf(out + n, size - n, "null");
    } else {
        snprintf(out + n, size - n, "%s%lld", v->type == EL_TIMESTAMP ? "@" : "",
                 (long long)v->u.i);
    }
}

static inline void assert_written(const el_value *v, const char *expected) {
    char text[4000] = "";
    write_value(text, sizeof text, v);
    assert_string_equal(text, expected);
}

#endif
