/* SPDX-License-Identifier: MIT
**
** mongo_support.h - what the specs of the MongoDB driver share: the server named by
** EL_SPEC_MONGO_*, and short ways to run a command and look at what comes back.
*/
#ifndef EL_MONGO_SUPPORT_H
#define EL_MONGO_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "driver.h"

enum { MAX_VALUES = 32 };

#define INT(x) ((el_value){.type = EL_INT, .u.i = (x)})
#define FLT(x) ((el_value){.type = EL_FLOAT, .u.d = (x)})
#define BOOL(x) ((el_value){.type = EL_BOOL, .u.b = (x)})
#define MOMENT(x) ((el_value){.type = EL_TIMESTAMP, .u.i = (x)})
#define NIL ((el_value){.type = EL_NULL})
#define BYTES(t, ptr, len) ((el_value){.type = (t), .u.s = {(ptr), (len)}})
#define STR(t, text) BYTES(t, text, sizeof(text) - 1)
#define TEXT(text) STR(EL_TEXT, text)
#define JSON(text) STR(EL_JSON, text)
#define ARGS(...)                                                                        \
    ((el_value[]){__VA_ARGS__}),                                                         \
        (int)(sizeof((el_value[]){__VA_ARGS__}) / sizeof(el_value))
#define NOARGS NULL, 0

static inline const char *setting(const char *name) {
    const char *value = getenv(name);
    if (value == NULL) {
        fprintf(stderr,
                "%s is not set: name a running MongoDB server by EL_SPEC_MONGO_URI and "
                "a database by EL_SPEC_MONGO_DB\n",
                name);
        exit(1);
    }
    return value;
}

static inline const el_driver *driver(void) {
    const el_driver *d = NULL;
    el_error err = {0};
    if (el_driver_load(&d, "mongo", &err) != EL_OK) {
        fail_msg("%s", err.message);
    }
    return d;
}

static inline int connect_to(el_conn **out, const char *uri, el_error *err) {
    const el_option options[] = {
        {"uri", uri}, {"db", setting("EL_SPEC_MONGO_DB")}, {NULL, NULL}};
    return driver()->open(out, options, err);
}

static inline el_conn *open_conn(void) {
    el_conn *c = NULL;
    el_error err = {0};
    if (connect_to(&c, setting("EL_SPEC_MONGO_URI"), &err) != EL_OK) {
        fail_msg("%s", err.message);
    }
    return c;
}

static inline int setup(void **state) {
    *state = open_conn();
    return 0;
}

static inline int teardown(void **state) {
    el_conn_release(*state);
    return 0;
}

static inline el_stmt *prepare(el_conn *c, const char *text, unsigned flags) {
    el_query q = {.sql = text, .len = strlen(text), .flags = flags};
    el_stmt *s = NULL;
    el_error err = {0};
    if (c->driver->prepare(&s, c, &q, &err) != EL_OK) {
        fail_msg("%.300s: %s", text, err.message);
    }
    return s;
}

static inline void execute(el_stmt *s, const el_value *args, int n) {
    el_error err = {0};
    if (s->conn->driver->execute(s, args, n, &err) != EL_OK) {
        fail_msg("execute: %s", err.message);
    }
}

/* True when there is a row, which is then in `out`. */
static inline bool next_row(el_stmt *s, el_value *out) {
    el_error err = {0};
    int rc = s->conn->driver->fetch(s, &err);
    if (rc == EL_FAIL || (rc == EL_ROW && s->conn->driver->row(s, out, &err) != EL_OK)) {
        fail_msg("fetch: %s", err.message);
    }
    return rc == EL_ROW;
}

static inline void finalize(el_stmt *s) {
    s->conn->driver->finalize(s);
}

/* Runs once and returns the affected documents. */
static inline int64_t run(el_conn *c, const char *text, const el_value *args, int n) {
    el_stmt *s = prepare(c, text, EL_STMT_ONCE);
    execute(s, args, n);
    int64_t affected = s->affected;
    finalize(s);
    return affected;
}

static inline void empty(el_conn *c, const char *collection) {
    char text[120];
    snprintf(text, sizeof text,
             "{\"delete\":\"%s\",\"deletes\":[{\"q\":{},\"limit\":0}]}", collection);
    run(c, text, NOARGS);
}

