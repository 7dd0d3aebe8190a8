/* SPDX-License-Identifier: MIT
**
** pg_stream.c - rows in constant memory: a cursor on the server, read some rows at a
** time.  Where the cursor lives, and why there, is enum pg_cursor.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg.h"

enum {
    FIRST_BATCH = 16,
    MAX_BATCH = 4096,
    GROWTH = 8,
    BATCH_BYTES = 1 << 20, /* memory that a batch may take, roughly */
    FETCH_SIZE = 96
};

/* {====== Side links ====== */

static void free_link(pg_link *l) {
    if (l != NULL) {
        el_pg_link_close(l);
        free(l);
    }
}

pg_link *el_pg_side_take(pg_conn *c, el_error *err) {
    for (size_t i = 0; i < PG_IDLE_LINKS; i++) {
        pg_link *l = c->idle[i];
        c->idle[i] = NULL;
        if (l != NULL && el_pg_link_alive(l)) {
            return l;
        }
        free_link(l);
    }
    pg_link *l = malloc(sizeof *l);
    if (l == NULL) {
        el_fail(err, EL_ERR_NOMEM, 0, "out of memory for a connection");
    } else if (el_pg_link_open(c, l, err) != EL_OK) {
        free(l);
        l = NULL;
    }
    return l;
}

/* Only a link without a transaction is good for the next stream. */
void el_pg_side_give(pg_conn *c, pg_link *l) {
    for (size_t i = 0; i < PG_IDLE_LINKS && l != NULL; i++) {
        if (c->idle[i] == NULL && PQtransactionStatus(l->pg) == PQTRANS_IDLE) {
            c->idle[i] = l;
            l = NULL;
        }
    }
    free_link(l);
}

static void end_side(pg_conn *c, pg_link *l) {
    el_error ignored = {0};
    for (pg_link **p = &c->streaming; *p != NULL; p = &(*p)->next) {
        if (*p == l) {
            *p = l->next;
            break;
        }
    }
    if (PQtransactionStatus(l->pg) != PQTRANS_IDLE) {
        el_pg_run(c, l, "ROLLBACK", &ignored);
    }
    el_pg_side_give(c, l);
}

/* }====== */

/* {====== Opening ====== */

static void fetch_text(char out[FETCH_SIZE], const pg_stmt *s) {
    char name[PG_NAME_SIZE];
    el_pg_name(name, (pg_conn *)s->base.conn, s->cursor);
    snprintf(out, FETCH_SIZE, "FETCH FORWARD %d FROM %s", s->batch, name);
}

static int send_plain(const pg_link *l, const char *sql) {
    return PQsendQueryParams(l->pg, sql, 0, NULL, NULL, NULL, NULL, PG_TEXT);
}

/* Everything in one round trip. */
static int send_open(const pg_stmt *s, const pg_link *l, const char *declare) {
    const pg_args *a = &s->args;
    char fetch[FETCH_SIZE];
    fetch_text(fetch, s);
    return PQenterPipelineMode(l->pg) &&
           (s->kind != PG_CURSOR_SIDE || send_plain(l, "BEGIN READ ONLY")) &&
           (s->kind != PG_CURSOR_INSIDE || send_plain(l, "SAVEPOINT el_cursor")) &&
           PQsendQueryParams(l->pg, declare, a->n, a->types, a->values, a->lengths,
                             a->formats, PG_TEXT) &&
           (s->kind != PG_CURSOR_INSIDE ||
            send_plain(l, "RELEASE SAVEPOINT el_cursor")) &&
           PQsendQueryParams(l->pg, fetch, 0, NULL, NULL, NULL, NULL, s->format) &&
           PQpipelineSync(l->pg);
}

/* The size of the next batch, by what the rows so far took. */
static void adapt_batch(pg_stmt *s, const PGresult *pg) {
    size_t rows = (size_t)PQntuples(pg), size = PQresultMemorySize(pg);
    size_t next = rows > 0 ? BATCH_BYTES / (size / rows + 1) : MAX_BATCH;
    size_t most = (size_t)s->batch * GROWTH;
    next = next > most ? most : next;
    next = next > MAX_BATCH ? MAX_BATCH : next;
    s->batch = next > 0 ? (int)next : 1;
}

