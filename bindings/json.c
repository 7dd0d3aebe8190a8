/* SPDX-License-Identifier: MIT
**
** json.c - the JSON module: kinds of tables, places in them, comparison.  An empty Lua
** table may be `[]` or `{}`, so decoded tables carry their kind as a metatable, and
** scripts mark theirs.
*/
#include "document.h"

#include <stdio.h>
#include <string.h>

/* {====== Kinds ====== */

void elL_json_pushmark(lua_State *L, elL_jsonkind kind) {
    const char *name = kind == JSON_ARRAY ? ELL_JSON_ARRAY : ELL_JSON_OBJECT;
    if (luaL_newmetatable(L, name)) {
        lua_pushstring(L, name);
        lua_setfield(L, -2, "__metatable");
    }
}

elL_jsonkind elL_json_mark(lua_State *L, int idx) {
    elL_jsonkind kind = JSON_NONE;
    if (lua_getmetatable(L, idx)) {
        luaL_getmetatable(L, ELL_JSON_ARRAY);
        luaL_getmetatable(L, ELL_JSON_OBJECT);
        if (lua_rawequal(L, -2, -3)) {
            kind = JSON_ARRAY;
        } else if (lua_rawequal(L, -1, -3)) {
            kind = JSON_OBJECT;
        }
        lua_pop(L, 3);
        if (kind == JSON_NONE && elL_isdocument(L, idx)) {
            kind = JSON_OBJECT;
        }
    }
    return kind;
}

elL_jsonkind elL_json_kind(lua_State *L, int idx, size_t *n, const char **why) {
    size_t count = 0, strings = 0, positions = 0;
    lua_Integer last = 0;
    idx = lua_absindex(L, idx);
    luaL_checkstack(L, 3, "JSON");
    for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
        count++;
        if (lua_type(L, -2) == LUA_TSTRING) {
            strings++;
        } else if (lua_isinteger(L, -2) && lua_tointeger(L, -2) > 0) {
            positions++;
            last = lua_tointeger(L, -2) > last ? lua_tointeger(L, -2) : last;
        }
    }
    *n = count;
    bool array = positions == count && (lua_Unsigned)last == count;
    bool object = strings == count;
    switch (elL_json_mark(L, idx)) {
    case JSON_ARRAY:
        *why = "is marked as an array and has a hole or a key that is no position";
        return array ? JSON_ARRAY : JSON_NONE;
    case JSON_OBJECT:
        *why = "is marked as an object and has a key that is no string; a list is "
               "eloquent.json.array{ ... }";
        return object ? JSON_OBJECT : JSON_NONE;
    default:
        if (array && count > 0) {
            return JSON_ARRAY;
        }
        *why = positions == count ? "is a list with a hole; put eloquent.null there"
                                  : "has keys that are neither all strings nor 1 to n";
        return object ? JSON_OBJECT : JSON_NONE;
    }
}

/* }====== */

/* {====== Places in a tree ====== */

const char *elL_json_enter(elL_place *inner, lua_State *L, int idx, const elL_place *at,
                           int most) {
    *inner =
        (elL_place){.parent = at, .table = lua_topointer(L, idx), .depth = at->depth + 1};
    for (const elL_place *p = at; p; p = p->parent) {
        if (p->table == inner->table) {
            return "contains itself";
        }
    }
    return inner->depth > most
               ? lua_pushfstring(L, "is nested deeper than %d levels", most)
               : NULL;
}

/* Adds the place's path to the `n` bytes that are in `out`; returns how many there are.
 */
static size_t add_path(char *out, size_t n, const elL_place *at) {
    if (!at || !at->parent) {
        return n;
    }
    n = add_path(out, n, at->parent);
    if (n >= EL_JSON_PATH - 60) { /* room for a key and its point */
        return n;
    }
    char key[48] = "";
    if (at->key) {
        el_error_copy(key, sizeof key, at->key, (unsigned)strnlen(at->key, sizeof key));
    }
    int m = at->key
                ? snprintf(out + n, EL_JSON_PATH - n, ".%s", key)
                : snprintf(out + n, EL_JSON_PATH - n, "[%lld]", (long long)at->position);
    return m > 0 ? n + (size_t)m : n;
}

void elL_json_path(char out[EL_JSON_PATH], const elL_place *at) {
    out[0] = '\0';
    add_path(out, 0, at);
}

