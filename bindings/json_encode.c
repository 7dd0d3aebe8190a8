/* SPDX-License-Identifier: MIT
**
** json_encode.c - Lua values to JSON text.  Keys are sorted, so the same value makes the
** same bytes.  What JSON cannot express is an error that names its path.
*/
#include <float.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "document.h"

typedef struct encoder {
    lua_State *L;
    int slot; /* of the userdata that the text has moved to, nil while it is in `first` */
    char *p;
    size_t n, size;
    bool pretty, unsorted;
    char first[1024];
} encoder;

static void encode_value(encoder *e, int idx, const elL_place *at);

/* {====== Text ====== */

static void put(encoder *e, const char *text, size_t n) {
    if (n > e->size - e->n) {
        if (n > SIZE_MAX / 2 - e->n) {
            luaL_error(e->L, "not enough memory");
        }
        size_t size = (e->n + n) * 2;
        char *larger = lua_newuserdatauv(e->L, size, 0);
        memcpy(larger, e->p, e->n);
        lua_replace(e->L, e->slot);
        e->p = larger;
        e->size = size;
    }
    memcpy(e->p + e->n, text, n);
    e->n += n;
}

static void put_char(encoder *e, char c) {
    put(e, &c, 1);
}

static void put_line(encoder *e, int depth) {
    if (e->pretty) {
        put_char(e, '\n');
        for (int i = 0; i < depth; i++) {
            put(e, "  ", 2);
        }
    }
}

static void put_escaped(encoder *e, unsigned char c) {
    static const char short_forms[] = {
        ['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
        ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't'};
    static const char hex[] = "0123456789abcdef";
    if (short_forms[c]) {
        char text[2] = {'\\', short_forms[c]};
        put(e, text, sizeof text);
    } else {
        char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        put(e, text, sizeof text);
    }
}

static void put_string(encoder *e, const char *text, size_t n) {
    size_t run = 0;
    put_char(e, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == '"' || c == '\\') {
            put(e, text + run, i - run);
            put_escaped(e, c);
            run = i + 1;
        }
    }
    put(e, text + run, n - run);
    put_char(e, '"');
}

size_t elL_json_float(char *out, double d) {
    /* 15 digits come back from any double but the smallest, which have fewer */
    int n = 0, first = d > -DBL_MIN && d < DBL_MIN ? 1 : DBL_DIG;
    for (int precision = first; precision <= DBL_DIG + 2; precision++) {
        n = snprintf(out, EL_JSON_FLOAT, "%.*g", precision, d);
        if (strtod(out, NULL) == d) {
            break;
        }
    }
    char point = *localeconv()->decimal_point;
    char *dot = point != '.' ? strchr(out, point) : NULL;
    if (dot) {
        *dot = '.';
    }
    if (!strpbrk(out, ".e")) {
        memcpy(out + n, ".0", 3);
        n += 2;
    }
    return (size_t)n;
}

/* }====== */

/* {====== Errors ====== */

static int refuse(encoder *e, const elL_place *at, const char *why) {
    char path[EL_JSON_PATH];
    elL_json_path(path, at);
    return elL_fail(e->L, EL_ERR_VALUE, "JSON cannot express the value at $%s: it %s",
                    path, why);
}

static void check_text(encoder *e, const elL_place *at, const char *text, size_t n) {
    if (!el_utf8_valid(text, n)) {
        refuse(e, at, "is a string that is not valid UTF-8");
    }
}

/* }====== */

/* {====== Tables ====== */

static void encode_array(encoder *e, int idx, size_t n, elL_place *inner) {
    put_char(e, '[');
    for (size_t i = 1; i <= n; i++) {
        put(e, ",", i > 1);
        put_line(e, inner->depth);
        inner->position = (lua_Integer)i;
        lua_rawgeti(e->L, idx, inner->position);
        encode_value(e, lua_gettop(e->L), inner);
        lua_pop(e->L, 1);
    }
    if (n > 0) {
        put_line(e, inner->depth - 1);
    }
    put_char(e, ']');
}

enum { FEW_KEYS = 8 };

