/* SPDX-License-Identifier: MIT
**
** files.c - the file system that Lua's own library lacks: folders and paths.
*/
#include "host.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int raise_errno(lua_State *L, const char *what, const char *path) {
    return luaL_error(L, "cannot %s '%s': %s", what, path, strerror(errno));
}

/* host.exists(path) -> boolean */
static int host_exists(lua_State *L) {
    struct stat st;
    lua_pushboolean(L, stat(luaL_checkstring(L, 1), &st) == 0);
    return 1;
}

/* host.isdir(path) -> boolean */
static int host_isdir(lua_State *L) {
    struct stat st;
    lua_pushboolean(L, stat(luaL_checkstring(L, 1), &st) == 0 && S_ISDIR(st.st_mode));
    return 1;
}

/* A DIR that the collector closes when something raises. */
static int dir_close(lua_State *L) {
    DIR **dir = lua_touserdata(L, 1);
    if (*dir != NULL) {
        closedir(*dir);
    }
    *dir = NULL;
    return 0;
}

static DIR **new_dir(lua_State *L) {
    DIR **dir = lua_newuserdatauv(L, sizeof(DIR *), 0);
    *dir = NULL;
    if (luaL_newmetatable(L, "eloquent.Directory")) {
        lua_pushcfunction(L, dir_close);
        lua_setfield(L, -2, "__gc");
        lua_pushcfunction(L, dir_close);
        lua_setfield(L, -2, "__close");
    }
    lua_setmetatable(L, -2);
    return dir;
}

/* host.list(folder) -> its names, sorted by bytes, without "." and ".." */
static int host_list(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    lua_Integer n = 0;
    struct dirent *entry;
    lua_settop(L, 1);
    DIR **dir = new_dir(L);
    lua_toclose(L, 2);
    *dir = opendir(path);
    if (*dir == NULL) {
        return raise_errno(L, "list", path);
    }
    lua_newtable(L);
    while ((entry = readdir(*dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        lua_pushstring(L, entry->d_name);
        lua_rawseti(L, 3, ++n);
    }
    lua_getglobal(L, "table");
    lua_getfield(L, -1, "sort");
    lua_pushvalue(L, 3);
    lua_call(L, 1, 0);
    lua_settop(L, 3);
    return 1;
}

/* host.mkdirs(path): makes the folder and its parents; existing ones are fine */
static int host_mkdirs(lua_State *L) {
    char path[PATH_MAX];
    size_t n;
    const char *given = luaL_checklstring(L, 1, &n);
    struct stat st;
    if (n == 0 || n >= sizeof path) {
        return luaL_argerror(L, 1, "a path expected");
    }
    memcpy(path, given, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0') {
            continue;
        }
        char end = path[i];
        path[i] = '\0';
        if (mkdir(path, 0777) != 0 && !(stat(path, &st) == 0 && S_ISDIR(st.st_mode))) {
            return raise_errno(L, "make the folder", path);
        }
        path[i] = end;
    }
    return 0;
}

/* host.cwd() -> absolute path of the working folder */
static int host_cwd(lua_State *L) {
    char path[PATH_MAX];
    if (getcwd(path, sizeof path) == NULL) {
        return raise_errno(L, "find", "the working folder");
    }
    lua_pushstring(L, path);
    return 1;
}

/* host.realpath(path) -> absolute path without links, nil when it does not exist */
static int host_realpath(lua_State *L) {
    char path[PATH_MAX];
    if (realpath(luaL_checkstring(L, 1), path) == NULL) {
        lua_pushnil(L);
    } else {
        lua_pushstring(L, path);
    }
    return 1;
}

void el_files_functions(lua_State *L) {
    static const luaL_Reg functions[] = {{"exists", host_exists},
                                         {"isdir", host_isdir},
                                         {"list", host_list},
                                         {"mkdirs", host_mkdirs},
                                         {"realpath", host_realpath},
                                         {"cwd", host_cwd},
                                         {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
