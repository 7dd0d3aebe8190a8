/* SPDX-License-Identifier: MIT
**
** trace.c - the stack at the moment of an error, kept for the report.  The report
** itself is lua/eloquent/cli/report.lua.
*/
#include "colon.h"
#include "host.h"

enum { MAX_FRAMES = 60 }; /* a runaway recursion has 200,000 of the same */

static const char trace_key = 't'; /* its address is the key in the registry */

static void push_frame(lua_State *L, lua_Debug *ar) {
    lua_getinfo(L, "Sln", ar);
    lua_createtable(L, 0, 5);
    lua_pushstring(L, ar->source);
    lua_setfield(L, -2, "source");
    lua_pushstring(L, ar->short_src);
    lua_setfield(L, -2, "short");
    lua_pushinteger(L, ar->currentline);
    lua_setfield(L, -2, "line");
    lua_pushstring(L, ar->what);
    lua_setfield(L, -2, "what");
    if (ar->name != NULL) {
        lua_pushstring(L, ar->name);
        lua_setfield(L, -2, "name");
    }
}

int el_trace_handler(lua_State *L) {
    lua_Debug ar;
    lua_newtable(L);
    for (int level = 1; level <= MAX_FRAMES && lua_getstack(L, level, &ar); level++) {
        push_frame(L, &ar);
        lua_rawseti(L, -2, level);
    }
    lua_rawsetp(L, LUA_REGISTRYINDEX, &trace_key);
    return elL_explain(L);
}

void el_trace_push(lua_State *L) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &trace_key);
}
