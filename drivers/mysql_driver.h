/* SPDX-License-Identifier: MIT
**
** mysql_driver.h - what the files of the MySQL/MariaDB driver share.  Both client
** libraries are served: what differs between them is guarded here and in mysql.c.
*/
#ifndef EL_MYSQL_DRIVER_H
#define EL_MYSQL_DRIVER_H

#include <mysql.h>
#include <pthread.h>
#include <stdatomic.h>

#include "driver.h"
#include "rowset.h"

/* MariaDB Connector/C names itself in mysql.h; libmysqlclient 8 dropped my_bool. */
#if defined(LIBMARIADB) || defined(MARIADB_BASE_VERSION)
#define MY_LIBMARIADB 1
typedef my_bool my_flag;
#else
#define MY_LIBMARIADB 0
#if MYSQL_VERSION_ID >= 80000
typedef bool my_flag;
#else
typedef my_bool my_flag;
#endif
#endif

/* Its library lends the cells of a row where they lie; the other one copies them. */
#ifndef MY_CELLS_IN_PLACE
#define MY_CELLS_IN_PLACE MY_LIBMARIADB
#endif

#pragma GCC visibility push(hidden) /* the module exports its driver, nothing else */

/* {====== Connections (mysql.c) ====== */

enum my_setting {
    MY_HOST,
    MY_USER,
    MY_PASSWORD,
    MY_NAME,
    MY_SOCKET,
    MY_SSL_CA,
    MY_SSL_CAPATH,
    MY_SSL_CERT,
    MY_SSL_KEY,
    MY_SSL_CIPHER,
    MY_NSETTINGS
};

typedef enum my_tls {
    MY_TLS_DISABLED,
    MY_TLS_PREFERRED,
    MY_TLS_REQUIRED,
    MY_TLS_VERIFY_CA,
    MY_TLS_VERIFY_FULL
} my_tls;

typedef struct my_stmt my_stmt;

typedef struct my_conn {
    el_conn base;
    MYSQL *link;
    char *settings[MY_NSETTINGS]; /* cancel connects once more with them; NULL: unset */
    int port, connect_timeout;
    my_tls tls;
    unsigned long thread_id;
    pthread_t owner;
    atomic_uint calls;   /* odd while a call waits for the server */
    int64_t answered;    /* when the latest statement ended, in nanoseconds */
    my_stmt *unread;     /* its further results (CALL) are still on the wire */
    my_stmt *stream;     /* its rows are */
    uint64_t max_packet; /* max_allowed_packet of the session, 0 when not yet asked */
} my_conn;

/* "host:port", or the path of the socket. */
void el_my_target(const my_conn *c, char *out, size_t size);

/* Around every call that waits for the server. */
static inline void my_begin(my_conn *c) {
    atomic_fetch_add(&c->calls, 1);
}

static inline void my_end(my_conn *c) {
    atomic_fetch_add(&c->calls, 1);
}

/* EL_FAIL when the link is gone, or busy with unread results of another statement. */
int el_my_usable(const my_conn *c, const my_stmt *s, el_error *err);

/*
** The same before something is sent: looks whether the server has closed the link, unless
** that would tell nothing new, and takes the rows of a stream out of the way.
*/
int el_my_ready(my_conn *c, const my_stmt *s, el_error *err);

/* Monotonic clock, in nanoseconds. */
int64_t el_my_now(void);

/* Stops what the server runs for `c`, by a link of its own. */
int el_my_kill_query(my_conn *c, el_error *err);

/* Runs a text whose result is not wanted, several results drained. */
int el_my_run(my_conn *c, const char *sql, size_t len, el_error *err);

/* Learns max_packet. */
int el_my_ask_limits(my_conn *c, el_error *err);

/* }====== */

/* {====== Failures (mysql_error.c) ====== */

/* Reports what the link (or the statement) says went wrong; `sql` may be NULL. */
int el_my_fail(my_conn *c, MYSQL *link, const char *sql, size_t len, el_error *err);
int el_my_fail_stmt(my_stmt *s, el_error *err);

/* }====== */

/* {====== A little SQL (mysql_sql.c) ====== */

