/* SPDX-License-Identifier: MIT
**
** document.c - documents and lists between Lua and databases.  Tables become packed bytes
** before a driver sees them, so a driver walks them without Lua; what a driver lends
** becomes tables.  How such tables keep the order of their keys is document_keys.c.
*/
#include "document.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What servers take, too. */
enum { MAX_DEPTH = 100 };

/* {====== Packed values: a type, then its bytes; entries of documents begin with a key
 * ====== */

static uint32_t read_length(const unsigned char *p) {
    uint32_t n;
    memcpy(&n, p, sizeof n);
    return n;
}

static bool next_in_document(el_iter *it, const char **key, size_t *keylen, el_value *out,
                             el_iter *room);
static bool next_in_list(el_iter *it, const char **key, size_t *keylen, el_value *out,
                         el_iter *room);

static void walk_entries(el_iter *it, el_type type, const unsigned char *entries,
                         size_t size) {
    memset(it, 0, sizeof *it);
    it->next = type == EL_DOC ? next_in_document : next_in_list;
    it->block = entries;
    it->size = size;
}

/* Reads the value at p and returns what is behind it. */
static const unsigned char *read_value(const unsigned char *p, el_value *out,
                                       el_iter *room) {
    out->type = (el_type)*p++;
    switch (out->type) {
    case EL_NULL:
        return p;
    case EL_BOOL:
        out->u.b = *p != 0;
        return p + 1;
    case EL_INT:
    case EL_TIMESTAMP:
        memcpy(&out->u.i, p, sizeof out->u.i);
        return p + sizeof out->u.i;
    case EL_FLOAT:
        memcpy(&out->u.d, p, sizeof out->u.d);
        return p + sizeof out->u.d;
    case EL_LIST:
    case EL_DOC: {
        size_t n = read_length(p);
        walk_entries(room, out->type, p + sizeof(uint32_t), n);
        out->u.nested = room;
        return p + sizeof(uint32_t) + n;
    }
    default:
        out->u.s.n = read_length(p);
        out->u.s.p = (const char *)p + sizeof(uint32_t);
        return p + sizeof(uint32_t) + out->u.s.n + 1;
    }
}

static bool next_in_list(el_iter *it, const char **key, size_t *keylen, el_value *out,
                         el_iter *room) {
    const unsigned char *block = it->block;
    if ((size_t)it->state.i >= it->size) {
        return false;
    }
    *key = NULL;
    *keylen = 0;
    it->state.i = read_value(block + it->state.i, out, room) - block;
    return true;
}

static bool next_in_document(el_iter *it, const char **key, size_t *keylen, el_value *out,
                             el_iter *room) {
    const unsigned char *block = it->block;
    if ((size_t)it->state.i >= it->size) {
        return false;
    }
    const unsigned char *p = block + it->state.i;
    *keylen = read_length(p);
    *key = (const char *)p + sizeof(uint32_t);
    p = read_value(p + sizeof(uint32_t) + *keylen + 1, out, room);
    it->state.i = p - block;
    return true;
}

/* }====== */

/* {====== From tables ====== */

typedef struct packer {
    lua_State *L;
    int slot; /* of the userdata that `p` is the memory of */
    unsigned char *p;
    size_t n, size;
    unsigned rules;
} packer;

static void pack_value(packer *w, int idx, const elL_place *at);

/* Room for n more bytes; returns where they begin. */
static unsigned char *room_for(packer *w, size_t n) {
    if (n > w->size - w->n) {
        if (n > UINT32_MAX / 4 || w->n > UINT32_MAX / 4) {
            elL_fail(w->L, EL_ERR_VALUE, "a document of more than 1 GiB can't be sent");
        }
        size_t size = (w->n + n) * 2;
        unsigned char *larger = lua_newuserdatauv(w->L, size, 0);
        memcpy(larger, w->p, w->n);
        lua_replace(w->L, w->slot);
        w->p = larger;
        w->size = size;
    }
    w->n += n;
    return w->p + w->n - n;
}

static void pack_type(packer *w, el_type type) {
    *room_for(w, 1) = (unsigned char)type;
}

