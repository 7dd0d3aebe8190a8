/* SPDX-License-Identifier: MIT
**
** host_module.c - eloquent.core.host: the program and the machine as Lua sees them.
*/
#include "host.h"
#include "interrupt.h"

#include <time.h>

/* host.clock() -> seconds on a clock that never goes back */
static int host_clock(lua_State *L) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    lua_pushnumber(L, (lua_Number)t.tv_sec + (lua_Number)t.tv_nsec / 1e9);
    return 1;
}

/* host.now() -> microseconds since 1970-01-01T00:00:00Z */
static int host_now(lua_State *L) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    lua_pushinteger(L, (lua_Integer)t.tv_sec * 1000000 + t.tv_nsec / 1000);
    return 1;
}

/* host.interrupted() -> has Ctrl-C been pressed? */
static int host_interrupted(lua_State *L) {
    lua_pushboolean(L, el_interrupted());
    return 1;
}

/* host.args: the command line, the program's name at 0 */
static void push_args(lua_State *L, const el_host *host) {
    lua_createtable(L, host->argc, 0);
    for (int i = 0; i < host->argc; i++) {
        lua_pushstring(L, host->argv[i]);
        lua_rawseti(L, -2, i);
    }
}

/* host.sleep(seconds): waits; Ctrl-C ends the wait early. */
static int host_sleep(lua_State *L) {
    lua_Number seconds = luaL_checknumber(L, 1);
    luaL_argcheck(L, seconds >= 0 && seconds <= 86400, 1, "0 to 86400 seconds expected");
    struct timespec t;
    t.tv_sec = (time_t)seconds;
    t.tv_nsec = (long)((seconds - (lua_Number)t.tv_sec) * 1e9);
    nanosleep(&t, NULL);
    return 0;
}

int luaopen_eloquent_core_host(lua_State *L) {
    static const luaL_Reg functions[] = {{"clock", host_clock},
                                         {"now", host_now},
                                         {"sleep", host_sleep},
                                         {"interrupted", host_interrupted},
                                         {NULL, NULL}};
    const el_host *host = el_state_host(L);
    luaL_newlib(L, functions);
    el_files_functions(L);
    el_terminal_functions(L);
    el_libraries_functions(L);
    lua_pushliteral(L, EL_VERSION);
    lua_setfield(L, -2, "version");
    lua_pushstring(L, host->executable);
    lua_setfield(L, -2, "executable");
    lua_pushboolean(L, host->env_found);
    lua_setfield(L, -2, "env_found");
    if (host->env_error[0] != '\0') {
        lua_pushstring(L, host->env_error);
        lua_setfield(L, -2, "env_error");
    }
#ifdef EL_LUA_ROOT
    lua_pushliteral(L, EL_LUA_ROOT);
    lua_setfield(L, -2, "lua_root");
#endif
    push_args(L, host);
    lua_setfield(L, -2, "args");
    return 1;
}
