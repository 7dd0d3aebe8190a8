/* SPDX-License-Identifier: MIT
**
** sqlite_functions.h - exact decimals inside SQLite, which has none of its own.  They are
** kept in columns of TEXT affinity, declared COLLATE decimal.
**
** The collation `decimal` orders numbers by value (12.30 equals 12.3) and everything that
** is no number after them, so =, <, UNIQUE, ORDER BY, min() and max() are right.
**
** Functions, each NULL when an argument is NULL: decimal_add(x, y), decimal_sub(x, y),
** decimal_mul(x, y), decimal_div(x, y, scale), decimal_round(x, scale), both rounding
** half up; decimal_cmp(x, y) gives -1, 0 or 1.  Aggregates, also over windows, which
** ignore NULL and give NULL for no rows: decimal_sum(x), and decimal_avg(x) with 4 digits
** more than the longest x.  Arguments are text or integers; a real number is an error.
*/
#ifndef EL_SQLITE_FUNCTIONS_H
#define EL_SQLITE_FUNCTIONS_H

#include <sqlite3.h>

/* Registers all of them; returns SQLite's result code. */
int el_sqlite_functions(sqlite3 *db);

#endif
