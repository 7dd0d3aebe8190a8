/* SPDX-License-Identifier: MIT
**
** sqlite_connection.c - opens a database file with the settings this program wants, and
** what concerns the connection as a whole: transactions, scripts, cancelling.
*/
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

#include "sqlite.h"
#include "sqlite_functions.h"

/* {====== Waiting for locks ====== */

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* SQLite's own handler sleeps through a cancel; this one looks for it. */
static int wait_for_lock(void *ud, int tries) {
    static const unsigned char delays[] = {1, 2, 5, 10, 15, 20, 25, 25, 25, 50};
    sq_conn *c = ud;
    if (atomic_load_explicit(&c->canceled, memory_order_relaxed)) {
        return 0;
    }
    int64_t now = now_ms();
    if (tries == 0) {
        c->busy_until = now + c->busy_ms;
    }
    if (now >= c->busy_until) {
        return 0;
    }
    size_t last = sizeof delays - 1;
    int64_t delay = delays[(size_t)tries < last ? (size_t)tries : last];
    int64_t left = c->busy_until - now;
    sqlite3_sleep((int)(delay < left ? delay : left));
    return 1;
}

/* }====== */

/* {====== Options ====== */

typedef struct settings {
    const char *path, *journal_mode, *synchronous;
    int busy_ms;
    bool foreign_keys, read_only, memory;
} settings;

/* The word of the list that the option holds, in the list's spelling. */
static int read_word(const char **out, const el_option *opts, const char *key,
                     const char *const *words, el_error *err) {
    const char *text = el_option_get(opts, key);
    if (!text) {
        *out = words[0];
        return EL_OK;
    }
    char list[128] = "";
    size_t n = 0;
    for (; *words; words++) {
        if (strcasecmp(text, *words) == 0) {
            *out = *words;
            return EL_OK;
        }
        if (n < sizeof list) {
            n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "",
                                  *words);
        }
    }
    return el_fail(err, EL_ERR_MISUSE, 0, "option %s is '%s'; it takes one of %s", key,
                   text, list);
}

static int read_timeout(int *ms, const el_option *opts, el_error *err) {
    const char *text = el_option_get(opts, "busy_timeout");
    int64_t whole = 0, thousandths = 0, unit = 100;
    const char *p = text ? text : "5";
    const char *start = p;
    for (; *p >= '0' && *p <= '9' && whole <= 86400; p++) {
        whole = whole * 10 + (*p - '0');
    }
    bool good = p > start;
    if (good && *p == '.') {
        for (p++; *p >= '0' && *p <= '9'; p++, unit /= 10) {
            thousandths += (*p - '0') * unit;
        }
    }
    if (!good || *p || whole > 86400) {
        return el_fail(
            err, EL_ERR_MISUSE, 0,
            "option busy_timeout is '%s'; it takes seconds from 0 to 86400, as "
            "5 or 0.25",
            text);
    }
    *ms = (int)(whole * 1000 + thousandths);
    return EL_OK;
}

static int read_settings(settings *s, const el_option *opts, el_error *err) {
    static const char *const journal_modes[] = {"wal",    "delete", "truncate", "persist",
                                                "memory", "off",    NULL};
    static const char *const levels[] = {"normal", "off", "full", "extra", NULL};
    static const char *const switches[] = {"on", "off", "true", "false", "1", "0", NULL};
    static const char *const modes[] = {"rw", "ro", NULL};
    const char *keys = "on", *mode = "rw";
    if (el_driver_check_options(&el_sqlite_driver, opts, err) != EL_OK ||
        read_word(&s->journal_mode, opts, "journal_mode", journal_modes, err) != EL_OK ||
        read_word(&s->synchronous, opts, "synchronous", levels, err) != EL_OK ||
        read_word(&keys, opts, "foreign_keys", switches, err) != EL_OK ||
        read_word(&mode, opts, "mode", modes, err) != EL_OK ||
        read_timeout(&s->busy_ms, opts, err) != EL_OK) {
        return EL_FAIL;
    }
    s->foreign_keys = keys[0] == 't' || keys[0] == '1' || strcmp(keys, "on") == 0;
    s->read_only = strcmp(mode, "ro") == 0;
    s->path = el_option_get(opts, "path");
    if (!s->path) {
        return el_fail(err, EL_ERR_MISUSE, 0,
                       "the SQLite connection has no path; set SQLITE_PATH to a file, or "
                       "to :memory:");
    }
    s->memory = strcmp(s->path, ":memory:") == 0;
    return EL_OK;
}

/* }====== */

/* {====== Opening ====== */

