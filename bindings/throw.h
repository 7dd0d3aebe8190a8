/* SPDX-License-Identifier: MIT
**
** throw.h - raising a driver's error as a Lua error object.
*/
#ifndef EL_THROW_H
#define EL_THROW_H

#include <lua.h>
#include <stdlib.h>

#include "error.h"

/* lua_error, known to the compiler as one that does not come back. */
EL_NORETURN static inline int elL_raise(lua_State *L) {
    lua_error(L);
    abort();
}

/* Raises the error object that describes `e`; never returns. */
int elL_throw(lua_State *L, const el_error *e) EL_NORETURN;

#endif
