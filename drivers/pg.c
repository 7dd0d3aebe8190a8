/* SPDX-License-Identifier: MIT
**
** pg.c - the PostgreSQL driver: statements, transactions and the table of functions.
** Links to the server are pg_link.c, values pg_values.c and pg_bind.c, cursors
** pg_stream.c, errors pg_error.c.
*/
#include "pg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

/* Dropped statements that may wait for a request to ride on. */
enum { MAX_DROPPED = 32, MAX_DROPPED_BATCH = 256 };

/* {====== Connection ====== */

static const char *const options[] = {"host",
                                      "port",
                                      "user",
                                      "password",
                                      "name",
                                      "sslmode",
                                      "sslcert",
                                      "sslkey",
                                      "sslrootcert",
                                      "sslcrl",
                                      "sslpassword",
                                      "ssl_min_protocol_version",
                                      "channel_binding",
                                      "connect_timeout",
                                      "application_name",
                                      "options",
                                      "target_session_attrs",
                                      "passfile",
                                      "service",
                                      NULL};

__attribute__((visibility("default"))) extern const el_driver *const el_driver_module;

/* Where we connect to, as messages name it. */
static void describe_target(pg_conn *c, const el_option *opts) {
    const char *host = el_option_get(opts, "host"), *port = el_option_get(opts, "port");
    const char *service = el_option_get(opts, "service");
    bool folder = host != NULL && host[0] == '/';
    if (host == NULL && service != NULL) {
        snprintf(c->where, sizeof c->where, "PostgreSQL service %s", service);
    } else {
        snprintf(c->where, sizeof c->where, "PostgreSQL at %s%s%s%s",
                 host != NULL ? host : "the local socket", folder ? " port " : ":",
                 port != NULL ? port : "5432", "");
    }
}

/* 15.4 is 150400 here and 150004 there; before 10 both count alike. */
static int scale_version(int version) {
    return version < 100000 ? version : version / 10000 * 10000 + version % 10000 * 100;
}

static void pg_close(el_conn *base) {
    pg_conn *c = (pg_conn *)base;
    for (size_t i = 0; i < PG_IDLE_LINKS; i++) {
        if (c->idle[i] != NULL) {
            el_pg_link_close(c->idle[i]);
            free(c->idle[i]);
        }
    }
    el_pg_link_close(&c->main);
    el_pg_settings_release(&c->settings);
    pthread_mutex_destroy(&c->lock);
    free(c->dropped);
    free(c);
}

static int pg_open(el_conn **out, const el_option *opts, el_error *err) {
    if (el_driver_check_options(el_driver_module, opts, err) != EL_OK) {
        return EL_FAIL;
    }
    pg_conn *c = calloc(1, sizeof *c);
    if (c == NULL || pthread_mutex_init(&c->lock, NULL) != 0) {
        free(c);
        return el_fail(err, EL_ERR_NOMEM, 0, "out of memory for a connection");
    }
    describe_target(c, opts);
    c->base.driver = el_driver_module;
    c->base.refs = 1;
    if (el_pg_settings_init(&c->settings, opts, err) != EL_OK) {
        goto fail;
    }
    /* Set early: what opening a link may have to send is a request, too. */
    c->base.open = true;
    if (el_pg_link_open(c, &c->main, err) != EL_OK) {
        goto fail;
    }
    if (getrandom(&c->name_tag, sizeof c->name_tag, 0) != sizeof c->name_tag) {
        c->name_tag = (uint32_t)PQbackendPID(c->main.pg);
    }
    snprintf(c->base.product, sizeof c->base.product, "postgresql");
    c->base.version = scale_version(PQserverVersion(c->main.pg));
    c->base.max_params = PG_MAX_PARAMS;
    *out = &c->base;
    return EL_OK;
fail:
    pg_close(&c->base);
    return EL_FAIL;
}

static int pg_ping(el_conn *base, el_error *err) {
    pg_conn *c = (pg_conn *)base;
    return el_pg_run(c, &c->main, "", err);
}

