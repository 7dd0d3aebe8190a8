/* SPDX-License-Identifier: MIT
**
** sqlite.c - the SQLite driver: statements, their values and rows.  Opening a file and
** transactions are sqlite_connection.c, what a result code means is sqlite_errors.c.
*/
#include "sqlite.h"

#include "rowset.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What the declared type of a column makes of its cells; SQLite itself has no such types.
 */
typedef enum sq_decl {
    DECL_NONE,
    DECL_BOOL,
    DECL_TIMESTAMP,
    DECL_DATE,
    DECL_TIME,
    DECL_JSON,
    DECL_UUID,
    DECL_DECIMAL
} sq_decl;

typedef enum sq_state {
    SQ_IDLE,  /* not executed, or reset */
    SQ_FIRST, /* execute stepped to the first row, which nobody fetched yet */
    SQ_ROW,
    SQ_DONE
} sq_state;

typedef char sq_moment[EL_TIMESTAMP_SIZE];

typedef struct sq_block {
    struct sq_block *next;
    size_t used, size;
    max_align_t bytes[];
} sq_block;

enum { BLOCK_SIZE = 4000 };

typedef struct sq_stmt {
    el_stmt base;
    sqlite3_stmt *st;
    sq_state state;
    bool stepped;       /* must be reset before values are bound */
    bool writes;        /* may change the database */
    bool inserts;       /* begins as an INSERT does */
    bool reads_last_id; /* its text mentions last_insert_rowid() */
    int prepares;       /* SQLite's count of its own re-prepares */
    int maxcolumns;     /* of the two below */
    el_column *columns;
    unsigned char *decl;  /* sq_decl of each column */
    sq_moment *moments;   /* texts of the bound timestamps, one a parameter, on demand */
    int last_moment;      /* the latest of them that was bound; -1: none yet */
    int64_t last_micros;
    const el_value *args; /* of the present execution */
    el_rowset kept;       /* rows of a statement that writes, see keep_rows */
    size_t nread;         /* of them */
    el_value *cells;      /* room for one row of them */
    sq_block *blocks;     /* their memory, latest first */
} sq_stmt;

static sq_conn *conn_of(const el_stmt *s) {
    return (sq_conn *)s->conn;
}

static int statement_fail(sq_stmt *s, el_error *err) {
    sq_failure what = {.sql = sqlite3_sql(s->st),
                       .running = true,
                       .args = s->args,
                       .nargs = s->args ? s->base.nparams : 0};
    int rc = el_sqlite_fail(conn_of(&s->base), &what, err);
    sqlite3_reset(s->st);
    s->stepped = false;
    s->state = SQ_IDLE;
    s->base.active = false;
    s->base.affected = s->base.last_id = 0;
    return rc;
}

/* {====== Memory of kept rows ====== */

/* An el_rowset_alloc; most results of this sort fit the first block. */
static void *block_bytes(void *ud, size_t n) {
    sq_stmt *s = ud;
    const size_t align = sizeof(max_align_t);
    if (n > SIZE_MAX - sizeof(sq_block) - align) {
        return NULL;
    }
    n = (n + align - 1) / align * align;
    sq_block *b = s->blocks;
    if (!b || n > b->size - b->used) {
        size_t size = n > BLOCK_SIZE ? n : BLOCK_SIZE / align * align;
        b = malloc(sizeof *b + size);
        if (!b) {
            return NULL;
        }
        *b = (sq_block){.next = s->blocks, .size = size};
        s->blocks = b;
    }
    void *p = (unsigned char *)b->bytes + b->used;
    b->used += n;
    return p;
}

/* Frees the rows; one small block stays for the next execution. */
static void drop_rows(sq_stmt *s, bool all) {
    while (s->blocks && (all || s->blocks->next || s->blocks->size > BLOCK_SIZE)) {
        sq_block *next = s->blocks->next;
        free(s->blocks);
        s->blocks = next;
    }
    if (s->blocks) {
        s->blocks->used = 0;
    }
}

/* }====== */

/* {====== Columns ====== */

