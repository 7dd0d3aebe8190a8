/* SPDX-License-Identifier: MIT
**
** driver.h - the contract between eloquent and a database driver.
**
** A driver is one `const el_driver` and the functions it points to.  It includes this
** header and its client library, nothing of Lua and nothing of the host.  It reports
** every failure through `err`, so it never prints, exits or jumps.
*/
#ifndef EL_DRIVER_H
#define EL_DRIVER_H

#include "error.h"
#include "value.h"

typedef struct el_driver el_driver;
typedef struct el_conn el_conn;
typedef struct el_stmt el_stmt;
typedef struct el_bulk el_bulk;

typedef struct el_column {
    const char *name; /* ends with NUL */
    size_t namelen;
    el_type type;     /* EL_NULL when it is known per value only */
} el_column;

/* {====== Handles: a driver's own struct begins with one of these ====== */

struct el_conn {
    const el_driver *driver;
    int refs;            /* the owner plus one per live statement */
    bool open;           /* false once the link is known to be gone */
    char product[16];    /* "sqlite", "postgresql", "mysql", "mariadb", "mongodb" */
    int version;         /* major * 10000 + minor * 100 + patch */
    int max_params;      /* values one statement may bind */
};

struct el_stmt {
    el_conn *conn;
    int nparams;
    int ncolumns;             /* 0 when it returns no rows */
    const el_column *columns; /* the driver's, until the next execute */
    int64_t affected;         /* rows written by the last execute */
    int64_t last_id;          /* key the engine generated in it; 0 when none */
    bool active;              /* executed, rows not read to the end, not reset */
};

/* Rows on their way into one table; see bulk.h for who calls what. */
struct el_bulk {
    el_conn *conn;
    int ncolumns;
    bool own;        /* the driver's way; else the statements of bulk.c */
    size_t pending;  /* rows whose values are still lent */
    int64_t failed;  /* the row that a failure is about, 1 the first; 0: unknown */
    const char *sql; /* what listeners are told */
};

/* }====== */

/* {====== The driver ====== */

enum { /* capabilities */
    EL_CAP_TRANSACTIONS = 1u << 0,
    EL_CAP_SAVEPOINTS = 1u << 1,
    EL_CAP_DDL_IN_TX = 1u << 2,
    EL_CAP_RETURNING = 1u << 3,
    EL_CAP_DOCUMENTS = 1u << 4, /* takes commands, not SQL */
    EL_CAP_NUMBERED = 1u << 5,  /* placeholders are $1, $2 instead of ? */
    EL_CAP_SIGNAL_CANCEL = 1u << 6 /* `cancel` may be called from a signal handler */
};

enum {                        /* prepare flags */
    EL_STMT_STREAM = 1u << 0, /* rows are pulled in constant memory; other statements of
                                 the connection work while it is open */
    EL_STMT_ONCE = 1u << 1    /* will run once: not worth a round trip to prepare it */
};

typedef enum el_txop {
    EL_TX_BEGIN,   /* name: isolation level, or NULL for the default */
    EL_TX_COMMIT,
    EL_TX_ROLLBACK,
    EL_TX_SAVE,    /* these three: name of the savepoint, an identifier */
    EL_TX_RELEASE,
    EL_TX_ROLLBACK_TO
} el_txop;

typedef enum el_txstate {
    EL_TX_NONE,
    EL_TX_ACTIVE,
    EL_TX_FAILED /* only a rollback is accepted now */
} el_txstate;

typedef struct el_option {
    const char *key, *value;
} el_option; /* key NULL ends a list */

/* What to run: SQL, or a document (EL_DOC) where the driver has EL_CAP_DOCUMENTS. */
typedef struct el_query {
    const char *sql;
    size_t len;
    const el_value *command;
    unsigned flags;
} el_query;

struct el_driver {
    unsigned abi;               /* EL_DRIVER_ABI */
    const char *name;
    unsigned caps;
    const char *const *options; /* the keys `open` accepts, so a typo is an error */

    /* Connects.  `*out` has one reference, and is untouched on failure. */
    int (*open)(el_conn **out, const el_option *opts, el_error *err);

    /* Cannot fail; frees `c`.  Called by el_conn_release, when no statement is left. */
    void (*close)(el_conn *c);