/* Makes the folders that the file is to stand in. */
static int make_folders(const char *path, el_error *err) {
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    if (n == 0) {
        return EL_OK;
    }
    if (n >= sizeof folder) {
        return el_fail(err, EL_ERR_CONNECT, ENAMETOOLONG, "the path %s is too long",
                       path);
    }
    memcpy(folder, path, n);
    folder[n] = '\0';
    struct stat info;
    if (stat(folder, &info) == 0) {
        return EL_OK;
    }
    for (char *p = folder + 1;; p++) {
        if (*p == '/' || *p == '\0') {
            char c = *p;
            *p = '\0';
            if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
                int why = errno;
                return el_fail(err, EL_ERR_CONNECT, why,
                               "can't make the folder %s for %s: %s; make it, or change "
                               "the path",
                               folder, path, strerror(why));
            }
            *p = c;
            if (c == '\0') {
                return EL_OK;
            }
        }
    }
}

/* Runs one statement; the text of its first column, if there is room for one, in `out`.
 */
static int run(sq_conn *c, const char *sql, char *out, size_t size, el_error *err) {
    sq_failure what = {.sql = sql};
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(c->db, sql, -1, &st, NULL);
    if (rc == SQLITE_OK) {
        what.running = true;
        rc = sqlite3_step(st);
        if (rc == SQLITE_ROW && out) {
            const char *text = (const char *)sqlite3_column_text(st, 0);
            snprintf(out, size, "%s", text ? text : "");
        }
        while (rc == SQLITE_ROW) {
            rc = sqlite3_step(st);
        }
    }
    if (rc != SQLITE_DONE) {
        el_sqlite_fail(c, &what, err);
    }
    sqlite3_finalize(st);
    return rc == SQLITE_DONE ? EL_OK : EL_FAIL;
}

/*
** Two programs that make the same file at once both change its journal, and then SQLite
** reports a lock at once, without waiting.
*/
static int set_journal(sq_conn *c, const settings *s, el_error *err) {
    char sql[64], mode[32] = "";
    snprintf(sql, sizeof sql, "PRAGMA journal_mode=%s", s->journal_mode);
    int64_t until = now_ms() + c->busy_ms;
    for (;;) {
        el_error_clear(err);
        if (run(c, sql, mode, sizeof mode, err) == EL_OK) {
            break;
        }
        if (err->kind != EL_ERR_BUSY || now_ms() >= until) {
            return EL_FAIL;
        }
        sqlite3_sleep(10);
    }
    if (strcasecmp(mode, s->journal_mode) != 0) {
        return el_fail(err, EL_ERR_CONNECT, 0,
                       "%s can't have journal_mode %s here, it stays %s; choose "
                       "journal_mode %s",
                       c->path, s->journal_mode, mode, mode);
    }
    return EL_OK;
}

static int configure(sq_conn *c, const settings *s, el_error *err) {
    sqlite3_extended_result_codes(c->db, 1);
    sqlite3_busy_handler(c->db, wait_for_lock, c);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_ENABLE_FKEY, s->foreign_keys, NULL);
    /* "no_such_column" in double quotes is an unknown column, not a string */
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    if (el_sqlite_functions(c->db) != SQLITE_OK) {
        return el_sqlite_fail(c, &(sq_failure){0}, err);
    }
    if (s->memory) {
        return EL_OK;
    }
    /* the first statement that reads the file: is it a database at all? */
    if (run(c, "PRAGMA schema_version", NULL, 0, err) != EL_OK) {
        return EL_FAIL;
    }
    if (s->read_only) {
        return EL_OK;
    }
    if (sqlite3_db_readonly(c->db, "main") == 1) {
        return el_fail(err, EL_ERR_CONNECT, SQLITE_READONLY,
                       "%s can't be written; give this user write permission on it, or "
                       "open it with mode=ro",
                       c->path);
    }
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA synchronous=%s", s->synchronous);
    if (set_journal(c, s, err) != EL_OK) {
        return EL_FAIL;
    }
    return run(c, sql, NULL, 0, err);
}

static sq_conn *new_conn(const settings *s) {
    size_t n = strlen(s->path);
    sq_conn *c = calloc(1, sizeof *c + n + 1);
    if (c) {
        memcpy(c->path, s->path, n + 1);
        c->base.driver = &el_sqlite_driver;
        c->base.refs = 1;
        memcpy(c->base.product, "sqlite", sizeof "sqlite");
        int version = sqlite3_libversion_number(); /* 3040001 is 3.40.1 */
        c->base.version =
            version / 1000000 * 10000 + version / 1000 % 1000 * 100 + version % 1000;
        c->read_only = s->read_only;
        c->busy_ms = s->busy_ms;
        c->opening = true;
        atomic_init(&c->canceled, false);
    }
    return c;
}