static sq_decl decl_kind(const char *type) {
    static const struct {
        const char *word;
        sq_decl decl;
    } words[] = {
        /* a longer word stands before one that it begins with */
        {"BOOL", DECL_BOOL}, {"TIMESTAMP", DECL_TIMESTAMP}, {"DATETIME", DECL_TIMESTAMP},
        {"DATE", DECL_DATE}, {"TIME", DECL_TIME},           {"JSON", DECL_JSON},
        {"UUID", DECL_UUID}, {"DECIMAL", DECL_DECIMAL},     {"NUMERIC", DECL_DECIMAL},
    };
    if (type) {
        for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
            if (strncasecmp(type, words[i].word, strlen(words[i].word)) == 0) {
                return words[i].decl;
            }
        }
    }
    return DECL_NONE;
}

/* Makes the column list; at prepare, and again when SQLite prepared the text anew. */
static int describe(sq_stmt *s, el_error *err) {
    int n = sqlite3_column_count(s->st);
    if (n > s->maxcolumns) {
        size_t count = (size_t)n;
        el_column *columns = realloc(s->columns, count * sizeof *columns);
        if (columns) {
            s->columns = columns;
        }
        unsigned char *decl = realloc(s->decl, count);
        if (decl) {
            s->decl = decl;
        }
        if (!columns || !decl) {
            return el_fail(err, EL_ERR_NOMEM, 0, "not enough memory for %d columns", n);
        }
        s->maxcolumns = n;
    }
    for (int i = 0; i < n; i++) {
        const char *name = sqlite3_column_name(s->st, i);
        if (!name) {
            return el_fail(err, EL_ERR_NOMEM, 0, "not enough memory for column names");
        }
        s->columns[i] =
            (el_column){.name = name, .namelen = strlen(name), .type = EL_NULL};
        s->decl[i] = (unsigned char)decl_kind(sqlite3_column_decltype(s->st, i));
    }
    s->base.columns = s->columns;
    s->base.ncolumns = n;
    return EL_OK;
}

/* }====== */

/* {====== Prepare ====== */

static bool mentions(const char *text, size_t n, const char *word) {
    size_t len = strlen(word);
    for (size_t i = 0; i + len <= n; i++) {
        if (strncasecmp(text + i, word, len) == 0) {
            return true;
        }
    }
    return false;
}

static void classify(sq_stmt *s, const char *sql, size_t len) {
    s->writes = !sqlite3_stmt_readonly(s->st);
    if (s->writes) {
        char word[16];
        el_sqlite_word(sql, sql + len, word, sizeof word);
        s->inserts = strcasecmp(word, "INSERT") == 0 ||
                     strcasecmp(word, "REPLACE") == 0 || strcasecmp(word, "WITH") == 0;
        s->reads_last_id = s->inserts && mentions(sql, len, "last_insert_rowid");
    }
}

/* One statement that SQLite understands; `*out` is untouched on failure. */
static int compile(sqlite3_stmt **out, sq_conn *c, const el_query *q, el_error *err) {
    if (!q->sql) {
        return el_fail(err, EL_ERR_UNSUPPORTED, 0,
                       "SQLite takes SQL text, not command documents");
    }
    if (q->len > INT_MAX) {
        return el_fail(err, EL_ERR_VALUE, SQLITE_TOOBIG,
                       "an SQL text of %zu bytes is too long for SQLite", q->len);
    }
    if (memchr(q->sql, '\0', q->len)) {
        return el_fail(err, EL_ERR_SYNTAX, 0, "the SQL text has a zero byte inside");
    }
    unsigned flags = q->flags & EL_STMT_ONCE ? 0 : SQLITE_PREPARE_PERSISTENT;
    sqlite3_stmt *st = NULL;
    const char *tail = NULL, *end = q->sql + q->len;
    int rc =
        sqlite3_prepare_v3(c->db, q->len ? q->sql : "", (int)q->len, flags, &st, &tail);
    if (rc != SQLITE_OK) {
        char *sql = sqlite3_mprintf("%.*s", (int)q->len, q->sql);
        sq_failure what = {.sql = sql};
        el_sqlite_fail(c, &what, err);
        sqlite3_free(sql);
        return EL_FAIL;
    }
    if (!st) {
        return el_fail(err, EL_ERR_MISUSE, 0, "there is no statement in the SQL text");
    }
    while ((tail = el_sqlite_skip(tail, end)) < end && *tail == ';') {
        tail++;
    }
    if (tail < end) {
        sqlite3_finalize(st);
        return el_fail(
            err, EL_ERR_MISUSE, 0,
            "the SQL text has more than one statement; run them one by one, or "
            "all of them as a script");
    }
    *out = st;
    return EL_OK;
}

