/* SPDX-License-Identifier: MIT
**
** mongo_bulk.c - many documents into one collection: insert commands of some MiB each,
** written as the rows come.
*/
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "mongo_driver.h"

enum { BATCH_BYTES = 4 * 1024 * 1024, SHORT_NAME = 16 };

/* A field of the documents. */
typedef struct mg_name {
    char start[SHORT_NAME]; /* of the path and its NUL */
    const char *path;
    size_t size; /* with its NUL */
    int column;  /* whose value it has */
} mg_name;

typedef struct mg_bulk {
    el_bulk base;
    char *into;
    mg_text *text;
    mg_name *names;
    int nnames;
    mg_buf docs;        /* the command as far as it is written */
    size_t start, list; /* where it and its array begin in `docs` */
    int count;
    char index[MG_INDEX_SIZE]; /* `count` in digits, and NUL, at the end of it */
    int digit;                 /* the first of them */
    int64_t sent; /* documents of earlier commands */
} mg_bulk;

static void free_bulk(mg_bulk *b) {
    if (b->text) {
        el_mg_text_drop(b->text);
    }
    el_mg_buf_release(&b->docs);
    free(b->names);
    el_conn_release(b->base.conn);
    free(b->into);
    free(b);
}

/* The command up to its first document. */
static int begin_batch(mg_bulk *b, el_error *err) {
    mg_buf *out = &b->docs;
    if (el_mg_text_bind(b->text, out, NULL, 0, err) != EL_OK) {
        return EL_FAIL;
    }
    out->n--; /* the end, for now */
    b->start = 0;
    b->count = 0;
    b->digit = MG_INDEX_SIZE - 2;
    memcpy(b->index + b->digit, "0", 2);
    if (el_mg_put_key(out, MG_ARRAY, "documents", 9, err) != EL_OK) {
        return EL_FAIL;
    }
    return el_mg_open_doc(out, &b->list, err);
}

static int check_command(const mg_text *t, int ncolumns, el_error *err) {
    if (t->verb != MG_INSERT || !t->collection || t->nparams > 0) {
        return el_fail(
            err, EL_ERR_MISUSE, 0,
            "rows go into a collection by {\"insert\":NAME,\"$fields\":[...]}, "
            "without placeholders");
    }
    if (t->nfields != ncolumns) {
        return el_fail(err, EL_ERR_MISUSE, 0,
                       "$fields names %d fields, rows have %d values", t->nfields,
                       ncolumns);
    }
    for (int i = 0; i < ncolumns; i++) {
        if (t->fields[i].dotted) {
            return el_fail(err, EL_ERR_UNSUPPORTED, 0,
                           "field %.60s is a path, and rows have whole fields: give the "
                           "document that it is in",
                           t->fields[i].path);
        }
    }
    return EL_OK;
}

static void add_name(mg_bulk *b, const char *path, int column) {
    mg_name *name = &b->names[b->nnames++];
    size_t size = strlen(path) + 1;
    *name = (mg_name){.path = path, .size = size, .column = column};
    memcpy(name->start, path, size < SHORT_NAME ? size : SHORT_NAME);
}

/* A column whose value another field takes where it isn't there is written to both. */
static int list_names(mg_bulk *b, el_error *err) {
    b->names = calloc(2 * (size_t)b->text->nfields, sizeof *b->names);
    if (!b->names) {
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for rows");
    }
    for (int i = 0; i < b->text->nfields; i++) {
        const mg_field *f = &b->text->fields[i];
        if (f->instead) {
            add_name(b, f->instead, i);
        }
        add_name(b, f->path, i);
    }
    return EL_OK;
}

int el_mg_bulk_begin(el_bulk **out, el_conn *c, const char *into, int ncolumns,
                     el_error *err) {
    mg_bulk *b = calloc(1, sizeof *b);
    if (!b) {
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for rows");
    }
    b->base.conn = c;
    b->base.ncolumns = ncolumns;
    b->base.own = true;
    b->base.sql = b->into = strdup(into);
    el_conn_retain(c);
    if (!b->into) {
        free_bulk(b);
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for rows");
    }
    if (el_mg_text_new(&b->text, into, strlen(into), err) != EL_OK ||
        check_command(b->text, ncolumns, err) != EL_OK || list_names(b, err) != EL_OK ||
        begin_batch(b, err) != EL_OK) {
        free_bulk(b);
        return EL_FAIL;
    }
    *out = &b->base;
    return EL_OK;
}

/* Sends what was written so far. */
static int send_batch(mg_bulk *b, el_error *err) {
    mg_conn *c = (mg_conn *)b->base.conn;
    mg_call call = {.db = b->text->db ? b->text->db : c->db, .verb = MG_INSERT};
    bson_t reply;
    int64_t row;
    if (b->count == 0) {
        return EL_OK;
    }
    if (el_mg_close_doc(&b->docs, b->list, SIZE_MAX, err) != EL_OK ||
        el_mg_close_doc(&b->docs, b->start, MG_MAX_DOC + MG_COMMAND_EXTRA, err) !=
            EL_OK) {
        return EL_FAIL;
    }
    bool first = err && err->kind == EL_ERR_NONE;
    int rc = el_mg_run(c, &call, &b->docs, &reply, err);
    if (rc == EL_OK) {
        rc = el_mg_check_writes(c, &reply, &row, err);
        if (rc != EL_OK && row >= 0) {
            b->base.failed = b->sent + row + 1;
        }
    }
    if (rc != EL_OK && first && !err->table[0]) {
        el_error_copy(err->table, sizeof err->table, b->text->collection,
                      (unsigned)strlen(b->text->collection));
    }
    bson_destroy(&reply);
    b->sent += b->count;
    return rc == EL_OK ? begin_batch(b, err) : rc;
}

