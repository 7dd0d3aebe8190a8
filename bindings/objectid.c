/* SPDX-License-Identifier: MIT
**
** objectid.c - the objectid userdata: the 12-byte key of MongoDB documents.  It keeps the
** 24 digits that drivers take.
*/
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "core.h"

enum { DIGITS = ELL_OBJECTID_DIGITS };

typedef struct objectid {
    char text[DIGITS + 1]; /* lower case, ends with NUL */
} objectid;

static void push_metatable(lua_State *L);

/* False when the n bytes are no 24 hexadecimal digits. */
static bool normalize(char *out, const char *text, size_t n) {
    for (size_t i = 0; i < n && n == DIGITS; i++) {
        char c = text[i];
        bool upper = c >= 'A' && c <= 'F';
        if (!upper && !(c >= 'a' && c <= 'f') && !(c >= '0' && c <= '9')) {
            return false;
        }
        out[i] = (char)(upper ? c - 'A' + 'a' : c);
    }
    out[DIGITS] = '\0';
    return n == DIGITS;
}

void elL_pushobjectid(lua_State *L, const char *text, size_t n) {
    objectid id = {""};
    if (!normalize(id.text, text, n)) {
        elL_fail(L, EL_ERR_VALUE,
                 "an objectid is 24 hexadecimal digits, got text of %d bytes", (int)n);
    }
    objectid *o = lua_newuserdatauv(L, sizeof *o, 0);
    *o = id;
    push_metatable(L);
    lua_setmetatable(L, -2);
}

const char *elL_testobjectid(lua_State *L, int idx) {
    const objectid *o = NULL;
    if (lua_type(L, idx) == LUA_TUSERDATA) {
        o = luaL_testudata(L, idx, ELL_OBJECTID);
    }
    return o ? o->text : NULL;
}

static const char *check_objectid(lua_State *L, int idx) {
    const char *text = elL_testobjectid(L, idx);
    if (!text) {
        luaL_typeerror(L, idx, "objectid");
    }
    return text;
}

static int objectid_tostring(lua_State *L) {
    lua_pushlstring(L, check_objectid(L, 1), DIGITS);
    return 1;
}

/* Lua calls it for two userdata only, so one of them may be anything. */
static int objectid_eq(lua_State *L) {
    const char *a = elL_testobjectid(L, 1), *b = elL_testobjectid(L, 2);
    lua_pushboolean(L, a && b && memcmp(a, b, DIGITS) == 0);
    return 1;
}

static int objectid_lt(lua_State *L) {
    lua_pushboolean(L, memcmp(check_objectid(L, 1), check_objectid(L, 2), DIGITS) < 0);
    return 1;
}

static int objectid_le(lua_State *L) {
    lua_pushboolean(L, memcmp(check_objectid(L, 1), check_objectid(L, 2), DIGITS) <= 0);
    return 1;
}

/* id:createdAt(): the second in its first four bytes, as a datetime. */
static int objectid_created_at(lua_State *L) {
    const char *text = check_objectid(L, 1);
    int64_t seconds = 0;
    for (int i = 0; i < 8; i++) {
        seconds = seconds * 16 + (text[i] <= '9' ? text[i] - '0' : text[i] - 'a' + 10);
    }
    elL_pushdatetime(L, seconds * 1000000);
    return 1;
}

static void push_metatable(lua_State *L) {
    static const luaL_Reg meta[] = {
        {"__tostring", objectid_tostring},
        {"__eq", objectid_eq},
        {"__lt", objectid_lt},
        {"__le", objectid_le},
        {NULL, NULL},
    };
    static const luaL_Reg methods[] = {{"createdAt", objectid_created_at}, {NULL, NULL}};
    if (luaL_getmetatable(L, ELL_OBJECTID) != LUA_TNIL) {
        return;
    }
    lua_pop(L, 1);
    luaL_newmetatable(L, ELL_OBJECTID);
    luaL_setfuncs(L, meta, 0);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushliteral(L, ELL_OBJECTID);
    lua_setfield(L, -2, "__metatable");
}

/* objectid(hex) */
static int objectid_call(lua_State *L) {
    size_t n;
    if (elL_testobjectid(L, 2)) {
        lua_settop(L, 2);
        return 1;
    }
    if (lua_type(L, 2) != LUA_TSTRING) {
        return elL_fail(L, EL_ERR_VALUE,
                        "an objectid is made from 24 hexadecimal digits, got %s",
                        elL_isnull(L, 2) ? "null" : luaL_typename(L, 2));
    }
    const char *text = lua_tolstring(L, 2, &n);
    elL_pushobjectid(L, text, n);
    return 1;
}

static int objectid_is(lua_State *L) {
    lua_pushboolean(L, elL_testobjectid(L, 1) != NULL);
    return 1;
}

/* The part that makes ids of one state unlike all others, and the next number. */
typedef struct source {
    unsigned char random[5];
    uint32_t count;
} source;

static source *get_source(lua_State *L) {
    static const char key;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key) == LUA_TNIL) {
        source *fresh = lua_newuserdatauv(L, sizeof *fresh, 0);
        if (getrandom(fresh, sizeof *fresh, 0) != (ssize_t)sizeof *fresh) {
            elL_fail(L, EL_ERR_UNSUPPORTED,
                     "the system gives no random bytes for an objectid");
        }
        lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
        return fresh;
    }
    return lua_touserdata(L, -1);
}

/* objectid.new(): second, five random bytes of this process, a number that counts up. */
static int objectid_new(lua_State *L) {
    char text[DIGITS + 1];
    source *s = get_source(L);
    const unsigned char *r = s->random;
    snprintf(text, sizeof text, "%08lx%02x%02x%02x%02x%02x%06lx",
             (unsigned long)time(NULL) & 0xFFFFFFFFUL, r[0], r[1], r[2], r[3], r[4],
             (unsigned long)(s->count++ & 0xFFFFFF));
    elL_pushobjectid(L, text, DIGITS);
    return 1;
}

int luaopen_eloquent_core_objectid(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"is", objectid_is}, {"new", objectid_new}, {NULL, NULL}};
    luaL_newlib(L, functions);
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, objectid_call);
    lua_setfield(L, -2, "__call");
    lua_pushliteral(L, "eloquent.objectid");
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    return 1;
}
