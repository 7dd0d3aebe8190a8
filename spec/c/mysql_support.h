/* SPDX-License-Identifier: MIT
**
** mysql_support.h - what the specs of the MySQL/MariaDB driver share: the server named
** by EL_SPEC_MYSQL_*, and short ways to run a statement and look at what comes back.
*/
#ifndef EL_MYSQL_SUPPORT_H
#define EL_MYSQL_SUPPORT_H

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

enum { MAX_OPTIONS = 16, MAX_VALUES = 32 };

#define INT(x) ((el_value){.type = EL_INT, .u.i = (x)})
#define FLT(x) ((el_value){.type = EL_FLOAT, .u.d = (x)})
#define BOOL(x) ((el_value){.type = EL_BOOL, .u.b = (x)})
#define MOMENT(x) ((el_value){.type = EL_TIMESTAMP, .u.i = (x)})
#define NIL ((el_value){.type = EL_NULL})
#define BYTES(t, ptr, len) ((el_value){.type = (t), .u.s = {(ptr), (len)}})
#define STR(t, text) BYTES(t, text, sizeof(text) - 1)
#define TEXT(text) STR(EL_TEXT, text)
#define ARGS(...)                                                                        \
    ((el_value[]){__VA_ARGS__}),                                                         \
        (int)(sizeof((el_value[]){__VA_ARGS__}) / sizeof(el_value))
#define NOARGS NULL, 0

static inline const char *setting(const char *name) {
    const char *value = getenv(name);
    if (value == NULL) {
        fprintf(stderr,
                "%s is not set: name a running MySQL or MariaDB server by "
                "EL_SPEC_MYSQL_HOST, _PORT, _USER, _PASSWORD and _NAME\n",
                name);
        exit(1);
    }
    return value;
}

static inline const el_driver *driver(void) {
    const el_driver *d = NULL;
    el_error err = {0};
    if (el_driver_load(&d, "mysql", &err) != EL_OK) {
        fail_msg("%s", err.message);
    }
    return d;
}

/* The spec's server; what `extra` (or NULL) names is taken from there. */
static inline int connect_with(el_conn **out, const el_option *extra, el_error *err) {
    const el_option base[] = {{"host", setting("EL_SPEC_MYSQL_HOST")},
                              {"port", setting("EL_SPEC_MYSQL_PORT")},
                              {"user", setting("EL_SPEC_MYSQL_USER")},
                              {"password", setting("EL_SPEC_MYSQL_PASSWORD")},
                              {"name", setting("EL_SPEC_MYSQL_NAME")}};
    el_option all[MAX_OPTIONS] = {{NULL, NULL}};
    size_t n = 0;
    for (; extra != NULL && extra->key != NULL; extra++) {
        all[n++] = *extra;
    }
    for (size_t b = 0; b < sizeof base / sizeof *base; b++) {
        size_t i = 0;
        while (i < n && strcmp(all[i].key, base[b].key) != 0) {
            i++;
        }
        if (i == n) {
            all[n++] = base[b];
        }
    }
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

static inline void script(el_conn *c, const char *sql) {
    el_error err = {0};
    if (c->driver->script(c, sql, strlen(sql), &err) != EL_OK) {
        fail_msg("%s: %s", sql, err.message);
    }
}

static inline el_stmt *prepare(el_conn *c, const char *sql, unsigned flags) {
    el_query q = {.sql = sql, .len = strlen(sql), .flags = flags};
    el_stmt *s = NULL;
    el_error err = {0};
    if (c->driver->prepare(&s, c, &q, &err) != EL_OK) {
        fail_msg("%s: %s", sql, err.message);
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

static inline int64_t scalar(el_conn *c, const char *sql) {
    el_stmt *s = prepare(c, sql, EL_STMT_ONCE);
    el_value v[MAX_VALUES];
    execute(s, NOARGS);
    assert_true(next_row(s, v));
    assert_int_equal(v[0].type, EL_INT);
    finalize(s);
    return v[0].u.i;
}

/* Runs what must fail, in either call; the failure is in `err`. */
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
        fail_msg("did not fail: %s", sql);
    }
}

static inline void assert_kind(const el_error *err, el_errkind kind, const char *state) {
    if (err->kind != kind || strcmp(err->sqlstate, state) != 0) {
        fail_msg("got %s/%s (%d), expected %s/%s: %s", el_errkind_name(err->kind),
                 err->sqlstate, err->code, el_errkind_name(kind), state, err->message);
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
    } else if (got->type != EL_NULL && got->u.i != expected->u.i) {
        fail_msg("%s: got %lld, expected %lld", what, (long long)got->u.i,
                 (long long)expected->u.i);
    }
}

/* The only cell of a query. */
static inline void assert_cell(el_conn *c, const char *sql, el_value expected) {
    el_stmt *s = prepare(c, sql, EL_STMT_ONCE);
    el_value v[MAX_VALUES];
    execute(s, NOARGS);
    assert_true(next_row(s, v));
    assert_value(&v[0], &expected, sql);
    assert_false(next_row(s, v));
    finalize(s);
}

static inline bool transact(el_conn *c, el_txop op, const char *name) {
    el_error err = {0};
    return c->driver->transact(c, op, name, &err) == EL_OK;
}

static inline bool in_transaction(const el_conn *c) {
    return c->driver->txstate(c) == EL_TX_ACTIVE;
}

/* MariaDB tells Connector/C that a text is JSON or UUID, and libmysqlclient nothing. */
static inline bool knows_declared_types(const el_conn *c) {
    char line[500];
    bool found = strcmp(c->product, "mysql") == 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && !found && fgets(line, sizeof line, maps) != NULL) {
        found = strstr(line, "libmariadb") != NULL;
    }
    if (maps != NULL) {
        fclose(maps);
    }
    return found;
}

/* Ends the server's side of a connection and waits until it is gone. */
static inline void kill_link(int64_t id) {
    el_conn *admin = open_conn();
    char sql[160];
    snprintf(sql, sizeof sql, "KILL %lld", (long long)id);
    run(admin, sql, NOARGS);
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM information_schema.processlist WHERE id = %lld",
             (long long)id);
    for (int i = 0; i < 500 && scalar(admin, sql) > 0; i++) {
        usleep(10000);
    }
    assert_int_equal(scalar(admin, sql), 0);
    el_conn_release(admin);
}

static inline double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Resident memory of this process, in KiB; 0 where the sanitizer keeps what is freed. */
static inline long resident(void) {
#if defined(__SANITIZE_ADDRESS__)
    return 0;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
    return 0;
#endif
#endif
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL || fscanf(f, "%*s %ld", &pages) != 1) {
        pages = 0;
    }
    if (f != NULL) {
        fclose(f);
    }
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

#endif
