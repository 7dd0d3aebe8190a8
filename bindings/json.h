/* SPDX-License-Identifier: MIT
**
** json.h - what the files of JSON and documents share: the kind that a table carries, and
** where a value stands in a tree of tables.
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

/* Where a value stands: its table, and its key or position in it. */
typedef struct elL_place {
    const struct elL_place *parent;
    const void *table;
    const char *key; /* NULL: a position */
    lua_Integer position;
    int depth;
} elL_place;

/*
** Fills `inner` for the entries of the table at `idx`, which stands at `at`.  NULL, or
** why that can't be: it is in itself, or deeper than `most` levels.  May push the reason.
*/
const char *elL_json_enter(elL_place *inner, lua_State *L, int idx, const elL_place *at,
                           int most);

/* Writes the place as ".items[3].name", as much of it as there is room for. */
enum { EL_JSON_PATH = 200 };
void elL_json_path(char out[EL_JSON_PATH], const elL_place *at);

/* A key of a table, for sorting by bytes; the text is of a string that others keep. */
typedef struct elL_key {
    const char *text;
    size_t n;
} elL_key;
int elL_json_comparekeys(const void *a, const void *b);

/*
** Writes the shortest JSON number that reads back as the finite `d`, always with a point
** or an exponent; returns its length.
*/
enum { EL_JSON_FLOAT = 32 };
size_t elL_json_float(char *out, double d);

/* json.encode(value, options) */
int elL_json_encode(lua_State *L);

#endif