static void sq_finalize(el_stmt *base) {
    sq_stmt *s = (sq_stmt *)base;
    el_conn *c = base->conn;
    sqlite3_finalize(s->st);
    free(s->columns);
    free(s->decl);
    free(s->moments);
    free(s->cells);
    drop_rows(s, true);
    free(s);
    el_conn_release(c);
}

static int sq_prepare(el_stmt **out, el_conn *c, const el_query *q, el_error *err) {
    sq_stmt *s = calloc(1, sizeof *s);
    if (!s) {
        return el_fail(err, EL_ERR_NOMEM, 0, "not enough memory for a statement");
    }
    if (compile(&s->st, (sq_conn *)c, q, err) != EL_OK) {
        free(s);
        return EL_FAIL;
    }
    el_conn_retain(c);
    s->base.conn = c;
    s->base.nparams = sqlite3_bind_parameter_count(s->st);
    classify(s, q->sql, q->len);
    if (describe(s, err) != EL_OK) {
        sq_finalize(&s->base);
        return EL_FAIL;
    }
    *out = &s->base;
    return EL_OK;
}

/* }====== */

/* {====== Binding ====== */

/* SQLite has no timestamps: text that sorts like time, kept until the next execute. */
static int bind_moment(sq_stmt *s, int i, int64_t micros, el_error *err) {
    const int64_t first = INT64_C(-62135596800000000); /* 0001-01-01 */
    const int64_t end = INT64_C(253402300800000000);   /* 10000-01-01 */
    if (micros < first || micros >= end) {
        return el_fail(err, EL_ERR_VALUE, 0,
                       "value %d is a timestamp outside the years %d to %d", i,
                       EL_YEAR_MIN, EL_YEAR_MAX);
    }
    if (!s->moments) {
        s->moments = calloc((size_t)s->base.nparams, sizeof *s->moments);
        if (!s->moments) {
            return el_fail(err, EL_ERR_NOMEM, 0, "not enough memory for timestamps");
        }
    }
    if (s->last_moment < 0 || s->last_micros != micros) { /* rows often share one */
        el_timestamp_format(s->moments[i - 1], micros, ' ');
        s->last_moment = i - 1;
        s->last_micros = micros;
    }
    const char *text = s->moments[s->last_moment];
    return sqlite3_bind_text(s->st, i, text, sizeof "YYYY-MM-DD HH:MM:SS.ffffff" - 1,
                             SQLITE_STATIC);
}

/* SQLITE_OK, another result code, or EL_FAIL with `err` filled. */
static int bind_value(sq_stmt *s, int i, const el_value *v, el_error *err) {
    sqlite3_stmt *st = s->st;
    switch (v->type) {
    case EL_NULL:
        return sqlite3_bind_null(st, i);
    case EL_BOOL:
        return sqlite3_bind_int(st, i, v->u.b);
    case EL_INT:
        return sqlite3_bind_int64(st, i, v->u.i);
    case EL_FLOAT:
        if (isnan(v->u.d)) {
            return el_fail(err, EL_ERR_VALUE, 0,
                           "value %d is not a number (NaN), which SQLite can't store", i);
        }
        return sqlite3_bind_double(st, i, v->u.d);
    case EL_TIMESTAMP:
        return bind_moment(s, i, v->u.i, err);
    case EL_BYTES: /* a NULL pointer would bind NULL */
        return sqlite3_bind_blob64(st, i, v->u.s.n ? v->u.s.p : "", v->u.s.n,
                                   SQLITE_STATIC);
    case EL_LIST:
    case EL_DOC:
        return el_fail(err, EL_ERR_VALUE, 0, "value %d is a %s, which SQLite can't store",
                       i, el_type_name(v->type));
    default:
        return sqlite3_bind_text64(st, i, v->u.s.n ? v->u.s.p : "", v->u.s.n,
                                   SQLITE_STATIC, SQLITE_UTF8);
    }
}

