/* SPDX-License-Identifier: MIT
**
** sqlite_files_spec.c - opening database files, settings, files that can't be used, and
** two connections (or threads, or processes) at one file.
*/
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sqlite_support.h"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool exists(const char *path) {
    return access(path, F_OK) == 0;
}

static void text_of(el_conn *c, const char *sql, char out[64]) {
    el_stmt *s = prepare(c, sql);
    el_value v;
    execute(s, NULL, 0);
    assert_int_equal(fetch(s), EL_ROW);
    row(s, &v);
    assert_int_equal(v.type, EL_TEXT);
    snprintf(out, 64, "%.*s", (int)v.u.s.n, v.u.s.p);
    driver->finalize(s);
}

static void write_file(const char *path, const char *bytes, size_t n) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), n);
    close(fd);
}

/* {====== Settings ====== */

static void defaults(void **state) {
    (void)state;
    char path[256], text[64];
    el_conn *c = open_path(in_folder(path, "a.db"), NULL, NULL);
    text_of(c, "PRAGMA journal_mode", text);
    assert_string_equal(text, "wal");
    assert_int_equal(scalar(c, "PRAGMA synchronous"), 1);
    assert_int_equal(scalar(c, "PRAGMA foreign_keys"), 1);
    el_conn_release(c);
    c = open_path(":memory:", NULL, NULL);
    assert_int_equal(scalar(c, "PRAGMA foreign_keys"), 1);
    el_conn_release(c);
}

static int64_t size_of(const char *path) {
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return info.st_size;
}

/* Far more than SQLite's own 2 MiB; what is beyond 64 MiB is written before. */
static void many_rows_stay_in_memory(void **state) {
    (void)state;
    char path[256], wal[256];
    el_conn *c = open_path(in_folder(path, "a.db"), NULL, NULL);
    el_bulk *none = NULL;
    el_error err = {0};
    in_folder(wal, "a.db-wal");
    script(c, "CREATE TABLE t (x)");
    script(c, "PRAGMA wal_checkpoint(TRUNCATE)");
    int64_t before = scalar(c, "PRAGMA cache_size");
    assert_int_equal(driver->bulk_begin(&none, c, "t (x)", 1, &err), EL_DONE);
    assert_int_equal(scalar(c, "PRAGMA cache_size"), before); /* no transaction */
    assert_int_equal(driver->transact(c, EL_TX_BEGIN, NULL, &err), EL_OK);
    assert_int_equal(driver->bulk_begin(&none, c, "t (x)", 1, &err), EL_DONE);
    script(c, "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n "
              "WHERE i < 16384) INSERT INTO t SELECT zeroblob(1000) FROM n");
    assert_int_equal(size_of(wal), 0);
    script(c, "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n "
              "WHERE i < 65536) INSERT INTO t SELECT zeroblob(1000) FROM n");
    assert_true(size_of(wal) > 0);
    assert_int_equal(driver->bulk_begin(&none, c, "t (x)", 1, &err), EL_DONE);
    assert_int_equal(driver->transact(c, EL_TX_COMMIT, NULL, &err), EL_OK);
    assert_int_equal(scalar(c, "PRAGMA cache_size"), before);
    assert_int_equal(driver->transact(c, EL_TX_BEGIN, NULL, &err), EL_OK);
    assert_int_equal(driver->bulk_begin(&none, c, "t (x)", 1, &err), EL_DONE);
    assert_int_equal(driver->transact(c, EL_TX_ROLLBACK, NULL, &err), EL_OK);
    assert_int_equal(scalar(c, "PRAGMA cache_size"), before);
    script(c, "PRAGMA cache_size=0");
    assert_int_equal(driver->transact(c, EL_TX_BEGIN, NULL, &err), EL_OK);
    assert_int_equal(driver->bulk_begin(&none, c, "t (x)", 1, &err), EL_DONE);
    assert_int_equal(driver->bulk_begin(&none, c, "t (x)", 1, &err), EL_DONE);
    assert_int_equal(scalar(c, "PRAGMA cache_size"), -65536);
    assert_int_equal(driver->transact(c, EL_TX_COMMIT, NULL, &err), EL_OK);
    assert_int_equal(scalar(c, "PRAGMA cache_size"), 0);
    script(c, "PRAGMA cache_size=20000");
    assert_int_equal(driver->transact(c, EL_TX_BEGIN, NULL, &err), EL_OK);
    assert_int_equal(driver->bulk_begin(&none, c, "t (x)", 1, &err), EL_DONE);
    assert_int_equal(scalar(c, "PRAGMA cache_size"), 20000);
    assert_int_equal(driver->transact(c, EL_TX_COMMIT, NULL, &err), EL_OK);
    assert_int_equal(scalar(c, "SELECT count(*) FROM t"), 16384 + 65536);
    el_conn_release(c);
}

