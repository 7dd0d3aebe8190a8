/* SPDX-License-Identifier: MIT
**
** mongo_stmt.c - statements: a command text bound and run, its cursor read to the end at
** once, or batch by batch where rows are streamed.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mongo_driver.h"

enum {
    FIRST_STREAMED = 100, /* documents, of a stream */
    FIRST_WHOLE = 4000,
    MAX_BATCH = 100000,
    STREAMED_BYTES = 64 * 1024, /* of a later batch */
    WHOLE_BYTES = 2 * 1024 * 1024
};

struct mg_stmt {
    el_stmt base;
    mg_text *text;
    mg_buf command;
    mg_result *result;
    mg_slot *slots; /* one for each column */
    size_t next;    /* row to fetch */
    bool row;       /* next - 1 is the current one */
    bool stream;
    int64_t cursor;   /* on the server, 0: none */
    char *collection; /* of the cursor */
    char *db;
    uint32_t server;
    int batch; /* documents of the next one */
};

static const el_column document_column = {"document", 8, EL_DOC};

/* {====== Making and ending ====== */

static bool only_reads(const mg_text *t) {
    return t->verb == MG_FIND || t->verb == MG_AGGREGATE || t->verb == MG_READ;
}

static bool has_rows(const mg_text *t) {
    return t->nfields > 0 ||
           (t->verb != MG_INSERT && t->verb != MG_UPDATE && t->verb != MG_DELETE);
}

int el_mg_prepare(el_stmt **out, el_conn *c, const el_query *q, el_error *err) {
    if (!q->sql) {
        return el_fail(err, EL_ERR_MISUSE, 0, "a command is a text of JSON");
    }
    mg_stmt *s = calloc(1, sizeof *s);
    if (!s) {
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for a command");
    }
    if (el_mg_text_new(&s->text, q->sql, q->len, err) != EL_OK) {
        free(s);
        return EL_FAIL;
    }
    s->base.conn = c;
    s->base.nparams = s->text->nparams;
    s->stream = (q->flags & EL_STMT_STREAM) != 0;
    if (has_rows(s->text)) {
        s->base.ncolumns = s->text->nfields > 0 ? s->text->nfields : 1;
        s->base.columns = s->text->nfields > 0 ? s->text->columns : &document_column;
        s->slots = calloc((size_t)s->base.ncolumns, sizeof *s->slots);
        if (!s->slots) {
            el_mg_text_drop(s->text);
            free(s);
            return el_fail(err, EL_ERR_NOMEM, 0, "no memory for a row");
        }
    }
    el_conn_retain(c);
    *out = &s->base;
    return EL_OK;
}

static void forget_cursor(mg_stmt *s) {
    s->cursor = 0;
    free(s->collection);
    free(s->db);
    s->collection = s->db = NULL;
}

/* The server closes it in time where this fails, so nobody need know. */
static void kill_cursor(mg_stmt *s) {
    mg_conn *c = (mg_conn *)s->base.conn;
    mg_buf b = {0};
    bson_t reply;
    size_t at, list;
    mg_call call = {.db = s->db, .verb = MG_OTHER, .server = s->server};
    el_error err = {0};
    if (el_mg_open_doc(&b, &at, &err) == EL_OK &&
        el_mg_put_key(&b, MG_STRING, "killCursors", 11, &err) == EL_OK &&
        el_mg_put_text(&b, s->collection, strlen(s->collection), &err) == EL_OK &&
        el_mg_put_key(&b, MG_ARRAY, "cursors", 7, &err) == EL_OK &&
        el_mg_open_doc(&b, &list, &err) == EL_OK &&
        el_mg_put_long(&b, "0", 1, s->cursor, &err) == EL_OK &&
        el_mg_close_doc(&b, list, MG_MAX_DOC, &err) == EL_OK &&
        el_mg_close_doc(&b, at, MG_MAX_DOC, &err) == EL_OK) {
        el_mg_run(c, &call, &b, &reply, &err);
        bson_destroy(&reply);
    }
    el_mg_buf_release(&b);
}

static void drop_rows(mg_stmt *s) {
    s->base.active = s->row = false;
    s->next = 0;
    if (s->result) {
        el_mg_result_clear(s->result);
    }
}