static void pack_fixed(packer *w, el_type type, const void *bytes, size_t n) {
    pack_type(w, type);
    memcpy(room_for(w, n), bytes, n);
}

/* Length, bytes and NUL. */
static void pack_bytes(packer *w, const char *text, size_t n) {
    if (n > UINT32_MAX / 4) {
        elL_fail(w->L, EL_ERR_VALUE, "a string of more than 1 GiB can't be sent");
    }
    uint32_t length = (uint32_t)n;
    unsigned char *p = room_for(w, sizeof length + n + 1);
    memcpy(p, &length, sizeof length);
    memcpy(p + sizeof length, text, n);
    p[sizeof length + n] = '\0';
}

static void pack_text(packer *w, el_type type, const char *text, size_t n) {
    pack_type(w, type);
    pack_bytes(w, text, n);
}

EL_NORETURN static int refuse(packer *w, const elL_place *at, const char *why) {
    char text[EL_JSON_PATH];
    elL_json_path(text, at);
    const char *path = text + (*text == '.');
    elL_fail(w->L, EL_ERR_VALUE, "a document can't hold the value%s%s%s: it %s",
             *path ? " at '" : "", path, *path ? "'" : "", why);
}

static void pack_list(packer *w, int idx, size_t n, elL_place *inner) {
    for (size_t i = 1; i <= n; i++) {
        inner->position = (lua_Integer)i;
        lua_rawgeti(w->L, idx, inner->position);
        pack_value(w, lua_gettop(w->L), inner);
        lua_pop(w->L, 1);
    }
}

static void pack_document(packer *w, int idx, elL_place *inner) {
    lua_State *L = w->L;
    elL_document_pushkeys(L, idx);
    int keys = lua_gettop(L);
    for (lua_Integer i = 1; lua_rawgeti(L, keys, i) != LUA_TNIL; i++) {
        size_t n;
        const char *key = lua_tolstring(L, -1, &n);
        if (!el_utf8_valid(key, n) || memchr(key, '\0', n)) {
            refuse(w, inner->parent,
                   "has a key that is no UTF-8 text, or has a zero byte in it");
        }
        pack_bytes(w, key, n);
        inner->key = key;
        lua_rawget(L, idx);
        pack_value(w, lua_gettop(L), inner);
        lua_pop(L, 1);
    }
    lua_settop(L, keys - 1);
}

static void pack_table(packer *w, int idx, const elL_place *at) {
    size_t n = 0;
    const char *why = "";
    elL_place inner;
    const char *refused = elL_json_enter(&inner, w->L, idx, at, MAX_DEPTH);
    if (refused) {
        refuse(w, at, refused);
    }
    elL_jsonkind kind = elL_json_kind(w->L, idx, &n, &why);
    if (kind == JSON_NONE) {
        refuse(w, at, why);
    }
    pack_type(w, kind == JSON_ARRAY ? EL_LIST : EL_DOC);
    room_for(w, sizeof(uint32_t));
    size_t start = w->n;
    if (kind == JSON_ARRAY) {
        pack_list(w, idx, n, &inner);
    } else {
        pack_document(w, idx, &inner);
    }
    uint32_t length = (uint32_t)(w->n - start);
    memcpy(w->p + start - sizeof length, &length, sizeof length);
}

/* A decimal, moment, objectid or a value that was read from a document. */
static void pack_userdata(packer *w, int idx, const elL_place *at) {
    lua_State *L = w->L;
    size_t n;
    int64_t micros;
    el_value v;
    const char *text = elL_testdecimal(L, idx, &n);
    if (text) {
        pack_text(w, EL_DECIMAL, text, n);
    } else if ((text = elL_testobjectid(L, idx)) != NULL) {
        pack_text(w, EL_OBJECT_ID, text, strlen(text));
    } else if (elL_testdatetime(L, idx, &micros)) {
        pack_fixed(w, EL_TIMESTAMP, &micros, sizeof micros);
    } else if (elL_testkept(L, idx, &v) && el_type_has_bytes(v.type)) {
        pack_text(w, v.type, v.u.s.p, v.u.s.n);
    } else {
        refuse(w, at,
               "is a userdata of another type; make it a table first, a record "
               "with record:toTable()");
    }
}