static void settings(void **state) {
    (void)state;
    static const char *const modes[] = {"delete", "TRUNCATE", "persist",
                                        "memory", "off",      "wal"};
    static const struct {
        const char *word;
        int level;
    } levels[] = {{"off", 0}, {"NORMAL", 1}, {"full", 2}, {"extra", 3}};
    static const struct {
        const char *word;
        int on;
    } keys[] = {{"off", 0}, {"on", 1}, {"false", 0}, {"TRUE", 1}, {"0", 0}, {"1", 1}};
    char path[256], text[64];
    in_folder(path, "a.db");
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        el_conn *c = open_path(path, "journal_mode", modes[i]);
        text_of(c, "PRAGMA journal_mode", text);
        assert_int_equal(strcasecmp(text, modes[i]), 0);
        el_conn_release(c);
    }
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        el_conn *c = open_path(path, "synchronous", levels[i].word);
        assert_int_equal(scalar(c, "PRAGMA synchronous"), levels[i].level);
        el_conn_release(c);
    }
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        el_conn *c = open_path(path, "foreign_keys", keys[i].word);
        assert_int_equal(scalar(c, "PRAGMA foreign_keys"), keys[i].on);
        el_conn_release(c);
    }
    el_conn_release(open_path(path, "busy_timeout", "0.25"));
    el_conn_release(open_path(path, "busy_timeout", ""));
}

static void wrong_settings_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *key, *value, *words;
    } cases[] = {
        {"journal_mode", "fast", "wal, delete, truncate"},
        {"synchronous", "2", "normal, off, full"},
        {"foreign_keys", "maybe", "on, off"},
        {"mode", "w", "rw, ro"},
        {"busy_timeout", "5s", "seconds"},
        {"busy_timeout", "-1", "seconds"},
        {"busy_timeout", ".", "seconds"},
        {"busy_timeout", "1.5.5", "seconds"},
        {"busy_timeout", "99999999999999999999", "seconds"},
        {"jornal_mode", "wal", "journal_mode"},
        {"host", "x", "busy_timeout"},
    };
    char path[256];
    in_folder(path, "sub/a.db");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        el_error e = open_error(path, cases[i].key, cases[i].value);
        assert_int_equal(e.kind, EL_ERR_MISUSE);
        if (!strstr(e.message, cases[i].words) || !strstr(e.message, cases[i].key)) {
            fail_msg("%s", e.message);
        }
    }
    assert_int_equal(open_error("", NULL, NULL).kind, EL_ERR_MISUSE);
    assert_false(exists(path));
    in_folder(path, "sub");
    assert_false(exists(path)); /* refused before anything was made */
}

/* }====== */

/* {====== Paths ====== */

static void folders_are_made(void **state) {
    (void)state;
    char path[256];
    el_conn *c = open_path(in_folder(path, "x/y//z/a.db"), NULL, NULL);
    script(c, "CREATE TABLE t(a)");
    el_conn_release(c);
    assert_true(exists(path));
    assert_int_equal(chdir(folder), 0);
    el_conn_release(open_path("plain.db", NULL, NULL));
    el_conn_release(open_path("rel/b.db", NULL, NULL));
    el_conn_release(open_path("./rel2/b.db", NULL, NULL));
    el_conn_release(open_path("file:odd?mode=memory", NULL, NULL));
    assert_true(exists("plain.db") && exists("rel/b.db") && exists("rel2/b.db"));
    assert_true(exists("file:odd?mode=memory")); /* a name, not a URI */
    assert_int_equal(chdir("/"), 0);
}

static void paths_that_cannot_be(void **state) {
    (void)state;
    char path[256];
    el_error e = open_error(folder, NULL, NULL); /* a folder */
    assert_int_equal(e.kind, EL_ERR_CONNECT);
    assert_non_null(strstr(e.message, folder));
    write_file(in_folder(path, "file"), "x", 1);
    e = open_error(in_folder(path, "file/a.db"), NULL, NULL); /* below a file */
    assert_int_equal(e.kind, EL_ERR_CONNECT);
    e = open_error(in_folder(path, "file/sub/a.db"), NULL, NULL);
    assert_int_equal(e.kind, EL_ERR_CONNECT);
    e = open_error("/proc/no-such-folder/a.db", NULL, NULL);
    assert_int_equal(e.kind, EL_ERR_CONNECT);
    assert_non_null(strstr(e.message, "/proc/no-such-folder"));
    char *longest = malloc(6000);
    assert_non_null(longest);
    memset(longest, 'a', 5999);
    longest[0] = longest[5000] = '/';
    longest[5999] = '\0';
    assert_int_equal(open_error(longest, NULL, NULL).kind, EL_ERR_CONNECT);
    free(longest);
}

