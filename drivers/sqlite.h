/* SPDX-License-Identifier: MIT
**
** sqlite.h - what the files of the SQLite driver share; nobody else includes it.
*/
#ifndef EL_SQLITE_H
#define EL_SQLITE_H

#include <sqlite3.h>
#include <stdatomic.h>

#include "driver.h"

typedef struct sq_conn {
    el_conn base;
    sqlite3 *db;
    bool read_only;       /* opened with mode=ro */
    bool opening;         /* not handed out yet: failures are failures to connect */
    bool cache_grown;     /* for many rows, until the transaction ends */
    int cache_before;     /* cache_size before that */
    int busy_ms;          /* how long to wait for a lock */
    int64_t busy_until;   /* the end of the present wait, in milliseconds */
    atomic_bool canceled; /* since the present statement began */
    char path[];
} sq_conn;

/* What failed, for the error's details. */
typedef struct sq_failure {
    const char *sql;      /* ends with NUL; NULL when there is none */
    bool running;         /* failed while it ran, not while it was prepared */
    const el_value *args; /* whose texts must not get into the message */
    int nargs;
} sq_failure;

/* Fills `err` from the connection's last error; EL_FAIL. */
int el_sqlite_fail(sq_conn *c, const sq_failure *what, el_error *err);

/*
** Reads the next word or quoted identifier of SQL into `out`, which is "" for anything
** else; skips space and comments before it.  Returns the position after it.
*/
const char *el_sqlite_word(const char *sql, const char *end, char *out, size_t size);

/* First position that is neither space nor comment. */
const char *el_sqlite_skip(const char *sql, const char *end);

/* sqlite_connection.c; as the members of el_driver say. */
int el_sqlite_open(el_conn **out, const el_option *opts, el_error *err);
void el_sqlite_close(el_conn *c);
int el_sqlite_ping(el_conn *c, el_error *err);
int el_sqlite_transact(el_conn *c, el_txop op, const char *name, el_error *err);
int el_sqlite_bulk_begin(el_bulk **out, el_conn *c, const char *into, int ncolumns,
                         el_error *err);
el_txstate el_sqlite_txstate(const el_conn *c);
int el_sqlite_script(el_conn *c, const char *sql, size_t len, el_error *err);
int el_sqlite_cancel(el_conn *c, el_error *err);

/* In driver.c's list. */
extern const el_driver el_sqlite_driver;

/* Says once where SQLite's memory comes from (sqlite_memory.c). */
void el_sqlite_configure(void);

#endif