static void pack_value(packer *w, int idx, const elL_place *at) {
    lua_State *L = w->L;
    size_t n;
    luaL_checkstack(L, 8, "document");
    switch (lua_type(L, idx)) {
    case LUA_TBOOLEAN:
        pack_type(w, EL_BOOL);
        *room_for(w, 1) = (unsigned char)lua_toboolean(L, idx);
        return;
    case LUA_TNUMBER:
        if (lua_isinteger(L, idx)) {
            int64_t i = lua_tointeger(L, idx);
            pack_fixed(w, EL_INT, &i, sizeof i);
        } else {
            double d = lua_tonumber(L, idx);
            if (isnan(d) && w->rules & ELL_NO_NAN) {
                refuse(w, at, elL_nan_refused);
            }
            pack_fixed(w, EL_FLOAT, &d, sizeof d);
        }
        return;
    case LUA_TSTRING: {
        const char *text = lua_tolstring(L, idx, &n);
        bool valid = el_utf8_valid(text, n);
        if (!valid && w->rules & ELL_TEXT_ONLY) {
            refuse(w, at, elL_bytes_refused);
        }
        pack_text(w, valid ? EL_TEXT : EL_BYTES, text, n);
        return;
    }
    case LUA_TTABLE:
        pack_table(w, idx, at);
        return;
    case LUA_TUSERDATA:
        pack_userdata(w, idx, at);
        return;
    default:
        break;
    }
    if (elL_isnull(L, idx)) {
        pack_type(w, EL_NULL);
        return;
    }
    lua_pushfstring(L, "is a %s", luaL_typename(L, idx));
    refuse(w, at, lua_tostring(L, -1));
}

const char elL_nan_refused[] = "is a float that is not a number",
           elL_bytes_refused[] = "is a string that is no valid UTF-8; make bytes with "
                                 "eloquent.doc.binary";

void elL_todocument(lua_State *L, el_value *out, int around, unsigned rules) {
    enum { FIRST = 512, HEADER = (sizeof(el_iter) + 7) & ~7u };
    int idx = lua_gettop(L);
    const elL_place root = {.depth = -around};
    packer w = {.L = L, .slot = idx + 1, .n = HEADER, .size = FIRST, .rules = rules};
    luaL_checkstack(L, 8, "document");
    w.p = lua_newuserdatauv(L, FIRST, 0);
    pack_value(&w, idx, &root);
    el_iter *it = (el_iter *)(void *)w.p;
    out->type = (el_type)w.p[HEADER];
    size_t skipped = HEADER + 1 + sizeof(uint32_t);
    walk_entries(it, out->type, w.p + skipped, w.n - skipped);
    out->u.nested = it;
    lua_settop(L, w.slot);
    lua_replace(L, idx);
}

/* }====== */

/* {====== To tables ====== */

static void push_table(lua_State *L, const el_iter *nested, bool list, int depth);

static void push_at(lua_State *L, const el_value *v, int depth) {
    switch (v->type) {
    case EL_NULL:
        elL_pushnull(L);
        return;
    case EL_LIST:
    case EL_DOC:
        push_table(L, v->u.nested, v->type == EL_LIST, depth + 1);
        return;
    case EL_BYTES:
    case EL_UUID:
    case EL_SPECIAL: /* as text they would be written back as text */
        elL_pushkept(L, v);
        return;
    default:
        elL_pushany(L, v);
    }
}

static void push_list(lua_State *L, el_iter *it, int depth) {
    el_iter room;
    el_value v;
    const char *key;
    size_t n;
    lua_newtable(L);
    for (lua_Integer i = 1; it->next(it, &key, &n, &v, &room); i++) {
        push_at(L, &v, depth);
        lua_rawseti(L, -2, i);
    }
    elL_json_pushmark(L, JSON_ARRAY);
    lua_setmetatable(L, -2);
}

