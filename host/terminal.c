/* SPDX-License-Identifier: MIT
**
** terminal.c - what Lua may know of the terminal: is it one, how wide, may it be
** coloured.
*/
#include "host.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { DEFAULT_COLUMNS = 80 };

static int check_fd(lua_State *L) {
    lua_Integer fd = luaL_checkinteger(L, 1);
    luaL_argcheck(L, fd >= 0 && fd <= 2, 1, "0, 1 or 2 expected");
    return (int)fd;
}

/* host.isatty(fd) -> boolean */
static int host_isatty(lua_State *L) {
    lua_pushboolean(L, isatty(check_fd(L)));
    return 1;
}

/* host.columns() -> width of the terminal that is standard output or error, else 80 */
static int host_columns(lua_State *L) {
    struct winsize size;
    for (int fd = 1; fd <= 2; fd++) {
        if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
            lua_pushinteger(L, size.ws_col);
            return 1;
        }
    }
    lua_pushinteger(L, DEFAULT_COLUMNS);
    return 1;
}

/* host.color(fd) -> may it be coloured? */
static int host_color(lua_State *L) {
    const char *no_color = getenv("NO_COLOR"); /* set and not empty means none */
    const char *term = getenv("TERM");
    bool allowed = (no_color == NULL || *no_color == '\0') && term != NULL &&
                   strcmp(term, "dumb") != 0;
    lua_pushboolean(L, allowed && isatty(check_fd(L)));
    return 1;
}

void el_terminal_functions(lua_State *L) {
    static const luaL_Reg functions[] = {{"isatty", host_isatty},
                                         {"columns", host_columns},
                                         {"color", host_color},
                                         {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