void el_mg_reset(el_stmt *base) {
    mg_stmt *s = (mg_stmt *)base;
    if (s->cursor != 0) {
        bool failed = ((mg_conn *)base->conn)->tx_failed; /* the server has closed it */
        if (base->conn->open && !failed) {
            kill_cursor(s);
        }
    }
    forget_cursor(s);
    drop_rows(s);
}

void el_mg_finalize(el_stmt *base) {
    mg_stmt *s = (mg_stmt *)base;
    el_mg_reset(base);
    el_mg_result_free(s->result);
    el_mg_text_drop(s->text);
    el_mg_buf_release(&s->command);
    free(s->slots);
    el_conn_release(base->conn);
    free(s);
}

/* }====== */

/* {====== Replies ====== */

/* A count in a reply; 0 when it is not there. */
static int64_t count_in(const unsigned char *doc, size_t size, const char *name) {
    int64_t n = 0;
    el_mg_number(doc, size, name, &n);
    return n;
}

static int fail_reply(el_error *err) {
    return el_fail(err, EL_ERR_OTHER, 0,
                   "MongoDB sent a reply whose cursor can't be read; is the server "
                   "another program?");
}

/* What a reply says of a cursor. */
typedef struct cursor {
    int64_t id;
    mg_element batch, ns; /* ns: "shop.users" is collection users of database shop */
} cursor;

static bool has_name(const mg_element *e, const char *name) {
    return strcmp(e->key, name) == 0;
}

/* False when it is none. */
static bool read_cursor(const mg_element *doc, cursor *out) {
    mg_element e;
    size_t at = 4;
    memset(out, 0, sizeof *out);
    while (el_mg_next(doc->value, doc->size, &at, &e)) {
        if (e.type == MG_ARRAY &&
            (has_name(&e, "firstBatch") || has_name(&e, "nextBatch"))) {
            out->batch = e;
        } else if (e.type == MG_STRING && has_name(&e, "ns")) {
            out->ns = e;
        } else if (has_name(&e, "id")) {
            el_mg_as_number(&e, &out->id);
        }
    }
    return out->batch.type == MG_ARRAY;
}

/* Adds the documents of a batch; the next one is fetched by what is kept here. */
static int read_batch(mg_stmt *s, const cursor *c, el_error *err) {
    const mg_element *list = &c->batch;
    mg_element e;
    size_t at = 4, before = s->result->nrows;
    s->cursor = c->id;
    while (el_mg_next(list->value, list->size, &at, &e)) {
        if (e.type != MG_DOC) {
            return fail_reply(err);
        }
        if (el_mg_result_add(s->result, e.value, e.size, err) != EL_OK) {
            return EL_FAIL;
        }
    }
    size_t rows = s->result->nrows - before;
    size_t bytes = s->stream ? STREAMED_BYTES : WHOLE_BYTES;
    size_t wanted = rows > 0 ? bytes / (list->size / rows + 1) : FIRST_STREAMED;
    size_t most = (size_t)s->batch * 4 < MAX_BATCH ? (size_t)s->batch * 4 : MAX_BATCH;
    s->batch = (int)(wanted < 1 ? 1 : wanted > most ? most : wanted);
    return EL_OK;
}

static int keep_names(mg_stmt *s, const cursor *c, el_error *err) {
    const char *text = c->ns.value ? (const char *)c->ns.value + 4 : "";
    const char *dot = strchr(text, '.');
    if (!dot) {
        return fail_reply(err);
    }
    s->db = strndup(text, (size_t)(dot - text));
    s->collection = strdup(dot + 1);
    return s->db && s->collection
               ? EL_OK
               : el_fail(err, EL_ERR_NOMEM, 0, "no memory for a cursor");
}