static int pg_cancel(el_conn *base, el_error *err) {
    pg_conn *c = (pg_conn *)base;
    char reason[256] = "";
    int ok = 1;
    /* Under the lock the owner can't go on to his next statement, which would be hit. */
    pthread_mutex_lock(&c->lock);
    if (c->running != NULL) {
        ok = PQcancel(c->running, reason, sizeof reason);
    }
    pthread_mutex_unlock(&c->lock);
    return ok ? EL_OK
              : el_fail(err, EL_ERR_CONNECT, 0, "cannot reach %s to cancel: %s", c->where,
                        reason);
}

/* }====== */

/* {====== Preparing ====== */

void el_pg_name(char out[PG_NAME_SIZE], const pg_conn *c, unsigned serial) {
    snprintf(out, PG_NAME_SIZE, "el_%08x_%u", (unsigned)c->name_tag, serial);
}

/* DEALLOCATE of what was dropped; returns how many, -1 when one was not sent. */
static int send_dropped(pg_conn *c) {
    char name[PG_NAME_SIZE], sql[64];
    int n = 0;
    /* One that a pooler's server doesn't know would break an open transaction. */
    bool safe = PQtransactionStatus(c->main.pg) == PQTRANS_IDLE ||
                (PQtransactionStatus(c->main.pg) == PQTRANS_INTRANS &&
                 c->ndropped >= MAX_DROPPED);
    while (safe && c->ndropped > 0 && n < MAX_DROPPED_BATCH) {
        el_pg_name(name, c, c->dropped[c->ndropped - 1]);
        snprintf(sql, sizeof sql, "DEALLOCATE %s", name);
        if (!PQsendQueryParams(c->main.pg, sql, 0, NULL, NULL, NULL, NULL, PG_TEXT)) {
            return -1;
        }
        c->ndropped--;
        n++;
    }
    return n;
}

/* Rides on the next prepare, or goes alone when too many wait. */
static void drop_statement(pg_conn *c, unsigned serial) {
    if (serial == 0 || !c->base.open) {
        return;
    }
    if (c->ndropped == c->maxdropped) {
        size_t more = c->maxdropped > 0 ? c->maxdropped * 2 : MAX_DROPPED;
        unsigned *grown = realloc(c->dropped, more * sizeof *grown);
        if (grown == NULL) {
            return; /* it stays on the server until the connection ends */
        }
        c->dropped = grown;
        c->maxdropped = more;
    }
    c->dropped[c->ndropped++] = serial;
    PGTransactionStatusType state = PQtransactionStatus(c->main.pg);
    el_error ignored = {0};
    if (c->ndropped >= MAX_DROPPED &&
        (state == PQTRANS_IDLE || state == PQTRANS_INTRANS) &&
        el_pg_start(c, &c->main, &ignored) == EL_OK) {
        int failed, n = PQenterPipelineMode(c->main.pg) ? send_dropped(c) : -1;
        bool sent = n >= 0 && PQpipelineSync(c->main.pg);
        el_pg_answers(c, &c->main, sent, 1, NULL, 0, MAX_DROPPED_BATCH, &failed,
                      &ignored);
    }
}

/* Number of placeholders, their types and the columns, from the server's description. */
static int learn(pg_stmt *s, const PGresult *described, el_error *err) {
    int n = PQnparams(described);
    pg_args args;
    el_column *columns = el_pg_columns(described, err);
    if (columns == NULL) {
        return EL_FAIL;
    }
    if (el_pg_args_init(&args, n, err) != EL_OK) {
        free(columns);
        return EL_FAIL;
    }
    for (int i = 0; i < n; i++) {
        args.types[i] = PQparamtype(described, i);
    }
    args.described = true;
    el_pg_args_release(&s->args);
    s->args = args;
    free(s->columns);
    s->columns = columns;
    s->format = el_pg_format(described);
    s->base.nparams = n;
    s->base.ncolumns = PQnfields(described);
    s->base.columns = columns;
    return EL_OK;
}

