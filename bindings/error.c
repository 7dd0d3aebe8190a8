/* SPDX-License-Identifier: MIT
**
** error.c - the error object that scripts see, and the only place that makes one.
** What an error means is decided by drivers and by Lua code, not here.
*/
#include <string.h>

#include "core.h"

/* Sources of the program itself; an error is never blamed on one of their lines. */
static const char own_sources[] = "@lua/eloquent/";

/* Pushes file and line of the innermost line of a script that runs now, if there is one.
 */
static bool push_position(lua_State *L) {
    lua_Debug ar;
    for (int level = 0; lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "Sl", &ar);
        if (ar.currentline <= 0 ||
            strncmp(ar.source, own_sources, sizeof own_sources - 1) == 0) {
            continue;
        }
        bool named = ar.source[0] == '@' || ar.source[0] == '=';
        lua_pushstring(L, named ? ar.source + 1 : ar.short_src);
        lua_pushinteger(L, ar.currentline);
        return true;
    }
    return false;
}

/* Sets file and line of the table at the top. */
static void set_position(lua_State *L) {
    if (push_position(L)) {
        lua_setfield(L, -3, "line");
        lua_setfield(L, -2, "file");
    }
}

static void set_text(lua_State *L, const char *field, const char *text) {
    if (text && *text) {
        lua_pushstring(L, text);
        lua_setfield(L, -2, field);
    }
}

static int error_tostring(lua_State *L);
static int error_concat(lua_State *L);

/* Gives the table at the top the metatable of errors, which is made on first use. */
static void set_metatable(lua_State *L) {
    static const luaL_Reg meta[] = {
        {"__tostring", error_tostring}, {"__concat", error_concat}, {NULL, NULL}};
    if (luaL_newmetatable(L, ELL_ERROR)) {
        luaL_setfuncs(L, meta, 0);
        lua_pushliteral(L, ELL_ERROR);
        lua_setfield(L, -2, "__metatable");
    }
    lua_setmetatable(L, -2);
}

/* Sets the message; a table that is not there is often one that nobody has made yet. */
static void set_message(lua_State *L, const el_error *e, const elL_context *where) {
    if (!where || !where->target || strcmp(e->sqlstate, "42P01") != 0 ||
        strcmp(where->driver, "mongo") == 0) {
        set_text(L, "message", e->message);
        return;
    }
    lua_pushfstring(L,
                    "%s; the connection '%s' leads to %s, where "
                    "eloquent.schema():create(Model) makes the table of a model",
                    e->message, where->connection, where->target);
    lua_setfield(L, -2, "message");
}

void elL_pusherror(lua_State *L, const el_error *e, const elL_context *where) {
    luaL_checkstack(L, 8, "error object");
    lua_createtable(L, 0, 12);
    set_text(L, "kind", el_errkind_name(e->kind));
    set_message(L, e, where);
    set_text(L, "sqlstate", e->sqlstate);
    set_text(L, "table", e->table);
    set_text(L, "column", e->column);
    set_text(L, "constraint", e->constraint);
    if (e->code) {
        lua_pushinteger(L, e->code);
        lua_setfield(L, -2, "code");
    }
    if (e->number) {
        lua_pushinteger(L, e->number);
        lua_setfield(L, -2, "number");
    }
    if (where) {
        set_text(L, "connection", where->connection);
        set_text(L, "driver", where->driver);
        set_text(L, "sql", where->sql);
    }
    set_position(L);
    set_metatable(L);
}

int elL_throw(lua_State *L, const el_error *e) {
    elL_pusherror(L, e, NULL);
    elL_raise(L);
}

int elL_fail(lua_State *L, el_errkind kind, const char *fmt, ...) {
    va_list args;
    luaL_checkstack(L, 8, "error object");
    va_start(args, fmt);
    const char *message = lua_pushvfstring(L, fmt, args);
    va_end(args);
    lua_createtable(L, 0, 4);
    set_text(L, "kind", el_errkind_name(kind));
    set_text(L, "message", message);
    set_position(L);
    set_metatable(L);
    elL_raise(L);
}

/* errors.new(fields): the table becomes an error object; file and line are added. */
static int errors_new(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    if (lua_getfield(L, 1, "file") == LUA_TNIL) {
        lua_settop(L, 1);
        set_position(L);
    }
    lua_settop(L, 1);
    set_metatable(L);
    return 1;
}

/*
** errors.position() -> file, line: where the script is now; nothing outside of scripts.
** For what is found wrong only later: a column, when its model is checked.
*/
static int errors_position(lua_State *L) {
    return push_position(L) ? 2 : 0;
}

static int errors_raise(lua_State *L) {
    errors_new(L);
    return lua_error(L);
}

static bool is_error(lua_State *L, int idx) {
    if (lua_type(L, idx) != LUA_TTABLE || !lua_getmetatable(L, idx)) {
        return false;
    }
    luaL_getmetatable(L, ELL_ERROR);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

/* errors.is(value, kind?): an error object, and of that kind where one is given. */
static int errors_is(lua_State *L) {
    bool yes = is_error(L, 1);
    if (yes && !lua_isnoneornil(L, 2)) {
        luaL_checktype(L, 2, LUA_TSTRING);
        lua_getfield(L, 1, "kind");
        yes = lua_rawequal(L, -1, 2);
    }
    lua_pushboolean(L, yes);
    return 1;
}

static const char *text_field(lua_State *L, const char *field, const char *otherwise) {
    lua_getfield(L, 1, field);
    const char *text = lua_type(L, -1) == LUA_TSTRING || lua_isinteger(L, -1)
                           ? lua_tostring(L, -1)
                           : NULL;
    return text ? text : otherwise;
}

/* file:line: message (kind on connection) */
static int error_tostring(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    const char *file = text_field(L, "file", NULL);
    const char *line = text_field(L, "line", "?");
    const char *message = text_field(L, "message", "no message");
    const char *kind = text_field(L, "kind", "other");
    const char *connection = text_field(L, "connection", NULL);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    if (file) {
        luaL_addstring(&b, file);
        luaL_addchar(&b, ':');
        luaL_addstring(&b, line);
        luaL_addstring(&b, ": ");
    }
    luaL_addstring(&b, message);
    luaL_addstring(&b, " (");
    luaL_addstring(&b, kind);
    if (connection) {
        luaL_addstring(&b, " error on ");
        luaL_addstring(&b, connection);
    } else {
        luaL_addstring(&b, " error");
    }
    luaL_addchar(&b, ')');
    luaL_pushresult(&b);
    return 1;
}

/* "..." .. err: so that a script may build messages from errors as from strings. */
static int error_concat(lua_State *L) {
    luaL_tolstring(L, 1, NULL);
    luaL_tolstring(L, 2, NULL);
    lua_concat(L, 2);
    return 1;
}

int luaopen_eloquent_core_errors(lua_State *L) {
    static const luaL_Reg functions[] = {{"new", errors_new},
                                         {"raise", errors_raise},
                                         {"position", errors_position},
                                         {"is", errors_is},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
