/* SPDX-License-Identifier: MIT
**
** collection.c - a rowset seen as a list of records.  A record is made when it is
** touched and is the same object each time.  The verbs of lists are in Lua.
*/
#include <string.h>

#include "core.h"

/* A client library's result, owned by a userdata of its own among the blocks. */
typedef struct taken_result {
    void *result;
    const el_driver *driver;
} taken_result;

#define ELL_RESULT "eloquent.Result"

static int result_gc(lua_State *L) {
    taken_result *t = lua_touserdata(L, 1);
    if (t->result) {
        t->driver->discard(t->result);
        t->result = NULL;
    }
    return 0;
}

static const char collection_tag;

elL_collection *elL_testcollection(lua_State *L, int idx) {
    return elL_testtag(L, idx, &collection_tag, sizeof(elL_collection));
}

static elL_collection *check(lua_State *L) {
    elL_collection *c = elL_testcollection(L, 1);
    return c ? c : luaL_checkudata(L, 1, ELL_COLLECTION);
}

elL_collection *elL_newcollection(lua_State *L, int shape_idx, const elL_shape *s,
                                  size_t room) {
    shape_idx = lua_absindex(L, shape_idx);
    elL_collection *c = lua_newuserdatauv(L, sizeof *c + room, COLLECTION_UVS);
    memset(c, 0, sizeof *c);
    c->tag = &collection_tag;
    c->shape = s;
    luaL_setmetatable(L, ELL_COLLECTION);
    lua_getiuservalue(L, shape_idx, SHAPE_META);
    lua_setiuservalue(L, -2, COLLECTION_META);
    return c;
}

void elL_collection_push(lua_State *L, int idx, elL_collection *c, size_t i) {
    idx = lua_absindex(L, idx);
    if (lua_getiuservalue(L, idx, COLLECTION_RECORDS) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_createtable(L, c->nrows < 1u << 26 ? (int)c->nrows : 0, 0);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, idx, COLLECTION_RECORDS);
    }
    int records = lua_gettop(L);
    if (lua_rawgeti(L, -1, (lua_Integer)i + 1) == LUA_TNIL) {
        lua_getiuservalue(L, idx, COLLECTION_META);
        elL_record *r = elL_newrecord(L, -1, c->shape, 0);
        r->index = (uint32_t)i;
        r->in_result = c->taken != NULL;
        if (r->in_result) {
            r->u.taken = c;
        } else {
            r->u.row = el_rowset_row(&c->rs, i);
        }
        r->exists = true;
        lua_pushvalue(L, idx);
        lua_setiuservalue(L, -2, RECORD_OWNER);
        lua_pushvalue(L, -1);
        lua_rawseti(L, records, (lua_Integer)i + 1);
    }
    lua_replace(L, records);
    lua_settop(L, records);
}

/* Loads the verbs of lists when one is first asked for; false when they are there. */
static bool load_methods(lua_State *L) {
    static const char module[] = "eloquent.collection";
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    bool loaded = lua_getfield(L, -1, module) != LUA_TNIL;
    if (!loaded) {
        lua_getglobal(L, "require");
        lua_pushstring(L, module);
        lua_call(L, 1, 0);
    }
    lua_pop(L, 2);
    return !loaded;
}

/* collection[i], or a method by name: upvalue 1 is the table of methods. */
static int collection_index(lua_State *L) {
    elL_collection *c = check(L);
    if (lua_type(L, 2) == LUA_TNUMBER) {
        int whole;
        lua_Integer i = lua_tointegerx(L, 2, &whole);
        if (!whole || i < 1 || (lua_Unsigned)i > c->nrows) {
            lua_pushnil(L);
            return 1;
        }
        elL_collection_push(L, 1, c, (size_t)i - 1);
        return 1;
    }
    lua_pushvalue(L, 2);
    if (lua_gettable(L, lua_upvalueindex(1)) == LUA_TNIL && load_methods(L)) {
        lua_pushvalue(L, 2);
        lua_gettable(L, lua_upvalueindex(1));
    }
    if (lua_isnil(L, -1)) {
        return elL_fail(L, EL_ERR_MISUSE, "a collection has no method '%s'",
                        luaL_tolstring(L, 2, NULL));
    }
    return 1;
}

