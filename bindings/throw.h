/* SPDX-License-Identifier: MIT
**
** throw.h - raising a driver's error as a Lua error object.
*/
#ifndef EL_THROW_H
#define EL_THROW_H

#include <lua.h>

#include "error.h"

/* Raises the error object that describes `e`; never returns. */
int elL_throw(lua_State *L, const el_error *e);

#endif
