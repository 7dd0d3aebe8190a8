/* SPDX-License-Identifier: MIT
**
** null.c - `eloquent.null`: what stands for SQL's NULL and JSON's null where Lua's nil
** cannot stand.  It is true in a condition; reading a NULL column gives nil instead.
*/
#include "core.h"

/* Only its address matters. */
static const char null_address = 0;

void elL_pushnull(lua_State *L) {
    lua_pushlightuserdata(L, (void *)(uintptr_t)&null_address);
}

bool elL_isnull(lua_State *L, int idx) {
    return lua_type(L, idx) == LUA_TLIGHTUSERDATA &&
           lua_touserdata(L, idx) == (const void *)&null_address;
}

/* Light userdata share one metatable, so this one tells null from the others. */
static int null_tostring(lua_State *L) {
    if (elL_isnull(L, 1)) {
        lua_pushliteral(L, "null");
    } else {
        lua_pushfstring(L, "light userdata: %p", lua_topointer(L, 1));
    }
    return 1;
}

int luaopen_eloquent_core_null(lua_State *L) {
    elL_pushnull(L);
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, null_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pushliteral(L, "eloquent.Null");
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    return 1;
}