static void push_document(lua_State *L, el_iter *it, int depth) {
    el_iter room;
    el_value v;
    const char *key;
    size_t n;
    lua_newtable(L);
    int table = lua_gettop(L);
    elL_document_pushorder(L);
    while (it->next(it, &key, &n, &v, &room)) {
        lua_pushlstring(L, key, n);
        elL_document_addkey(L, table + 1);
        push_at(L, &v, depth);
        lua_rawset(L, table);
    }
    lua_setmetatable(L, table);
}

static void push_table(lua_State *L, const el_iter *nested, bool list, int depth) {
    el_iter it = *nested;
    if (depth > 2 * MAX_DEPTH) {
        elL_fail(L, EL_ERR_VALUE, "a document is nested deeper than %d levels",
                 2 * MAX_DEPTH);
    }
    luaL_checkstack(L, 12, "document");
    if (list) {
        push_list(L, &it, depth);
    } else {
        push_document(L, &it, depth);
    }
}

void elL_pushnested(lua_State *L, const el_value *v) {
    push_at(L, v, 0);
}

/* }====== */

/* {====== Comparison ====== */

static bool same_table(lua_State *L, int idx, const el_value *v, int depth) {
    size_t n, found = 0, keylen;
    const char *why, *key;
    el_iter it = *v->u.nested, room;
    el_value entry;
    bool list = v->type == EL_LIST;
    if (depth > 2 * MAX_DEPTH ||
        elL_json_kind(L, idx, &n, &why) != (list ? JSON_ARRAY : JSON_OBJECT)) {
        return false;
    }
    luaL_checkstack(L, 8, "document");
    while (it.next(&it, &key, &keylen, &entry, &room)) {
        found++;
        if (list) {
            lua_rawgeti(L, idx, (lua_Integer)found);
        } else {
            lua_pushlstring(L, key, keylen);
            lua_rawget(L, idx);
        }
        bool same =
            !lua_isnil(L, -1) && elL_document_same(L, lua_gettop(L), &entry, depth + 1);
        lua_pop(L, 1);
        if (!same) {
            return false;
        }
    }
    return found == n;
}

static bool same_bytes(const char *text, size_t n, const el_value *v) {
    return n == v->u.s.n && memcmp(text, v->u.s.p, n) == 0;
}

static bool same_userdata(lua_State *L, int idx, const el_value *v) {
    size_t n;
    int64_t micros;
    el_value kept;
    const char *text = elL_testdecimal(L, idx, &n);
    if (text) {
        return v->type == EL_DECIMAL && same_bytes(text, n, v);
    }
    if (elL_testdatetime(L, idx, &micros)) {
        return v->type == EL_TIMESTAMP && micros == v->u.i;
    }
    if ((text = elL_testobjectid(L, idx)) != NULL) {
        return v->type == EL_OBJECT_ID && same_bytes(text, strlen(text), v);
    }
    return elL_testkept(L, idx, &kept) && kept.type == v->type &&
           el_type_has_bytes(v->type) && same_bytes(kept.u.s.p, kept.u.s.n, v);
}

bool elL_document_same(lua_State *L, int idx, const el_value *v, int depth) {
    size_t n;
    switch (lua_type(L, idx)) {
    case LUA_TNIL:
        return v->type == EL_NULL;
    case LUA_TBOOLEAN:
        return v->type == EL_BOOL && lua_toboolean(L, idx) == v->u.b;
    case LUA_TNUMBER:
        if (lua_isinteger(L, idx)) {
            return v->type == EL_INT && lua_tointeger(L, idx) == v->u.i;
        } else {
            double d = lua_tonumber(L, idx); /* -0.0 is another than 0.0 */
            return v->type == EL_FLOAT &&
                   ((d == v->u.d && !signbit(d) == !signbit(v->u.d)) ||
                    (isnan(d) && isnan(v->u.d)));
        }
    case LUA_TSTRING: {
        const char *text = lua_tolstring(L, idx, &n);
        return (v->type == EL_TEXT || v->type == EL_BYTES) && same_bytes(text, n, v);
    }
    case LUA_TTABLE:
        return (v->type == EL_LIST || v->type == EL_DOC) && same_table(L, idx, v, depth);
    case LUA_TUSERDATA:
        return same_userdata(L, idx, v);
    default:
        return elL_isnull(L, idx) && v->type == EL_NULL;
    }
}

/* }====== */
