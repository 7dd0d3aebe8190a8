/* SPDX-License-Identifier: MIT
**
** mongo_text.c - command texts: JSON with `?` in the place of values, made ready once so
** that binding copies what is fixed and writes the values between.  It sends nothing.
*/
#include <stdlib.h>
#include <string.h>

#include "mongo_driver.h"

/* What reads a text: j.out is t->fixed. */
typedef struct reader {
    mg_json json; /* first: hooks get it */
    mg_text *t;
    size_t open[MG_MAX_DEPTH + 2]; /* ops at the openings around */
    int nopen;
} reader;

/* {====== Operations ====== */

static mg_op *add_op(mg_text *t, el_error *err) {
    if (t->nops == t->maxops) {
        size_t max = t->maxops ? t->maxops * 2 : 8;
        mg_op *ops =
            max <= SIZE_MAX / sizeof *ops ? realloc(t->ops, max * sizeof *ops) : NULL;
        if (!ops) {
            el_fail(err, EL_ERR_NOMEM, 0, "no memory for a command");
            return NULL;
        }
        t->ops = ops;
        t->maxops = max;
    }
    mg_op *op = &t->ops[t->nops++];
    *op = (mg_op){.at = t->fixed.n};
    return op;
}

static int opened(mg_json *j, size_t at, el_error *err) {
    reader *r = (reader *)j;
    r->open[r->nopen++] = r->t->nops;
    mg_op *op = add_op(r->t, err);
    if (!op) {
        return EL_FAIL;
    }
    op->kind = MG_OP_OPEN;
    op->at = at;
    return EL_OK;
}

/* What has no holes in it is fixed, its length too. */
static int closed(mg_json *j, size_t at, bool list, el_error *err) {
    reader *r = (reader *)j;
    mg_text *t = r->t;
    size_t first = r->open[--r->nopen];
    if (t->nops == first + 1) {
        t->nops = first;
        return el_mg_close_doc(&t->fixed, at, MG_MAX_DOC, err);
    }
    mg_op *op = add_op(t, err);
    if (!op) {
        return EL_FAIL;
    }
    op->kind = MG_OP_CLOSE;
    op->list = list;
    return EL_OK;
}

static int hole(mg_json *j, const char *key, size_t n, el_error *err) {
    reader *r = (reader *)j;
    mg_op *op = add_op(r->t, err);
    if (!op) {
        return EL_FAIL;
    }
    if (r->t->nparams == INT32_MAX) {
        return el_mg_json_fail(j, "too many placeholders", err);
    }
    r->t->nparams++;
    op->kind = MG_OP_VALUE;
    op->key = r->t->keys.n;
    op->keylen = n;
    return el_mg_put(&r->t->keys, key, n, err);
}

/* }====== */

/* {====== The driver's own keys ====== */

enum { MAX_FIELDS = 4096 };

/* A string into t->names with NUL; *at is where. */
static int read_name(reader *r, size_t *at, el_error *err) {
    mg_buf *names = &r->t->names;
    *at = names->n;
    if (el_mg_json_string(&r->json, names, err) != EL_OK) {
        return EL_FAIL;
    }
    if (memchr(names->p ? names->p + *at : (unsigned char *)"", '\0', names->n - *at)) {
        return el_mg_json_fail(&r->json, "a name with a zero byte", err);
    }
    return el_mg_put(names, "", 1, err);
}

/* One item of $fields, "a" or ["a","b"]: the name, and the other or an empty one. */
static int read_field(reader *r, size_t *at, el_error *err) {
    mg_json *j = &r->json;
    size_t other;
    if (el_mg_json_peek(j) != '[') {
        return read_name(r, at, err) == EL_OK ? el_mg_put(&r->t->names, "", 1, err)
                                              : EL_FAIL;
    }
    j->p++;
    if (read_name(r, at, err) != EL_OK || el_mg_json_expect(j, ',', err) != EL_OK) {
        return EL_FAIL;
    }
    return read_name(r, &other, err) == EL_OK ? el_mg_json_expect(j, ']', err) : EL_FAIL;
}

