/* SPDX-License-Identifier: MIT
**
** json_fuzz.c - JSON text to Lua values and back: what was decoded is encoded, decoded
** and encoded once more, and neither the value nor the text may change.
*/
#include "fuzz.h"

#include <lauxlib.h>
#include <lua.h>

#include "core.h"

/* decode(text) -> value, and what encodes back to it */
static int round_trip(lua_State *L) {
    size_t n;
    const char *text = lua_tolstring(L, 1, &n);
    elL_jsondecode(L, text, n); /* 2 */
    lua_pushboolean(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, "decoded");
    elL_jsonencode(L, 2); /* 3 */
    const char *first = lua_tolstring(L, 3, &n);
    elL_jsondecode(L, first, n); /* 4 */
    REQUIRE(lua_gettop(L) == 4 && elL_jsonequals(L, 2, 4));
    elL_jsonencode(L, 4); /* 5 */
    REQUIRE(lua_rawequal(L, 3, 5));
    return 0;
}

static void check_error(lua_State *L, bool decoded) {
    REQUIRE(lua_type(L, -1) == LUA_TTABLE); /* an error object, no string */
    lua_getfield(L, -1, "kind");
    const char *kind = lua_tostring(L, -1);
    REQUIRE(kind && strcmp(kind, "value") == 0);
    REQUIRE(!decoded); /* what was decoded can be encoded */
    lua_pop(L, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static lua_State *L;
    static unsigned runs;
    if (!L) {
        L = luaL_newstate();
        REQUIRE(L);
    }
    fuzz_input in = {data, data + size};
    char *text = fuzz_bytes(&in, &size);
    lua_pushboolean(L, 0);
    lua_setfield(L, LUA_REGISTRYINDEX, "decoded");
    lua_pushcfunction(L, round_trip);
    lua_pushlstring(L, text, size);
    free(text);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
        lua_getfield(L, LUA_REGISTRYINDEX, "decoded");
        bool decoded = lua_toboolean(L, -1);
        lua_pop(L, 1);
        check_error(L, decoded);
    }
    lua_settop(L, 0);
    if (++runs % 1000 == 0) {
        lua_gc(L, LUA_GCCOLLECT);
    }
    return 0;
}
