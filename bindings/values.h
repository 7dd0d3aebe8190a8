/* SPDX-License-Identifier: MIT
**
** values.h - the value types that scripts see beyond Lua's own: null, decimal, datetime,
** objectid and JSON values.  Each has its C file and its module eloquent.core.*.
**
** Every function works in any state: metatables are made on first use, so a module
** need not have been opened before a value of its type is pushed.
*/
#ifndef EL_VALUES_H
#define EL_VALUES_H

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Metatable names are what users read in messages. */
#define ELL_DECIMAL "eloquent.Decimal"
#define ELL_DATETIME "eloquent.DateTime"
#define ELL_OBJECTID "eloquent.ObjectId"
#define ELL_JSON_ARRAY "eloquent.JsonArray"
#define ELL_JSON_OBJECT "eloquent.JsonObject"

/*
** The userdata at `idx` whose first member is `tag`, or NULL: what luaL_testudata tells,
** without looking a name up, for the checks that every statement makes.
*/
static inline void *elL_testtag(lua_State *L, int idx, const void *tag, size_t size) {
    void *p = lua_touserdata(L, idx); /* a light one has no length */
    return p && lua_rawlen(L, idx) >= size && *(const void **)p == tag ? p : NULL;
}

/* Pushes `eloquent.null`, a light userdata (null.c). */
void elL_pushnull(lua_State *L);
bool elL_isnull(lua_State *L, int idx);

/*
** Pushes the decimal that the n bytes spell ("-12.30", "1e5"), its scale kept.  Raises an
** error of kind "value" when they spell none.
*/
void elL_pushdecimal(lua_State *L, const char *text, size_t n);

/* The same, but for such bytes it is false and pushes nothing. */
bool elL_trypushdecimal(lua_State *L, const char *text, size_t n);

/*
** Pushes the decimal at `idx` with exactly `scale` digits after the point.  Raises an
** error of kind "value" when that would drop a digit that is not 0.
*/
void elL_pushrescaled(lua_State *L, int idx, int scale);

/* Puts zeros behind the decimal at `idx` until it has `scale` digits after the point. */
void elL_padscale(lua_State *L, int idx, int scale);

/*
** The decimal at `idx` as plain text (no exponent, ends with NUL), or NULL when there is
** none.  The text lives as long as the userdata.  `n` may be NULL.
*/
const char *elL_testdecimal(lua_State *L, int idx, size_t *n);

/* Pushes the moment; raises an error of kind "value" outside the years 1 to 9999. */
void elL_pushdatetime(lua_State *L, int64_t micros);

/* False, and *micros untouched, when there is no datetime at `idx`. */
bool elL_testdatetime(lua_State *L, int idx, int64_t *micros);

/* Pushes the datetime's text form, as `tostring` gives it. */
void elL_pushdatetimetext(lua_State *L, int64_t micros);

enum { ELL_OBJECTID_DIGITS = 24 };

/*
** Pushes the objectid that 24 hexadecimal digits spell; raises an error of kind "value"
** for anything else.
*/
void elL_pushobjectid(lua_State *L, const char *text, size_t n);

/*
** The objectid at `idx` as 24 lower-case hexadecimal digits and NUL, or NULL when there
** is none.  The text lives as long as the userdata.
*/
const char *elL_testobjectid(lua_State *L, int idx);

/*
** Pushes the value that the JSON text spells.  Raises an error of kind "value" when it
** is malformed, nested too deeply, or has a number that no value can hold.  Returns 1.
*/
int elL_jsondecode(lua_State *L, const char *text, size_t n);

/*
** Pushes the value at `idx` as JSON text, keys sorted.  Raises an error of kind "value"
** that names the path of what JSON cannot express.  Returns 1.
*/
int elL_jsonencode(lua_State *L, int idx);

/* Compares decoded JSON values by structure; 1, 1.0 and decimal 1 are three values. */
bool elL_jsonequals(lua_State *L, int a, int b);

int luaopen_eloquent_core_decimal(lua_State *L);
int luaopen_eloquent_core_datetime(lua_State *L);
int luaopen_eloquent_core_objectid(lua_State *L);
int luaopen_eloquent_core_json(lua_State *L);

#endif