/*
** Fills `keys` with at most n keys of the table at `idx`, all of them strings, and
** returns their number.  A script's finaliser may have changed the table since they were
** counted, and may do so while its values are written; so the keys are kept alive, in the
** table at `anchor`, or on the stack where that is 0.
*/
static size_t collect_keys(encoder *e, int idx, elL_key *keys, size_t n, int anchor) {
    size_t i = 0;
    lua_State *L = e->L;
    lua_pushnil(L);
    while (lua_next(L, idx)) {
        lua_pop(L, 1);
        if (i == n || lua_type(L, -1) != LUA_TSTRING) {
            lua_pop(L, 1);
            break;
        }
        keys[i].text = lua_tolstring(L, -1, &keys[i].n);
        i++;
        lua_pushvalue(L, -1);
        if (anchor) {
            lua_rawseti(L, anchor, (lua_Integer)i);
        }
    }
    if (!e->unsorted) {
        qsort(keys, i, sizeof *keys, elL_json_comparekeys);
    }
    return i;
}

static void encode_object(encoder *e, int idx, size_t n, elL_place *inner) {
    elL_key few[FEW_KEYS], *keys = few;
    int top = lua_gettop(e->L), anchor = 0;
    luaL_checkstack(e->L, FEW_KEYS + 8, "JSON");
    if (n > FEW_KEYS) {
        keys = lua_newuserdatauv(e->L, n * sizeof *keys, 0); /* n entries fit in memory */
        lua_createtable(e->L, n < INT_MAX ? (int)n : 0, 0);
        anchor = top + 2;
    }
    n = collect_keys(e, idx, keys, n, anchor);
    put_char(e, '{');
    for (size_t i = 0; i < n; i++) {
        put(e, ",", i > 0);
        put_line(e, inner->depth);
        inner->key = keys[i].text;
        if (!el_utf8_valid(keys[i].text, keys[i].n)) {
            refuse(e, inner->parent, "has a key that is not valid UTF-8");
        }
        put_string(e, keys[i].text, keys[i].n);
        put(e, ": ", e->pretty ? 2 : 1);
        lua_pushlstring(e->L, keys[i].text, keys[i].n);
        lua_rawget(e->L, idx);
        encode_value(e, lua_gettop(e->L), inner);
        lua_pop(e->L, 1);
    }
    if (n > 0) {
        put_line(e, inner->depth - 1);
    }
    put_char(e, '}');
    lua_settop(e->L, top);
}

static void encode_table(encoder *e, int idx, const elL_place *at) {
    size_t n = 0;
    const char *why = "";
    elL_place inner;
    const char *refused = elL_json_enter(&inner, e->L, idx, at, EL_JSON_DEPTH);
    if (refused) {
        refuse(e, at, refused);
    }
    switch (elL_json_kind(e->L, idx, &n, &why)) {
    case JSON_ARRAY:
        encode_array(e, idx, n, &inner);
        return;
    case JSON_OBJECT:
        encode_object(e, idx, n, &inner);
        return;
    default:
        refuse(e, at, why);
    }
}

/* }====== */

/* {====== Values ====== */

static void encode_number(encoder *e, int idx, const elL_place *at) {
    char text[EL_JSON_FLOAT];
    if (lua_isinteger(e->L, idx)) {
        int n = snprintf(text, sizeof text, "%lld", (long long)lua_tointeger(e->L, idx));
        put(e, text, (size_t)n);
        return;
    }
    double d = lua_tonumber(e->L, idx);
    if (d - d != 0) {
        refuse(e, at, "is an infinite float or not a number");
    }
    put(e, text, elL_json_float(text, d));
}

/* What documents have beyond JSON, as extended JSON says it. */
static void encode_kept(encoder *e, const el_value *v) {
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static const char before[] = "{\"$binary\":{\"base64\":\"",
                      after[] = "\",\"subType\":\"00\"}}";
    const unsigned char *p = (const unsigned char *)v->u.s.p;
    if (v->type == EL_SPECIAL) {
        put(e, v->u.s.p, v->u.s.n);
        return;
    } else if (v->type != EL_BYTES) {
        put_string(e, v->u.s.p, v->u.s.n);
        return;
    }
    put(e, before, sizeof before - 1);
    for (size_t i = 0, n = v->u.s.n; i < n; i += 3) {
        unsigned bits = (unsigned)p[i] << 16 | (i + 1 < n ? (unsigned)p[i + 1] << 8 : 0) |
                        (i + 2 < n ? p[i + 2] : 0);
        char four[4] = {digits[bits >> 18], digits[bits >> 12 & 63],
                        i + 1 < n ? digits[bits >> 6 & 63] : '=',
                        i + 2 < n ? digits[bits & 63] : '='};
        put(e, four, sizeof four);
    }
    put(e, after, sizeof after - 1);
}

