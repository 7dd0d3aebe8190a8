/* SPDX-License-Identifier: MIT
**
** env.c - module eloquent.core.env: the `.env` file, and connections as the process
** environment describes them now.  It opens none.
*/
#include "env.h"

#include <lauxlib.h>
#include <lua.h>
#include <sys/stat.h>

#include "resolver.h"
#include "throw.h"

int luaopen_eloquent_core_env(lua_State *L);

#define ELL_RESOLVED "eloquent.ResolvedConnection"

static const el_resolver resolver = {el_builtin_definitions, el_env_process, NULL};

/* load(path) -> true when the file is there */
static int load(lua_State *L) {
    el_error err = {0};
    bool found;
    const char *path = luaL_checkstring(L, 1);
    if (el_env_load(path, &found, &err) != EL_OK) {
        return elL_throw(L, &err);
    }
    lua_pushboolean(L, found);
    return 1;
}

static void set_text(lua_State *L, const char *field, const char *text) {
    lua_pushstring(L, text);
    lua_setfield(L, -2, field);
}

static int release(lua_State *L) {
    el_resolved_release(luaL_checkudata(L, 1, ELL_RESOLVED));
    return 0;
}

/* Sets fields `options`, `sources` and `secret` of the table at the top. */
static void set_options(lua_State *L, const el_resolved *c) {
    lua_createtable(L, 0, (int)c->count);
    lua_createtable(L, 0, (int)c->count);
    lua_createtable(L, 0, 2);
    for (size_t i = 0; i < c->count; i++) {
        lua_pushstring(L, c->options[i].value);
        lua_setfield(L, -4, c->options[i].key);
        lua_pushstring(L, c->source[i]);
        lua_setfield(L, -3, c->options[i].key);
        if (c->secret[i]) {
            lua_pushboolean(L, 1);
            lua_setfield(L, -2, c->options[i].key);
        }
    }
    lua_setfield(L, -4, "secret");
    lua_setfield(L, -3, "sources");
    lua_setfield(L, -2, "options");
}

/*
** connection(name) -> { name, driver, kind = "sql"|"mongo", test, target, options,
** sources, secret }: `options` for the driver; for each, `sources` has the variable that
** it came from (or "default"), `secret` true when it is not to be shown.
*/
static int connection(lua_State *L) {
    el_error err = {0};
    const char *name = luaL_checkstring(L, 1);
    el_resolved *c = lua_newuserdatauv(L, sizeof *c, 0);
    *c = (el_resolved){0};
    luaL_setmetatable(L, ELL_RESOLVED);
    if (el_resolver_connection(c, &resolver, name, &err) != EL_OK) {
        return elL_throw(L, &err);
    }
    lua_createtable(L, 0, 8);
    set_text(L, "name", c->name);
    set_text(L, "driver", c->driver);
    set_text(L, "kind", c->documents ? "mongo" : "sql");
    set_text(L, "target", c->target);
    lua_pushboolean(L, c->test);
    lua_setfield(L, -2, "test");
    set_options(L, c);
    el_resolved_release(c); /* the password is not left to the collector */
    return 1;
}

/* default(test?) -> name of the default connection, in test mode when `test` */
static int default_name(lua_State *L) {
    el_error err = {0};
    char name[EL_NAME_SIZE];
    if (el_resolver_default(name, &resolver, lua_toboolean(L, 1), &err) != EL_OK) {
        return elL_throw(L, &err);
    }
    lua_pushstring(L, name);
    return 1;
}

/* names() -> list of all known names, twins last */
static int names(lua_State *L) {
    char name[EL_NAME_SIZE];
    lua_createtable(L, 8, 0);
    for (size_t i = 0; el_resolver_name(name, &resolver, i); i++) {
        lua_pushstring(L, name);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* twin(name) -> what that name means in test mode */
static int twin(lua_State *L) {
    el_error err = {0};
    char name[EL_NAME_SIZE];
    if (el_resolver_twin(name, &resolver, luaL_checkstring(L, 1), &err) != EL_OK) {
        return elL_throw(L, &err);
    }
    lua_pushstring(L, name);
    return 1;
}

/* nearest(name) -> the known name that was probably meant, or nil */
static int nearest(lua_State *L) {
    char name[EL_NAME_SIZE];
    if (el_resolver_nearest(name, &resolver, luaL_checkstring(L, 1))) {
        lua_pushstring(L, name);
    } else {
        lua_pushnil(L);
    }
    return 1;
}

/* role() -> "runtime" | "migration" */
static int role(lua_State *L) {
    el_error err = {0};
    el_role found;
    if (el_resolver_role(&found, &resolver, &err) != EL_OK) {
        return elL_throw(L, &err);
    }
    lua_pushstring(L, el_role_name(found));
    return 1;
}

/* app() -> "development" | "staging" | "production" */
static int app(lua_State *L) {
    el_error err = {0};
    const char *found;
    if (el_resolver_app_env(&found, &resolver, &err) != EL_OK) {
        return elL_throw(L, &err);
    }
    lua_pushstring(L, found);
    return 1;
}

/* ignored() -> list of variables that are set, look like selectors and are ignored */
static int ignored(lua_State *L) {
    const char *name;
    lua_newtable(L);
    for (size_t i = 0; (name = el_resolver_ignored(&resolver, i)) != NULL; i++) {
        lua_pushstring(L, name);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* variables() -> list of those that mean something, set or not */
static int variables(lua_State *L) {
    char name[EL_SOURCE_SIZE];
    lua_newtable(L);
    for (size_t i = 0; el_resolver_variable(name, &resolver, i); i++) {
        lua_pushstring(L, name);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static int release_file(lua_State *L) {
    el_env_release(lua_touserdata(L, 1));
    return 0;
}

/*
** written(path) -> list of the variables that the file sets, in order of its lines; none
** for what is no plain file: a pipe is read once.
*/
static int written(lua_State *L) {
    el_error err = {0};
    struct stat st;
    bool found;
    const char *path = luaL_checkstring(L, 1);
    lua_newtable(L);
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
        return 1;
    }
    el_env *env = lua_newuserdatauv(L, sizeof *env, 0);
    *env = (el_env){0};
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, release_file);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    if (el_env_read(env, path, &found, &err) != EL_OK) {
        return elL_throw(L, &err);
    }
    for (size_t i = 0; i < env->count; i++) {
        lua_pushstring(L, env->pairs[i].key);
        lua_rawseti(L, -3, (lua_Integer)i + 1);
    }
    el_env_release(env); /* passwords are not left to the collector */
    lua_settop(L, 2);
    return 1;
}

int luaopen_eloquent_core_env(lua_State *L) {
    static const luaL_Reg functions[] = {{"load", load},
                                         {"connection", connection},
                                         {"default", default_name},
                                         {"names", names},
                                         {"twin", twin},
                                         {"nearest", nearest},
                                         {"role", role},
                                         {"app", app},
                                         {"ignored", ignored},
                                         {"variables", variables},
                                         {"written", written},
                                         {NULL, NULL}};
    if (luaL_newmetatable(L, ELL_RESOLVED)) {
        lua_pushcfunction(L, release);
        lua_setfield(L, -2, "__gc");
        lua_pushliteral(L, ELL_RESOLVED);
        lua_setfield(L, -2, "__metatable");
    }
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