static int read_fields(reader *r, size_t *start, el_error *err) {
    mg_json *j = &r->json;
    size_t at;
    *start = r->t->names.n;
    if (el_mg_json_expect(j, '[', err) != EL_OK) {
        return EL_FAIL;
    }
    if (el_mg_json_peek(j) == ']') {
        return el_mg_json_fail(j, "$fields is empty", err);
    }
    do {
        if (read_field(r, &at, err) != EL_OK) {
            return EL_FAIL;
        }
        if (r->t->nfields++ == MAX_FIELDS) {
            return el_mg_json_fail(j, "$fields names more than 4096 columns", err);
        }
    } while (el_mg_json_peek(j) == ',' && j->p++);
    return el_mg_json_expect(j, ']', err);
}

static void set_head(mg_field *f) {
    size_t n = f->len + 1 < sizeof f->head ? f->len + 1 : sizeof f->head;
    memcpy(&f->head, f->path, n);
    memset(&f->mask, 0xFF, n);
}

/* The names have come to rest: fields point to them. */
static int set_fields(mg_text *t, size_t start, el_error *err) {
    size_t n = (size_t)t->nfields;
    t->fields = calloc(n, sizeof *t->fields);
    t->columns = calloc(n, sizeof *t->columns);
    if (!t->fields || !t->columns) {
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for the columns of a command");
    }
    const char *p = (const char *)t->names.p + start;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(p);
        const char *other = p + len + 1;
        t->fields[i] = (mg_field){.path = p,
                                  .len = len,
                                  .dotted = memchr(p, '.', len) != NULL,
                                  .instead = *other ? other : NULL};
        set_head(&t->fields[i]);
        for (size_t k = 0; k < i; k++) {
            if (strcmp(t->fields[k].path, p) == 0) {
                return el_fail(err, EL_ERR_SYNTAX, 0,
                               "$fields of the command names %.60s twice", p);
            }
        }
        t->columns[i] = (el_column){.name = p, .namelen = len, .type = EL_NULL};
        p = other + strlen(other) + 1;
    }
    return EL_OK;
}

/* }====== */

/* {====== What kind of command ====== */

static mg_verb verb_of(const char *name) {
    static const struct {
        const char *name;
        mg_verb verb;
    } verbs[] = {{"find", MG_FIND},           {"aggregate", MG_AGGREGATE},
                 {"count", MG_READ},          {"distinct", MG_READ},
                 {"insert", MG_INSERT},       {"update", MG_UPDATE},
                 {"delete", MG_DELETE},       {"findAndModify", MG_MODIFY},
                 {"findandmodify", MG_MODIFY}};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(verbs[i].name, name) == 0) {
            return verbs[i].verb;
        }
    }
    return MG_OTHER;
}

/* }====== */

/*
** True when `key` is one of the keys; a text that holds these bytes only looks so, which
** costs a command that could be retried.
*/
static bool has_key(const mg_text *t, const char *key) {
    size_t n = strlen(key) + 1;
    const unsigned char *p = t->fixed.p, *end = p + t->fixed.n;
    while (p && (p = memmem(p, (size_t)(end - p), key, n)) != NULL) {
        if (p > t->fixed.p && p[-1] < 0x20) {
            return true;
        }
        p++;
    }
    return false;
}

/* {====== Reading a text ====== */

typedef struct spots { /* of names, which may move while it is read */
    size_t db, fields, collection, command;
} spots;

#define NOWHERE SIZE_MAX

static bool is_key(const mg_text *t, size_t at, const char *name) {
    return strcmp((const char *)t->names.p + at, name) == 0;
}

/* The value of a key that is sent. */
static int read_sent(reader *r, size_t key, bool first, spots *s, el_error *err) {
    mg_text *t = r->t;
    mg_json *j = &r->json;
    size_t n = strlen((const char *)t->names.p + key), before = t->fixed.n;
    if (first) {
        s->command = key;
        t->verb = verb_of((const char *)t->names.p + key);
    }
    t->has_batch |= is_key(t, key, "batchSize");
    bool cursor = t->verb == MG_AGGREGATE && is_key(t, key, "cursor");
    if (el_mg_json_value(j, (const char *)t->names.p + key, n, err) != EL_OK) {
        return EL_FAIL;
    }
    if (t->fixed.n < before + n + 2) {
        return EL_OK; /* a hole */
    }
    const unsigned char *value = t->fixed.p + before + n + 2;
    size_t size = t->fixed.n - before - n - 2;
    if (first && size > 5 && t->fixed.p[before] == MG_STRING) {
        s->collection = t->names.n;
        return el_mg_put(&t->names, value + 4, size - 4, err);
    }
    if (cursor && size == 5 && t->fixed.p[before] == MG_DOC) {
        t->cursor_empty = true;
        t->fixed.n = before; /* written when it is bound */
    }
    return EL_OK;
}

