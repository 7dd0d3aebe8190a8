/* SPDX-License-Identifier: MIT
**
** rowset.c - packs values into rows and finds rows by number.  It owns no memory: pages
** and text come from the caller's allocator, and nothing is given back.
*/
#include "rowset.h"

#include <string.h>

enum {
    FIRST_PAGE = 8, /* rows; each page doubles up to FULL_PAGE */
    FULL_PAGE = 1024,
    SMALL_PAGES = 7, /* 8, 16 .. 512 */
    SMALL_ROWS = FIRST_PAGE * ((1 << SMALL_PAGES) - 1),
    FIRST_TEXT = 1024,
    FULL_TEXT = 256 * 1024
};

/* {====== Rows ====== */

static size_t tags_size(int ncols) {
    return ((size_t)ncols + 7) & ~(size_t)7;
}

size_t el_row_size(int ncols) {
    return tags_size(ncols) + (size_t)ncols * 8;
}

/* Bytes of one text beside the row: length, bytes, NUL, and padding for the next length.
 */
static inline size_t piece_size(size_t n) {
    return (sizeof(uint32_t) + n + 1 + 3) & ~(size_t)3;
}

static inline bool is_nested(const el_value *v) {
    return v->type == EL_LIST || v->type == EL_DOC;
}

/* Bytes of a nested value beside the row: its iterator, 8-aligned, and what it walks. */
static inline size_t nested_size(size_t n) {
    return 4 + sizeof(el_iter) + ((n + 3) & ~(size_t)3);
}

/* Puts it at `text`; the iterator's address is `*at`. */
static size_t pack_nested(unsigned char *text, const el_iter *nested, void **at) {
    unsigned char *start = text + (-(uintptr_t)text & 7);
    el_iter copy = *nested;
    copy.block = start + sizeof copy;
    memcpy(start, &copy, sizeof copy);
    memcpy(start + sizeof copy, nested->block, nested->size);
    *at = start;
    return nested_size(nested->size);
}

/* el_row_text_size, and the column of a nested value that no row can hold, or -1. */
static inline size_t text_size(const el_value *values, int ncols, int *unheld) {
    size_t total = 0;
    *unheld = -1;
    for (int i = 0; i < ncols; i++) {
        size_t n;
        if (el_type_has_bytes(values[i].type)) {
            n = values[i].u.s.n;
            total += piece_size(n);
        } else if (!is_nested(&values[i])) {
            continue;
        } else if (values[i].u.nested->block) {
            n = values[i].u.nested->size;
            total += nested_size(n);
        } else {
            *unheld = i;
            continue;
        }
        if (n > UINT32_MAX || total > SIZE_MAX / 2) {
            return SIZE_MAX;
        }
    }
    return total;
}

size_t el_row_text_size(const el_value *values, int ncols) {
    int unheld;
    return text_size(values, ncols, &unheld);
}

void el_row_pack(unsigned char *row, unsigned char *text, const el_value *values,
                 int ncols) {
    unsigned char *cell = row + tags_size(ncols);
    for (int i = 0; i < ncols; i++, cell += 8) {
        const el_value *v = &values[i];
        row[i] = (unsigned char)v->type;
        switch (v->type) {
        case EL_INT:
        case EL_TIMESTAMP:
            memcpy(cell, &v->u.i, 8);
            break;
        case EL_FLOAT:
            memcpy(cell, &v->u.d, 8);
            break;
        case EL_BOOL:
            memset(cell, 0, 8);
            cell[0] = v->u.b;
            break;
        case EL_NULL:
            memset(cell, 0, 8);
            break;
        case EL_LIST:
        case EL_DOC: {
            void *at = NULL;
            if (v->u.nested->block) { /* append refuses others */
                text += pack_nested(text, v->u.nested, &at);
            } else {
                row[i] = EL_NULL;
            }
            memset(cell, 0, 8);
            memcpy(cell, &at, sizeof at);
            break;
        }
        default: {
            uint32_t n = (uint32_t)v->u.s.n;
            memset(cell, 0, 8);
            memcpy(cell, &text, sizeof text);
            memcpy(text, &n, sizeof n);
            if (n) {
                memcpy(text + sizeof n, v->u.s.p, n);
            }
            text[sizeof n + n] = '\0';
            text += piece_size(n);
            break;
        }
        }
    }
}

void el_row_cell(const unsigned char *row, int ncols, int col, el_value *out) {
    const unsigned char *cell = row + tags_size(ncols) + (size_t)col * 8;
    out->type = (el_type)row[col];
    switch (out->type) {
    case EL_NULL:
        break;
    case EL_BOOL:
        out->u.b = cell[0] != 0;
        break;
    case EL_INT:
    case EL_TIMESTAMP:
        memcpy(&out->u.i, cell, 8);
        break;
    case EL_FLOAT:
        memcpy(&out->u.d, cell, 8);
        break;
    case EL_LIST:
    case EL_DOC: {
        const void *nested;
        memcpy(&nested, cell, sizeof nested);
        out->u.nested = nested;
        break;
    }
    default: {
        const char *text;
        uint32_t n;
        memcpy(&text, cell, sizeof text);
        memcpy(&n, text, sizeof n);
        out->u.s.p = text + sizeof n;
        out->u.s.n = n;
        break;
    }
    }
}