static int bind(sq_stmt *s, const el_value *args, int nargs, el_error *err) {
    if (nargs != s->base.nparams) {
        return el_fail(err, EL_ERR_MISUSE, 0,
                       "the statement takes %d value%s, %d %s given", s->base.nparams,
                       s->base.nparams == 1 ? "" : "s", nargs,
                       nargs == 1 ? "was" : "were");
    }
    s->args = args;
    s->last_moment = -1;
    for (int i = 0; i < nargs; i++) {
        int rc = bind_value(s, i + 1, &args[i], err);
        if (rc != SQLITE_OK) {
            return rc == EL_FAIL ? EL_FAIL : statement_fail(s, err);
        }
    }
    return EL_OK;
}

/* }====== */

/* {====== Cells ====== */

/* [+-]digits[.digits], as exact numbers are stored. */
static bool is_decimal(const char *p, size_t n) {
    size_t i = n && (*p == '-' || *p == '+'), digits = 0;
    for (; i < n && (unsigned)(p[i] - '0') <= 9; i++) {
        digits++;
    }
    if (digits && i + 1 < n && p[i] == '.') {
        for (i++; i < n && (unsigned)(p[i] - '0') <= 9; i++) {
        }
    }
    return digits && i == n;
}

static bool is_uuid(const char *p, size_t n) {
    if (n != 36) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        bool hex = (p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'f');
        if (dash ? p[i] != '-' : !hex) {
            return false;
        }
    }
    return true;
}

static bool is_date(const char *p, size_t n) {
    int64_t unused;
    return n == 10 && el_timestamp_parse(&unused, p, n);
}

/* HH:MM:SS[.ffffff]: what follows the date in the text of a timestamp. */
static bool is_time(const char *p, size_t n) {
    char moment[32] = "2000-01-01 ";
    int64_t unused;
    if (n < 8 || n > 15 || memchr(p, '+', n) || memchr(p, '-', n) || p[n - 1] == 'Z') {
        return false;
    }
    memcpy(moment + 11, p, n);
    return el_timestamp_parse(&unused, moment, 11 + n);
}

/* Text of a column whose declared type promises more than text. */
static void refine(el_value *v, sq_decl decl) {
    const char *p = v->u.s.p;
    size_t n = v->u.s.n;
    int64_t micros;
    switch (decl) {
    case DECL_TIMESTAMP:
        if (el_timestamp_parse(&micros, p, n)) {
            v->type = EL_TIMESTAMP;
            v->u.i = micros;
        }
        break;
    case DECL_DATE:
        v->type = is_date(p, n) ? EL_DATE : EL_TEXT;
        break;
    case DECL_TIME:
        v->type = is_time(p, n) ? EL_TIME : EL_TEXT;
        break;
    case DECL_JSON:
        v->type = EL_JSON;
        break;
    case DECL_UUID:
        v->type = is_uuid(p, n) ? EL_UUID : EL_TEXT;
        break;
    case DECL_DECIMAL:
        v->type = is_decimal(p, n) ? EL_DECIMAL : EL_TEXT;
        break;
    default:
        break;
    }
}

static bool read_cell(el_value *v, sqlite3_value *cell, sq_decl decl) {
    switch (sqlite3_value_type(cell)) {
    case SQLITE_INTEGER:
        v->type = EL_INT;
        v->u.i = sqlite3_value_int64(cell);
        if (decl == DECL_BOOL && (v->u.i == 0 || v->u.i == 1)) {
            v->type = EL_BOOL;
            v->u.b = v->u.i == 1;
        }
        return true;
    case SQLITE_FLOAT:
        v->type = EL_FLOAT;
        v->u.d = sqlite3_value_double(cell);
        return true;
    case SQLITE_TEXT:
        v->type = EL_TEXT;
        v->u.s.p = (const char *)sqlite3_value_text(cell);
        v->u.s.n = (size_t)sqlite3_value_bytes(cell);
        if (!v->u.s.p) {
            return false;
        }
        if (decl != DECL_NONE) {
            refine(v, decl);
        }
        return true;
    case SQLITE_BLOB:
        v->type = EL_BYTES;
        v->u.s.p = sqlite3_value_blob(cell);
        v->u.s.n = (size_t)sqlite3_value_bytes(cell);
        if (!v->u.s.p) {
            v->u.s.p = "";
            return v->u.s.n == 0; /* an empty one has no address */
        }
        return true;
    default:
        v->type = EL_NULL;
        return true;
    }
}