static int read_member(reader *r, bool first, spots *s, el_error *err) {
    mg_json *j = &r->json;
    size_t key, keep = r->t->names.n;
    if (read_name(r, &key, err) != EL_OK || el_mg_json_expect(j, ':', err) != EL_OK) {
        return EL_FAIL;
    }
    if (!first && is_key(r->t, key, "$db")) {
        r->t->names.n = keep;
        el_mg_json_peek(j);
        return read_name(r, &s->db, err);
    }
    if (!first && is_key(r->t, key, "$fields")) {
        r->t->names.n = keep;
        if (r->t->nfields > 0) {
            return el_mg_json_fail(j, "$fields stands there twice", err);
        }
        return read_fields(r, &s->fields, err);
    }
    return read_sent(r, key, first, s, err);
}

static int read_command(reader *r, spots *s, el_error *err) {
    mg_json *j = &r->json;
    if (el_mg_json_expect(j, '{', err) != EL_OK) {
        return EL_FAIL;
    }
    if (el_mg_json_peek(j) == '}') {
        return el_mg_json_fail(j, "a command is missing", err);
    }
    bool first = true;
    do {
        el_mg_json_peek(j);
        if (read_member(r, first, s, err) != EL_OK) {
            return EL_FAIL;
        }
        first = false;
    } while (el_mg_json_peek(j) == ',' && j->p++);
    if (el_mg_json_expect(j, '}', err) != EL_OK) {
        return EL_FAIL;
    }
    return el_mg_json_peek(j) < 0
               ? EL_OK
               : el_mg_json_fail(j, "there is more after the '}'", err);
}

static void release(mg_text *t) {
    el_mg_buf_release(&t->fixed);
    el_mg_buf_release(&t->keys);
    el_mg_buf_release(&t->names);
    free(t->ops);
    free(t->fields);
    free(t->columns);
    free(t);
}

static int parse(mg_text *out, const char *text, size_t len, el_error *err) {
    reader r = {.json = {.p = text,
                         .start = text,
                         .end = text + len,
                         .depth = 0,
                         .hole = hole,
                         .opened = opened,
                         .closed = closed},
                .t = out};
    spots s = {NOWHERE, NOWHERE, NOWHERE, NOWHERE};
    r.json.out = &out->fixed;
    int rc = read_command(&r, &s, err);
    if (rc == EL_OK && out->nfields > 0) {
        rc = set_fields(out, s.fields, err);
    }
    el_mg_buf_release(&r.json.keys);
    if (rc != EL_OK) {
        return rc;
    }
    const char *names = (const char *)out->names.p;
    out->db = s.db != NOWHERE ? names + s.db : NULL;
    out->collection = s.collection != NOWHERE ? names + s.collection : NULL;
    out->command = names + s.command;
    if (out->verb == MG_AGGREGATE && (has_key(out, "$out") || has_key(out, "$merge"))) {
        out->verb = MG_OTHER;
    }
    return EL_OK;
}

int el_mg_text_new(mg_text **out, const char *text, size_t len, el_error *err) {
    mg_text *t = calloc(1, sizeof *t);
    if (!t) {
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for a command");
    }
    t->refs = 1;
    if (parse(t, text, len, err) != EL_OK) {
        release(t);
        return EL_FAIL;
    }
    *out = t;
    return EL_OK;
}

void el_mg_text_drop(mg_text *t) {
    if (--t->refs == 0) {
        release(t);
    }
}

/* }====== */

/* {====== Binding ====== */

static int put_batch(const mg_text *t, mg_buf *out, int batch, el_error *err) {
    static const char key[] = "batchSize";
    size_t at;
    if (t->verb == MG_FIND && !t->has_batch && batch > 0) {
        return el_mg_put_int(out, key, sizeof key - 1, batch, err);
    }
    if (!t->cursor_empty) {
        return EL_OK;
    }
    if (el_mg_put_key(out, MG_DOC, "cursor", 6, err) != EL_OK ||
        el_mg_open_doc(out, &at, err) != EL_OK ||
        (batch > 0 && el_mg_put_int(out, key, sizeof key - 1, batch, err) != EL_OK)) {
        return EL_FAIL;
    }
    return el_mg_close_doc(out, at, MG_MAX_DOC, err);
}