/*
** One round trip: what was dropped, parse, describe.  A stream is only described, its
** cursor repeats the text.
*/
static int describe(pg_stmt *s, el_error *err) {
    pg_conn *c = (pg_conn *)s->base.conn;
    PGconn *pg = c->main.pg;
    PGresult *answers[MAX_DROPPED_BATCH + 2];
    char name[PG_NAME_SIZE] = "";
    if (el_pg_start(c, &c->main, err) != EL_OK) {
        return EL_FAIL;
    }
    unsigned serial = s->flags & EL_STMT_STREAM ? 0 : ++c->serial;
    if (serial != 0) {
        el_pg_name(name, c, serial);
    }
    int dropped = PQenterPipelineMode(pg) ? send_dropped(c) : -1, failed;
    bool sent = dropped >= 0 && (dropped == 0 || PQpipelineSync(pg)) &&
                PQsendPrepare(pg, name, s->sql, 0, NULL) &&
                PQsendDescribePrepared(pg, name) && PQpipelineSync(pg);
    dropped = dropped > 0 ? dropped : 0;
    int rc = el_pg_answers(c, &c->main, sent, dropped > 0 ? 2 : 1, answers, dropped + 2,
                           dropped, &failed, err);
    if (rc == EL_OK) {
        rc = learn(s, answers[dropped + 1], err);
        s->serial = serial;
        memcpy(s->name, name, sizeof name);
    }
    for (int i = 0; i < dropped + 2; i++) {
        PQclear(answers[i]);
    }
    return rc;
}

static void free_stmt(pg_stmt *s) {
    el_pg_result_free(s->result);
    el_pg_args_release(&s->args);
    free(s->columns);
    free(s->sql);
    free(s);
}

static int pg_prepare(el_stmt **out, el_conn *base, const el_query *q, el_error *err) {
    if (q->sql == NULL) {
        return el_fail(err, EL_ERR_UNSUPPORTED, 0,
                       "PostgreSQL takes SQL; documents are for MongoDB");
    }
    if (memchr(q->sql, '\0', q->len) != NULL) {
        return el_fail(err, EL_ERR_SYNTAX, 0, "the SQL text holds a zero byte");
    }
    pg_stmt *s = calloc(1, sizeof *s);
    char *sql = q->len < SIZE_MAX ? malloc(q->len + 1) : NULL;
    if (s == NULL || sql == NULL) {
        free(s);
        free(sql);
        return el_fail(err, EL_ERR_NOMEM, 0, "out of memory for a statement");
    }
    memcpy(sql, q->sql, q->len);
    sql[q->len] = '\0';
    s->sql = sql;
    s->flags = q->flags;
    s->base.conn = base;
    int rc;
    if ((q->flags & EL_STMT_ONCE) && !(q->flags & EL_STMT_STREAM)) {
        int n = el_pg_count_params(sql);
        if (n > PG_MAX_PARAMS) {
            rc =
                el_fail(err, EL_ERR_SYNTAX, 0,
                        "the statement has a placeholder $%d; PostgreSQL takes %d values",
                        n, PG_MAX_PARAMS);
        } else {
            s->base.nparams = n;
            rc = el_pg_args_init(&s->args, n, err);
        }
    } else {
        rc = describe(s, err);
    }
    if (rc != EL_OK) {
        free_stmt(s);
        return EL_FAIL;
    }
    el_conn_retain(base);
    *out = &s->base;
    return EL_OK;
}

/* }====== */

/* {====== Running ====== */

static void pg_reset(el_stmt *base) {
    pg_stmt *s = (pg_stmt *)base;
    el_pg_stream_close(s);
    el_pg_result_free(s->result);
    s->result = NULL;
    s->base.active = false;
}

static void pg_finalize(el_stmt *base) {
    pg_stmt *s = (pg_stmt *)base;
    pg_conn *c = (pg_conn *)base->conn;
    pg_reset(base);
    drop_statement(c, s->serial);
    free_stmt(s);
    el_conn_release(&c->base);
}

