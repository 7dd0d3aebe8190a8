/* SPDX-License-Identifier: MIT
**
** placeholder.c - module eloquent.core.placeholder: scan(sql, dialect).
*/
#include "placeholder.h"

#include <lauxlib.h>
#include <lua.h>

#include "throw.h"

int luaopen_eloquent_core_placeholder(lua_State *L);

#define ELL_PLACEHOLDERS "eloquent.Placeholders"

static int release(lua_State *L) {
    el_placeholder_release(luaL_checkudata(L, 1, ELL_PLACEHOLDERS));
    return 0;
}

/*
** scan(sql, dialect) -> native text, order, named?  Entry i of `order` is what native
** placeholder i takes: a position or a name.
*/
static int scan(lua_State *L) {
    static const char *const dialects[] = {[EL_DIALECT_SQLITE] = "sqlite",
                                           [EL_DIALECT_PG] = "pg",
                                           [EL_DIALECT_MYSQL] = "mysql",
                                           NULL};
    size_t len;
    const char *sql = luaL_checklstring(L, 1, &len);
    el_dialect dialect = (el_dialect)luaL_checkoption(L, 2, NULL, dialects);
    el_error err = {0};
    el_placeholders *found = lua_newuserdatauv(L, sizeof *found, 0);
    *found = (el_placeholders){0};
    luaL_setmetatable(L, ELL_PLACEHOLDERS);
    if (el_placeholder_scan(found, sql, len, dialect, &err) != EL_OK) {
        return elL_throw(L, &err);
    }
    lua_pushlstring(L, found->sql, found->len);
    lua_createtable(L, found->count < 1024 ? (int)found->count : 1024, 0);
    for (size_t i = 0; i < found->count; i++) {
        const el_placeholder *entry = &found->order[i];
        if (entry->name) {
            lua_pushlstring(L, entry->name, entry->namelen);
        } else {
            lua_pushinteger(L, (lua_Integer)entry->position);
        }
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_pushboolean(L, found->style == EL_STYLE_NAMED);
    el_placeholder_release(found); /* not left to the collector */
    return 3;
}

int luaopen_eloquent_core_placeholder(lua_State *L) {
    static const luaL_Reg functions[] = {{"scan", scan}, {NULL, NULL}};
    if (luaL_newmetatable(L, ELL_PLACEHOLDERS)) {
        lua_pushcfunction(L, release);
        lua_setfield(L, -2, "__gc");
        lua_pushliteral(L, ELL_PLACEHOLDERS);
        lua_setfield(L, -2, "__metatable");
    }
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
