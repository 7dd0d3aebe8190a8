/* SPDX-License-Identifier: MIT
**
** output.c - standard output that is honest: a reader that went away (`| head`) stops
** the script quietly, and a full disk is a failure.
*/
#include "host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char closed_error = 'c'; /* its address is the error value */

/* Why a write failed first; beside the one stdout that a process has. */
static int write_errno;

static int raise_closed(lua_State *L) {
    lua_pushlightuserdata(L, (void *)&closed_error);
    return lua_error(L);
}

bool el_output_is_closed_error(lua_State *L, int idx) {
    return lua_touserdata(L, idx) == &closed_error;
}

/* As the standard library's, but for the check. */
static int print(lua_State *L) {
    int n = lua_gettop(L);
    bool ok = true;
    for (int i = 1; i <= n; i++) {
        size_t len;
        const char *text = luaL_tolstring(L, i, &len);
        if (i > 1) {
            ok = fputc('\t', stdout) != EOF && ok;
        }
        ok = fwrite(text, 1, len, stdout) == len && ok;
        lua_pop(L, 1);
    }
    ok = fputc('\n', stdout) != EOF && ok;
    if (!ok && write_errno == 0) {
        write_errno = errno;
    }
    if (!ok && write_errno == EPIPE) {
        return raise_closed(L);
    }
    return 0;
}

/* Wraps io.write and file:write: the original is the upvalue. */
static int checked_write(lua_State *L) {
    int n = lua_gettop(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, n, LUA_MULTRET);
    if (lua_isnil(L, 1) && ferror(stdout)) {
        if (write_errno == 0) {
            write_errno = (int)lua_tointeger(L, 3);
        }
        if (write_errno == EPIPE) {
            return raise_closed(L);
        }
    }
    return lua_gettop(L);
}

/* t.write = checked_write(t.write), t being the table on the top */
static void wrap_write(lua_State *L) {
    lua_getfield(L, -1, "write");
    lua_pushcclosure(L, checked_write, 1);
    lua_setfield(L, -2, "write");
}

void el_output_install(lua_State *L) {
    lua_pushcfunction(L, print);
    lua_setglobal(L, "print");
    lua_getglobal(L, "io");
    wrap_write(L);
    lua_pop(L, 1);
    luaL_getmetatable(L, LUA_FILEHANDLE);
    lua_getfield(L, -1, "__index");
    wrap_write(L);
    lua_pop(L, 2);
}

bool el_output_finish(void) {
    errno = 0;
    if (fflush(stdout) != 0 && write_errno == 0) {
        write_errno = errno;
    }
    if (!ferror(stdout) && write_errno == 0) {
        return true;
    }
    if (write_errno != EPIPE) {
        fprintf(stderr, "error: cannot write to standard output: %s\n",
                strerror(write_errno));
    }
    return false;
}