/* Fewer rows than asked for: the server is done, so is the cursor. */
static int adopt_batch(pg_stmt *s, PGresult *pg, el_error *err) {
    bool last = PQntuples(pg) < s->batch;
    adapt_batch(s, pg);
    int rc = el_pg_adopt(s, pg, err);
    if (last || rc != EL_OK) {
        el_pg_stream_close(s);
    }
    return rc;
}

static char *declaration(const pg_stmt *s, el_error *err) {
    char name[PG_NAME_SIZE];
    el_pg_name(name, (pg_conn *)s->base.conn, s->cursor);
    size_t size = strlen(s->sql) + 64 + PG_NAME_SIZE;
    char *text = malloc(size);
    if (text == NULL) {
        el_fail(err, EL_ERR_NOMEM, 0, "out of memory for a cursor");
        return NULL;
    }
    snprintf(text, size, "DECLARE %s NO SCROLL CURSOR %sFOR %s", name,
             s->kind == PG_CURSOR_HELD ? "WITH HOLD " : "", s->sql);
    return text;
}

/*
** After a failure: puts the link back to where it was before the cursor.  A savepoint
** guards the user's transaction against a statement that can't be a cursor; a held
** cursor that failed is gone with the server's implicit transaction.
*/
static void undo_open(pg_conn *c, pg_link *l, enum pg_cursor kind, bool declared) {
    el_error ignored = {0};
    if (kind == PG_CURSOR_SIDE) {
        end_side(c, l);
    } else if (kind == PG_CURSOR_INSIDE && !declared && c->base.open) {
        el_pg_run(c, l, "ROLLBACK TO SAVEPOINT el_cursor; RELEASE SAVEPOINT el_cursor",
                  &ignored);
    }
}

/*
** Whether the statement may work in another way: it is no query, it writes, or it names
** what only the main link knows (a temporary table).
*/
static bool may_work_otherwise(const el_error *e, bool declared) {
    bool writes = strcmp(e->sqlstate, "25006") == 0;
    return writes || (!declared && (strncmp(e->sqlstate, "42", 2) == 0 ||
                                    strcmp(e->sqlstate, "0A000") == 0 ||
                                    strcmp(e->sqlstate, "3F000") == 0));
}

/*
** A column has become something that is read as text since the statement was described:
** these rows are unreadable.
*/
static bool has_wrong_format(const pg_stmt *s, const PGresult *pg) {
    return s->format == PG_BINARY && el_pg_format(pg) == PG_TEXT;
}

/* EL_DONE: `e` is no failure of the statement, but of running it as this kind. */
static int try_open(pg_stmt *s, enum pg_cursor kind, el_error *e) {
    pg_conn *c = (pg_conn *)s->base.conn;
    PGresult *answers[4] = {0};
    int failed = -1, at = kind == PG_CURSOR_HELD ? 0 : 1; /* DECLARE's answer */
    int last = kind == PG_CURSOR_INSIDE ? at + 2 : at + 1;
    s->kind = kind;
    s->cursor = ++c->serial;
    s->batch = FIRST_BATCH;
    char *declare = declaration(s, e);
    if (declare == NULL) {
        return EL_FAIL;
    }
    pg_link *l = kind == PG_CURSOR_SIDE ? el_pg_side_take(c, e) : &c->main;
    if (l == NULL || el_pg_start(c, l, e) != EL_OK) {
        free(declare);
        if (l != &c->main) {
            free_link(l);
        }
        return EL_FAIL;
    }
    int rc = el_pg_answers(c, l, send_open(s, l, declare), 1, answers, last + 1, 0,
                           &failed, e);
    free(declare);
    if (rc == EL_OK) {
        if (kind == PG_CURSOR_SIDE) {
            l->next = c->streaming;
            c->streaming = l;
        }
        s->cursor_link = l;
        s->transactions = c->transactions;
        s->rollbacks = c->rollbacks;
        if (has_wrong_format(s, answers[last])) {
            el_pg_stream_close(s);
            s->format = PG_TEXT;
            rc = try_open(s, kind, e);
        } else {
            rc = adopt_batch(s, answers[last], e);
            answers[last] = NULL;
        }
    } else {
        bool declared = failed != at;
        undo_open(c, l, kind, declared);
        rc = may_work_otherwise(e, declared) ? EL_DONE : EL_FAIL;
    }
    for (int i = 0; i < 4; i++) {
        PQclear(answers[i]);
    }
    return rc;
}

