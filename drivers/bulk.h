/* SPDX-License-Identifier: MIT
**
** bulk.h - many rows into one table: the driver's own way where it has one, else by
** prepared statements of several rows each.
*/
#ifndef EL_BULK_H
#define EL_BULK_H

#include "statements.h"

/*
** Begins; the connection is that of `cache`, inside a transaction, and does nothing else
** until the end.  `into` is SQL for the table and its columns, `"users" ("name", "age")`;
** it is copied.  `rows` is how many rows a statement takes where it is done by those.
** EL_ERR_UNSUPPORTED: roll back and use statements of your own.
*/
int el_bulk_begin(el_bulk **out, el_statements *cache, const char *into, int ncolumns,
                  int rows, el_error *err);

/*
** One row.  What its values point to must live until b->pending is 0 again, which a
** driver sees to at least every few thousand rows.
*/
int el_bulk_row(el_bulk *b, const el_value *values, el_error *err);

/*
** Sends what is pending, unless `good` is false; frees `b` in any case.  *failed is the
** row that the failure is about, 1 the first, or 0 when the engine doesn't tell.
*/
int el_bulk_end(el_bulk *b, bool good, int64_t *failed, el_error *err);

#endif