static void encode_userdata(encoder *e, int idx, const elL_place *at) {
    size_t n;
    int64_t micros;
    el_value kept;
    const char *text = elL_testdecimal(e->L, idx, &n);
    if (text) {
        put(e, text, n);
    } else if ((text = elL_testobjectid(e->L, idx)) != NULL) {
        put_string(e, text, strlen(text));
    } else if (elL_testkept(e->L, idx, &kept) && el_type_has_bytes(kept.type)) {
        encode_kept(e, &kept);
    } else if (elL_testdatetime(e->L, idx, &micros)) {
        elL_pushdatetimetext(e->L, micros);
        text = lua_tolstring(e->L, -1, &n);
        put_string(e, text, n);
        lua_pop(e->L, 1);
    } else {
        refuse(e, at,
               "is a userdata of another type; make it a table first, a record "
               "with record:toTable()");
    }
}

static void encode_value(encoder *e, int idx, const elL_place *at) {
    lua_State *L = e->L;
    size_t n;
    const char *text;
    luaL_checkstack(L, 8, "JSON");
    switch (lua_type(L, idx)) {
    case LUA_TBOOLEAN:
        text = lua_toboolean(L, idx) ? "true" : "false";
        put(e, text, strlen(text));
        return;
    case LUA_TNUMBER:
        encode_number(e, idx, at);
        return;
    case LUA_TSTRING:
        text = lua_tolstring(L, idx, &n);
        check_text(e, at, text, n);
        put_string(e, text, n);
        return;
    case LUA_TTABLE:
        encode_table(e, idx, at);
        return;
    case LUA_TUSERDATA:
        encode_userdata(e, idx, at);
        return;
    case LUA_TLIGHTUSERDATA:
        if (elL_isnull(L, idx)) {
            put(e, "null", 4);
            return;
        }
        break;
    case LUA_TNIL:
        refuse(e, at, "is nil; for null give eloquent.null");
        return;
    default:
        break;
    }
    lua_pushfstring(L, "is a %s", luaL_typename(L, idx));
    refuse(e, at, lua_tostring(L, -1));
}

static int encode(lua_State *L, int idx, bool pretty, bool unsorted) {
    encoder e;
    static const elL_place root = {0};
    idx = lua_absindex(L, idx);
    luaL_checkstack(L, 8, "JSON");
    lua_pushnil(L);
    e.L = L;
    e.slot = lua_gettop(L);
    e.p = e.first;
    e.n = 0;
    e.size = sizeof e.first;
    e.pretty = pretty;
    e.unsorted = unsorted;
    encode_value(&e, idx, &root);
    lua_pushlstring(L, e.p, e.n);
    lua_replace(L, e.slot);
    return 1;
}

int elL_jsonencode(lua_State *L, int idx) {
    return encode(L, idx, false, false);
}

static bool option(lua_State *L, const char *name, bool otherwise) {
    if (lua_getfield(L, 2, name) != LUA_TNIL) {
        luaL_argexpected(L, lua_isboolean(L, -1), 2, "boolean options");
        otherwise = lua_toboolean(L, -1);
    }
    lua_pop(L, 1);
    return otherwise;
}

/* json.encode(value, { pretty = false, sorted = true }) */
int elL_json_encode(lua_State *L) {
    luaL_checkany(L, 1);
    if (lua_isnoneornil(L, 2)) {
        return elL_jsonencode(L, 1);
    }
    luaL_checktype(L, 2, LUA_TTABLE);
    for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
        luaL_tolstring(L, -2, NULL);
        const char *name = lua_tostring(L, -1);
        if (strcmp(name, "pretty") != 0 && strcmp(name, "sorted") != 0) {
            return elL_fail(
                L, EL_ERR_MISUSE,
                "json.encode: unknown option '%s'; known are pretty and sorted", name);
        }
        lua_pop(L, 1);
    }
    return encode(L, 1, option(L, "pretty", false), !option(L, "sorted", true));
}

/* }====== */
