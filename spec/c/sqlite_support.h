/* SPDX-License-Identifier: MIT
**
** sqlite_support.h - what the specs of the SQLite driver share: short forms of the
** contract's calls that fail the test, and a scratch folder.
*/
#ifndef EL_SPEC_SQLITE_SUPPORT_H
#define EL_SPEC_SQLITE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"

#define UNUSED __attribute__((unused))

#define INT(n) ((el_value){.type = EL_INT, .u.i = (n)})
#define TEXT(literal)                                                                    \
    ((el_value){.type = EL_TEXT, .u.s = {(literal), sizeof(literal) - 1}})
#define NOTHING ((el_value){.type = EL_NULL})

static const el_driver *driver;
static el_conn *conn;
static char folder[64];

static UNUSED el_conn *open_path(const char *path, const char *key, const char *value) {
    el_option options[] = {{"path", path}, {key, value}, {NULL, NULL}};
    el_error err = {0};
    el_conn *c = NULL;
    if (driver->open(&c, options, &err) != EL_OK) {
        fail_msg("%s: %s", path, err.message);
    }
    return c;
}

static UNUSED el_error open_error(const char *path, const char *key, const char *value) {
    el_option options[] = {{"path", path}, {key, value}, {NULL, NULL}};
    el_error err = {0};
    el_conn *c = NULL;
    assert_int_equal(driver->open(&c, options, &err), EL_FAIL);
    assert_null(c);
    assert_int_not_equal(err.kind, EL_ERR_NONE);
    return err;
}

static UNUSED void script(el_conn *c, const char *sql) {
    el_error err = {0};
    if (driver->script(c, sql, strlen(sql), &err) != EL_OK) {
        fail_msg("%s: %s", sql, err.message);
    }
}

static UNUSED el_stmt *prepare(el_conn *c, const char *sql) {
    el_query q = {.sql = sql, .len = strlen(sql)};
    el_error err = {0};
    el_stmt *s = NULL;
    if (driver->prepare(&s, c, &q, &err) != EL_OK) {
        fail_msg("%s: %s", sql, err.message);
    }
    return s;
}

static UNUSED void execute(el_stmt *s, const el_value *args, int nargs) {
    el_error err = {0};
    if (driver->execute(s, args, nargs, &err) != EL_OK) {
        fail_msg("%s", err.message);
    }
}

static UNUSED int fetch(el_stmt *s) {
    el_error err = {0};
    int rc = driver->fetch(s, &err);
    if (rc == EL_FAIL) {
        fail_msg("%s", err.message);
    }
    return rc;
}

static UNUSED void row(el_stmt *s, el_value *out) {
    el_error err = {0};
    if (driver->row(s, out, &err) != EL_OK) {
        fail_msg("%s", err.message);
    }
}

/* Runs to the end; the number of rows. */
static UNUSED int run(el_conn *c, const char *sql) {
    el_stmt *s = prepare(c, sql);
    int rows = 0;
    execute(s, NULL, 0);
    while (fetch(s) == EL_ROW) {
        rows++;
    }
    driver->finalize(s);
    return rows;
}

/* The only value of a query that gives an integer. */
static UNUSED int64_t scalar(el_conn *c, const char *sql) {
    el_stmt *s = prepare(c, sql);
    el_value v;
    execute(s, NULL, 0);
    assert_int_equal(fetch(s), EL_ROW);
    row(s, &v);
    assert_int_equal(v.type, EL_INT);
    assert_int_equal(fetch(s), EL_DONE);
    driver->finalize(s);
    return v.u.i;
}

/* The error of preparing or executing; something must fail. */
static UNUSED el_error error_of(el_conn *c, const char *sql, const el_value *args,
                                int nargs) {
    el_query q = {.sql = sql, .len = strlen(sql)};
    el_error err = {0};
    el_stmt *s = NULL;
    if (driver->prepare(&s, c, &q, &err) == EL_OK) {
        int rc = driver->execute(s, args, nargs, &err);
        while (rc == EL_OK || rc == EL_ROW) {
            rc = driver->fetch(s, &err);
        }
        assert_int_equal(rc, EL_FAIL);
        assert_false(s->active);
        driver->finalize(s);
    }
    if (err.kind == EL_ERR_NONE) {
        fail_msg("%s did not fail", sql);
    }
    assert_null(strchr(err.message, '\n'));
    return err;
}

static UNUSED int setup_driver(void **state) {
    (void)state;
    el_error err = {0};
    return el_driver_load(&driver, "sqlite", &err) != EL_OK;
}

static UNUSED int setup_memory(void **state) {
    (void)state;
    conn = open_path(":memory:", NULL, NULL);
    return 0;
}

static UNUSED int teardown_memory(void **state) {
    (void)state;
    assert_int_equal(conn->refs, 1);
    el_conn_release(conn);
    return 0;
}

static UNUSED int setup_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/eloquent-spec-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static UNUSED int remove_entry(const char *path, const struct stat *info, int type,
                               struct FTW *where) {
    (void)info, (void)type, (void)where;
    return remove(path);
}

static UNUSED int teardown_folder(void **state) {
    (void)state;
    return nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* A path in the scratch folder, in a buffer of the caller's. */
static UNUSED const char *in_folder(char out[256], const char *name) {
    snprintf(out, 256, "%s/%s", folder, name);
    return out;
}

#endif