    /* Asks the server for a sign of life. */
    int (*ping)(el_conn *c, el_error *err);

    /* `*out` holds a reference to `c`, and is untouched on failure. */
    int (*prepare)(el_stmt **out, el_conn *c, const el_query *q, el_error *err);

    /*
    ** Drops the previous result, binds and runs.  `args` and what they point to stay
    ** valid until the next execute, reset or finalize; bind them without copying.
    ** A count other than s->nparams is EL_ERR_MISUSE.
    */
    int (*execute)(el_stmt *s, const el_value *args, int nargs, el_error *err);

    /* EL_ROW, EL_DONE or EL_FAIL.  After EL_DONE or EL_FAIL nothing is pending. */
    int (*fetch)(el_stmt *s, el_error *err);

    /*
    ** All columns of the current row, s->ncolumns values; what they point to lives
    ** until the next fetch or reset.
    */
    int (*row)(el_stmt *s, el_value *out, el_error *err);

    /* Drops what is pending; the statement may be executed again. */
    void (*reset)(el_stmt *s);

    /* Cannot fail; frees `s` and drops its reference to the connection. */
    void (*finalize)(el_stmt *s);

    int (*transact)(el_conn *c, el_txop op, const char *name, el_error *err);

    /* The truth as the server last told it, without asking. */
    el_txstate (*txstate)(const el_conn *c);

    /* Several statements in one text, without values; results are dropped. */
    int (*script)(el_conn *c, const char *sql, size_t len, el_error *err);

    /*
    ** Stops the statement that runs on `c`, which then fails with EL_ERR_CANCELED.
    ** May be called from another thread while the owner waits in execute or fetch.
    */
    int (*cancel)(el_conn *c, el_error *err);

    /*
    ** Optional, all three or none: hands over a whole executed result, so that rows
    ** need not be copied out of the client library.  After `take` the statement is
    ** free.  `cell` lends memory that lives as long as the result, or until the next
    ** `cell` where it had to be decoded.
    */
    int (*take)(el_stmt *s, void **result, size_t *nrows, el_error *err);
    void (*cell)(void *result, size_t row, int column, el_value *out);
    void (*discard)(void *result);

    /*
    ** Optional, all three, or a begin that only makes ready and is always EL_DONE: rows
    ** into one table, faster than by statements.  From
    ** begin to end nothing else runs on the connection, which is in a transaction: after
    ** a failure rows may be there until its rollback.  `into` is SQL for the table and
    ** its columns, `"users" ("name", "age")`.  Begin is EL_DONE when this server has no
    ** such way, and EL_ERR_UNSUPPORTED when this table can't be written so (it may have
    ** failed the transaction): then statements do it.
    */
    int (*bulk_begin)(el_bulk **out, el_conn *c, const char *into, int ncolumns,
                      el_error *err);

    /*
    ** Values are lent until b->pending is 0 again.  After a failure only end follows,
    ** with the same `err`: what the server has against the rows may be known only then.
    */
    int (*bulk_row)(el_bulk *b, const el_value *values, el_error *err);

    /*
    ** Sends the rest and waits, or gives up where `good` is false.  Frees `b`; *failed
    ** is what b->failed would be.
    */
    int (*bulk_end)(el_bulk *b, bool good, int64_t *failed, el_error *err);
};

#define EL_DRIVER_ABI 3u

/* }====== */

/* {====== Registry (driver.c) ====== */

/*
** The driver of that name, its module loaded on first use.  A missing module or client
** library is EL_ERR_UNSUPPORTED with the package to install.
*/
int el_driver_load(const el_driver **out, const char *name, el_error *err);

/* Name of the i-th driver this program knows, NULL past the end. */
const char *el_driver_name(size_t i);

/* Refuses keys that the driver does not list; call it first in `open`. */
int el_driver_check_options(const el_driver *d, const el_option *opts, el_error *err);

/* Value of a key, or NULL when it is absent or empty. */
const char *el_option_get(const el_option *opts, const char *key);

/* Whole number within [min, max]; `fallback` when absent; else EL_ERR_MISUSE. */
int el_option_int(int *out, const el_option *opts, const char *key, int min, int max,
                  int fallback, el_error *err);

void el_conn_retain(el_conn *c);
void el_conn_release(el_conn *c); /* calls driver->close at zero */

/* }====== */

#endif