/* Rows written; the tag of a SELECT counts rows as well, but it wrote none. */
static int64_t count_affected(PGresult *pg) {
    const char *tag = PQcmdStatus(pg);
    bool wrote = strncmp(tag, "INSERT", 6) == 0 || strncmp(tag, "UPDATE", 6) == 0 ||
                 strncmp(tag, "DELETE", 6) == 0 || strncmp(tag, "MERGE", 5) == 0;
    return wrote ? strtoll(PQcmdTuples(pg), NULL, 10) : 0;
}

/* The server itself sees to it that a prepared statement keeps its columns. */
static bool columns_fit(const pg_stmt *s, const PGresult *pg) {
    return s->serial != 0 ? s->base.ncolumns == PQnfields(pg)
                          : el_pg_columns_fit(s->columns, s->base.ncolumns, pg);
}

int el_pg_adopt(pg_stmt *s, PGresult *pg, el_error *err) {
    if (!columns_fit(s, pg)) {
        el_column *columns = el_pg_columns(pg, err);
        if (columns == NULL) {
            PQclear(pg);
            return EL_FAIL;
        }
        free(s->columns);
        s->columns = columns;
        s->base.columns = columns;
        s->base.ncolumns = PQnfields(pg);
    }
    s->base.affected = count_affected(pg);
    s->result = el_pg_result_new(pg, err);
    s->next = 0;
    s->base.active = s->result != NULL && s->base.ncolumns > 0;
    return s->result != NULL ? EL_OK : EL_FAIL;
}

static int run_once(pg_stmt *s, el_error *err) {
    pg_conn *c = (pg_conn *)s->base.conn;
    const pg_args *a = &s->args;
    int sent;
    if (el_pg_start(c, &c->main, err) != EL_OK) {
        return EL_FAIL;
    }
    if (s->serial != 0) {
        sent = PQsendQueryPrepared(c->main.pg, s->name, a->n, a->values, a->lengths,
                                   a->formats, s->format);
    } else {
        /* What its columns are is only known afterwards. */
        sent = PQsendQueryParams(c->main.pg, s->sql, a->n, a->types, a->values,
                                 a->lengths, a->formats, PG_TEXT);
    }
    PGresult *pg = el_pg_finish(c, &c->main, sent, err);
    return pg != NULL ? el_pg_adopt(s, pg, err) : EL_FAIL;
}

/* Binds and runs; a plan that the server gave up is made again, once. */
static int run(pg_stmt *s, const el_value *args, int nargs, el_error *err) {
    pg_conn *c = (pg_conn *)s->base.conn;
    bool named = !(s->flags & (EL_STMT_ONCE | EL_STMT_STREAM));
    for (bool again = false;; again = true) {
        el_error e = {0};
        int rc = named && s->serial == 0 ? describe(s, &e) : EL_OK;
        if (rc == EL_OK && nargs != s->base.nparams) {
            rc = el_fail(&e, EL_ERR_MISUSE, 0, "the statement takes %d values, got %d",
                         s->base.nparams, nargs);
        }
        rc = rc == EL_OK ? el_pg_args_bind(&s->args, args, &e) : rc;
        if (rc == EL_OK && (s->flags & EL_STMT_STREAM)) {
            rc = el_pg_stream_open(s, &e);
        }
        if (rc == EL_DONE || (rc == EL_OK && !(s->flags & EL_STMT_STREAM))) {
            rc = run_once(s, &e);
        }
        if (rc == EL_OK) {
            return EL_OK;
        }
        bool stale = named && el_pg_is_stale(&e) && c->base.open;
        if (stale && s->serial != 0) {
            if (strcmp(e.sqlstate, "0A000") == 0) {
                drop_statement(c, s->serial);
            }
            s->serial = 0;
        }
        if (!stale || again || PQtransactionStatus(c->main.pg) != PQTRANS_IDLE) {
            if (err->kind == EL_ERR_NONE) {
                *err = e;
            }
            return EL_FAIL;
        }
    }
}

static int pg_execute(el_stmt *base, const el_value *args, int nargs, el_error *err) {
    pg_stmt *s = (pg_stmt *)base;
    pg_reset(base);
    base->affected = 0;
    return run(s, args, nargs, err);
}

