/* SPDX-License-Identifier: MIT
**
** document_keys.c - documents keep the order of their keys.  Their fields are those of a
** plain table; the order is in the metatable, which all documents with the same keys in
** the same order share.  Large documents, and those of rare forms, have one of their own.
*/
#include <stdlib.h>
#include <string.h>

#include "document.h"

/* Marks of the metatable: [1..n] are the keys, in order. */
static const char document_tag, next_key, own_key, root_key, count_key;

enum { SHARED_KEYS = 32, SHARED_FORMS = 2000 };

bool elL_isdocument(lua_State *L, int idx) {
    if (!lua_istable(L, idx) || !lua_getmetatable(L, idx)) {
        return false;
    }
    bool ours = lua_rawgetp(L, -1, &document_tag) != LUA_TNIL;
    lua_pop(L, 2);
    return ours;
}

/* {====== Keys in order ====== */

/* Sorts the strings of the list at `idx` from position `first` to `last`. */
static void sort_keys(lua_State *L, int idx, lua_Integer first, lua_Integer last) {
    size_t n = (size_t)(last - first + 1);
    elL_key *keys = lua_newuserdatauv(L, n * sizeof *keys, 1);
    lua_createtable(L, (int)n, 0);
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, idx, first + (lua_Integer)i);
        keys[i].text = lua_tolstring(L, -1, &keys[i].n);
        lua_rawseti(L, -2, (lua_Integer)i + 1); /* keeps it while it has no place */
    }
    qsort(keys, n, sizeof *keys, elL_json_comparekeys);
    for (size_t i = 0; i < n; i++) {
        lua_pushlstring(L, keys[i].text, keys[i].n);
        lua_rawseti(L, idx, first + (lua_Integer)i);
    }
    lua_pop(L, 2);
}

/* Appends to the list at `keys` what of the order the table at `idx` has; with the set at
** `seen` for the others. */
static lua_Integer in_order(lua_State *L, int idx, int keys, int seen) {
    lua_Integer count = 0;
    lua_getmetatable(L, idx);
    int order = lua_gettop(L);
    for (lua_Integer i = 1; lua_rawgeti(L, order, i) != LUA_TNIL; i++) {
        lua_pushvalue(L, -1);
        if (lua_rawget(L, idx) != LUA_TNIL) {
            lua_pop(L, 1);
            lua_pushvalue(L, -1);
            lua_rawseti(L, keys, ++count);
            lua_pushboolean(L, 1);
            lua_rawset(L, seen);
        } else {
            lua_pop(L, 2);
        }
    }
    lua_settop(L, order - 1);
    return count;
}

void elL_document_pushkeys(lua_State *L, int idx) {
    idx = lua_absindex(L, idx);
    luaL_checkstack(L, 10, "document");
    lua_newtable(L);
    int keys = lua_gettop(L), seen = 0;
    lua_Integer count = 0;
    if (elL_isdocument(L, idx)) {
        lua_newtable(L);
        seen = keys + 1;
        count = in_order(L, idx, keys, seen);
    }
    lua_Integer first = count + 1;
    for (lua_pushnil(L); lua_next(L, idx);) {
        lua_pop(L, 1);
        bool known = lua_type(L, -1) != LUA_TSTRING;
        if (seen && !known) {
            lua_pushvalue(L, -1);
            known = lua_rawget(L, seen) != LUA_TNIL;
            lua_pop(L, 1);
        }
        if (!known) {
            lua_pushvalue(L, -1);
            lua_rawseti(L, keys, ++count);
        }
    }
    if (count > first) {
        sort_keys(L, keys, first, count);
    }
    lua_settop(L, keys);
}

/* }====== */

/* {====== Metatables ====== */

static int document_newindex(lua_State *L);

/* Iterator of pairs(document): upvalues are the document, its keys, the position. */
static int next_entry(lua_State *L) {
    for (;;) {
        lua_Integer i = lua_tointeger(L, lua_upvalueindex(3)) + 1;
        lua_pushinteger(L, i);
        lua_replace(L, lua_upvalueindex(3));
        if (lua_rawgeti(L, lua_upvalueindex(2), i) == LUA_TNIL) {
            return 1;
        }
        lua_pushvalue(L, -1);
        if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) {
            return 2;
        }
        lua_pop(L, 2); /* taken away since the loop began */
    }
}

static int document_pairs(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    elL_document_pushkeys(L, 1);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_entry, 3);
    return 1;
}

static int document_tostring(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    elL_jsonencode(L, 1);
    return 1;
}

static void push_metatable(lua_State *L, int keys) {
    static const luaL_Reg meta[] = {{"__newindex", document_newindex},
                                    {"__pairs", document_pairs},
                                    {"__tostring", document_tostring},
                                    {NULL, NULL}};
    lua_createtable(L, keys, 7);
    luaL_setfuncs(L, meta, 0);
    lua_pushliteral(L, "eloquent.Document");
    lua_setfield(L, -2, "__name");
    lua_pushliteral(L, "eloquent.Document");
    lua_setfield(L, -2, "__metatable");
    lua_pushboolean(L, 1);
    lua_rawsetp(L, -2, &document_tag);
}

