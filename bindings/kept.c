/* SPDX-License-Identifier: MIT
**
** kept.c - a value of a database as it stands, with bytes of its own.  Scripts see it
** where a Lua value would be written back as another one: bytes and UUIDs inside
** documents, and what only one engine knows.
*/
#include <string.h>

#include "document.h"

typedef struct kept {
    el_value value; /* its bytes are behind it */
    el_iter nested;
} kept;

static void push_kept_metatable(lua_State *L);

void elL_pushkept(lua_State *L, const el_value *v) {
    bool nested = v->type == EL_LIST || v->type == EL_DOC;
    const void *bytes = NULL;
    size_t n = 0;
    if (nested) {
        bytes = v->u.nested->block;
        n = v->u.nested->size;
        if (!bytes) {
            elL_fail(L, EL_ERR_UNSUPPORTED, "the driver lends documents that can't be kept");
        }
    } else if (el_type_has_bytes(v->type)) {
        bytes = v->u.s.p;
        n = v->u.s.n;
    }
    if (n > SIZE_MAX - sizeof(kept) - 1) {
        elL_fail(L, EL_ERR_VALUE, "a value is too long to be kept");
    }
    kept *k = lua_newuserdatauv(L, sizeof *k + n + 1, 0);
    char *copy = (char *)(k + 1);
    memset(k, 0, sizeof *k);
    k->value = *v;
    if (n > 0) {
        memcpy(copy, bytes, n);
    }
    copy[n] = '\0';
    if (nested) {
        k->nested = *v->u.nested;
        k->nested.block = copy;
        k->value.u.nested = &k->nested;
    } else if (bytes) {
        k->value.u.s.p = copy;
    }
    push_kept_metatable(L);
    lua_setmetatable(L, -2);
}

bool elL_testkept(lua_State *L, int idx, el_value *out) {
    const kept *k = NULL;
    if (lua_type(L, idx) == LUA_TUSERDATA) {
        k = luaL_testudata(L, idx, ELL_KEPT);
    }
    if (k) {
        *out = k->value;
    }
    return k != NULL;
}

static el_value check_kept(lua_State *L, int idx) {
    el_value v = {.type = EL_NULL};
    if (!elL_testkept(L, idx, &v)) {
        luaL_typeerror(L, idx, ELL_KEPT);
    }
    return v;
}

/* tostring(value): its bytes, or its text. */
static int kept_tostring(lua_State *L) {
    el_value v = check_kept(L, 1);
    if (el_type_has_bytes(v.type)) {
        lua_pushlstring(L, v.u.s.p, v.u.s.n);
    } else {
        lua_pushstring(L, el_type_name(v.type));
    }
    return 1;
}

static int kept_eq(lua_State *L) {
    el_value a, b;
    bool both = elL_testkept(L, 1, &a) && elL_testkept(L, 2, &b);
    lua_pushboolean(L, both && a.type == b.type && el_type_has_bytes(a.type) &&
                           a.u.s.n == b.u.s.n &&
                           memcmp(a.u.s.p, b.u.s.p, a.u.s.n) == 0);
    return 1;
}

/* value:type(): "bytes", "uuid" or "special". */
static int kept_type(lua_State *L) {
    lua_pushstring(L, el_type_name(check_kept(L, 1).type));
    return 1;
}

static void push_kept_metatable(lua_State *L) {
    static const luaL_Reg meta[] = {
        {"__tostring", kept_tostring}, {"__eq", kept_eq}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"type", kept_type}, {NULL, NULL}};
    if (luaL_newmetatable(L, ELL_KEPT)) {
        luaL_setfuncs(L, meta, 0);
        luaL_newlib(L, methods);
        lua_setfield(L, -2, "__index");
        lua_pushliteral(L, ELL_KEPT);
        lua_setfield(L, -2, "__metatable");
    }
}
