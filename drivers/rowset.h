/* SPDX-License-Identifier: MIT
**
** rowset.h - rows as typed cells, packed: one tag byte and eight bytes a cell, text
** beside them.  No cell becomes anything else before somebody reads it.
**
** A row is `[tag * ncols, padded to 8][cell * ncols]`.  Its address is stable, so a
** record can hold it; the memory comes from the caller, who keeps it alive.
*/
#ifndef EL_ROWSET_H
#define EL_ROWSET_H

#include "driver.h"

/* Bytes of the fixed part of a row. */
size_t el_row_size(int ncols);

/* Bytes that the text of these values takes beside the row; SIZE_MAX when too long. */
size_t el_row_text_size(const el_value *values, int ncols);

/* Packs values into `row` (el_row_size) and `text` (el_row_text_size), 8-aligned both. */
void el_row_pack(unsigned char *row, unsigned char *text, const el_value *values,
                 int ncols);

/* The value of a cell; its bytes live as long as the row. */
void el_row_cell(const unsigned char *row, int ncols, int col, el_value *out);

/* Gives n bytes, 8-aligned, that outlive the rowset, or NULL; may also not return. */
typedef void *(*el_rowset_alloc)(void *ud, size_t n);

typedef struct el_rowset {
    int ncols;
    size_t nrows;
    unsigned char **pages; /* of 8, 16 .. 512, then 1024 rows each */
    size_t npages, maxpages;
    unsigned char *text, *text_end; /* free part of the current text block */
    size_t text_block;              /* size of the next one */
    el_rowset_alloc alloc;
    void *ud;
} el_rowset;

void el_rowset_init(el_rowset *rs, int ncols, el_rowset_alloc alloc, void *ud);

/* Appends one row; fails with EL_ERR_NOMEM, or EL_ERR_VALUE for text beyond 4 GiB. */
int el_rowset_append(el_rowset *rs, const el_value *values, el_error *err);

/* The i-th row, 0 first; i < nrows. */
const unsigned char *el_rowset_row(const el_rowset *rs, size_t i);

#endif
