/* SPDX-License-Identifier: MIT
**
** mongo_rows.c - documents of replies as rows: where they stand, which field is which
** column, and handing all of it over.  Nothing is copied but documents with values that
** no el_value has.
*/
#include <stdlib.h>
#include <string.h>

#include "mongo_driver.h"

struct mg_exposed {
    struct mg_exposed *next;
    mg_buf doc;
};

/* {====== Memory ====== */

static size_t count_columns(const mg_text *t) {
    return t->nfields > 0 ? (size_t)t->nfields : 1;
}

int el_mg_result_new(mg_result **out, mg_text *text, el_error *err) {
    mg_result *r = calloc(1, sizeof *r);
    mg_element *cells = calloc(count_columns(text), sizeof *cells);
    if (!r || !cells) {
        free(r);
        free(cells);
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for a result");
    }
    text->refs++;
    r->text = text;
    r->cells = cells;
    r->located = SIZE_MAX;
    *out = r;
    return EL_OK;
}

void el_mg_result_clear(mg_result *r) {
    while (r->replies) {
        mg_reply *next = r->replies->next;
        bson_destroy(&r->replies->doc);
        free(r->replies);
        r->replies = next;
    }
    while (r->exposed) {
        struct mg_exposed *next = r->exposed->next;
        el_mg_buf_release(&r->exposed->doc);
        free(r->exposed);
        r->exposed = next;
    }
    r->nrows = 0;
    r->located = SIZE_MAX;
}

void el_mg_result_free(mg_result *r) {
    if (r) {
        el_mg_result_clear(r);
        el_mg_text_drop(r->text);
        free(r->rows);
        free(r->cells);
        free(r);
    }
}

bson_t *el_mg_result_reply(mg_result *r, el_error *err) {
    mg_reply *reply = aligned_alloc(_Alignof(mg_reply), sizeof *reply);
    if (!reply) {
        el_fail(err, EL_ERR_NOMEM, 0, "no memory for a reply of the server");
        return NULL;
    }
    bson_init(&reply->doc); /* nothing to free, should nobody fill it */
    reply->next = r->replies;
    r->replies = reply;
    return &reply->doc;
}

/* }====== */

/* {====== Rows ====== */

static int add_row(mg_result *r, const unsigned char *doc, size_t size, el_error *err) {
    if (r->nrows == r->maxrows) {
        size_t max = r->maxrows ? r->maxrows * 2 : 16;
        mg_row *rows =
            max <= SIZE_MAX / sizeof *rows ? realloc(r->rows, max * sizeof *rows) : NULL;
        if (!rows) {
            return el_fail(err, EL_ERR_NOMEM, 0,
                           "not enough memory for a result of more than %zu rows",
                           r->nrows);
        }
        r->rows = rows;
        r->maxrows = max;
    }
    r->rows[r->nrows++] = (mg_row){doc, size};
    return EL_OK;
}

int el_mg_result_add(mg_result *r, const unsigned char *doc, size_t size, el_error *err) {
    bool special;
    if (el_mg_check(doc, size, &special, err) != EL_OK) {
        return EL_FAIL;
    }
    if (!special) {
        return add_row(r, doc, size, err);
    }
    struct mg_exposed *e = calloc(1, sizeof *e);
    if (!e) {
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for a document");
    }
    e->next = r->exposed;
    r->exposed = e;
    if (el_mg_expose(&e->doc, doc, size, err) != EL_OK) {
        return EL_FAIL;
    }
    return add_row(r, e->doc.p, e->doc.n, err);
}

static bool is_field(const mg_field *f, const mg_element *e) {
    return f->len == e->keylen && memcmp(f->path, e->key, e->keylen) == 0;
}

/* Servers send fields in the order of the projection, so the next is mostly right. */
static void locate(const mg_text *t, const mg_row *row, mg_element *cells) {
    int n = t->nfields, next = 0, left = n;
    size_t at = 4;
    mg_element e;
    for (int i = 0; i < n; i++) {
        cells[i] = (mg_element){.type = MG_NULL};
    }
    while (left > 0 && el_mg_next(row->doc, row->size, &at, &e)) {
        int i = next;
        for (int k = 0; k < n && !is_field(&t->fields[i], &e); k++) {
            i = i + 1 < n ? i + 1 : 0;
        }
        if (is_field(&t->fields[i], &e)) {
            cells[i] = e;
            next = i + 1 < n ? i + 1 : 0;
            left--;
        }
    }
    for (int i = 0; i < n; i++) {
        if (t->fields[i].dotted && el_mg_find(row->doc, row->size, &t->fields[i], &e)) {
            cells[i] = e;
        }
    }
}

const mg_element *el_mg_result_cells(mg_result *r, size_t i) {
    if (r->located != i) {
        const mg_row *row = &r->rows[i];
        if (r->text->nfields > 0) {
            locate(r->text, row, r->cells);
        } else {
            *r->cells =
                (mg_element){.type = MG_DOC, .value = row->doc, .size = row->size};
        }
        r->located = i;
    }
    return r->cells;
}

/* }====== */

/* {====== Whole results ====== */

void el_mg_cell(void *result, size_t row, int column, el_value *out) {
    mg_result *r = result;
    const mg_element *cells = el_mg_result_cells(r, row);
    el_mg_decode(&cells[column], out, r->slot.scratch, &r->slot.room);
}

void el_mg_discard(void *result) {
    el_mg_result_free(result);
}

/* }====== */
