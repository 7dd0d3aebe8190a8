/* SPDX-License-Identifier: MIT
**
** document.h - what the files of documents share with those that bind and read values.
** A document is a table whose metatable knows the order of its keys.
*/
#ifndef EL_DOCUMENT_H
#define EL_DOCUMENT_H

#include "json.h"

/* {====== document.c ====== */

/*
** Fills `out` from the table at the top of the stack, and puts there what keeps it alive.
** Raises an error of kind "value" with the path of what no document can hold.  `around`
** levels of it are no document's: those of a command with documents in it.  `rules` say
** what is refused beyond that: strings that are no UTF-8, which would come back as bytes,
** and NaN.
*/
enum { ELL_COMMAND_LEVELS = 4, ELL_TEXT_ONLY = 1, ELL_NO_NAN = 2 };
void elL_todocument(lua_State *L, el_value *out, int around, unsigned rules);

/* Why these are refused: "it ..." */
extern const char elL_nan_refused[], elL_bytes_refused[];

/* Pushes a value as it stands in a document: null is eloquent.null, bytes keep their
 * type. */
void elL_pushnested(lua_State *L, const el_value *v);

/* True when the Lua value at `idx` would be sent as `v`; the order of keys is no matter.
** `depth` is 0. */
bool elL_document_same(lua_State *L, int idx, const el_value *v, int depth);

/* }====== */

/* {====== document_keys.c ====== */

/* Pushes the metatable of documents without keys. */
void elL_document_pushorder(lua_State *L);

/*
** Puts into slot `at`, which has the metatable of a document, that of the document with
** one key more: the string at the top, which stays there.
*/
void elL_document_addkey(lua_State *L, int at);

/* Pushes a list of the keys of the table at `idx`, all strings: in the document's order,
** then sorted. */
void elL_document_pushkeys(lua_State *L, int idx);

bool elL_isdocument(lua_State *L, int idx);

/* }====== */

/* {====== kept.c: a value of a database as it stands, with its bytes ====== */

#define ELL_KEPT "eloquent.Value"

/* Pushes a copy.  Raises an error of kind "unsupported" for what can't be copied. */
void elL_pushkept(lua_State *L, const el_value *v);

/* The value of the userdata at `idx`, lent as long as that lives; false for others. */
bool elL_testkept(lua_State *L, int idx, el_value *out);

/* }====== */

int luaopen_eloquent_core_document(lua_State *L);

#endif