static int collection_newindex(lua_State *L) {
    return elL_fail(L, EL_ERR_MISUSE, "a collection is read-only; use map or filter to "
                                      "make another list");
}

static int collection_len(lua_State *L) {
    elL_collection *c = check(L);
    lua_pushinteger(L, (lua_Integer)c->nrows);
    return 1;
}

/* Iterator of pairs and ipairs over a collection. */
static int next_record(lua_State *L) {
    elL_collection *c = check(L);
    lua_Integer i = luaL_checkinteger(L, 2);
    if (i < 0 || (lua_Unsigned)i >= c->nrows) {
        return 0;
    }
    lua_pushinteger(L, i + 1);
    elL_collection_push(L, 1, c, (size_t)i);
    return 2;
}

static int collection_pairs(lua_State *L) {
    check(L);
    lua_pushcfunction(L, next_record);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 0);
    return 3;
}

/* Iterator of ipairs over everything else. */
static int next_item(lua_State *L) {
    lua_Integer i = (lua_Integer)((lua_Unsigned)luaL_checkinteger(L, 2) + 1);
    lua_pushinteger(L, i);
    return lua_geti(L, 1, i) == LUA_TNIL ? 1 : 2;
}

/*
** ipairs of scripts: as Lua's own, but a collection hands out its records without an
** index operation for each.
*/
int elL_ipairs(lua_State *L) {
    luaL_checkany(L, 1);
    lua_pushcfunction(L, elL_testcollection(L, 1) ? next_record : next_item);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 0);
    return 3;
}

static int collection_tostring(lua_State *L) {
    elL_collection *c = check(L);
    lua_pushfstring(L, "collection of %I %s", (lua_Integer)c->nrows,
                    c->shape->model ? c->shape->model
                                    : (c->nrows == 1 ? "row" : "rows"));
    return 1;
}

/* collection.is(value) */
static int is_collection(lua_State *L) {
    lua_pushboolean(L, elL_testcollection(L, 1) != NULL);
    return 1;
}

/* collection.shape(c): the shape of its records. */
static int get_shape(lua_State *L) {
    check(L);
    lua_getiuservalue(L, 1, COLLECTION_META);
    lua_rawgeti(L, -1, 1);
    return 1;
}

/*
** The module: `methods` is what collections look their verbs up in; Lua code fills it.
*/
int luaopen_eloquent_core_collection(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"is", is_collection}, {"shape", get_shape}, {NULL, NULL}};
    static const luaL_Reg meta[] = {{"__newindex", collection_newindex},
                                    {"__len", collection_len},
                                    {"__pairs", collection_pairs},
                                    {"__tostring", collection_tostring},
                                    {NULL, NULL}};
    luaL_newlib(L, functions);
    /* One table for good: collections look their verbs up in it by an upvalue. */
    luaL_getsubtable(L, LUA_REGISTRYINDEX, "eloquent.collectionMethods");
    if (luaL_newmetatable(L, ELL_COLLECTION)) {
        luaL_setfuncs(L, meta, 0);
        lua_pushvalue(L, -2);
        lua_pushcclosure(L, collection_index, 1);
        lua_setfield(L, -2, "__index");
        lua_pushliteral(L, ELL_COLLECTION);
        lua_setfield(L, -2, "__metatable");
    }
    lua_pop(L, 1);
    lua_setfield(L, -2, "methods");
    if (luaL_newmetatable(L, ELL_RESULT)) {
        lua_pushcfunction(L, result_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_pop(L, 1);
    return 1;
}

void **elL_newresult(lua_State *L, int idx, elL_collection *c, const el_driver *d) {
    idx = lua_absindex(L, idx);
    taken_result *t = lua_newuserdatauv(L, sizeof *t, 0);
    t->result = NULL;
    t->driver = d;
    luaL_setmetatable(L, ELL_RESULT);
    lua_setiuservalue(L, idx, COLLECTION_BLOCKS);
    c->driver = d;
    return &t->result;
}