int elL_json_comparekeys(const void *a, const void *b) {
    const elL_key *x = a, *y = b;
    int order = memcmp(x->text, y->text, x->n < y->n ? x->n : y->n);
    return order != 0 ? order : (x->n > y->n) - (x->n < y->n);
}

/* }====== */

/* {====== Comparison ====== */

static bool equal_values(lua_State *L, int a, int b, int depth);

static bool equal_tables(lua_State *L, int a, int b, int depth) {
    size_t na, nb;
    const char *why;
    elL_jsonkind kind = elL_json_kind(L, a, &na, &why);
    if (kind != elL_json_kind(L, b, &nb, &why) || na != nb) {
        return false;
    }
    if (depth > EL_JSON_DEPTH) {
        elL_fail(L, EL_ERR_VALUE,
                 "JSON values nested deeper than %d levels, or in a "
                 "cycle, cannot be compared",
                 EL_JSON_DEPTH);
    }
    luaL_checkstack(L, 4, "JSON");
    for (lua_pushnil(L); lua_next(L, a); lua_pop(L, 1)) {
        lua_pushvalue(L, -2);
        lua_rawget(L, b);
        int top = lua_gettop(L);
        bool same = equal_values(L, top - 1, top, depth);
        lua_pop(L, 1);
        if (!same) {
            lua_pop(L, 2);
            return false;
        }
    }
    return true;
}

/* Indices are absolute. */
static bool equal_values(lua_State *L, int a, int b, int depth) {
    int type = lua_type(L, a);
    if (type != lua_type(L, b)) {
        return false;
    }
    if (lua_rawequal(L, a, b)) {
        return type != LUA_TNUMBER || lua_isinteger(L, a) == lua_isinteger(L, b);
    }
    if (type == LUA_TTABLE) {
        return equal_tables(L, a, b, depth + 1);
    }
    if (type != LUA_TUSERDATA) {
        return false;
    }
    const char *x = elL_testdecimal(L, a, NULL), *y = elL_testdecimal(L, b, NULL);
    if (x && y) {
        return strcmp(x, y) == 0; /* 1.0 and 1.00 print differently */
    }
    return lua_compare(L, a, b, LUA_OPEQ);
}

bool elL_jsonequals(lua_State *L, int a, int b) {
    return equal_values(L, lua_absindex(L, a), lua_absindex(L, b), 0);
}

/* }====== */

/* {====== Module ====== */

/* json.array(t = {}): marks t, which is then written as an array also when empty. */
static int mark(lua_State *L, elL_jsonkind kind) {
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    if (lua_getmetatable(L, 1)) {
        lua_pop(L, 1);
        if (elL_json_mark(L, 1) == JSON_NONE) {
            return elL_fail(L, EL_ERR_MISUSE,
                            "json: a table that has a metatable cannot "
                            "be marked as an array or an object");
        }
    }
    elL_json_pushmark(L, kind);
    lua_setmetatable(L, 1);
    return 1;
}

static int json_array(lua_State *L) {
    return mark(L, JSON_ARRAY);
}

static int json_object(lua_State *L) {
    return mark(L, JSON_OBJECT);
}

/* json.kind(x): "array" or "object", as x would be written; nil for what is neither. */
static int json_kind(lua_State *L) {
    size_t n;
    const char *why;
    luaL_checkany(L, 1);
    elL_jsonkind kind = lua_istable(L, 1) ? elL_json_kind(L, 1, &n, &why) : JSON_NONE;
    if (kind == JSON_NONE) {
        lua_pushnil(L);
    } else {
        lua_pushstring(L, kind == JSON_ARRAY ? "array" : "object");
    }
    return 1;
}

static int json_equals(lua_State *L) {
    luaL_checkany(L, 2);
    lua_pushboolean(L, elL_jsonequals(L, 1, 2));
    return 1;
}

static int json_decode(lua_State *L) {
    size_t n;
    luaL_checktype(L, 1, LUA_TSTRING);
    const char *text = lua_tolstring(L, 1, &n);
    return elL_jsondecode(L, text, n);
}

int luaopen_eloquent_core_json(lua_State *L) {
    static const luaL_Reg functions[] = {{"array", json_array},
                                         {"object", json_object},
                                         {"kind", json_kind},
                                         {"equals", json_equals},
                                         {"decode", json_decode},
                                         {"encode", elL_json_encode},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}

/* }====== */