/* How deep a value stands in a document; less than 0 where documents are in the value. */
static int depth_of(const mg_text *t, int nopen) {
    if (t->verb == MG_INSERT) {
        return nopen - 1; /* their list is around them */
    }
    return nopen > 0 ? 0 : -MG_COMMAND_LEVELS;
}

/* The path of a value is its own; names of operators and places in lists are none. */
static int put_arg(const mg_text *t, mg_buf *out, const mg_op *op, const el_value *v,
                   int nopen, el_error *err) {
    const char *key = t->keys.p ? (const char *)t->keys.p + op->key : "";
    if (el_mg_put_value(out, key, op->keylen, v, depth_of(t, nopen), err) == EL_OK) {
        return EL_OK;
    }
    bool named = op->keylen > 0 && *key != '$' && (*key < '0' || *key > '9');
    return named ? el_mg_failed_at(key, op->keylen, err) : EL_FAIL;
}

/* The number that is the whole key whose bytes end before `end`; -1 for other keys. */
static int64_t place_of(const char *end, size_t n) {
    int64_t place = 0, unit = 1;
    size_t all = n;
    for (; n > 0 && end[-1] >= '0' && end[-1] <= '9' && unit < INT32_MAX; n--) {
        place += unit * (*--end - '0');
        unit *= 10;
    }
    bool whole = n == 0 || (unsigned char)end[-1] < ' '; /* a type is before it */
    return n < all && whole ? place : -1;
}

/* Says in which document, or update, of the command's list the operation `last` is. */
static int name_row(const mg_text *t, size_t last, el_error *err) {
    int nopen = 0;
    int64_t place = -1;
    for (size_t i = 0; i <= last; i++) {
        const mg_op *op = &t->ops[i];
        if (op->kind == MG_OP_CLOSE) {
            place = --nopen > 0 ? place : -1;
        } else if (nopen == 1 && op->kind == MG_OP_OPEN) { /* behind type, key and NUL */
            place = place_of((const char *)t->fixed.p + op->at - 1, op->at - 1);
        } else if (nopen == 1 && op->keylen > 0) {
            place = place_of((const char *)t->keys.p + op->key + op->keylen, op->keylen);
        }
        nopen += op->kind == MG_OP_OPEN;
    }
    if (place >= 0 && err && (t->verb == MG_INSERT || t->verb == MG_UPDATE)) {
        err->number = place + 1;
    }
    return EL_FAIL;
}

int el_mg_text_bind(const mg_text *t, mg_buf *out, const el_value *args, int batch,
                    el_error *err) {
    size_t start, done = 0, open[MG_MAX_DEPTH + 2] = {0};
    int nopen = 0, given = 0, rc;
    const unsigned char *fixed = t->fixed.p ? t->fixed.p : (const unsigned char *)"";
    out->n = 0;
    out->arg = 0;
    rc = el_mg_open_doc(out, &start, err);
    for (size_t i = 0; rc == EL_OK && i < t->nops; i++) {
        const mg_op *op = &t->ops[i];
        rc = el_mg_put(out, fixed + done, op->at - done, err);
        done = op->at;
        if (rc != EL_OK) {
            break;
        }
        if (op->kind == MG_OP_OPEN) {
            open[nopen++] = out->n;
        } else if (op->kind == MG_OP_CLOSE) {
            bool document = t->verb == MG_INSERT && !op->list;
            size_t max = document ? MG_MAX_DOC : MG_MAX_DOC + MG_COMMAND_EXTRA;
            rc = el_mg_close_doc(out, open[--nopen], max, err);
        } else {
            out->arg = given + 1;
            rc = put_arg(t, out, op, &args[given++], nopen, err);
        }
        rc = rc == EL_OK ? rc : name_row(t, i, err);
    }
    if (rc != EL_OK || el_mg_put(out, fixed + done, t->fixed.n - done, err) != EL_OK ||
        put_batch(t, out, batch, err) != EL_OK) {
        return EL_FAIL;
    }
    out->arg = 0;
    return el_mg_close_doc(out, start, MG_MAX_DOC + MG_COMMAND_EXTRA, err);
}

/* }====== */
