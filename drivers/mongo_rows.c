/* SPDX-License-Identifier: MIT
**
** mongo_rows.c - documents of replies as rows: where they stand, which field is which
** column, and handing all of it over.  Nothing is copied but documents with values that
** no el_value has.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mongo_driver.h"

struct mg_exposed {
    struct mg_exposed *next;
    mg_buf doc;
};

/* {====== Memory ====== */

int el_mg_result_new(mg_result **out, mg_text *text, el_error *err) {
    mg_result *r = calloc(1, sizeof *r);
    uint16_t *order = calloc((size_t)text->nfields + 1, sizeof *order);
    if (!r || !order) {
        free(r);
        free(order);
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for a result");
    }
    for (int i = 0, paths = 0; i < text->nfields; i++) {
        bool path = text->fields[i].dotted;
        order[path ? text->nfields - ++paths : r->nnames++] = (uint16_t)i;
    }
    text->refs++;
    r->text = text;
    r->nspots = text->nfields;
    r->order = order;
    *out = r;
    return EL_OK;
}

void el_mg_result_clear(mg_result *r) {
    while (r->replies) {
        mg_reply *next = r->replies->next;
        bson_destroy(&r->replies->doc);
        free(r->spare);
        r->spare = r->replies;
        r->replies = next;
    }
    while (r->exposed) {
        struct mg_exposed *next = r->exposed->next;
        el_mg_buf_release(&r->exposed->doc);
        free(r->exposed);
        r->exposed = next;
    }
    r->nrows = 0;
}

void el_mg_result_free(mg_result *r) {
    if (r) {
        el_mg_result_clear(r);
        el_mg_text_drop(r->text);
        free(r->spare);
        free(r->rows);
        free(r->spots);
        free(r->order);
        free(r);
    }
}