typedef enum my_verb {
    MY_VERB_OTHER,
    MY_VERB_QUERY, /* SELECT, WITH, VALUES, TABLE, ( */
    MY_VERB_WRITE, /* INSERT, REPLACE, UPDATE, DELETE */
    MY_VERB_CALL
} my_verb;

my_verb el_my_verb(const char *sql, size_t len);

/* True when a `?` stands outside strings, quoted names and comments. */
bool el_my_has_placeholder(const char *sql, size_t len);

/* The table that an INSERT, REPLACE, UPDATE or DELETE names first; "" when unsure. */
void el_my_table(const char *sql, size_t len, char *schema, char *table, size_t size);

/* }====== */

/* {====== Statements (mysql_stmt.c) and their values (mysql_values.c) ====== */

typedef union my_slot { /* what a bound number or time points to */
    long long i;
    signed char b;
    double d;
    MYSQL_TIME time;
} my_slot;

typedef enum my_form { /* how a column arrives; chosen once per result */
                       MY_FORM_BOOL,
                       MY_FORM_INT,
                       MY_FORM_UNSIGNED,
                       MY_FORM_FLOAT,
                       MY_FORM_DOUBLE,
                       MY_FORM_DATE,
                       MY_FORM_TIME,
                       MY_FORM_DATETIME,
                       MY_FORM_BIT,
                       MY_FORM_BYTES /* the rest; my_cell.type tells what the bytes are */
} my_form;

typedef struct my_cell {
    my_form form;
    el_type type;
    union {
        long long i;
        float f;
        double d;
        MYSQL_TIME time;
    } fixed;
    char *buffer;           /* owned, for MY_FORM_BIT and MY_FORM_BYTES */
    unsigned long capacity; /* of the buffer */
    const char *text;       /* the bytes of the current row */
    unsigned long length;
    my_flag null, error;
    unsigned char size;      /* in a packet; 0: its length stands before it */
    const unsigned char *at; /* where it is in the packet; NULL: NULL */
    char scratch[40];        /* times and big numbers as text */
    /* what the server said, to see whether the next execute says the same */
    enum enum_field_types field_type;
    unsigned field_flags, charset;
    unsigned long width;
} my_cell;

/* Rows that were read, and their memory (mysql_rows.c). */
typedef struct my_rows {
    el_rowset set;       /* packed, ... */
    unsigned char **raw; /* ... or as they came: offsets of the cells, then their bytes */
    size_t nraw, maxraw, nrows;
    my_cell *cells; /* which read them; NULL: packed */
    struct my_block *blocks;
    size_t block_size; /* of the next one */
} my_rows;

/* Empty, for rows of n columns; what *rows held is gone. */
int el_my_rows_begin(my_rows **rows, int n, el_error *err);

/* Rows come as they are, to be read as these cells are. */
int el_my_rows_expect(my_rows *rows, const my_cell *cells, int n, el_error *err);

/* Adds a row: its values, or what lies in the packet that the cells point into. */
int el_my_rows_add(my_rows *rows, const el_value *values, el_error *err);
int el_my_rows_add_raw(my_rows *rows, const my_cell *cells, int n,
                       const unsigned char *end, el_error *err);

void el_my_rows_free(my_rows *rows);

/* Rows of a stream that made way for another statement (mysql_aside.c). */
typedef struct my_aside my_aside;

struct my_stmt {
    el_stmt base;
    MYSQL_STMT *handle; /* NULL: runs as text */
    char *sql;
    size_t len;
    unsigned flags;
    my_verb verb;
    MYSQL_BIND *params;
    my_slot *slots;
    el_column *columns;
    char *names; /* one block for all columns */
    my_cell *cells;
    MYSQL_BIND *binds;
    el_value *values; /* of one row */
    my_rows *rows;    /* of the whole result, unless they are pulled */
    size_t next;      /* of them */
    my_aside *aside;  /* rows that are pulled from here, not off the wire */
    char *lent;       /* texts of the row that was pulled off the wire */
    size_t lent_size;
    bool bound;  /* the client library knows `binds` */
    bool row;    /* there is a current row; one that was pulled is in `values` */
    bool pulled; /* rows come one by one */
    bool more;   /* further results follow on the wire */
    const unsigned char *row_end; /* where the row of the packet ends */
};