/* Fetches one more batch. */
static int get_more(mg_stmt *s, el_error *err) {
    mg_conn *c = (mg_conn *)s->base.conn;
    mg_buf *b = &s->command;
    mg_call call = {.db = s->db, .verb = MG_OTHER, .server = s->server};
    mg_element e;
    cursor next;
    size_t at;
    b->n = 0;
    if (el_mg_open_doc(b, &at, err) != EL_OK ||
        el_mg_put_long(b, "getMore", 7, s->cursor, err) != EL_OK ||
        el_mg_put_key(b, MG_STRING, "collection", 10, err) != EL_OK ||
        el_mg_put_text(b, s->collection, strlen(s->collection), err) != EL_OK ||
        el_mg_put_int(b, "batchSize", 9, s->batch, err) != EL_OK ||
        el_mg_close_doc(b, at, MG_MAX_DOC, err) != EL_OK) {
        return EL_FAIL;
    }
    bson_t *reply = el_mg_result_reply(s->result, err);
    if (!reply) {
        return EL_FAIL;
    }
    if (el_mg_run(c, &call, b, reply, err) != EL_OK) {
        s->cursor = 0; /* gone with the failure */
        return EL_FAIL;
    }
    if (!el_mg_field(bson_get_data(reply), reply->len, "cursor", MG_DOC, &e) ||
        !read_cursor(&e, &next)) {
        return fail_reply(err);
    }
    return read_batch(s, &next, err);
}

/* }====== */

/* {====== Running ====== */

static int read_rows(mg_stmt *s, const bson_t *reply, el_error *err) {
    mg_element e;
    cursor first;
    const unsigned char *doc = bson_get_data(reply);
    if (s->base.ncolumns == 0) {
        return EL_OK;
    }
    s->base.active = true;
    if (s->text->verb == MG_MODIFY &&
        !el_mg_field(doc, reply->len, "value", MG_DOC, &e)) {
        return EL_OK; /* nothing matched */
    }
    if (s->text->verb == MG_MODIFY) {
        return el_mg_result_add(s->result, e.value, e.size, err);
    }
    if (!el_mg_field(doc, reply->len, "cursor", MG_DOC, &e)) {
        return el_mg_result_add(s->result, doc, reply->len, err);
    }
    s->batch = s->stream ? FIRST_STREAMED : FIRST_WHOLE;
    if (!read_cursor(&e, &first)) {
        return fail_reply(err);
    }
    if (read_batch(s, &first, err) != EL_OK) {
        return EL_FAIL;
    }
    if (s->cursor != 0 && keep_names(s, &first, err) != EL_OK) {
        s->cursor = 0;
        return EL_FAIL;
    }
    while (s->cursor != 0 && !s->stream) {
        if (get_more(s, err) != EL_OK) {
            return EL_FAIL;
        }
    }
    return EL_OK;
}

static void count_affected(mg_stmt *s, const bson_t *reply) {
    const unsigned char *doc = bson_get_data(reply);
    mg_element e;
    switch (s->text->verb) {
    case MG_INSERT:
    case MG_UPDATE:
    case MG_DELETE:
        s->base.affected = count_in(doc, reply->len, "n");
        break;
    case MG_MODIFY:
        if (el_mg_field(doc, reply->len, "lastErrorObject", MG_DOC, &e)) {
            s->base.affected = count_in(e.value, e.size, "n");
        }
        break;
    default:
        break;
    }
}

/* Where later parts of a cursor are to be asked for. */
static int choose_server(mg_stmt *s, el_error *err) {
    mg_conn *c = (mg_conn *)s->base.conn;
    bool reads = s->text->verb == MG_FIND || s->text->verb == MG_AGGREGATE;
    bson_error_t why;
    s->server = 0;
    if (!c->pinned || !reads || el_mg_in_transaction(c)) {
        return EL_OK;
    }
    el_mg_link_begin(c);
    mongoc_server_description_t *server =
        mongoc_client_select_server(c->client, false, NULL, &why);
    el_mg_link_end(c);
    if (!server) {
        return el_mg_fail(c, &why, NULL, err);
    }
    s->server = mongoc_server_description_id(server);
    mongoc_server_description_destroy(server);
    return EL_OK;
}

/* Which of the command's documents or updates it was; those before it are done. */
static int name_row(int64_t row, el_error *err) {
    if (row > 0 && err) {
        size_t n = strlen(err->message);
        snprintf(err->message + n, sizeof err->message - n,
                 " (number %lld of its command)", (long long)row + 1);
    }
    if (row >= 0 && err) {
        err->number = row + 1;
    }
    return EL_FAIL;
}