/* The columns of the row that SQLite stands on. */
static int read_row(sq_stmt *s, el_value *out, el_error *err) {
    for (int i = 0; i < s->base.ncolumns; i++) {
        if (!read_cell(&out[i], sqlite3_column_value(s->st, i), (sq_decl)s->decl[i])) {
            return el_fail(err, EL_ERR_NOMEM, SQLITE_NOMEM,
                           "not enough memory for the value of column %s",
                           s->base.columns[i].name);
        }
    }
    return EL_OK;
}

/* }====== */

/* {====== Steps ====== */

/* Steps; a writing statement has its count of rows once SQLite has closed it. */
static int step(sq_stmt *s) {
    s->stepped = true;
    if (!s->writes) {
        return sqlite3_step(s->st);
    }
    sqlite3 *db = conn_of(&s->base)->db;
    int64_t total = sqlite3_total_changes64(db);
    int rc = sqlite3_step(s->st);
    if (rc == SQLITE_DONE && sqlite3_total_changes64(db) != total) {
        s->base.affected = sqlite3_changes64(db);
    }
    return rc;
}

/*
** The first step of an INSERT.  SQLite keeps the last key when nothing was inserted (OR
** IGNORE, ON CONFLICT), so it is set to 0 before, unless the statement reads it.
*/
static int step_insert(sq_stmt *s) {
    sqlite3 *db = conn_of(&s->base)->db;
    int64_t before = sqlite3_last_insert_rowid(db);
    if (s->reads_last_id) {
        int rc = step(s);
        int64_t id = sqlite3_last_insert_rowid(db);
        bool wrote = rc == SQLITE_ROW || (rc == SQLITE_DONE && s->base.affected > 0);
        s->base.last_id = wrote || id != before ? id : 0;
        return rc;
    }
    sqlite3_set_last_insert_rowid(db, 0);
    int rc = step(s);
    bool good = rc == SQLITE_ROW || rc == SQLITE_DONE;
    s->base.last_id = good ? sqlite3_last_insert_rowid(db) : 0;
    if (s->base.last_id == 0) {
        sqlite3_set_last_insert_rowid(db, before);
    }
    return rc;
}

/* }====== */

/* {====== Rows of statements that write ====== */

/*
** Undoes a statement that is between rows, when memory ran out: resetting it would commit
** it.  Other statements that are being read may be interrupted with it.
*/
static int abort_statement(sq_stmt *s, el_error *err) {
    sqlite3_interrupt(conn_of(&s->base)->db);
    sqlite3_step(s->st);
    return statement_fail(s, err);
}

/*
** Runs a statement with RETURNING to its end at once.  Until then SQLite keeps its
** transaction open, and a failure of the commit would come when nobody asks any more.
*/
static int keep_rows(sq_stmt *s, el_error *err) {
    size_t n = (size_t)s->base.ncolumns;
    el_value *cells = realloc(s->cells, n * sizeof *cells);
    if (!cells) {
        el_fail(err, EL_ERR_NOMEM, 0, "not enough memory for a row of %zu columns", n);
        return abort_statement(s, err);
    }
    s->cells = cells;
    s->nread = 0;
    el_rowset_init(&s->kept, s->base.ncolumns, block_bytes, s);
    int rc;
    do {
        if (read_row(s, cells, err) != EL_OK ||
            el_rowset_append(&s->kept, cells, err) != EL_OK) {
            return abort_statement(s, err);
        }
        rc = step(s);
    } while (rc == SQLITE_ROW);
    return rc == SQLITE_DONE ? EL_OK : statement_fail(s, err);
}