static void what_is_no_database(void **state) {
    (void)state;
    char path[256], bytes[8192];
    memset(bytes, 'x', sizeof bytes);
    write_file(in_folder(path, "text.db"), bytes, sizeof bytes);
    el_error e = open_error(path, NULL, NULL);
    assert_int_equal(e.kind, EL_ERR_CONNECT);
    assert_non_null(strstr(e.message, path));
    assert_non_null(strstr(e.message, "not an SQLite database"));
    e = open_error(path, "mode", "ro");
    assert_int_equal(e.kind, EL_ERR_CONNECT);
    write_file(in_folder(path, "empty.db"), "", 0); /* what touch makes is fine */
    el_conn_release(open_path(path, NULL, NULL));
}

static void a_damaged_file(void **state) {
    (void)state;
    char path[256], noise[4096];
    el_conn *c = open_path(in_folder(path, "a.db"), "journal_mode", "delete");
    script(c, "CREATE TABLE t(a); WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 "
              "FROM n WHERE x < 2000) INSERT INTO t SELECT hex(randomblob(50)) FROM n");
    el_conn_release(c);
    memset(noise, 0xEE, sizeof noise);
    int fd = open(path, O_WRONLY);
    for (off_t page = 2; page < 20; page++) {
        assert_int_equal(pwrite(fd, noise, sizeof noise, page * 4096), sizeof noise);
    }
    close(fd);
    c = open_path(path, "journal_mode", "delete");
    el_error e = error_of(c, "SELECT * FROM t", NULL, 0);
    assert_int_equal(e.kind, EL_ERR_OTHER);
    assert_string_equal(e.sqlstate, "XX001");
    assert_non_null(strstr(e.message, path));
    assert_non_null(strstr(e.message, "damaged"));
    el_conn_release(c);
}

static void read_only_mode(void **state) {
    (void)state;
    char path[256];
    in_folder(path, "new/a.db");
    assert_int_equal(open_error(path, "mode", "ro").kind, EL_ERR_CONNECT);
    in_folder(path, "new");
    assert_false(exists(path)); /* reading makes no folders */
    el_conn *w = open_path(in_folder(path, "a.db"), NULL, NULL);
    script(w, "CREATE TABLE t(a); INSERT INTO t VALUES(1)");
    el_conn *c = open_path(path, "mode", "ro");
    assert_int_equal(scalar(c, "SELECT a FROM t"), 1);
    el_error e = error_of(c, "INSERT INTO t VALUES(2)", NULL, 0);
    assert_int_equal(e.kind, EL_ERR_UNSUPPORTED);
    assert_string_equal(e.sqlstate, "25006");
    assert_non_null(strstr(e.message, "mode=ro"));
    el_error_clear(&e);
    assert_int_equal(driver->transact(c, EL_TX_BEGIN, NULL, &e), EL_OK);
    assert_int_equal(scalar(c, "SELECT a FROM t"), 1);
    assert_int_equal(driver->transact(c, EL_TX_COMMIT, NULL, &e), EL_OK);
    el_conn_release(c);
    el_conn_release(w);
}