/* sqlite3_open_v2; a name that begins like a URI is still the name of a file. */
static int open_file(sq_conn *c, const settings *s, el_error *err) {
    int flags =
        SQLITE_OPEN_NOMUTEX | (s->read_only ? SQLITE_OPEN_READONLY
                                            : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    bool uri = strncmp(s->path, "file:", 5) == 0;
    el_sqlite_configure();
    char *path = sqlite3_mprintf("%s%s", uri ? "./" : "", s->path);
    int rc = path ? sqlite3_open_v2(path, &c->db, flags, NULL) : SQLITE_NOMEM;
    sqlite3_free(path);
    if (!c->db) {
        return el_fail(err, EL_ERR_NOMEM, rc, "not enough memory to open %s", c->path);
    }
    return rc == SQLITE_OK ? EL_OK : el_sqlite_fail(c, &(sq_failure){0}, err);
}

int el_sqlite_open(el_conn **out, const el_option *opts, el_error *err) {
    settings s = {0};
    el_error unseen = {0};
    err = err ? err : &unseen;
    if (read_settings(&s, opts, err) != EL_OK ||
        (!s.memory && !s.read_only && make_folders(s.path, err) != EL_OK)) {
        return EL_FAIL;
    }
    sq_conn *c = new_conn(&s);
    if (!c) {
        return el_fail(err, EL_ERR_NOMEM, 0, "not enough memory for a connection");
    }
    if (open_file(c, &s, err) != EL_OK || configure(c, &s, err) != EL_OK) {
        el_sqlite_close(&c->base);
        return EL_FAIL;
    }
    c->base.max_params = sqlite3_limit(c->db, SQLITE_LIMIT_VARIABLE_NUMBER, -1);
    c->base.open = true;
    c->opening = false;
    *out = &c->base;
    return EL_OK;
}

void el_sqlite_close(el_conn *base) {
    sq_conn *c = (sq_conn *)base;
    sqlite3_close_v2(c->db);
    free(c);
}

int el_sqlite_ping(el_conn *base, el_error *err) {
    return run((sq_conn *)base, "PRAGMA schema_version", NULL, 0, err);
}

/* }====== */

/* {====== Transactions ====== */

static bool begin_mode(const char **mode, const sq_conn *c, const char *name) {
    static const struct {
        const char *name, *mode;
    } modes[] = {
        {"deferred", "DEFERRED"},        {"immediate", "IMMEDIATE"},
        {"exclusive", "EXCLUSIVE"},      {"read uncommitted", "IMMEDIATE"},
        {"read committed", "IMMEDIATE"}, {"repeatable read", "IMMEDIATE"},
        {"serializable", "IMMEDIATE"},
    };
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (strcasecmp(name ? name : "immediate", modes[i].name) == 0) {
            /* who may not write may not take the lock for it */
            *mode = c->read_only ? "DEFERRED" : modes[i].mode;
            return true;
        }
    }
    return false;
}

static int transact(sq_conn *c, const char *format, const char *name, el_error *err) {
    char *sql = sqlite3_mprintf(format, name);
    if (!sql) {
        return el_fail(err, EL_ERR_NOMEM, 0, "not enough memory for a transaction");
    }
    int rc = run(c, sql, NULL, 0, err);
    sqlite3_free(sql);
    return rc;
}

static int commit(sq_conn *c, el_error *err) {
    if (sqlite3_get_autocommit(c->db)) {
        return el_fail(err, EL_ERR_MISUSE, 0,
                       "there is no transaction to commit: none was begun, or a failure "
                       "has rolled it back");
    }
    return run(c, "COMMIT", NULL, 0, err);
}

/*
** Many rows change far more pages than SQLite keeps by default (2 MiB), and then it writes
** some of them again and again: until the transaction ends it may keep 64 MiB of them.
*/
int el_sqlite_bulk_begin(el_bulk **out, el_conn *base, const char *into, int ncolumns,
                         el_error *err) {
    sq_conn *c = (sq_conn *)base;
    char size[32] = "";
    (void)out, (void)into, (void)ncolumns;
    if (c->cache_grown || sqlite3_get_autocommit(c->db)) {
        return EL_DONE;
    }
    if (run(c, "PRAGMA cache_size", size, sizeof size, err) != EL_OK) {
        return EL_FAIL;
    }
    int before = (int)strtol(size, NULL, 10); /* KiB where it is negative, else pages */
    if (before <= -65536 || before >= 16384) {
        return EL_DONE;
    }
    if (run(c, "PRAGMA cache_size=-65536", NULL, 0, err) != EL_OK) {
        return EL_FAIL;
    }
    c->cache_before = before;
    c->cache_grown = true;
    return EL_DONE;
}