/* }====== */

/* {====== Execute, fetch, row ====== */

static void sq_reset(el_stmt *base) {
    sq_stmt *s = (sq_stmt *)base;
    drop_rows(s, false);
    if (s->stepped) {
        sqlite3_reset(s->st);
        s->stepped = false;
    }
    s->state = SQ_IDLE;
    base->active = false;
}

static int sq_execute(el_stmt *base, const el_value *args, int nargs, el_error *err) {
    sq_stmt *s = (sq_stmt *)base;
    sq_reset(base);
    base->affected = base->last_id = 0;
    s->args = NULL;
    if (bind(s, args, nargs, err) != EL_OK) {
        return EL_FAIL;
    }
    atomic_store_explicit(&conn_of(base)->canceled, false, memory_order_relaxed);
    int rc = s->inserts ? step_insert(s) : step(s);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        return statement_fail(s, err);
    }
    bool between = rc == SQLITE_ROW && s->writes;
    int prepares = sqlite3_stmt_status(s->st, SQLITE_STMTSTATUS_REPREPARE, 0);
    if (prepares != s->prepares) {
        s->prepares = prepares;
        if (describe(s, err) != EL_OK) {
            return between ? abort_statement(s, err) : statement_fail(s, err);
        }
    }
    if (between && keep_rows(s, err) != EL_OK) {
        return EL_FAIL;
    }
    s->state = rc == SQLITE_ROW ? SQ_FIRST : SQ_DONE;
    base->active = rc == SQLITE_ROW;
    return EL_OK;
}

static int next_kept(sq_stmt *s) {
    return ++s->nread < s->kept.nrows ? SQLITE_ROW : SQLITE_DONE;
}

static int sq_fetch(el_stmt *base, el_error *err) {
    sq_stmt *s = (sq_stmt *)base;
    int rc;
    switch (s->state) {
    case SQ_FIRST:
        s->state = SQ_ROW;
        return EL_ROW;
    case SQ_ROW:
        rc = s->writes ? next_kept(s) : step(s);
        if (rc == SQLITE_ROW) {
            return EL_ROW;
        }
        if (rc != SQLITE_DONE) {
            return statement_fail(s, err);
        }
        s->state = SQ_DONE;
        base->active = false;
        return EL_DONE;
    case SQ_DONE:
        return EL_DONE;
    default:
        return el_fail(err, EL_ERR_MISUSE, 0,
                       "rows were asked of a statement that has not been executed");
    }
}

static int sq_row(el_stmt *base, el_value *out, el_error *err) {
    sq_stmt *s = (sq_stmt *)base;
    if (s->state != SQ_ROW) {
        return el_fail(err, EL_ERR_MISUSE, 0,
                       "a statement without a current row was read");
    }
    if (!s->writes) {
        return read_row(s, out, err);
    }
    const unsigned char *row = el_rowset_row(&s->kept, s->nread);
    for (int i = 0; i < base->ncolumns; i++) {
        el_row_cell(row, base->ncolumns, i, &out[i]);
    }
    return EL_OK;
}

/* }====== */

static const char *const sq_options[] = {
    "path", "journal_mode", "synchronous", "busy_timeout", "foreign_keys", "mode", NULL};

const el_driver el_sqlite_driver = {
    .abi = EL_DRIVER_ABI,
    .name = "sqlite",
    .caps = EL_CAP_TRANSACTIONS | EL_CAP_SAVEPOINTS | EL_CAP_DDL_IN_TX | EL_CAP_RETURNING |
            EL_CAP_SIGNAL_CANCEL,
    .options = sq_options,
    .open = el_sqlite_open,
    .close = el_sqlite_close,
    .ping = el_sqlite_ping,
    .prepare = sq_prepare,
    .execute = sq_execute,
    .fetch = sq_fetch,
    .row = sq_row,
    .reset = sq_reset,
    .finalize = sq_finalize,
    .transact = el_sqlite_transact,
    .txstate = el_sqlite_txstate,
    .script = el_sqlite_script,
    .cancel = el_sqlite_cancel,
    .bulk_begin = el_sqlite_bulk_begin,
};