static int pg_fetch(el_stmt *base, el_error *err) {
    pg_stmt *s = (pg_stmt *)base;
    if (!base->active) {
        return EL_DONE;
    }
    if (s->next >= s->result->nrows && s->cursor_link != NULL &&
        el_pg_stream_more(s, err) != EL_OK) {
        pg_reset(base);
        return EL_FAIL;
    }
    if (s->next >= s->result->nrows) {
        pg_reset(base);
        return EL_DONE;
    }
    s->next++;
    return EL_ROW;
}

static int pg_row(el_stmt *base, el_value *out, el_error *err) {
    pg_stmt *s = (pg_stmt *)base;
    if (!base->active || s->next == 0) {
        return el_fail(err, EL_ERR_MISUSE, 0, "there is no current row: fetch one first");
    }
    return el_pg_result_row(s->result, s->next - 1, out, err);
}

/* }====== */

/* {====== Whole results ====== */

static int pg_take(el_stmt *base, void **result, size_t *nrows, el_error *err) {
    pg_stmt *s = (pg_stmt *)base;
    if (s->result == NULL || s->cursor_link != NULL || s->next > 0) {
        return el_fail(
            err, EL_ERR_MISUSE, 0,
            "there is no whole result to take: the statement streams its rows, "
            "or was not executed, or its rows were fetched");
    }
    if (el_pg_result_reserve(s->result, err) != EL_OK) {
        return EL_FAIL;
    }
    *result = s->result;
    *nrows = s->result->nrows;
    s->result = NULL;
    base->active = false;
    return EL_OK;
}

static void pg_cell(void *result, size_t row, int column, el_value *out) {
    el_pg_result_cell(result, row, column, out);
}

static void pg_discard(void *result) {
    el_pg_result_free(result);
}

/* }====== */

/* {====== Transactions and scripts ====== */

static el_txstate pg_txstate(const el_conn *base) {
    switch (PQtransactionStatus(((const pg_conn *)base)->main.pg)) {
    case PQTRANS_ACTIVE:
    case PQTRANS_INTRANS:
        return EL_TX_ACTIVE;
    case PQTRANS_INERROR:
        return EL_TX_FAILED;
    default:
        return EL_TX_NONE;
    }
}

static int begin(pg_conn *c, const char *isolation, el_error *err) {
    static const char *const levels[] = {"read committed", "repeatable read",
                                         "serializable", "read uncommitted"};
    char sql[64] = "BEGIN";
    for (size_t i = 0; isolation != NULL && i < sizeof levels / sizeof levels[0]; i++) {
        if (strcasecmp(isolation, levels[i]) == 0) {
            snprintf(sql, sizeof sql, "BEGIN ISOLATION LEVEL %s", levels[i]);
        }
    }
    if (isolation != NULL && sql[5] == '\0') {
        return el_fail(
            err, EL_ERR_MISUSE, 0,
            "unknown isolation level \"%.40s\": PostgreSQL has read committed, "
            "repeatable read, serializable and read uncommitted",
            isolation);
    }
    return el_pg_run(c, &c->main, sql, err);
}

/* A COMMIT that the server answers with ROLLBACK is no success. */
static int commit(pg_conn *c, el_error *err) {
    if (el_pg_start(c, &c->main, err) != EL_OK) {
        return EL_FAIL;
    }
    PGresult *r = el_pg_finish(c, &c->main, PQsendQuery(c->main.pg, "COMMIT"), err);
    if (r == NULL) {
        return EL_FAIL;
    }
    bool undone = strcmp(PQcmdStatus(r), "ROLLBACK") == 0;
    PQclear(r);
    return undone ? el_fail(err, EL_ERR_MISUSE, 0,
                            "the transaction had failed before and was rolled back")
                  : EL_OK;
}