/* Runs a check as a user who is not root, since root may write everything. */
static void as_nobody(void (*check)(const char *path), const char *path) {
    if (geteuid() != 0) {
        check(path);
        return;
    }
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (setgid(65534) != 0 || setuid(65534) != 0) {
            _exit(2);
        }
        check(path);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* In a child there is no test to fail: its exit status tells. */
static void require(bool good, const el_error *e) {
    if (!good) {
        fprintf(stderr, "kind %s: %s\n", el_errkind_name(e->kind), e->message);
        _exit(1);
    }
}

static el_error try_open(const char *path) {
    el_option options[] = {{"path", path}, {NULL, NULL}};
    el_error e = {0};
    el_conn *c = NULL;
    if (driver->open(&c, options, &e) == EL_OK) {
        el_conn_release(c);
    }
    return e;
}

static void check_file_not_writable(const char *path) {
    el_error e = try_open(path);
    require(e.kind == EL_ERR_CONNECT && strstr(e.message, path) &&
                strstr(e.message, "can't be written"),
            &e);
}

static void check_file_not_readable(const char *path) {
    el_error e = try_open(path);
    require(e.kind == EL_ERR_CONNECT && strstr(e.message, path) &&
                strstr(e.message, "Permission denied"),
            &e);
}

static void check_folder_not_writable(const char *path) {
    el_error e = try_open(path);
    require(e.kind == EL_ERR_CONNECT && strstr(e.message, path), &e);
}

static void permissions(void **state) {
    (void)state;
    char path[256], sub[256];
    assert_int_equal(chmod(folder, 0777), 0);
    el_conn_release(open_path(in_folder(path, "a.db"), "journal_mode", "delete"));
    el_conn *c = open_path(path, "journal_mode", "delete");
    script(c, "CREATE TABLE t(a)");
    el_conn_release(c);
    assert_int_equal(chmod(path, 0444), 0);
    as_nobody(check_file_not_writable, path);
    assert_int_equal(chmod(path, 0000), 0);
    as_nobody(check_file_not_readable, path);
    assert_int_equal(chmod(path, 0666), 0);
    assert_int_equal(chmod(folder, 0555), 0);
    as_nobody(check_folder_not_writable, path); /* the log has no place */
    as_nobody(check_folder_not_writable, in_folder(sub, "new.db"));
    as_nobody(check_folder_not_writable, in_folder(sub, "sub/new.db"));
    assert_int_equal(chmod(folder, 0755), 0);
}

/* }====== */

/* {====== Two at one file ====== */

static void begin(el_conn *c, const char *mode) {
    el_error e = {0};
    if (driver->transact(c, EL_TX_BEGIN, mode, &e) != EL_OK) {
        fail_msg("%s", e.message);
    }
}

static void end(el_conn *c, el_txop op) {
    el_error e = {0};
    if (driver->transact(c, op, NULL, &e) != EL_OK) {
        fail_msg("%s", e.message);
    }
}

static void a_busy_file(void **state) {
    (void)state;
    char path[256];
    el_conn *a = open_path(in_folder(path, "a.db"), NULL, NULL);
    el_conn *b = open_path(path, "busy_timeout", "0.2");
    script(a, "CREATE TABLE t(a)");
    begin(a, NULL);
    run(a, "INSERT INTO t VALUES(1)");
    assert_int_equal(scalar(b, "SELECT count(*) FROM t"), 0); /* readers don't wait */
    double start = now();
    el_error e = error_of(b, "INSERT INTO t VALUES(2)", NULL, 0);
    double waited = now() - start;
    assert_int_equal(e.kind, EL_ERR_BUSY);
    assert_string_equal(e.sqlstate, "55P03");
    assert_non_null(strstr(e.message, path));
    assert_non_null(strstr(e.message, "0.2 s"));
    assert_true(waited >= 0.19 && waited < 2.0);
    el_error_clear(&e);
    assert_int_equal(driver->transact(b, EL_TX_BEGIN, NULL, &e), EL_FAIL);
    assert_int_equal(e.kind, EL_ERR_BUSY);
    assert_int_equal(driver->txstate(b), EL_TX_NONE);
    end(a, EL_TX_COMMIT);
    run(b, "INSERT INTO t VALUES(2)");
    el_conn_release(a);
    el_conn_release(b);
}

static void a_commit_that_waits_in_vain_stays_open(void **state) {
    (void)state;
    char path[256];
    el_conn *a = open_path(in_folder(path, "a.db"), "journal_mode", "delete");
    script(a, "CREATE TABLE t(a); INSERT INTO t VALUES(1),(2)");
    el_option options[] = {{"path", path},
                           {"journal_mode", "delete"},
                           {"busy_timeout", "0.1"},
                           {NULL, NULL}};
    el_error e = {0};
    el_conn *b = NULL;
    assert_int_equal(driver->open(&b, options, &e), EL_OK);
    el_stmt *reader = prepare(a, "SELECT a FROM t");
    execute(reader, NULL, 0);
    begin(b, NULL);
    run(b, "INSERT INTO t VALUES(3)");
    assert_int_equal(driver->transact(b, EL_TX_COMMIT, NULL, &e), EL_FAIL);
    assert_int_equal(e.kind, EL_ERR_BUSY);
    assert_int_equal(driver->txstate(b), EL_TX_ACTIVE);
    driver->finalize(reader);
    end(b, EL_TX_COMMIT);
    assert_int_equal(scalar(a, "SELECT count(*) FROM t"), 3);
    el_conn_release(a);
    el_conn_release(b);
}

static void a_stale_snapshot_is_a_conflict(void **state) {
    (void)state;
    char path[256];
    el_conn *a = open_path(in_folder(path, "a.db"), NULL, NULL);
    el_conn *b = open_path(path, NULL, NULL);
    script(a, "CREATE TABLE t(a)");
    begin(b, "deferred");
    assert_int_equal(scalar(b, "SELECT count(*) FROM t"), 0);
    run(a, "INSERT INTO t VALUES(1)");
    double start = now();
    el_error e = error_of(b, "INSERT INTO t VALUES(2)", NULL, 0);
    assert_true(now() - start < 1.0); /* waiting would not help */
    assert_int_equal(e.kind, EL_ERR_CONFLICT);
    assert_string_equal(e.sqlstate, "40001");
    end(b, EL_TX_ROLLBACK);
    run(b, "INSERT INTO t VALUES(2)");
    el_conn_release(a);
    el_conn_release(b);
}

typedef struct canceler {
    el_conn *c;
    int after_ms;
} canceler;

static void *cancel_later(void *ud) {
    canceler *x = ud;
    struct timespec t = {x->after_ms / 1000, x->after_ms % 1000 * 1000000L};
    nanosleep(&t, NULL);
    el_error e = {0};
    driver->cancel(x->c, &e);
    return NULL;
}

static void cancel_stops_a_statement(void **state) {
    (void)state;
    el_conn *c = open_path(":memory:", NULL, NULL);
    canceler x = {c, 100};
    pthread_t thread;
    double start = now();
    assert_int_equal(pthread_create(&thread, NULL, cancel_later, &x), 0);
    el_error e = error_of(c,
                          "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n)"
                          " SELECT count(*) FROM n",
                          NULL, 0);
    pthread_join(thread, NULL);
    assert_int_equal(e.kind, EL_ERR_CANCELED);
    assert_string_equal(e.sqlstate, "57014");
    assert_true(now() - start < 5.0);
    assert_int_equal(scalar(c, "SELECT 1"), 1);
    el_error_clear(&e);
    driver->cancel(c, &e); /* nothing runs: nothing happens */
    assert_int_equal(scalar(c, "SELECT 1"), 1);
    el_conn_release(c);
}

static void cancel_stops_waiting_for_a_lock(void **state) {
    (void)state;
    char path[256];
    el_conn *a = open_path(in_folder(path, "a.db"), NULL, NULL);
    el_conn *b = open_path(path, "busy_timeout", "30");
    begin(a, NULL);
    canceler x = {b, 100};
    pthread_t thread;
    double start = now();
    assert_int_equal(pthread_create(&thread, NULL, cancel_later, &x), 0);
    el_error e = {0};
    assert_int_equal(driver->transact(b, EL_TX_BEGIN, NULL, &e), EL_FAIL);
    pthread_join(thread, NULL);
    assert_int_equal(e.kind, EL_ERR_CANCELED);
    assert_true(now() - start < 5.0);
    end(a, EL_TX_ROLLBACK);
    begin(b, NULL);
    end(b, EL_TX_ROLLBACK);
    el_conn_release(a);
    el_conn_release(b);
}

/* Several programs make the same file at once; all of them get it, in WAL mode. */
static void many_open_a_new_file_at_once(void **state) {
    (void)state;
    enum { PROCESSES = 8 };
    char path[256];
    pid_t children[PROCESSES];
    in_folder(path, "new/a.db");
    fflush(NULL);
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            el_error e = try_open(path);
            require(e.kind == EL_ERR_NONE, &e);
            _exit(0);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    char text[64];
    el_conn *c = open_path(path, NULL, NULL);
    text_of(c, "PRAGMA journal_mode", text);
    assert_string_equal(text, "wal");
    el_conn_release(c);
}

/* }====== */

int main(void) {
#define SPEC(f) cmocka_unit_test_setup_teardown(f, setup_folder, teardown_folder)
    const struct CMUnitTest tests[] = {
        SPEC(defaults),
        SPEC(many_rows_stay_in_memory),
        SPEC(settings),
        SPEC(wrong_settings_are_refused),
        SPEC(folders_are_made),
        SPEC(paths_that_cannot_be),
        SPEC(what_is_no_database),
        SPEC(a_damaged_file),
        SPEC(read_only_mode),
        SPEC(permissions),
        SPEC(a_busy_file),
        SPEC(a_commit_that_waits_in_vain_stays_open),
        SPEC(a_stale_snapshot_is_a_conflict),
        SPEC(cancel_stops_a_statement),
        SPEC(cancel_stops_waiting_for_a_lock),
        SPEC(many_open_a_new_file_at_once),
    };
    return cmocka_run_group_tests(tests, setup_driver, NULL);
}
