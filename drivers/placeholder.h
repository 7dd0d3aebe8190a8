/* SPDX-License-Identifier: MIT
**
** placeholder.h - the `?` and `:name` placeholders of any SQL text, rewritten to the
** form that a database takes.
**
**   ?        the next value                          (all)
**   :name    a named value, as often as you like     (all)
**   ??       the operator `?` of jsonb, as is ??| ??& (PostgreSQL)
**   $1  ?1   numbered by hand, left as they are      (PostgreSQL; SQLite)
**
** A text keeps to one of the three forms.  Strings, quoted identifiers, comments, casts,
** array slices and dollar quotes are left alone.  On PostgreSQL `?|`, `?&` and `@?` that
** begin an operator are operators; `?||` and `?&&` are a placeholder and an operator.
*/
#ifndef EL_PLACEHOLDER_H
#define EL_PLACEHOLDER_H

#include <stddef.h>

#include "error.h"

typedef enum el_dialect {
    EL_DIALECT_SQLITE, /* ? */
    EL_DIALECT_PG,     /* $1, $2 */
    EL_DIALECT_MYSQL   /* ? */
} el_dialect;

typedef enum el_placeholder_style {
    EL_STYLE_NONE, /* no placeholder at all */
    EL_STYLE_POSITIONAL,
    EL_STYLE_NAMED,
    EL_STYLE_NUMBERED
} el_placeholder_style;

/* Highest number of a `$1` or `?1`. */
enum { EL_PLACEHOLDER_MAX = 65535 };

/* Which value one native placeholder takes. */
typedef struct el_placeholder {
    const char *name; /* of the scanned text, no NUL at its end; NULL: by position */
    size_t namelen;
    size_t position; /* 1 first; 0 with a name */
} el_placeholder;

typedef struct el_placeholders {
    char *sql; /* native text, ends with NUL */
    size_t len;
    el_placeholder *order; /* entry i is for native placeholder i + 1 */
    size_t count;
    el_placeholder_style style;
} el_placeholders;

/*
** Fills `out`, which lends its names from `sql`; release it.  Fails (and leaves `out`
** empty) with EL_ERR_SYNTAX for what is not closed, EL_ERR_MISUSE for mixed or foreign
** placeholders and for a NUL byte, EL_ERR_NOMEM.  Messages give line and column, and
** no text but names of placeholders.
*/
int el_placeholder_scan(el_placeholders *out, const char *sql, size_t len,
                        el_dialect dialect, el_error *err);

/* Frees what a scan made and makes `out` empty; an empty one is fine. */
void el_placeholder_release(el_placeholders *out);

#endif
