/* SPDX-License-Identifier: MIT
**
** pg.h - what the files of the PostgreSQL driver share.  Nobody else includes it: the
** rest of the program sees the driver through driver.h only.
*/
#ifndef EL_PG_H
#define EL_PG_H

#include <libpq-fe.h>
#include <pthread.h>

#include "driver.h"

#ifndef LIBPQ_HAS_PIPELINING
#error "libpq 14 or later is needed"
#endif

/* Type numbers that never change (server: catalog/pg_type.dat). */
enum {
    PG_OID_BOOL = 16,
    PG_OID_BYTEA = 17,
    PG_OID_NAME = 19,
    PG_OID_INT8 = 20,
    PG_OID_INT2 = 21,
    PG_OID_INT4 = 23,
    PG_OID_TEXT = 25,
    PG_OID_OID = 26,
    PG_OID_JSON = 114,
    PG_OID_FLOAT4 = 700,
    PG_OID_FLOAT8 = 701,
    PG_OID_UNKNOWN = 705,
    PG_OID_BPCHAR = 1042,
    PG_OID_VARCHAR = 1043,
    PG_OID_DATE = 1082,
    PG_OID_TIME = 1083,
    PG_OID_TIMESTAMP = 1114,
    PG_OID_TIMESTAMPTZ = 1184,
    PG_OID_TIMETZ = 1266,
    PG_OID_NUMERIC = 1700,
    PG_OID_UUID = 2950,
    PG_OID_JSONB = 3802
};

enum {
    PG_TEXT = 0, /* libpq's two formats */
    PG_BINARY = 1,
    PG_MAX_PARAMS = 65535, /* the protocol counts them in 16 bits */
    PG_IDLE_LINKS = 2,     /* side links kept for later streams */
    PG_NAME_SIZE = 32,     /* of a statement or cursor that the driver names */
    PG_NUMBER_SIZE = 40    /* of a number or moment as text */
};

/* Microseconds from 1970-01-01 to 2000-01-01, where the server's count begins. */
#define PG_EPOCH_MICROS INT64_C(946684800000000)

/* {====== Links (pg_link.c): one libpq connection each ====== */

typedef struct pg_link {
    PGconn *pg;
    PGcancel *cancel; /* never changes, so another thread may use it */
    int64_t answered; /* when the latest request ended, in nanoseconds */
    struct pg_link *next;
} pg_link;

/* What `open` was told, in libpq's words; wiped when freed. */
typedef struct pg_settings {
    char **keys, **values; /* NULL-terminated, as PQconnectStartParams wants them */
    int timeout;           /* seconds per host; 0: no limit */
    bool several_hosts;
    /* A pooler refused our start-up options: SET them instead. */
    bool may_set_later, set_later;
} pg_settings;

typedef struct pg_conn {
    el_conn base;
    pg_link main;
    pg_link *idle[PG_IDLE_LINKS];
    pg_link *streaming; /* side links with an open cursor */
    pg_settings settings;
    char where[200]; /* "PostgreSQL at 127.0.0.1:5432" */

    pthread_mutex_t lock; /* guards `running` */
    PGcancel *running;    /* of the link that waits for an answer, or NULL */

    uint32_t name_tag; /* names are el_<tag>_<serial>; the tag keeps two connections */
    unsigned serial;   /* apart that a pooler puts on one server session */
    unsigned *dropped; /* serials of statements to deallocate */
    size_t ndropped, maxdropped;

    /* These two grow whenever cursors of the main link may have gone: */
    unsigned transactions; /* outside a transaction */
    unsigned rollbacks;    /* by a rollback, to a savepoint too, or CLOSE ALL */
    bool session_changed;  /* by SET: a side link would not see things the same way */
    bool blocks_itself;    /* a request was canceled that waited for one of `streaming` */
} pg_conn;

/* Copies the options; `s` is empty on failure. */
int el_pg_settings_init(pg_settings *s, const el_option *opts, el_error *err);
void el_pg_settings_release(pg_settings *s);

/* Connects; `l` is empty on failure. */
int el_pg_link_open(pg_conn *c, pg_link *l, el_error *err);
void el_pg_link_close(pg_link *l);

/*
** Every request begins with `start`, which fails when the link is known to be gone, and
** ends with `finish` or `answers`.  What is sent between them must be one request.
*/
int el_pg_start(pg_conn *c, pg_link *l, el_error *err);

/*
** Waits for the answer.  `sent` is what the PQsend function returned.  The result is the
** caller's; NULL on failure.  Of several results it is the last.
*/
PGresult *el_pg_finish(pg_conn *c, pg_link *l, int sent, el_error *err);

/*
** Sends the syncs' worth of a pipeline and waits: answer i goes to out[i], NULL when the
** server skipped it.  Fails with the first failure from answer `first` on (failures
** before it don't matter) and stores its number in *failed.  Leaves pipeline mode.
*/
int el_pg_answers(pg_conn *c, pg_link *l, int sent, int nsyncs, PGresult **out, int nout,
                  int first, int *failed, el_error *err);

/* Ends a request whose answers were read one by one. */
void el_pg_end(pg_conn *c, pg_link *l);

/* One statement or script without values; its result is dropped. */
int el_pg_run(pg_conn *c, pg_link *l, const char *sql, el_error *err);