static int with_savepoint(pg_conn *c, const char *words, const char *name,
                          el_error *err) {
    size_t n = name != NULL ? strlen(name) : 0;
    if (n == 0) {
        return el_fail(err, EL_ERR_MISUSE, 0, "a savepoint needs a name");
    }
    char *sql = malloc(strlen(words) + 2 * n + sizeof "\"\"");
    if (sql == NULL) {
        return el_fail(err, EL_ERR_NOMEM, 0, "out of memory for a savepoint");
    }
    char *to = sql + sprintf(sql, "%s\"", words);
    for (const char *from = name; *from != '\0'; from++) {
        if (*from == '"') {
            *to++ = '"';
        }
        *to++ = *from;
    }
    memcpy(to, "\"", 2);
    int rc = el_pg_run(c, &c->main, sql, err);
    free(sql);
    return rc;
}

static int pg_transact(el_conn *base, el_txop op, const char *name, el_error *err) {
    pg_conn *c = (pg_conn *)base;
    el_txstate state = pg_txstate(base);
    if (base->open && op == EL_TX_BEGIN && state != EL_TX_NONE) {
        return el_fail(err, EL_ERR_MISUSE, 0,
                       "a transaction is open already: use a savepoint inside it");
    }
    if (base->open && op != EL_TX_BEGIN && state == EL_TX_NONE) {
        return el_fail(err, EL_ERR_MISUSE, 0, "no transaction is open");
    }
    if (state == EL_TX_FAILED && op != EL_TX_ROLLBACK && op != EL_TX_ROLLBACK_TO) {
        return el_fail(
            err, EL_ERR_MISUSE, 0,
            "an earlier statement of this transaction failed: only a rollback is "
            "possible now");
    }
    switch (op) {
    case EL_TX_BEGIN:
        return begin(c, name, err);
    case EL_TX_COMMIT:
        return commit(c, err);
    case EL_TX_ROLLBACK:
        return el_pg_run(c, &c->main, "ROLLBACK", err);
    case EL_TX_SAVE:
        return with_savepoint(c, "SAVEPOINT ", name, err);
    case EL_TX_RELEASE:
        return with_savepoint(c, "RELEASE SAVEPOINT ", name, err);
    default:
        return with_savepoint(c, "ROLLBACK TO SAVEPOINT ", name, err);
    }
}

/*
** The server runs several statements that come in one text as one transaction, unless
** the text itself says BEGIN and COMMIT: when one fails, those before it are undone.
*/
static int pg_script(el_conn *base, const char *sql, size_t len, el_error *err) {
    pg_conn *c = (pg_conn *)base;
    if (memchr(sql, '\0', len) != NULL) {
        return el_fail(err, EL_ERR_SYNTAX, 0, "the SQL text holds a zero byte");
    }
    char *text = len < SIZE_MAX ? malloc(len + 1) : NULL;
    if (text == NULL) {
        return el_fail(err, EL_ERR_NOMEM, 0, "out of memory for a script of %zu bytes",
                       len);
    }
    memcpy(text, sql, len);
    text[len] = '\0';
    int rc = el_pg_run(c, &c->main, text, err);
    free(text);
    return rc;
}

/* }====== */

static const el_driver driver = {
    .abi = EL_DRIVER_ABI,
    .name = "pg",
    .caps = EL_CAP_TRANSACTIONS | EL_CAP_SAVEPOINTS | EL_CAP_DDL_IN_TX |
            EL_CAP_RETURNING | EL_CAP_NUMBERED,
    .options = options,
    .open = pg_open,
    .close = pg_close,
    .ping = pg_ping,
    .prepare = pg_prepare,
    .execute = pg_execute,
    .fetch = pg_fetch,
    .row = pg_row,
    .reset = pg_reset,
    .finalize = pg_finalize,
    .transact = pg_transact,
    .txstate = pg_txstate,
    .script = pg_script,
    .cancel = pg_cancel,
    .take = pg_take,
    .cell = pg_cell,
    .discard = pg_discard,
    .bulk_begin = el_pg_bulk_begin,
    .bulk_row = el_pg_bulk_row,
    .bulk_end = el_pg_bulk_end,
};

const el_driver *const el_driver_module = &driver;
