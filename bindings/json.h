/* SPDX-License-Identifier: MIT
**
** json.h - what the three JSON files share: the kind that a table carries.
*/
#ifndef EL_JSON_H
#define EL_JSON_H

#include "core.h"

/* Levels of arrays and objects that JSON text may have, both ways. */
enum { EL_JSON_DEPTH = 512 };

typedef enum elL_jsonkind {
    JSON_NONE, /* no mark; as the answer to elL_json_kind: neither of the two */
    JSON_ARRAY,
    JSON_OBJECT
} elL_jsonkind;

/* Pushes the metatable that marks tables of the kind. */
void elL_json_pushmark(lua_State *L, elL_jsonkind kind);

/* What the table at `idx` was marked as. */
elL_jsonkind elL_json_mark(lua_State *L, int idx);

/*
** What the table at `idx` is written as, and the number of its entries.  JSON_NONE: it
** has holes, keys of two sorts, or other keys than its mark allows; `*why` says which.
*/
elL_jsonkind elL_json_kind(lua_State *L, int idx, size_t *n, const char **why);

/*
** Writes the shortest JSON number that reads back as the finite `d`, always with a point
** or an exponent; returns its length.
*/
enum { EL_JSON_FLOAT = 32 };
size_t elL_json_float(char *out, double d);

/* json.encode(value, options) */
int elL_json_encode(lua_State *L);

#endif
