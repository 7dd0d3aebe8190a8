/* SPDX-License-Identifier: MIT
**
** server_support.h - what the specs of every driver for a server share: a connection to
** the server that the environment names, short ways to run a statement and to look at
** what comes back.  <driver>_support.h includes this and says before which server:
** SPEC_DRIVER "pg", SPEC_PREFIX "EL_SPEC_PG_" and the connection's SPEC_KEYS, "host", ...
*/
#ifndef EL_SERVER_SUPPORT_H
#define EL_SERVER_SUPPORT_H

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "driver.h"

enum { MAX_OPTIONS = 16, MAX_VALUES = 32 };

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

/* {====== Connecting ====== */

static inline const char *setting(const char *name) {
    const char *value = getenv(name);
    if (value == NULL) {
        fprintf(stderr, "%s is not set: script/servers env tells it\n", name);
        exit(1);
    }
    return value;
}

static inline const el_driver *driver(void) {
    const el_driver *d = NULL;
    el_error err = {0};
    if (el_driver_load(&d, SPEC_DRIVER, &err) != EL_OK) {
        fail_msg("%s", err.message);
    }
    return d;
}

/* The spec's server in `all`; what `extra` (or NULL) names is taken from there. */
static inline void server_options(el_option all[MAX_OPTIONS], const el_option *extra) {
    static const char *const keys[] = {SPEC_KEYS};
    size_t n = 0;
    memset(all, 0, MAX_OPTIONS * sizeof *all);
    for (; extra != NULL && extra->key != NULL; extra++) {
        all[n++] = *extra;
    }
    size_t given = n;
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        char name[40];
        size_t at = (size_t)snprintf(name, sizeof name, SPEC_PREFIX "%s", keys[k]);
        while (at > 0 && name[at - 1] != '_') {
            at--;
            name[at] = (char)toupper((unsigned char)name[at]);
        }
        size_t i = 0;
        while (i < given && strcmp(all[i].key, keys[k]) != 0) {
            i++;
        }
        if (i == given) {
            all[n++] = (el_option){keys[k], setting(name)};
        }
    }
}

static inline int connect_with(el_conn **out, const el_option *extra, el_error *err) {
    el_option all[MAX_OPTIONS];
    server_options(all, extra);
    return driver()->open(out, all, err);
}

static inline el_conn *open_conn(void) {
    el_conn *c = NULL;
    el_error err = {0};
    if (connect_with(&c, NULL, &err) != EL_OK) {
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

/* }====== */

/* {====== Running ====== */

static inline el_stmt *prepare(el_conn *c, const char *sql, unsigned flags) {
    el_query q = {.sql = sql, .len = strlen(sql), .flags = flags};
    el_stmt *s = NULL;
    el_error err = {0};
    if (c->driver->prepare(&s, c, &q, &err) != EL_OK) {
        fail_msg("%.300s: %s", sql, err.message);
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

/* Runs once and returns the affected rows. */
static inline int64_t run(el_conn *c, const char *sql, const el_value *args, int n) {
    el_stmt *s = prepare(c, sql, EL_STMT_ONCE);
    execute(s, args, n);
    int64_t affected = s->affected;
    finalize(s);
    return affected;
}

/* The first column of the first row, a whole number. */
static inline int64_t scalar(el_conn *c, const char *sql) {
    el_stmt *s = prepare(c, sql, EL_STMT_ONCE);
    el_value v[MAX_VALUES];
    execute(s, NOARGS);
    assert_true(next_row(s, v));
    assert_int_equal(v[0].type, EL_INT);
    int64_t i = v[0].u.i;
    finalize(s);
    return i;
}

static inline void script(el_conn *c, const char *sql) {
    el_error err = {0};
    if (c->driver->script(c, sql, strlen(sql), &err) != EL_OK) {
        fail_msg("%s: %s", sql, err.message);
    }
}

static inline bool transact(el_conn *c, el_txop op, const char *name) {
    el_error err = {0};
    return c->driver->transact(c, op, name, &err) == EL_OK;
}

/* Runs what must fail, in any call; the failure is in `err`. */
static inline void run_failing(el_conn *c, const char *sql, const el_value *args, int n,
                               el_error *err) {
    el_query q = {.sql = sql, .len = strlen(sql)};
    el_stmt *s = NULL;
    el_error_clear(err);
    int rc = c->driver->prepare(&s, c, &q, err);
    if (rc == EL_OK) {
        rc = c->driver->execute(s, args, n, err);
        finalize(s);
    }
    if (rc != EL_FAIL) {
        fail_msg("did not fail: %.300s", sql);
    }
}

/* }====== */

/* {====== Looking ====== */

/* One line of that kind; with that SQLSTATE, or with any where it is NULL. */
static inline void assert_kind(const el_error *err, el_errkind kind, const char *state) {
    if (err->kind != kind || (state && strcmp(err->sqlstate, state) != 0)) {
        fail_msg("got %s/%s (%d), expected %s/%s: %s", el_errkind_name(err->kind),
                 err->sqlstate, err->code, el_errkind_name(kind), state ? state : "",
                 err->message);
    }
    assert_string_not_equal(err->message, "");
    assert_null(strchr(err->message, '\n'));
}

static inline bool same_float(double a, double b) {
    return (a != a && b != b) || memcmp(&a, &b, sizeof a) == 0;
}

/* The same type and the same value; of what is nested, that something is there. */
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
        if (!same_float(got->u.d, expected->u.d)) {
            fail_msg("%s: got %.17g, expected %.17g", what, got->u.d, expected->u.d);
        }
    } else if (got->type == EL_LIST || got->type == EL_DOC) {
        assert_non_null(got->u.nested);
    } else if (got->type != EL_NULL && got->u.i != expected->u.i) {
        fail_msg("%s: got %lld, expected %lld", what, (long long)got->u.i,
                 (long long)expected->u.i);
    }
}

/* }====== */

/* {====== Nested values ====== */

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

/* {====== Time ====== */

static inline double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline void sleep_ms(int ms) {
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

/* }====== */

#endif