/* Binds all values; very long ones are left to el_my_send_long. */
int el_my_bind(my_stmt *s, const el_value *args, el_error *err);

/* Binds one value; what is no text goes by way of the slot. */
int el_my_bind_value(MYSQL_BIND *b, my_slot *slot, int i, const el_value *v,
                     el_error *err);

/* Sends the values that el_my_bind left out, in pieces. */
int el_my_send_long(my_stmt *s, const el_value *args, el_error *err);

/*
** Makes columns, cells and binds for these fields; keeps what is there when the server
** said the same before.
*/
int el_my_describe(my_stmt *s, const MYSQL_FIELD *fields, unsigned n, el_error *err);
void el_my_undescribe(my_stmt *s);

/* Fetches again what was longer than its buffer, which grows; EL_OK or EL_FAIL. */
int el_my_complete_row(my_stmt *s, el_error *err);

/* Gives back what long values made the buffers grow to. */
void el_my_shrink(my_stmt *s);

/* Puts the text form of a row into the cells. */
int el_my_load_text(my_stmt *s, MYSQL_ROW row, const unsigned long *lengths,
                    el_error *err);

void el_my_decode(my_cell *cell, el_value *out);

/* Called by the client library: the cell of a row at *at, which moves on; NULL: NULL. */
void el_my_cell_arrives(void *statement, unsigned column, unsigned char **at);

/* Before the first of them; fails where they are not what `cells` say. */
int el_my_expect_cells(my_stmt *s, el_error *err);

/* Reads what lies in a packet at `p`, ready to be decoded. */
void el_my_load_cell(my_cell *cell, const unsigned char *p);

/* The next row off the wire into the cells: EL_ROW, EL_DONE or EL_FAIL. */
int el_my_read_row(my_stmt *s, el_error *err);

int el_my_prepare(el_stmt **out, el_conn *c, const el_query *q, el_error *err);
int el_my_execute(el_stmt *s, const el_value *args, int nargs, el_error *err);
int el_my_fetch(el_stmt *s, el_error *err);
int el_my_row(el_stmt *s, el_value *out, el_error *err);
void el_my_reset(el_stmt *s);
int el_my_take(el_stmt *s, void **result, size_t *nrows, el_error *err);
void el_my_cell(void *result, size_t row, int column, el_value *out);
void el_my_discard(void *result);
void el_my_finalize(el_stmt *s);

/* }====== */

/* {====== Rows that are pulled (mysql_stream.c, mysql_aside.c) ====== */

/* The result of `s` is on the wire, and is read row by row. */
void el_my_stream_begin(my_stmt *s);

/* The next row into s->values. */
int el_my_stream_fetch(my_stmt *s, el_error *err);

/* Lends that row until the next fetch, also past statements that need the link. */
int el_my_stream_row(my_stmt *s, el_value *out, el_error *err);

/* Nothing of the result is left anywhere. */
void el_my_stream_end(my_stmt *s);

/*
** Reads the rest of c->stream, so that the link is free.  A failure of that stream is
** told by its next fetch, and fails the caller's statement only where that can't run
** either.
*/
int el_my_set_aside(my_conn *c, el_error *err);

my_aside *el_my_aside_new(int ncolumns);
void el_my_aside_free(my_aside *a);
int el_my_aside_add(my_aside *a, const el_value *values, el_error *err);

/* What reading tells after the last row. */
void el_my_aside_fail(my_aside *a, const el_error *why);

/* The next row, lent until the one after it.  No row is added any more. */
int el_my_aside_next(my_aside *a, el_value *values, el_error *err);

/* }====== */

/* {====== Many rows (mysql_bulk.c) ====== */

int el_my_bulk_begin(el_bulk **out, el_conn *c, const char *into, int ncolumns,
                     el_error *err);
int el_my_bulk_row(el_bulk *b, const el_value *values, el_error *err);
int el_my_bulk_end(el_bulk *b, bool good, int64_t *failed, el_error *err);

/* }====== */

#pragma GCC visibility pop

#endif