/* The first column of the only row, a whole number. */
static inline int64_t scalar(el_conn *c, const char *text, const el_value *args, int n) {
    el_stmt *s = prepare(c, text, EL_STMT_ONCE);
    el_value v[MAX_VALUES];
    execute(s, args, n);
    assert_true(next_row(s, v));
    assert_int_equal(v[0].type, EL_INT);
    int64_t i = v[0].u.i;
    finalize(s);
    return i;
}

static inline int64_t count(el_conn *c, const char *collection) {
    char text[100];
    snprintf(text, sizeof text, "{\"count\":\"%s\",\"$fields\":[\"n\"]}", collection);
    return scalar(c, text, NOARGS);
}

/* Runs what must fail, in any call; the failure is in `err`. */
static inline void run_failing(el_conn *c, const char *text, const el_value *args, int n,
                               el_error *err) {
    el_query q = {.sql = text, .len = strlen(text)};
    el_stmt *s = NULL;
    el_error_clear(err);
    int rc = c->driver->prepare(&s, c, &q, err);
    if (rc == EL_OK) {
        rc = c->driver->execute(s, args, n, err);
        finalize(s);
    }
    if (rc != EL_FAIL) {
        fail_msg("did not fail: %.300s", text);
    }
}

static inline void assert_kind(const el_error *err, el_errkind kind, const char *state) {
    if (err->kind != kind || (state && strcmp(err->sqlstate, state) != 0)) {
        fail_msg("got %s/%s (%d), expected %s/%s: %s", el_errkind_name(err->kind),
                 err->sqlstate, err->code, el_errkind_name(kind), state ? state : "",
                 err->message);
    }
    assert_string_not_equal(err->message, "");
    assert_null(strchr(err->message, '\n'));
}

static inline void assert_value(const el_value *got, const el_value *expected,
                                const char *what) {
    if (got->type != expected->type) {
        fail_msg("%s: got %s %.*s, expected %s", what, el_type_name(got->type),
                 el_type_has_bytes(got->type) ? (int)got->u.s.n : 0,
                 el_type_has_bytes(got->type) ? got->u.s.p : "",
                 el_type_name(expected->type));
    }
    if (el_type_has_bytes(got->type)) {
        if (got->u.s.n != expected->u.s.n ||
            (got->u.s.n && memcmp(got->u.s.p, expected->u.s.p, got->u.s.n) != 0)) {
            fail_msg("%s: got %.*s, expected %.*s", what, (int)got->u.s.n, got->u.s.p,
                     (int)expected->u.s.n, expected->u.s.p);
        }
    } else if (got->type == EL_BOOL) {
        assert_int_equal(got->u.b, expected->u.b);
    } else if (got->type == EL_FLOAT) {
        if (memcmp(&got->u.d, &expected->u.d, sizeof got->u.d) != 0) {
            fail_msg("%s: got %.17g, expected %.17g", what, got->u.d, expected->u.d);
        }
    } else if (got->type == EL_LIST || got->type == EL_DOC) {
        assert_non_null(got->u.nested);
    } else if (got->type != EL_NULL && got->u.i != expected->u.i) {
        fail_msg("%s: got %lld, expected %lld", what, (long long)got->u.i,
                 (long long)expected->u.i);
    }
}

/* {====== Nested values ====== */

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

/* A list or a document of lent values; `keys` is NULL for a list. */
typedef struct items {
    const char *const *keys;
    const el_value *values;
    size_t n, at;
} items;

static inline bool next_item(el_iter *it, const char **key, size_t *keylen, el_value *out,
                             el_iter *room) {
    (void)room;
    items all;
    memcpy(&all, it->state.bytes, sizeof all);
    if (all.at == all.n) {
        return false;
    }
    *key = all.keys != NULL ? all.keys[all.at] : NULL;
    *keylen = *key != NULL ? strlen(*key) : 0;
    *out = all.values[all.at++];
    memcpy(it->state.bytes, &all, sizeof all);
    return true;
}

static inline el_iter walk_over(const char *const *keys, const el_value *values,
                                size_t n) {
    el_iter it = {.next = next_item};
    items all = {keys, values, n, 0};
    memcpy(it.state.bytes, &all, sizeof all);
    return it;
}

/* }====== */

static inline bool transact(el_conn *c, el_txop op) {
    el_error err = {0};
    return c->driver->transact(c, op, NULL, &err) == EL_OK;
}

static inline double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#endif