bson_t *el_mg_result_reply(mg_result *r, el_error *err) {
    mg_reply *reply =
        r->spare ? r->spare : aligned_alloc(_Alignof(mg_reply), sizeof *reply);
    r->spare = NULL;
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

/* Room for one more row. */
static int make_room(mg_result *r, el_error *err) {
    if (r->nrows < r->maxrows) {
        return EL_OK;
    }
    size_t max = r->maxrows ? r->maxrows * 2 : 16, n = (size_t)r->nspots;
    bool fits = max <= SIZE_MAX / (sizeof *r->rows + n * sizeof *r->spots);
    mg_row *rows = fits ? realloc(r->rows, max * sizeof *rows) : NULL;
    r->rows = rows ? rows : r->rows;
    uint16_t *spots =
        rows && n > 0 ? realloc(r->spots, max * n * sizeof *spots) : r->spots;
    r->spots = spots ? spots : r->spots;
    if (!rows || (n > 0 && !spots)) {
        return el_fail(err, EL_ERR_NOMEM, 0,
                       "not enough memory for a result of more than %zu rows", r->nrows);
    }
    r->maxrows = max;
    return EL_OK;
}

/* Memory for another document of this result; NULL: there is none. */
static mg_buf *add_exposed(mg_result *r, el_error *err) {
    struct mg_exposed *e = calloc(1, sizeof *e);
    if (!e) {
        el_fail(err, EL_ERR_NOMEM, 0, "no memory for a document");
        return NULL;
    }
    e->next = r->exposed;
    r->exposed = e;
    return &e->doc;
}

/* The element of that name or number; false: there is none, or `e` has none at all. */
static bool enter(const mg_element *e, const char *name, size_t n, mg_element *out) {
    bool nested = e->type == MG_DOC || e->type == MG_ARRAY;
    for (size_t at = 4; nested && el_mg_next(e->value, e->size, &at, out);) {
        if (out->keylen == n && memcmp(out->key, name, n) == 0) {
            return true;
        }
    }
    return false;
}

/* Whether a path goes on in the items of `e`: it is a list and the name no item's number.
 */
static bool has_items(const mg_element *e, const char *name, size_t n) {
    return e->type == MG_ARRAY && strspn(name, "0123456789") < n;
}

/* Whether the path ends at a list, whose items may have the rest of it. */
static bool meets_list(const mg_element *doc, const char *path) {
    mg_element e = *doc, inner;
    size_t n = strcspn(path, ".");
    while (enter(&e, path, n, &inner)) {
        if (path[n] == '\0') {
            return false;
        }
        e = inner;
        path += n + 1;
        n = strcspn(path, ".");
    }
    return has_items(&e, path, n);
}

/*
** Puts the values that the path has in `e`, going through the items of a list that has no
** such number.  What is walked was checked: the recursion ends.
*/
static int gather(mg_buf *out, unsigned *count, const mg_element *e, const char *path,
                  el_error *err) {
    size_t n = strcspn(path, "."), at = 4;
    mg_element inner;
    if (n == 0) {
        char key[16];
        int len = snprintf(key, sizeof key, "%u", (*count)++);
        int rc = el_mg_put_key(out, e->type, key, (size_t)len, err);
        return rc == EL_OK ? el_mg_put(out, e->value, e->size, err) : rc;
    } else if (enter(e, path, n, &inner)) {
        return gather(out, count, &inner, path[n] ? path + n + 1 : path + n, err);
    }
    int rc = EL_OK;
    while (has_items(e, path, n) && rc == EL_OK &&
           el_mg_next(e->value, e->size, &at, &inner)) {
        rc = inner.type == MG_DOC || inner.type == MG_ARRAY
                 ? gather(out, count, &inner, path, err)
                 : EL_OK;
    }
    return rc;
}

/* Whether a value stands where the path says, or under the path as a name. */
static bool find_far(const mg_row *row, const mg_field *f, mg_element *out) {
    mg_field name = {.path = f->path, .len = f->len};
    return el_mg_find(row->doc, row->size, f, out) ||
           (f->dotted && el_mg_find(row->doc, row->size, &name, out));
}

/*
** A row in which a path goes through a list gets a copy that has the list of its values
** besides, under the path as a name.
*/
static int spread_lists(mg_result *r, mg_row *row, el_error *err) {
    const mg_element doc = {.type = MG_DOC, .value = row->doc, .size = row->size};
    mg_buf *out = NULL;
    size_t start = 0, at;
    for (int i = r->nnames; i < r->nspots; i++) {
        const mg_field *f = &r->text->fields[r->order[i]];
        mg_element found;
        unsigned count = 0;
        if (find_far(row, f, &found) || !meets_list(&doc, f->path)) {
            continue;
        }
        if (!out) {
            out = add_exposed(r, err);
            if (!out || el_mg_open_doc(out, &start, err) != EL_OK ||
                el_mg_put(out, doc.value + 4, doc.size - 5, err) != EL_OK) {
                return EL_FAIL;
            }
        }
        if (el_mg_put_key(out, MG_ARRAY, f->path, f->len, err) != EL_OK ||
            el_mg_open_doc(out, &at, err) != EL_OK ||
            gather(out, &count, &doc, f->path, err) != EL_OK ||
            el_mg_close_doc(out, at, INT32_MAX, err) != EL_OK) {
            return EL_FAIL;
        }
    }
    if (out) {
        if (el_mg_close_doc(out, start, INT32_MAX, err) != EL_OK) {
            return EL_FAIL;
        }
        *row = (mg_row){out->p, out->n};
    }
    return EL_OK;
}

int el_mg_result_add(mg_result *r, const unsigned char *doc, size_t size, el_error *err) {
    bool special;
    if (make_room(r, err) != EL_OK) {
        return EL_FAIL;
    }
    mg_spots spots = {.fields = r->text->fields,
                      .n = r->nspots,
                      .known = r->nnames,
                      .order = r->order,
                      .learns = r->nrows == 0,
                      .at = r->spots + r->nrows * (size_t)r->nspots};
    mg_spots *fields = r->nspots > 0 ? &spots : NULL;
    if (el_mg_check(doc, size, fields, &special, err) != EL_OK) {
        return EL_FAIL;
    }
    if (special) {
        mg_buf *copy = add_exposed(r, err);
        if (!copy || el_mg_expose(copy, doc, size, err) != EL_OK ||
            el_mg_check(copy->p, copy->n, fields, NULL, err) != EL_OK) {
            return EL_FAIL;
        }
        doc = copy->p;
        size = copy->n;
    }
    mg_row *row = &r->rows[r->nrows];
    *row = (mg_row){doc, size};
    if (r->nnames < r->nspots && spread_lists(r, row, err) != EL_OK) {
        return EL_FAIL;
    }
    r->nrows++;
    return EL_OK;
}

void el_mg_result_cell(const mg_result *r, size_t row, int column, mg_element *out) {
    const mg_row *at = &r->rows[row];
    if (r->nspots == 0) {
        *out = (mg_element){.type = MG_DOC, .value = at->doc, .size = at->size};
        return;
    }
    const mg_field *f = &r->text->fields[column];
    unsigned spot = r->spots[row * (size_t)r->nspots + (size_t)column];
    bool found = spot != MG_NOWHERE;
    if (spot == MG_FAR) {
        found = find_far(at, f, out);
    } else if (found) {
        el_mg_at(at->doc, at->size, spot, f->len, out);
    }
    if (f->instead && (!found || out->type == MG_NULL)) {
        mg_field other = {.path = f->instead, .len = strlen(f->instead)};
        found = el_mg_find(at->doc, at->size, &other, out);
    }
    if (!found) {
        *out = (mg_element){.type = MG_NULL};
    }
}

/* }====== */

/* {====== Whole results ====== */

void el_mg_cell(void *result, size_t row, int column, el_value *out) {
    mg_result *r = result;
    mg_element cell;
    el_mg_result_cell(r, row, column, &cell);
    el_mg_decode(&cell, out, r->slot.scratch, &r->slot.room);
}

void el_mg_discard(void *result) {
    el_mg_result_free(result);
}

/* }====== */