void elL_document_pushorder(lua_State *L) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &root_key) == LUA_TNIL) {
        lua_pop(L, 1);
        push_metatable(L, 0);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &root_key);
    }
}

/* Number of metatables that are shared, after adding one; 0: there are enough. */
static bool may_share(lua_State *L, int at) {
    if (lua_rawlen(L, at) >= SHARED_KEYS) {
        return false;
    }
    lua_rawgetp(L, LUA_REGISTRYINDEX, &count_key);
    lua_Integer count = lua_tointeger(L, -1) + 1;
    lua_pop(L, 1);
    if (count > SHARED_FORMS) {
        return false;
    }
    lua_pushinteger(L, count);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &count_key);
    return true;
}

static bool has_key(lua_State *L, int order, int name) {
    for (lua_Integer i = 1; lua_rawgeti(L, order, i) != LUA_TNIL; i++) {
        bool same = lua_rawequal(L, -1, name);
        lua_pop(L, 1);
        if (same) {
            return true;
        }
    }
    lua_pop(L, 1);
    return false;
}

/* Pushes a metatable with the keys of that at `at`, but for the one at `name`, and that
** one behind them. */
static void push_longer(lua_State *L, int at, int name) {
    lua_Integer n = 0;
    push_metatable(L, (int)lua_rawlen(L, at) + 1);
    for (lua_Integer i = 1; lua_rawgeti(L, at, i) != LUA_TNIL; i++) {
        if (lua_rawequal(L, -1, name)) {
            lua_pop(L, 1);
        } else {
            lua_rawseti(L, -2, ++n);
        }
    }
    lua_pop(L, 1);
    lua_pushvalue(L, name);
    lua_rawseti(L, -2, n + 1);
}

/* Replaces the metatable in slot `at` by one that only one document has. */
static void make_own(lua_State *L, int at, int name) {
    push_longer(L, at, name);
    lua_pushboolean(L, 1);
    lua_rawsetp(L, -2, &own_key);
    lua_replace(L, at);
}

/* The metatable in slot `at` got another key for the first time. */
static void new_form(lua_State *L, int at, int next) {
    int name = next - 1;
    if (has_key(L, at, name)) { /* a key that comes twice has its first place */
        lua_pushvalue(L, at);
    } else if (may_share(L, at)) {
        push_longer(L, at, name);
    } else {
        make_own(L, at, name);
        return;
    }
    lua_pushvalue(L, name);
    lua_pushvalue(L, -2);
    lua_rawset(L, next);
    lua_replace(L, at);
}

void elL_document_addkey(lua_State *L, int at) {
    int name = lua_gettop(L);
    luaL_checkstack(L, 8, "document");
    if (lua_rawgetp(L, at, &own_key) != LUA_TNIL) {
        lua_pushvalue(L, name);
        lua_rawseti(L, at, (lua_Integer)lua_rawlen(L, at) + 1);
        lua_settop(L, name);
        return;
    }
    lua_pop(L, 1);
    if (lua_rawgetp(L, at, &next_key) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, at, &next_key);
    }
    lua_pushvalue(L, name);
    if (lua_rawget(L, name + 1) == LUA_TNIL) {
        lua_pop(L, 1);
        new_form(L, at, name + 1);
    } else {
        lua_replace(L, at);
    }
    lua_settop(L, name);
}

/* doc.name = value, for a name that it doesn't have: it comes last. */
static int document_newindex(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 3);
    if (lua_isnil(L, 3)) {
        return 0;
    }
    if (lua_type(L, 2) != LUA_TSTRING) {
        return elL_fail(
            L, EL_ERR_VALUE,
            "the keys of a document are strings, found the key %s; put a list in "
            "its place: record.column = eloquent.json.array{ ... }",
            luaL_tolstring(L, 2, NULL));
    }
    if (!lua_getmetatable(L, 1)) {
        lua_settop(L, 3);
        lua_rawset(L, 1);
        return 0;
    }
    if (has_key(L, 4, 2)) { /* it was there before */
        make_own(L, 4, 2);
    } else {
        lua_pushvalue(L, 2);
        elL_document_addkey(L, 4);
        lua_settop(L, 4);
    }
    lua_setmetatable(L, 1);
    lua_rawset(L, 1);
    return 0;
}

/* }====== */

/* {====== The module ====== */

