/* SPDX-License-Identifier: MIT
**
** searcher.c - `require` for the modules inside the program.  A build with EL_LUA_ROOT
** reads the source tree first, so that a change in lua/ needs no build.
*/
#include "host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int compare_name(const void *key, const void *element) {
    return strcmp(key, ((const el_module *)element)->name);
}

#ifdef EL_LUA_ROOT

/* Loads `path` of the source tree as chunk `@lua/...`; false when there is no such file.
 */
static bool load_file(lua_State *L, const char *relative) {
    luaL_Buffer b;
    char path[4096], chunk[4096];
    size_t n;
    snprintf(path, sizeof path, "%s/%s", EL_LUA_ROOT, relative);
    snprintf(chunk, sizeof chunk, "@lua/%s", relative);
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        return false;
    }
    luaL_buffinit(L, &b); /* a failed allocation here leaks one FILE, and ends the run */
    do {
        char *into = luaL_prepbuffer(&b);
        n = fread(into, 1, LUAL_BUFFERSIZE, f);
        luaL_addsize(&b, n);
    } while (n == LUAL_BUFFERSIZE);
    fclose(f);
    luaL_pushresult(&b);
    const char *text = lua_tolstring(L, -1, &n);
    if (luaL_loadbufferx(L, text, n, chunk, "t") != LUA_OK) {
        lua_error(L);
    }
    lua_replace(L, -2);
    lua_pushfstring(L, "lua/%s", relative);
    return true;
}

static bool load_from_tree(lua_State *L, const char *name) {
    if (strcmp(name, "eloquent") != 0 && strncmp(name, "eloquent.", 9) != 0) {
        return false;
    }
    const char *path = luaL_gsub(L, name, ".", "/");
    lua_pushfstring(L, "%s.lua", path);
    lua_pushfstring(L, "%s/init.lua", path);
    return load_file(L, lua_tostring(L, -2)) || load_file(L, lua_tostring(L, -1));
}

#endif

/* (name) -> loader, chunk name | why not */
static int search(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
#ifdef EL_LUA_ROOT
    if (load_from_tree(L, name)) {
        return 2;
    }
#endif
    const el_module *m =
        bsearch(name, el_modules, el_module_count, sizeof *el_modules, compare_name);
    if (m == NULL) {
        lua_pushfstring(L, "no module '%s' inside the program", name);
        return 1;
    }
    if (luaL_loadbufferx(L, m->bytes, m->size, m->chunk, NULL) != LUA_OK) {
        return lua_error(L);
    }
    lua_pushstring(L, m->chunk + 1);
    return 2;
}

void el_searcher_install(lua_State *L) {
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "searchers");
    for (lua_Integer i = luaL_len(L, -1); i >= 2; i--) {
        lua_rawgeti(L, -1, i);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushcfunction(L, search);
    lua_rawseti(L, -2, 2);
    lua_pop(L, 2);
}
