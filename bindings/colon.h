/* SPDX-License-Identifier: MIT
**
** colon.h - errors of verbs that a script called with a dot in place of a colon.
*/
#ifndef EL_COLON_H
#define EL_COLON_H

#include <lua.h>

/*
** Message handler for lua_pcall: where a script called a verb of the program on nothing, or
** on something else, an error object that says so takes the place of the error.
*/
int elL_explain(lua_State *L);

/* Lua's pcall, with that handler. */
int elL_pcall(lua_State *L);

#endif
