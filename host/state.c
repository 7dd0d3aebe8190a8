/* SPDX-License-Identifier: MIT
**
** state.c - what a Lua state of this program holds at the start: the standard
** libraries, and preloads, so that a script pays only for what it requires.
*/
#include "colon.h"
#include "host.h"
#include "interrupt.h"

#include <stdlib.h>

int elL_ipairs(lua_State *L);
int luaopen_eloquent_core_null(lua_State *L);
int luaopen_eloquent_core_shape(lua_State *L);
int luaopen_eloquent_core_plan(lua_State *L);
int luaopen_eloquent_core_connection(lua_State *L);
int luaopen_eloquent_core_record(lua_State *L);
int luaopen_eloquent_core_collection(lua_State *L);
int luaopen_eloquent_core_errors(lua_State *L);
int luaopen_eloquent_core_placeholder(lua_State *L);
int luaopen_eloquent_core_env(lua_State *L);
int luaopen_eloquent_core_decimal(lua_State *L);
int luaopen_eloquent_core_datetime(lua_State *L);
int luaopen_eloquent_core_json(lua_State *L);
int luaopen_eloquent_core_objectid(lua_State *L);
int luaopen_eloquent_core_document(lua_State *L);
int luaopen_eloquent_core_uid(lua_State *L);

static const luaL_Reg core_modules[] = {
    {"eloquent.core.host", luaopen_eloquent_core_host},
    {"eloquent.core.null", luaopen_eloquent_core_null},
    {"eloquent.core.shape", luaopen_eloquent_core_shape},
    {"eloquent.core.plan", luaopen_eloquent_core_plan},
    {"eloquent.core.connection", luaopen_eloquent_core_connection},
    {"eloquent.core.record", luaopen_eloquent_core_record},
    {"eloquent.core.collection", luaopen_eloquent_core_collection},
    {"eloquent.core.errors", luaopen_eloquent_core_errors},
    {"eloquent.core.placeholder", luaopen_eloquent_core_placeholder},
    {"eloquent.core.env", luaopen_eloquent_core_env},
    {"eloquent.core.decimal", luaopen_eloquent_core_decimal},
    {"eloquent.core.datetime", luaopen_eloquent_core_datetime},
    {"eloquent.core.json", luaopen_eloquent_core_json},
    {"eloquent.core.objectid", luaopen_eloquent_core_objectid},
    {"eloquent.core.document", luaopen_eloquent_core_document},
    {"eloquent.core.uid", luaopen_eloquent_core_uid},
};

static const char host_key = 'h'; /* its address is the key in the registry */

/*
** os.exit that closes the state first, so that transactions roll back, files are
** flushed and connections say goodbye; `os.exit(code, false)` leaves at once.
*/
static int os_exit(lua_State *L) {
    int status;
    if (lua_isboolean(L, 1)) {
        status = lua_toboolean(L, 1) ? EXIT_SUCCESS : EXIT_FAILURE;
    } else {
        status = (int)luaL_optinteger(L, 1, EXIT_SUCCESS);
    }
    bool close = lua_isnoneornil(L, 2) || lua_toboolean(L, 2);
    el_interrupt_remove(); /* its handler must not touch a state that is gone */
    if (close) {
        lua_close(L);
    }
    if (!el_output_finish() && status == EXIT_SUCCESS) {
        status = EXIT_FAILURE;
    }
    exit(status);
}

static void preload_core(lua_State *L) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    for (size_t i = 0; i < sizeof core_modules / sizeof core_modules[0]; i++) {
        lua_pushcfunction(L, core_modules[i].func);
        lua_setfield(L, -2, core_modules[i].name);
    }
    lua_pop(L, 1);
}

void el_state_setup(lua_State *L, el_host *host) {
    lua_pushlightuserdata(L, host);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &host_key);
    lua_pushboolean(L, 1); /* LUA_PATH and LUA_CPATH are another program's business */
    lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
    luaL_openlibs(L);
    lua_getglobal(L, "os");
    lua_pushcfunction(L, os_exit);
    lua_setfield(L, -2, "exit");
    lua_pop(L, 1);
    lua_register(L, "ipairs", elL_ipairs);
    lua_register(L, "pcall", elL_pcall);
    preload_core(L);
    el_searcher_install(L);
    el_output_install(L);
}

el_host *el_state_host(lua_State *L) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &host_key);
    el_host *host = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return host;
}