/* False when the server has hung up; reads what it said meanwhile. */
bool el_pg_link_alive(pg_link *l);

/* }====== */

/* {====== Errors (pg_error.c) ====== */

/* These return EL_FAIL. */
int el_pg_error(el_error *err, const pg_conn *c, const PGresult *result);
int el_pg_connect_error(el_error *err, const pg_conn *c, const PGconn *pg);
int el_pg_lost(el_error *err, const pg_conn *c, const PGresult *result, bool sent);

/* The server no longer knows the statement, or not in that shape: prepare it again. */
bool el_pg_is_stale(const el_error *err);

/* }====== */

/* {====== Values (pg_values.c, pg_bind.c) ====== */

typedef struct pg_result pg_result;

/* Fills `out` from the bytes of a cell that is not NULL. */
typedef void pg_decoder(el_value *out, const char *p, size_t n, unsigned char *scratch);

/* A result and how its columns are read. */
struct pg_result {
    PGresult *pg;
    size_t nrows;
    int ncols;
    bool decodes; /* a column needs scratch memory */
    unsigned char *scratch;
    size_t scratch_size;
    struct pg_column {
        pg_decoder *decode;
        unsigned char scratch; /* PG_SCRATCH_ */
    } columns[];
};

/* Takes `pg` over, also on failure. */
pg_result *el_pg_result_new(PGresult *pg, el_error *err);
void el_pg_result_free(pg_result *r);

/* Makes scratch memory for any single cell. */
int el_pg_result_reserve(pg_result *r, el_error *err);
void el_pg_result_cell(pg_result *r, size_t row, int column, el_value *out);
int el_pg_result_row(pg_result *r, size_t row, el_value *out, el_error *err);

/* Columns of a result, names behind them in the same block; free() it. */
el_column *el_pg_columns(const PGresult *pg, el_error *err);
bool el_pg_columns_fit(const el_column *columns, int n, const PGresult *pg);

/* PG_BINARY where every column is exact and cheaper that way. */
int el_pg_format(const PGresult *pg);

/* Values of a statement in libpq's terms. */
typedef struct pg_args {
    int n;
    bool described;      /* `types` came from the server */
    Oid *types;          /* 0: the server finds out */
    const char **values; /* these three point into the caller's values or the arena */
    int *lengths, *formats;
    struct pg_block *arena;
} pg_args;

int el_pg_args_init(pg_args *a, int n, el_error *err);
void el_pg_args_release(pg_args *a);
int el_pg_args_bind(pg_args *a, const el_value *values, el_error *err);

/* Numbers and moments as the server reads them; these return the length. */
int el_pg_format_int(char out[PG_NUMBER_SIZE], int64_t i);
int el_pg_format_double(char out[PG_NUMBER_SIZE], double d);
int el_pg_format_timestamp(char out[PG_NUMBER_SIZE], int64_t micros);

/* Highest n of the $n in `sql`. */
int el_pg_count_params(const char *sql);

/* }====== */

/* {====== Statements (pg.c) and their cursors (pg_stream.c) ====== */

enum pg_cursor {
    PG_CURSOR_INSIDE, /* the user's transaction, so it sees what that wrote */
    PG_CURSOR_SIDE,   /* a read-only transaction of its own on a side link */
    PG_CURSOR_HELD    /* the main link, WITH HOLD: the server keeps all rows at once.  For
                         what a side link can't see: temporary tables, settings */
};

typedef struct pg_stmt {
    el_stmt base;
    char *sql;
    unsigned flags;
    unsigned serial; /* of its name on the server; 0: not prepared there */
    char name[PG_NAME_SIZE];
    int format;      /* of its results */
    pg_args args;
    el_column *columns;
    pg_result *result; /* rows at hand */
    size_t next;       /* the row that the next fetch is about */

    pg_link *cursor_link; /* where its cursor is open; NULL: none is */
    enum pg_cursor kind;
    unsigned cursor;                  /* serial of the cursor's name */
    int batch;                        /* rows to ask for */
    unsigned transactions, rollbacks; /* of the connection, when the cursor was opened */
} pg_stmt;

void el_pg_name(char out[PG_NAME_SIZE], const pg_conn *c, unsigned serial);

/* The result becomes the statement's, with its columns where they are others now. */
int el_pg_adopt(pg_stmt *s, PGresult *pg, el_error *err);

/*
** Opens a cursor for the bound statement and reads its first rows.  EL_DONE: it can't
** be a cursor, run it as usual.
*/
int el_pg_stream_open(pg_stmt *s, el_error *err);

/* The next rows into s->result, which has none when there are no more. */
int el_pg_stream_more(pg_stmt *s, el_error *err);
void el_pg_stream_close(pg_stmt *s);

/* A link beside the main one, until it is given back. */
pg_link *el_pg_side_take(pg_conn *c, el_error *err);
void el_pg_side_give(pg_conn *c, pg_link *l);

/* }====== */

/* {====== Many rows (pg_copy.c) ====== */

int el_pg_bulk_begin(el_bulk **out, el_conn *c, const char *into, int ncolumns,
                     el_error *err);
int el_pg_bulk_row(el_bulk *b, const el_value *values, el_error *err);
int el_pg_bulk_end(el_bulk *b, bool good, int64_t *failed, el_error *err);

/* }====== */

#endif