/* Takes `rc`, how a commit or a rollback went, and returns it. */
static int ended(sq_conn *c, int rc) {
    char sql[48];
    el_error ignored; /* without memory for this it stays as large */
    if (c->cache_grown && sqlite3_get_autocommit(c->db)) {
        el_error_clear(&ignored);
        snprintf(sql, sizeof sql, "PRAGMA cache_size=%d", c->cache_before);
        c->cache_grown = run(c, sql, NULL, 0, &ignored) != EL_OK;
    }
    return rc;
}

int el_sqlite_transact(el_conn *base, el_txop op, const char *name, el_error *err) {
    sq_conn *c = (sq_conn *)base;
    const char *mode;
    atomic_store_explicit(&c->canceled, false, memory_order_relaxed);
    switch (op) {
    case EL_TX_BEGIN:
        if (!begin_mode(&mode, c, name)) {
            return el_fail(err, EL_ERR_MISUSE, 0,
                           "SQLite has no isolation level '%s'; it has serializable (the "
                           "default), immediate, deferred and exclusive",
                           name);
        }
        return transact(c, "BEGIN %s", mode, err);
    case EL_TX_COMMIT:
        return ended(c, commit(c, err));
    case EL_TX_ROLLBACK: /* SQLite itself rolls back after some failures */
        return ended(c, sqlite3_get_autocommit(c->db)
                            ? EL_OK
                            : run(c, "ROLLBACK", NULL, 0, err));
    case EL_TX_SAVE:
        return transact(c, "SAVEPOINT \"%w\"", name, err);
    case EL_TX_RELEASE:
        return transact(c, "RELEASE \"%w\"", name, err);
    case EL_TX_ROLLBACK_TO:
        return transact(c, "ROLLBACK TO \"%w\"", name, err);
    }
    return el_fail(err, EL_ERR_MISUSE, 0, "unknown transaction step %d", (int)op);
}

el_txstate el_sqlite_txstate(const el_conn *base) {
    return sqlite3_get_autocommit(((const sq_conn *)base)->db) ? EL_TX_NONE
                                                               : EL_TX_ACTIVE;
}

/* }====== */

/* {====== Scripts, cancel ====== */

/* Prepares and runs the statement at `*sql`, and moves behind it. */
static int script_step(sq_conn *c, const char **sql, const char *end, el_error *err) {
    sqlite3_stmt *st = NULL;
    sq_failure what = {.sql = *sql};
    int rc = sqlite3_prepare_v2(c->db, *sql, (int)(end - *sql), &st, sql);
    if (rc != SQLITE_OK) {
        return el_sqlite_fail(c, &what, err);
    }
    if (!st) { /* nothing but a comment that has no end */
        return EL_OK;
    }
    if (sqlite3_bind_parameter_count(st) > 0) {
        sqlite3_finalize(st);
        return el_fail(err, EL_ERR_MISUSE, 0,
                       "a script has no values for placeholders; run the statement by "
                       "itself");
    }
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
    }
    what.running = true;
    what.sql = sqlite3_sql(st);
    if (rc != SQLITE_DONE) {
        el_sqlite_fail(c, &what, err);
    }
    sqlite3_finalize(st);
    return rc == SQLITE_DONE ? EL_OK : EL_FAIL;
}

int el_sqlite_script(el_conn *base, const char *sql, size_t len, el_error *err) {
    sq_conn *c = (sq_conn *)base;
    if (len > INT_MAX || memchr(sql, '\0', len)) {
        return el_fail(err, EL_ERR_SYNTAX, 0, "%s",
                       len > INT_MAX ? "the script is longer than 2 GiB"
                                     : "the script has a zero byte inside");
    }
    atomic_store_explicit(&c->canceled, false, memory_order_relaxed);
    char *text = malloc(len + 1); /* error positions need an end */
    if (!text) {
        return el_fail(err, EL_ERR_NOMEM, 0, "not enough memory for a script");
    }
    memcpy(text, sql, len);
    text[len] = '\0';
    const char *p = text, *end = text + len;
    int number = 0, rc = EL_OK;
    el_error inner = {0};
    while (rc == EL_OK && (p = el_sqlite_skip(p, end)) < end) {
        if (*p == ';') { /* an empty statement */
            p++;
            continue;
        }
        number++;
        rc = script_step(c, &p, end, &inner);
    }
    free(text);
    if (rc != EL_OK && err && err->kind == EL_ERR_NONE) {
        *err = inner;
        err->kind = EL_ERR_NONE;
        el_fail(err, inner.kind, inner.code, "statement %d of the script: %s", number,
                inner.message);
    }
    return rc;
}

int el_sqlite_cancel(el_conn *base, el_error *err) {
    sq_conn *c = (sq_conn *)base;
    (void)err;
    atomic_store_explicit(&c->canceled, true, memory_order_relaxed);
    sqlite3_interrupt(c->db);
    return EL_OK;
}

/* }====== */