static void count_row(mg_bulk *b) {
    int i = MG_INDEX_SIZE - 2;
    b->count++;
    for (; i >= b->digit && b->index[i] == '9'; i--) {
        b->index[i] = '0';
    }
    if (i < b->digit) {
        b->index[i] = '0';
        b->digit = i;
    }
    b->index[i]++;
}

/* Room for `n` bytes at the end, which are not part of it yet. */
static unsigned char *room_for(mg_buf *out, size_t n) {
    if (n > out->max - out->n) {
        if (!el_mg_more(out, n, NULL)) {
            return NULL;
        }
        out->n -= n;
    }
    return out->p + out->n;
}

/*
** A common value as an element, written in one piece: most of a row is of these.  False
** for others, and for what can't be written.
*/
static bool put_plain(mg_buf *out, const mg_name *name, const el_value *v) {
    uint64_t bits = 0;
    size_t size = 8, text = 0;
    unsigned type;
    switch (v->type) {
    case EL_NULL:
        type = MG_NULL;
        size = 0;
        break;
    case EL_BOOL:
        type = MG_BOOL;
        bits = v->u.b;
        size = 1;
        break;
    case EL_INT:
        size = v->u.i >= INT32_MIN && v->u.i <= INT32_MAX ? 4 : 8;
        type = size == 4 ? MG_INT32 : MG_INT64;
        bits = (uint64_t)v->u.i;
        break;
    case EL_FLOAT:
        type = MG_DOUBLE;
        memcpy(&bits, &v->u.d, sizeof bits);
        break;
    case EL_TIMESTAMP:
        type = MG_DATE;
        bits = (uint64_t)(v->u.i / 1000);
        if (v->u.i % 1000 != 0) {
            return false;
        }
        break;
    case EL_TEXT:
        type = MG_STRING;
        size = 4;
        bits = v->u.s.n + 1;
        text = v->u.s.n + 1;
        if (text > MG_MAX_DOC || !el_utf8_valid(v->u.s.p, v->u.s.n)) {
            return false;
        }
        break;
    default:
        return false;
    }
    /* Name and number are stored whole, and what comes next covers what is not theirs. */
    unsigned char *p = room_for(out, 1 + name->size + SHORT_NAME + sizeof bits + text);
    if (!p) {
        return false;
    }
    *p++ = (unsigned char)type;
    if (name->size <= SHORT_NAME) {
        memcpy(p, name->start, SHORT_NAME);
    } else {
        memcpy(p, name->path, name->size);
    }
    p += name->size;
    bits = htole64(bits);
    memcpy(p, &bits, sizeof bits);
    p += size;
    if (text > 0) {
        memcpy(p, v->u.s.p, text - 1);
        p[text - 1] = '\0';
        p += text;
    }
    out->n = (size_t)(p - out->p);
    return true;
}

static int put_field(mg_buf *out, const mg_name *name, const el_value *v, el_error *err) {
    size_t len = name->size - 1;
    return put_plain(out, name, v) ||
                   el_mg_put_value(out, name->path, len, v, 1, err) == EL_OK
               ? EL_OK
               : el_mg_failed_at(name->path, len, err);
}

/* The values of a row as one document at the end. */
static int put_row(mg_bulk *b, const el_value *values, el_error *err) {
    mg_buf *out = &b->docs;
    size_t at, digits = (size_t)(MG_INDEX_SIZE - b->digit);
    unsigned char *p = el_mg_more(out, 1 + digits, err);
    if (!p) {
        return EL_FAIL;
    }
    *p = MG_DOC;
    memcpy(p + 1, b->index + b->digit, digits);
    if (el_mg_open_doc(out, &at, err) != EL_OK) {
        return EL_FAIL;
    }
    for (int i = 0; i < b->nnames; i++) {
        const mg_name *name = &b->names[i];
        out->arg = name->column + 1;
        if (put_field(out, name, &values[name->column], err) != EL_OK) {
            return EL_FAIL;
        }
    }
    out->arg = 0;
    return el_mg_close_doc(out, at, MG_MAX_DOC, err);
}

/*
** A row that would make the command too long goes into the next one, so the first
** document of a command may have all 16 MiB.
*/
int el_mg_bulk_row(el_bulk *base, const el_value *values, el_error *err) {
    mg_bulk *b = (mg_bulk *)base;
    const mg_conn *c = (const mg_conn *)base->conn;
    size_t before = b->docs.n;
    int64_t number = b->sent + b->count + 1;
    if (put_row(b, values, err) != EL_OK) {
        b->docs.n = before;
        base->failed = number;
        el_mg_name_value(b->text->collection, err);
        return EL_FAIL;
    }
    if (b->docs.n > MG_MAX_DOC && b->count > 0) {
        b->docs.n = before;
        if (send_batch(b, err) != EL_OK) {
            return EL_FAIL;
        }
        if (put_row(b, values, err) != EL_OK) {
            base->failed = number;
            return EL_FAIL;
        }
    }
    count_row(b);
    bool full = b->docs.n >= BATCH_BYTES || b->count >= c->max_batch;
    return full ? send_batch(b, err) : EL_OK;
}

int el_mg_bulk_end(el_bulk *base, bool good, int64_t *failed, el_error *err) {
    mg_bulk *b = (mg_bulk *)base;
    int rc = good ? send_batch(b, err) : EL_OK;
    *failed = base->failed;
    free_bulk(b);
    return rc;
}