/* }====== */

/* {====== Rowsets ====== */

void el_rowset_init(el_rowset *rs, int ncols, el_rowset_alloc alloc, void *ud) {
    *rs = (el_rowset){.ncols = ncols, .text_block = FIRST_TEXT, .alloc = alloc, .ud = ud};
}

/* Page of the i-th row; `*at` is the row's number in it. */
static inline size_t page_of(size_t i, size_t *at) {
    if (i >= SMALL_ROWS) {
        i -= SMALL_ROWS;
        *at = i % FULL_PAGE;
        return SMALL_PAGES + i / FULL_PAGE;
    }
    size_t page = 0;
    for (size_t n = i / FIRST_PAGE + 1; n > 1; n >>= 1) {
        page++;
    }
    *at = i - FIRST_PAGE * (((size_t)1 << page) - 1);
    return page;
}

/* Room for one more page's address. */
static int grow_pages(el_rowset *rs, el_error *err) {
    size_t max = rs->maxpages ? rs->maxpages * 2 : 8;
    unsigned char **pages = NULL;
    if (max <= SIZE_MAX / sizeof *pages) {
        pages = rs->alloc(rs->ud, max * sizeof *pages);
    }
    if (!pages) {
        return el_fail(err, EL_ERR_NOMEM, 0,
                       "not enough memory for a result of more "
                       "than %zu rows",
                       rs->nrows);
    }
    if (rs->npages) {
        memcpy(pages, rs->pages, rs->npages * sizeof *pages);
    }
    rs->pages = pages;
    rs->maxpages = max;
    return EL_OK;
}

static int add_page(el_rowset *rs, el_error *err) {
    if (rs->npages == rs->maxpages && grow_pages(rs, err) != EL_OK) {
        return EL_FAIL;
    }
    size_t rows = rs->npages < SMALL_PAGES ? (size_t)FIRST_PAGE << rs->npages : FULL_PAGE;
    size_t size = el_row_size(rs->ncols);
    if (size > SIZE_MAX / rows) {
        return el_fail(err, EL_ERR_NOMEM, 0, "a row of %d columns is too wide",
                       rs->ncols);
    }
    unsigned char *page = rs->alloc(rs->ud, size ? rows * size : 8);
    if (!page) {
        return el_fail(err, EL_ERR_NOMEM, 0,
                       "not enough memory for a result of more than %zu rows", rs->nrows);
    }
    rs->pages[rs->npages++] = page;
    return EL_OK;
}

/* n bytes for the text of one row; big ones get a block of their own. */
static unsigned char *text_room(el_rowset *rs, size_t n) {
    if (n <= (size_t)(rs->text_end - rs->text)) {
        unsigned char *text = rs->text;
        rs->text += (n + 7) & ~(size_t)7; /* blocks are a multiple of 8 too */
        return text;
    }
    while (n > rs->text_block / 4 && rs->text_block < FULL_TEXT) {
        rs->text_block *= 2;
    }
    if (n > rs->text_block / 4) {
        return rs->alloc(rs->ud, n);
    }
    unsigned char *block = rs->alloc(rs->ud, rs->text_block);
    if (!block) {
        return NULL;
    }
    rs->text = block + ((n + 7) & ~(size_t)7);
    rs->text_end = block + rs->text_block;
    if (rs->text_block < FULL_TEXT) {
        rs->text_block *= 2;
    }
    return block;
}

static int refuse_text(const el_value *values, int ncols, el_error *err) {
    for (int i = 0; i < ncols; i++) {
        if (el_type_has_bytes(values[i].type) && values[i].u.s.n > UINT32_MAX) {
            return el_fail(err, EL_ERR_VALUE, 0,
                           "column %d has a value of %zu bytes; a result holds values up "
                           "to 4 GiB",
                           i + 1, values[i].u.s.n);
        }
    }
    return el_fail(err, EL_ERR_NOMEM, 0, "not enough memory for the text of one row");
}

int el_rowset_append(el_rowset *rs, const el_value *values, el_error *err) {
    int unheld;
    size_t at, page = page_of(rs->nrows, &at);
    size_t n = text_size(values, rs->ncols, &unheld);
    if (n == SIZE_MAX) {
        return refuse_text(values, rs->ncols, err);
    } else if (unheld >= 0) {
        return el_fail(err, EL_ERR_VALUE, 0,
                       "column %d is a %s, which a row of cells can't hold", unheld + 1,
                       el_type_name(values[unheld].type));
    }
    if (page == rs->npages && add_page(rs, err) != EL_OK) {
        return EL_FAIL;
    }
    unsigned char none[8], *text = none; /* nothing is written where n is 0 */
    if (n) {
        text = text_room(rs, n);
        if (!text) {
            return el_fail(err, EL_ERR_NOMEM, 0,
                           "not enough memory for the %zu bytes of text of row %zu", n,
                           rs->nrows + 1);
        }
    }
    el_row_pack(rs->pages[page] + at * el_row_size(rs->ncols), text, values, rs->ncols);
    rs->nrows++;
    return EL_OK;
}

const unsigned char *el_rowset_row(const el_rowset *rs, size_t i) {
    size_t at, page = page_of(i, &at);
    return rs->pages[page] + at * el_row_size(rs->ncols);
}

/* }====== */