static int run(mg_stmt *s, el_error *err) {
    mg_conn *c = (mg_conn *)s->base.conn;
    int64_t row;
    if (choose_server(s, err) != EL_OK) {
        return EL_FAIL;
    }
    mg_call call = {.db = s->text->db ? s->text->db : c->db,
                    .verb = s->text->verb,
                    .server = s->server};
    bson_t *reply = el_mg_result_reply(s->result, err);
    if (!reply || el_mg_run(c, &call, &s->command, reply, err) != EL_OK) {
        return EL_FAIL;
    }
    if (!only_reads(s->text) && el_mg_check_writes(c, reply, &row, err) != EL_OK) {
        return name_row(row, err);
    }
    count_affected(s, reply);
    return read_rows(s, reply, err);
}

int el_mg_execute(el_stmt *base, const el_value *args, int nargs, el_error *err) {
    mg_stmt *s = (mg_stmt *)base;
    bool first = err && err->kind == EL_ERR_NONE;
    el_mg_reset(base);
    base->affected = base->last_id = 0;
    if (nargs != base->nparams) {
        return el_fail(err, EL_ERR_MISUSE, 0,
                       "the command has %d placeholders, %d values were given",
                       base->nparams, nargs);
    }
    int batch = s->stream ? FIRST_STREAMED : FIRST_WHOLE;
    if (!s->result && el_mg_result_new(&s->result, s->text, err) != EL_OK) {
        return EL_FAIL;
    }
    if (el_mg_text_bind(s->text, &s->command, args, batch, err) != EL_OK) {
        el_mg_name_value(s->text->collection, err);
        return EL_FAIL;
    }
    int rc = run(s, err);
    if (rc != EL_OK) {
        el_mg_reset(base);
        if (first && !err->table[0] && s->text->collection && err->sqlstate[0] == '2') {
            el_error_copy(err->table, sizeof err->table, s->text->collection,
                          (unsigned)strlen(s->text->collection));
        }
    } else if (!base->active) {
        el_mg_result_clear(s->result);
    }
    return rc;
}

/* }====== */

/* {====== Rows ====== */

/* Frees the batch that was read before the next one comes. */
static int next_batch(mg_stmt *s, el_error *err) {
    while (s->cursor != 0 && s->next == s->result->nrows) {
        el_mg_result_clear(s->result);
        s->next = 0;
        if (get_more(s, err) != EL_OK) {
            return EL_FAIL;
        }
    }
    return EL_OK;
}

int el_mg_fetch(el_stmt *base, el_error *err) {
    mg_stmt *s = (mg_stmt *)base;
    s->row = false;
    if (!base->active) {
        return EL_DONE;
    }
    if (s->next == s->result->nrows && next_batch(s, err) != EL_OK) {
        el_mg_reset(base);
        return EL_FAIL;
    }
    if (s->next == s->result->nrows) {
        el_mg_reset(base);
        return EL_DONE;
    }
    s->next++;
    s->row = true;
    return EL_ROW;
}

int el_mg_row(el_stmt *base, el_value *out, el_error *err) {
    mg_stmt *s = (mg_stmt *)base;
    if (!s->row) {
        return el_fail(err, EL_ERR_MISUSE, 0, "no row: fetch one first");
    }
    for (int i = 0; i < base->ncolumns; i++) {
        mg_element cell;
        el_mg_result_cell(s->result, s->next - 1, i, &cell);
        el_mg_decode(&cell, &out[i], s->slots[i].scratch, &s->slots[i].room);
    }
    return EL_OK;
}

int el_mg_take(el_stmt *base, void **result, size_t *nrows, el_error *err) {
    mg_stmt *s = (mg_stmt *)base;
    if (!base->active || s->next > 0) {
        return el_fail(err, EL_ERR_MISUSE, 0,
                       "no whole result to take: execute, and fetch nothing");
    }
    while (s->cursor != 0) {
        if (get_more(s, err) != EL_OK) {
            el_mg_reset(base);
            return EL_FAIL;
        }
    }
    *result = s->result;
    *nrows = s->result->nrows;
    s->result = NULL;
    el_mg_reset(base);
    return EL_OK;
}

/* }====== */