/* Adds the entry whose key and value are the two at the top to the document at `doc`. */
static void add_entry(lua_State *L, int doc) {
    if (lua_type(L, -2) != LUA_TSTRING) {
        elL_fail(L, EL_ERR_VALUE,
                 "doc: a key is a string, found a %s; write "
                 "doc{ { \"name\", value }, ... }",
                 luaL_typename(L, -2));
    }
    lua_pushvalue(L, -2);
    if (lua_rawget(L, doc) != LUA_TNIL) {
        elL_fail(L, EL_ERR_VALUE, "doc: the key '%s' is there twice",
                 lua_tostring(L, -3));
    }
    lua_pop(L, 1);
    lua_settable(L, doc);
}

/* One item of the list: { key, value }. */
static void add_pair(lua_State *L, int doc, lua_Integer i) {
    if (lua_type(L, -1) != LUA_TTABLE || elL_isdocument(L, -1)) {
        elL_fail(L, EL_ERR_VALUE,
                 "doc: item %I is a %s; write doc{ { \"name\", value }, "
                 "... } to give an order",
                 i, luaL_typename(L, -1));
    }
    int pair = lua_gettop(L);
    lua_rawgeti(L, pair, 1);
    if (lua_rawgeti(L, pair, 2) == LUA_TNIL) {
        elL_fail(L, EL_ERR_VALUE,
                 "doc: item %I has no value; for null give "
                 "eloquent.null",
                 i);
    }
    add_entry(L, doc);
    lua_settop(L, pair - 1);
}

/* doc{ { "a", 1 }, { "b", 2 } } in that order; doc{ a = 1 } sorted; doc() empty. */
static int new_document(lua_State *L) {
    lua_settop(L, 2);
    if (!lua_isnil(L, 2)) {
        luaL_checktype(L, 2, LUA_TTABLE);
    }
    lua_newtable(L);
    elL_document_pushorder(L);
    lua_setmetatable(L, 3);
    if (lua_isnil(L, 2)) {
        return 1;
    }
    for (lua_Integer i = 1; lua_rawgeti(L, 2, i) != LUA_TNIL; i++) {
        add_pair(L, 3, i);
    }
    lua_settop(L, 3);
    elL_document_pushkeys(L, 2);
    for (lua_Integer i = 1; lua_rawgeti(L, 4, i) != LUA_TNIL; i++) {
        lua_pushvalue(L, -1);
        lua_rawget(L, 2);
        add_entry(L, 3);
        lua_settop(L, 4);
    }
    lua_settop(L, 3);
    return 1;
}

/* document.keys(table): a list of its keys, in its order. */
static int get_keys(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    elL_document_pushkeys(L, 1);
    return 1;
}

static int is_document(lua_State *L) {
    lua_pushboolean(L, elL_isdocument(L, 1));
    return 1;
}

/* document.kind(table): "list" or "document"; nil and why when it is neither. */
static int get_kind(lua_State *L) {
    size_t n;
    const char *why = "";
    luaL_checktype(L, 1, LUA_TTABLE);
    switch (elL_json_kind(L, 1, &n, &why)) {
    case JSON_ARRAY:
        lua_pushliteral(L, "list");
        return 1;
    case JSON_OBJECT:
        lua_pushliteral(L, "document");
        return 1;
    default:
        lua_pushnil(L);
        lua_pushstring(L, why);
        return 2;
    }
}

static int keep_text(lua_State *L, el_type type) {
    el_value v = {.type = type};
    luaL_checktype(L, 1, LUA_TSTRING);
    v.u.s.p = lua_tolstring(L, 1, &v.u.s.n);
    elL_pushkept(L, &v);
    return 1;
}

/* document.binary(bytes): bytes inside a document, also where they are valid text. */
static int new_binary(lua_State *L) {
    return keep_text(L, EL_BYTES);
}

/* document.uuid(text): a UUID inside a document, which is no text there. */
static int new_uuid(lua_State *L) {
    size_t n, digits = 0;
    const char *text = luaL_checklstring(L, 1, &n);
    char lower[36];
    for (size_t i = 0; i < n && n == sizeof lower; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        char c = text[i] >= 'A' && text[i] <= 'F' ? (char)(text[i] + 32) : text[i];
        bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        digits += dash ? c == '-' : digit;
        lower[i] = c;
    }
    if (digits != sizeof lower) {
        return elL_fail(L, EL_ERR_VALUE,
                        "doc.uuid expects text of the form "
                        "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
    }
    lua_settop(L, 0);
    lua_pushlstring(L, lower, sizeof lower);
    return keep_text(L, EL_UUID);
}

/* document.special(json): a value of one engine only, {"$minKey":1} on MongoDB. */
static int new_special(lua_State *L) {
    return keep_text(L, EL_SPECIAL);
}

int luaopen_eloquent_core_document(lua_State *L) {
    static const luaL_Reg functions[] = {{"keys", get_keys}, {"is", is_document},
                                         {"kind", get_kind}, {"binary", new_binary},
                                         {"uuid", new_uuid}, {"special", new_special},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, new_document);
    lua_setfield(L, -2, "__call");
    lua_pushliteral(L, "eloquent.doc");
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    return 1;
}

/* }====== */
