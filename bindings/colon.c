/* SPDX-License-Identifier: MIT
**
** colon.c - what an error means that comes of a verb called with a dot: `query.get()` has
** no query to work on.  It is told on the error's way out, so that calls pay nothing.
*/
#include "colon.h"

#include <string.h>

#include "core.h"

/* Sources of the program itself, and what their verbs are called on. */
typedef struct owner {
    const char *source; /* after "@lua/eloquent/": how it begins */
    const char *name;   /* of the object's metatable; NULL: several have these verbs */
    const char *word, *verb; /* NULL: no verbs */
} owner;

static const char own_sources[] = "@lua/eloquent/";

static const owner owners[] = {
    {"query/expression.lua", NULL, NULL, NULL},
    {"query/lazy.lua", "eloquent.Lazy", "list", "take"},
    {"query/", "eloquent.Query", "query", "get"},
    {"model/record.lua", "eloquent.Record", "record", "save"},
    {"mongo/record.lua", "eloquent.Record", "record", "save"},
    {"model/statics.lua", "eloquent.Model", "model", "find"},
    {"mongo/statics.lua", "eloquent.Model", "model", "find"},
    {"mongo/native.lua", "eloquent.MongoCollection", "collection", "find"},
    {"connection.lua", "eloquent.Connection", "connection", "execute"},
    {"collection.lua", NULL, "list", "first"},
};

static const owner *owner_of(const char *source) {
    for (size_t i = 0; i < sizeof owners / sizeof *owners; i++) {
        const char *begin = owners[i].source;
        if (strncmp(source + sizeof own_sources - 1, begin, strlen(begin)) == 0) {
            return owners[i].word ? &owners[i] : NULL;
        }
    }
    return NULL;
}

/* The outermost function of the program, which a script called. */
typedef struct call {
    lua_Debug ar;     /* of the program's own Lua function */
    bool tail;        /* which may have taken the place of the one that was called */
    const char *verb; /* NULL: a call by pcall, or a tail call, whose name is gone */
} call;

/* False when no script called the program, or did it with a colon. */
static bool find_call(lua_State *L, call *out) {
    lua_Debug ar;
    int own = 0, level = 1;
    for (; lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "S", &ar);
        if (strncmp(ar.source, own_sources, sizeof own_sources - 1) == 0) {
            own = level;
        } else if (*ar.what != 'C') {
            break;
        }
    }
    if (own == 0 || !lua_getstack(L, level - 1, &ar) || !lua_getstack(L, own, &out->ar)) {
        return false;
    }
    lua_getinfo(L, "ntf", &ar);
    lua_getinfo(L, "Stu", &out->ar);
    bool direct = lua_tocfunction(L, -1) == elL_pcall;
    lua_pop(L, 1);
    out->tail = ar.istailcall || out->ar.istailcall;
    out->verb = !out->tail && strcmp(ar.namewhat, "field") == 0 ? ar.name : NULL;
    return (direct || out->tail || out->verb) && out->ar.nparams > 0;
}

/*
** Whether the first argument of the function can't be what its verb is called on.  A tail
** call may be any function's, so only nothing and text count there, and only where the
** program has not found the mistake itself.
*/
static bool lacks_self(lua_State *L, const call *of, const owner *who) {
    int top = lua_gettop(L), type;
    bool lacks = false, named = lua_type(L, top) != LUA_TSTRING;
    if (lua_getlocal(L, &of->ar, 1)) {
        type = lua_type(L, -1);
        if (of->tail) {
            lacks = !named && (type == LUA_TNIL || type == LUA_TSTRING);
        } else if (type == LUA_TSTRING || !lua_getmetatable(L, -1)) {
            lacks = true;
        } else if (of->verb && who->name) {
            lua_pushliteral(L, "__name");
            lua_rawget(L, -2);
            lacks = lua_type(L, -1) == LUA_TSTRING &&
                    strcmp(lua_tostring(L, -1), who->name) != 0;
        }
    }
    lua_settop(L, top);
    return lacks;
}

/* An error that says so already. */
static bool names_colon(lua_State *L) {
    bool yes = false;
    if (lua_istable(L, -1)) {
        lua_pushliteral(L, "message");
        lua_rawget(L, -2);
        const char *message = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
        yes = message && strstr(message, "with a colon");
        lua_pop(L, 1);
    }
    return yes;
}

int elL_explain(lua_State *L) {
    el_error e;
    call found;
    if (!lua_checkstack(L, 10) || !find_call(L, &found)) {
        return 1;
    }
    const owner *who = owner_of(found.ar.source);
    if (!who || names_colon(L) || !lacks_self(L, &found, who)) {
        return 1;
    }
    el_error_clear(&e);
    el_fail(&e, EL_ERR_MISUSE, 0, "call the verbs of a %s with a colon, as in %s:%s(...)",
            who->word, who->word, found.verb ? found.verb : who->verb);
    elL_pusherror(L, &e, NULL);
    return 1;
}

/* The stack: handler, true, results; or the error on top. */
static int finish(lua_State *L, int status, lua_KContext context) {
    (void)context;
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_pushboolean(L, 0);
        lua_insert(L, -2);
        return 2;
    }
    return lua_gettop(L) - 1;
}

int elL_pcall(lua_State *L) {
    luaL_checkany(L, 1);
    lua_pushcfunction(L, elL_explain);
    lua_insert(L, 1);
    lua_pushboolean(L, 1);
    lua_insert(L, 2);
    return finish(L, lua_pcallk(L, lua_gettop(L) - 3, LUA_MULTRET, 1, 0, finish), 0);
}