int el_pg_stream_open(pg_stmt *s, el_error *err) {
    pg_conn *c = (pg_conn *)s->base.conn;
    el_error e = {0};
    int rc = EL_DONE;
    if (s->base.ncolumns == 0) {
        return EL_DONE;
    }
    if (c->base.open && PQtransactionStatus(c->main.pg) != PQTRANS_IDLE) {
        rc = try_open(s, PG_CURSOR_INSIDE, &e);
    } else {
        if (!c->session_changed) {
            rc = try_open(s, PG_CURSOR_SIDE, &e);
        }
        if (rc == EL_DONE) {
            e = (el_error){0};
            rc = try_open(s, PG_CURSOR_HELD, &e);
        }
    }
    if (rc == EL_FAIL && err->kind == EL_ERR_NONE) {
        *err = e;
    }
    return rc;
}

/* }====== */

/* {====== Reading and closing ====== */

/*
** Whether the cursor on the main link is still there.  One that isn't held ends with its
** transaction, and with the savepoint it was opened after; so after a rollback the
** server is asked, because a FETCH that fails would break the transaction.
*/
static int check_cursor(pg_stmt *s, el_error *err) {
    pg_conn *c = (pg_conn *)s->base.conn;
    char name[PG_NAME_SIZE], sql[128];
    bool alive = s->kind == PG_CURSOR_HELD || s->transactions == c->transactions;
    if (alive && s->rollbacks != c->rollbacks &&
        PQtransactionStatus(c->main.pg) != PQTRANS_INERROR) {
        el_pg_name(name, c, s->cursor);
        snprintf(sql, sizeof sql, "SELECT 1 FROM pg_catalog.pg_cursors WHERE name = '%s'",
                 name);
        if (el_pg_start(c, &c->main, err) != EL_OK) {
            return EL_FAIL;
        }
        PGresult *r = el_pg_finish(c, &c->main, PQsendQuery(c->main.pg, sql), err);
        if (r == NULL) {
            return EL_FAIL;
        }
        alive = PQntuples(r) == 1;
        s->rollbacks = c->rollbacks;
        PQclear(r);
    }
    if (!alive) {
        s->cursor_link = NULL;
        return el_fail(err, EL_ERR_MISUSE, 0,
                       "the rows come from a transaction that has ended or was rolled "
                       "back: read them before, or outside of it");
    }
    return EL_OK;
}

int el_pg_stream_more(pg_stmt *s, el_error *err) {
    pg_conn *c = (pg_conn *)s->base.conn;
    pg_link *l = s->cursor_link;
    char fetch[FETCH_SIZE];
    el_pg_result_free(s->result);
    s->result = NULL;
    if (l == NULL) {
        return EL_OK;
    }
    if (l == &c->main && c->base.open && check_cursor(s, err) != EL_OK) {
        return EL_FAIL;
    }
    PGresult *pg = NULL;
    fetch_text(fetch, s);
    if (el_pg_start(c, l, err) == EL_OK) {
        int sent = PQsendQueryParams(l->pg, fetch, 0, NULL, NULL, NULL, NULL, s->format);
        pg = el_pg_finish(c, l, sent, err);
    }
    if (pg == NULL) {
        el_pg_stream_close(s);
        return EL_FAIL;
    }
    return adopt_batch(s, pg, err);
}

void el_pg_stream_close(pg_stmt *s) {
    pg_conn *c = (pg_conn *)s->base.conn;
    pg_link *l = s->cursor_link;
    el_error ignored = {0};
    char name[PG_NAME_SIZE], sql[64];
    if (l == NULL) {
        return;
    }
    if (l != &c->main) {
        end_side(c, l);
    } else if (c->base.open && PQtransactionStatus(l->pg) != PQTRANS_INERROR &&
               check_cursor(s, &ignored) == EL_OK) {
        el_pg_name(name, c, s->cursor);
        snprintf(sql, sizeof sql, "CLOSE %s", name);
        el_pg_run(c, l, sql, &ignored);
    }
    s->cursor_link = NULL;
}

/* }====== */
