/* SPDX-License-Identifier: MIT
**
** convert.c - values of scripts as columns keep them and as drivers bind them, by the Lua
** type and the column's type, never by what text looks like.  What can't be carried
** exactly is an error.  The way back is cells.c.
*/
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "document.h"

enum { UUID_LENGTH = 36, ULID_LENGTH = 26 };

/* {====== Messages ====== */

const char *elL_columnlabel(lua_State *L, const elL_shape *s, int slot) {
    const char *name = s->column[slot].name;
    if (s->model && s->open && slot == 0) { /* all of the document */
        return lua_pushstring(L, s->model);
    }
    return s->model ? lua_pushfstring(L, "%s.%s", s->model, name)
                    : lua_pushstring(L, name);
}

static const char *type_label(lua_State *L, int idx) {
    if (lua_type(L, idx) == LUA_TNUMBER) {
        return lua_isinteger(L, idx) ? "an integer" : "a float";
    }
    int64_t ignored;
    if (elL_isnull(L, idx)) {
        return "null";
    } else if (elL_testdecimal(L, idx, NULL)) {
        return "a decimal";
    } else if (elL_testdatetime(L, idx, &ignored)) {
        return "a datetime";
    } else if (luaL_getmetafield(L, idx, "__name") == LUA_TSTRING) {
        return lua_tostring(L, -1);
    }
    return lua_isnil(L, idx) ? "nil" : lua_pushfstring(L, "a %s", luaL_typename(L, idx));
}

/* The same without its article. */
static const char *type_noun(lua_State *L, int idx) {
    const char *label = type_label(L, idx), *space = strchr(label, ' ');
    return space ? space + 1 : label;
}

/* Raises "User.age expects an integer, got a string". */
EL_NORETURN static int wrong_type(lua_State *L, const elL_shape *s, int slot, int idx,
                                  const char *expected) {
    idx = lua_absindex(L, idx);
    const char *label = elL_columnlabel(L, s, slot);
    elL_fail(L, EL_ERR_VALUE, "%s expects %s, got %s", label, expected,
             type_label(L, idx));
}

/* Raises "User.age: <problem>". */
EL_NORETURN static int bad_value(lua_State *L, const elL_shape *s, int slot,
                                 const char *problem) {
    const char *label = elL_columnlabel(L, s, slot);
    elL_fail(L, EL_ERR_VALUE, "%s: %s", label, problem);
}

/* }====== */

/* {====== To columns ====== */

bool elL_digits(const char *text, size_t n, lua_Integer *out) {
    size_t i = n > 0 && text[0] == '-';
    if (n == i || n - i > 19 || (text[i] == '0' && n > 1)) {
        return false;
    }
    uint64_t value = 0;
    for (size_t k = i; k < n; k++) {
        if (text[k] < '0' || text[k] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(text[k] - '0');
    }
    if (value > (uint64_t)INT64_MAX + i) {
        return false;
    }
    *out = i ? (lua_Integer)(0 - value) : (lua_Integer)value;
    return true;
}

static bool in_range(const elL_column *c, lua_Integer v) {
    switch (c->type) {
    case COL_SMALL:
        return c->is_unsigned ? v >= 0 && v <= UINT16_MAX
                              : v >= INT16_MIN && v <= INT16_MAX;
    case COL_INT:
        return c->is_unsigned ? v >= 0 && v <= UINT32_MAX
                              : v >= INT32_MIN && v <= INT32_MAX;
    default:
        return !c->is_unsigned || v >= 0;
    }
}

/* Raises "User.age: the integer is out of the column's range, 0 to 65535". */
EL_NORETURN static int out_of_range(lua_State *L, const elL_shape *s, int slot, int idx) {
    const elL_column *c = &s->column[slot];
    const char *range = c->is_unsigned ? "0 to 18446744073709551615"
                                       : "-9223372036854775808 to 9223372036854775807";
    if (c->is_63_bits) {
        range = "0 to 9223372036854775807";
    } else if (c->type == COL_SMALL) {
        range = c->is_unsigned ? "0 to 65535" : "-32768 to 32767";
    } else if (c->type == COL_INT) {
        range = c->is_unsigned ? "0 to 4294967295" : "-2147483648 to 2147483647";
    }
    idx = lua_absindex(L, idx);
    const char *label = elL_columnlabel(L, s, slot);
    elL_fail(L, EL_ERR_VALUE, "%s: the %s is out of the column's range, %s", label,
             type_noun(L, idx), range);
}

/* A decimal beyond int64 fits only an unsigned big integer, up to 2^64 - 1. */
static bool fits_uint64(const char *text, size_t n) {
    static const char limit[] = "18446744073709551615";
    return n < sizeof limit - 1 || (n == sizeof limit - 1 && memcmp(text, limit, n) <= 0);
}

static void to_integer(lua_State *L, const elL_shape *s, int slot, int idx) {
    const elL_column *c = &s->column[slot];
    lua_Integer v = 0;
    size_t n;
    const char *text;
    if (lua_isinteger(L, idx)) {
        v = lua_tointeger(L, idx);
    } else if (lua_type(L, idx) == LUA_TNUMBER) {
        int whole;
        v = lua_tointegerx(L, idx, &whole);
        if (!whole) {
            bad_value(L, s, slot,
                      "a float with a fraction, or beyond 64 bits, is no "
                      "integer; round it first");
        }
    } else if (lua_type(L, idx) == LUA_TSTRING) {
        text = lua_tolstring(L, idx, &n);
        if (!elL_digits(text, n, &v)) {
            wrong_type(L, s, slot, idx, "an integer");
        }
    } else if ((text = elL_testdecimal(L, idx, &n)) != NULL) {
        const char *dot = memchr(text, '.', n);
        for (const char *p = dot ? dot + 1 : NULL; p && p < text + n; p++) {
            if (*p != '0') {
                bad_value(L, s, slot,
                          "a decimal with a fraction is no integer; round it "
                          "first");
            }
        }
        size_t whole = dot ? (size_t)(dot - text) : n;
        if (!elL_digits(text, whole, &v)) {
            if (c->type == COL_BIG && c->is_unsigned && !c->is_63_bits && *text != '-' &&
                fits_uint64(text, whole)) {
                elL_pushdecimal(L, text, whole);
                return;
            }
            out_of_range(L, s, slot, idx);
        }
    } else {
        wrong_type(L, s, slot, idx, "an integer");
    }
    if (!in_range(c, v)) {
        out_of_range(L, s, slot, idx);
    }
    lua_pushinteger(L, v);
}

static void to_float(lua_State *L, const elL_shape *s, int slot, int idx) {
    if (lua_type(L, idx) != LUA_TNUMBER) {
        wrong_type(L, s, slot, idx, "a number");
    }
    lua_Number d = lua_tonumber(L, idx);
    if (lua_isinteger(L, idx)) {
        const lua_Integer exact = (lua_Integer)1 << 53;
        lua_Integer i = lua_tointeger(L, idx);
        if (i > exact || i < -exact) {
            bad_value(L, s, slot, "the integer has more digits than a float holds");
        }
    }
    lua_pushnumber(L, d);
}

static void to_text(lua_State *L, const elL_shape *s, int slot, int idx) {
    const elL_column *c = &s->column[slot];
    if (lua_type(L, idx) != LUA_TSTRING) {
        wrong_type(L, s, slot, idx, "a string");
    }
    size_t n;
    const char *text = lua_tolstring(L, idx, &n);
    if (!el_utf8_valid(text, n)) {
        bad_value(L, s, slot,
                  "the string is no valid UTF-8; use a binary column for bytes");
    }
    if (c->length > 0 && n > (size_t)c->length &&
        el_utf8_length(text, n) > (size_t)c->length) {
        const char *label = elL_columnlabel(L, s, slot);
        elL_fail(L, EL_ERR_VALUE, "%s: the string has %I characters, the column holds %d",
                 label, (lua_Integer)el_utf8_length(text, n), c->length);
    }
    lua_pushvalue(L, idx);
}

/* Pushes "'a', 'b'" of the set of an enum's values at the top, or their number of many.
 */
static const char *shown_values(lua_State *L) {
    enum { SHOWN = 10 };
    const char *names[SHOWN];
    int set = lua_gettop(L), n = 0;
    luaL_checkstack(L, 8, "the values of an enum");
    for (lua_pushnil(L); lua_next(L, set); lua_pop(L, 1)) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        int at = n < SHOWN ? n : SHOWN;
        for (; at > 0 && strcmp(names[at - 1], name) > 0; at--) {
            if (at < SHOWN) {
                names[at] = names[at - 1];
            }
        }
        if (at < SHOWN) {
            names[at] = name; /* the set keeps it */
        }
        n++;
    }
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (int i = 0; i < n && i < SHOWN; i++) {
        luaL_addstring(&b, i > 0 ? ", '" : "'");
        luaL_addstring(&b, names[i]);
        luaL_addstring(&b, "'");
    }
    if (n > SHOWN) {
        lua_pushfstring(L, " and %d more", n - SHOWN);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    return lua_tostring(L, -1);
}

static void to_enum(lua_State *L, const elL_shape *s, int shape_idx, int slot, int idx) {
    if (lua_type(L, idx) != LUA_TSTRING) {
        wrong_type(L, s, slot, idx, "one of its values as a string");
    }
    lua_getiuservalue(L, shape_idx, SHAPE_VALUES);
    lua_rawgeti(L, -1, slot + 1);
    lua_pushvalue(L, idx);
    if (lua_rawget(L, -2) == LUA_TNIL) {
        lua_pop(L, 1);
        const char *values = shown_values(L), *label = elL_columnlabel(L, s, slot);
        elL_fail(L, EL_ERR_VALUE, "%s: the string is none of the values of this enum: %s",
                 label, values);
    }
    lua_pop(L, 3);
    lua_pushvalue(L, idx);
}

static void to_uuid(lua_State *L, const elL_shape *s, int slot, int idx) {
    size_t n = 0;
    const char *text = lua_type(L, idx) == LUA_TSTRING ? lua_tolstring(L, idx, &n) : NULL;
    if (!text) {
        wrong_type(L, s, slot, idx, "a UUID as a string");
    }
    char out[UUID_LENGTH];
    bool good = n == UUID_LENGTH;
    for (size_t i = 0; good && i < n; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        good = dash ? text[i] == '-' : isxdigit((unsigned char)text[i]) != 0;
        out[i] = (char)tolower((unsigned char)text[i]);
    }
    if (!good) {
        bad_value(L, s, slot,
                  "the string is no UUID of the form "
                  "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
    }
    lua_pushlstring(L, out, UUID_LENGTH);
}

static void to_ulid(lua_State *L, const elL_shape *s, int slot, int idx) {
    size_t n = 0;
    const char *text = lua_type(L, idx) == LUA_TSTRING ? lua_tolstring(L, idx, &n) : NULL;
    if (!text) {
        wrong_type(L, s, slot, idx, "a ULID as a string");
    }
    char out[ULID_LENGTH];
    bool good = n == ULID_LENGTH && text[0] <= '7';
    for (size_t i = 0; good && i < n; i++) {
        out[i] = (char)toupper((unsigned char)text[i]);
        good = out[i] && strchr("0123456789ABCDEFGHJKMNPQRSTVWXYZ", out[i]);
    }
    if (!good) {
        bad_value(L, s, slot, "the string is no ULID (26 digits of Crockford's base 32)");
    }
    lua_pushlstring(L, out, ULID_LENGTH);
}

static void to_decimal(lua_State *L, const elL_shape *s, int slot, int idx) {
    const elL_column *c = &s->column[slot];
    size_t n;
    const char *text = elL_testdecimal(L, idx, &n);
    if (!text && lua_type(L, idx) == LUA_TNUMBER && !lua_isinteger(L, idx)) {
        wrong_type(L, s, slot, idx,
                   "a decimal, an integer or text of a number; a float "
                   "is not exact");
    }
    if (!text && !lua_isinteger(L, idx) && lua_type(L, idx) != LUA_TSTRING) {
        wrong_type(L, s, slot, idx, "a decimal");
    }
    if (!text) {
        lua_pushvalue(L, idx);
        const char *given = lua_tolstring(L, -1, &n);
        if (!elL_trypushdecimal(L, given, n)) {
            bad_value(L, s, slot, "the string is no decimal number");
        }
        lua_replace(L, -2);
        text = elL_testdecimal(L, -1, &n);
    } else {
        lua_pushvalue(L, idx);
    }
    if (c->precision == 0) {
        return;
    }
    size_t sign = *text == '-';
    const char *dot = memchr(text, '.', n);
    size_t whole = (dot ? (size_t)(dot - text) : n) - sign;
    size_t fraction = dot ? n - whole - sign - 1 : 0;
    size_t kept = fraction;
    while (kept > 0 && text[n - (fraction - kept) - 1] == '0') {
        kept--;
    }
    if (kept > (size_t)c->scale) {
        const char *label = elL_columnlabel(L, s, slot);
        elL_fail(
            L, EL_ERR_VALUE,
            "%s keeps %d digits after the point and the %s has more; round it first: "
            "value:round(%d)",
            label, c->scale, type_noun(L, idx), c->scale);
    }
    bool zero = whole == 1 && text[sign] == '0';
    if (!zero && whole > (size_t)(c->precision - c->scale)) {
        const char *label = elL_columnlabel(L, s, slot);
        elL_fail(L, EL_ERR_VALUE,
                 "%s keeps %d digits before the point and the %s has more", label,
                 c->precision - c->scale, type_noun(L, idx));
    }
    if (fraction > (size_t)c->scale) {
        elL_pushrescaled(L, -1, c->scale);
        lua_replace(L, -2);
    } else {
        elL_padscale(L, -1, c->scale);
    }
}

static void to_timestamp(lua_State *L, const elL_shape *s, int slot, int idx) {
    int64_t micros;
    if (elL_testdatetime(L, idx, &micros)) {
        lua_pushvalue(L, idx);
        return;
    }
    if (lua_type(L, idx) != LUA_TSTRING) {
        wrong_type(L, s, slot, idx, "a datetime or its ISO 8601 text");
    }
    size_t n;
    const char *text = lua_tolstring(L, idx, &n);
    if (!el_timestamp_parse(&micros, text, n)) {
        bad_value(L, s, slot,
                  "the string is no moment in ISO 8601 between the years 1 and "
                  "9999, to the microsecond");
    }
    elL_pushdatetime(L, micros);
}

static void to_date(lua_State *L, const elL_shape *s, int slot, int idx) {
    int64_t micros;
    char text[EL_TIMESTAMP_SIZE];
    if (elL_testdatetime(L, idx, &micros)) {
        const int64_t day = INT64_C(86400000000);
        if (micros % day != 0) {
            bad_value(L, s, slot,
                      "the datetime has a time of day that a date would lose; "
                      "pass value:date()");
        }
        el_timestamp_format(text, micros, ' ');
        lua_pushlstring(L, text, 10);
        return;
    }
    size_t n = 0;
    const char *given =
        lua_type(L, idx) == LUA_TSTRING ? lua_tolstring(L, idx, &n) : NULL;
    if (!given) {
        wrong_type(L, s, slot, idx, "a date as YYYY-MM-DD");
    }
    if (n != 10 || !el_timestamp_parse(&micros, given, n)) {
        bad_value(L, s, slot, "the string is no date of the form YYYY-MM-DD");
    }
    lua_pushvalue(L, idx);
}

/* HH:MM, HH:MM:SS or with a fraction of up to 6 digits; kept as HH:MM:SS[.ffffff]. */
static void to_time(lua_State *L, const elL_shape *s, int slot, int idx) {
    size_t n = 0;
    const char *given =
        lua_type(L, idx) == LUA_TSTRING ? lua_tolstring(L, idx, &n) : NULL;
    if (!given) {
        wrong_type(L, s, slot, idx, "a time as HH:MM:SS");
    }
    char text[48];
    int64_t micros;
    int length = n >= 5 && n <= 15
                     ? snprintf(text, sizeof text, "2000-01-01 %.*s", (int)n, given)
                     : 0;
    bool plain = length > 0;
    for (size_t i = 0; plain && i < n; i++) {
        plain =
            (given[i] >= '0' && given[i] <= '9') || given[i] == ':' || given[i] == '.';
    }
    if (!plain || !el_timestamp_parse(&micros, text, (size_t)length)) {
        bad_value(L, s, slot, "the string is no time of the form HH:MM:SS[.ffffff]");
    }
    el_timestamp_format(text, micros, ' ');
    bool fraction = memcmp(text + 19, ".000000", 7) != 0;
    lua_pushlstring(L, text + 11, fraction ? 15 : 8);
}

static void to_objectid(lua_State *L, const elL_shape *s, int slot, int idx) {
    size_t n = 0;
    if (elL_testobjectid(L, idx)) {
        lua_pushvalue(L, idx);
        return;
    }
    const char *text = lua_type(L, idx) == LUA_TSTRING ? lua_tolstring(L, idx, &n) : NULL;
    if (!text) {
        wrong_type(L, s, slot, idx, "an objectid or its 24 hexadecimal digits");
    }
    bool good = n == ELL_OBJECTID_DIGITS;
    for (size_t i = 0; good && i < n; i++) {
        good = isxdigit((unsigned char)text[i]) != 0;
    }
    if (!good) {
        bad_value(L, s, slot, "the string is no objectid of 24 hexadecimal digits");
    }
    elL_pushobjectid(L, text, n);
}

bool elL_is_normal(lua_State *L, const elL_shape *s, int slot, int idx) {
    const elL_column *c = &s->column[slot];
    if (elL_isnull(L, idx)) {
        return true;
    }
    switch (c->type) {
    case COL_SMALL:
    case COL_INT:
    case COL_BIG:
        return lua_isinteger(L, idx) && in_range(c, lua_tointeger(L, idx));
    case COL_FLOAT:
        return lua_type(L, idx) == LUA_TNUMBER && !lua_isinteger(L, idx);
    case COL_BOOL:
        return lua_type(L, idx) == LUA_TBOOLEAN;
    case COL_STRING:
    case COL_TEXT: {
        if (lua_type(L, idx) != LUA_TSTRING) {
            return false;
        }
        size_t n;
        const char *text = lua_tolstring(L, idx, &n);
        return (c->length == 0 || n <= (size_t)c->length) && el_utf8_valid(text, n);
    }
    case COL_BINARY:
        return lua_type(L, idx) == LUA_TSTRING;
    case COL_TIMESTAMP: {
        int64_t micros;
        return elL_testdatetime(L, idx, &micros);
    }
    default:
        return false;
    }
}

void elL_normalize(lua_State *L, const elL_shape *s, int shape_idx, int slot, int idx) {
    idx = lua_absindex(L, idx);
    if (lua_isnil(L, idx) || elL_isnull(L, idx)) {
        elL_pushnull(L);
        return;
    }
    switch (s->column[slot].type) {
    case COL_SMALL:
    case COL_INT:
    case COL_BIG:
        to_integer(L, s, slot, idx);
        return;
    case COL_BOOL:
        if (!lua_isboolean(L, idx)) {
            wrong_type(L, s, slot, idx, "a boolean");
        }
        lua_pushvalue(L, idx);
        return;
    case COL_STRING:
    case COL_TEXT:
        to_text(L, s, slot, idx);
        return;
    case COL_BINARY:
        if (lua_type(L, idx) != LUA_TSTRING) {
            wrong_type(L, s, slot, idx, "a string of bytes");
        }
        lua_pushvalue(L, idx);
        return;
    case COL_DECIMAL:
        to_decimal(L, s, slot, idx);
        return;
    case COL_FLOAT:
        to_float(L, s, slot, idx);
        return;
    case COL_DATE:
        to_date(L, s, slot, idx);
        return;
    case COL_TIME:
        to_time(L, s, slot, idx);
        return;
    case COL_TIMESTAMP:
        to_timestamp(L, s, slot, idx);
        return;
    case COL_UUID:
        to_uuid(L, s, slot, idx);
        return;
    case COL_ULID:
        to_ulid(L, s, slot, idx);
        return;
    case COL_ENUM:
        to_enum(L, s, shape_idx, slot, idx);
        return;
    case COL_OBJECT_ID:
        to_objectid(L, s, slot, idx);
        return;
    case COL_JSON:
    case COL_DOCUMENT:
    case COL_ANY:
        lua_pushvalue(L, idx);
        return;
    }
}

static void text_value(lua_State *L, el_value *out, el_type type) {
    out->type = type;
    out->u.s.p = lua_tolstring(L, -1, &out->u.s.n);
}

static void number_value(lua_State *L, el_value *out) {
    if (lua_isinteger(L, -1)) {
        out->type = EL_INT;
        out->u.i = lua_tointeger(L, -1);
    } else {
        out->type = EL_FLOAT;
        out->u.d = lua_tonumber(L, -1);
    }
}

/* Binds by the Lua type alone; tables where `documents` says so. */
static void any_value(lua_State *L, el_value *out, bool documents) {
    switch (lua_type(L, -1)) {
    case LUA_TBOOLEAN:
        out->type = EL_BOOL;
        out->u.b = lua_toboolean(L, -1);
        return;
    case LUA_TNUMBER:
        number_value(L, out);
        return;
    case LUA_TSTRING:
        text_value(L, out, EL_TEXT);
        if (!el_utf8_valid(out->u.s.p, out->u.s.n)) {
            out->type = EL_BYTES;
        }
        return;
    default:
        break;
    }
    if (elL_isnull(L, -1)) {
        out->type = EL_NULL;
    } else if (elL_testdatetime(L, -1, &out->u.i)) {
        out->type = EL_TIMESTAMP;
    } else if ((out->u.s.p = elL_testdecimal(L, -1, &out->u.s.n)) != NULL) {
        out->type = EL_DECIMAL;
    } else if ((out->u.s.p = elL_testobjectid(L, -1)) != NULL) {
        out->type = documents ? EL_OBJECT_ID : EL_TEXT;
        out->u.s.n = ELL_OBJECTID_DIGITS;
    } else if (documents && lua_istable(L, -1)) {
        elL_todocument(L, out, ELL_COMMAND_LEVELS, 0);
    } else if (!(documents && elL_testkept(L, -1, out))) {
        elL_fail(L, EL_ERR_VALUE,
                 "a value to bind is %s; it must be a boolean, number, string, decimal, "
                 "datetime or eloquent.null",
                 lua_isnil(L, -1) ? "nil (for NULL pass eloquent.null)"
                                  : type_label(L, lua_gettop(L)));
    }
}

static int encode_json(lua_State *L) {
    return elL_jsonencode(L, 1);
}

/* Raises the error object at the top again, with the column or model in its message. */
EL_NORETURN static void raise_labeled(lua_State *L, const elL_shape *s, int slot) {
    int err = lua_gettop(L);
    if (lua_istable(L, err) && lua_getfield(L, err, "message") == LUA_TSTRING) {
        const char *message = lua_tostring(L, -1);
        const char *label = slot >= 0 ? elL_columnlabel(L, s, slot) : s->model;
        lua_pushfstring(L, "%s: %s", label, message);
        lua_setfield(L, err, "message");
    }
    lua_settop(L, err);
    lua_error(L);
    abort();
}

void elL_columnjson(lua_State *L, const elL_shape *s, int slot) {
    luaL_checkstack(L, 6, "JSON");
    lua_pushcfunction(L, encode_json);
    lua_insert(L, -2);
    if (lua_pcall(L, 1, 1, 0) == LUA_OK) {
        return;
    }
    raise_labeled(L, s, slot);
}

/*
** A column of JSON takes no NaN, as with SQL; a document of any fields has what BSON has.
** In `_id` other programs may have put anything, and a key of bytes is there, too.
*/
static unsigned document_rules(const elL_shape *s, int slot) {
    if (slot < 0 || strcmp(s->column[slot].name, "_id") == 0) {
        return 0;
    }
    return s->open ? ELL_TEXT_ONLY : ELL_TEXT_ONLY | ELL_NO_NAN;
}

/* Refuses a plain value by the same rules. */
static void check_plain(lua_State *L, const el_value *v, const elL_shape *s, int slot) {
    bool nan = v->type == EL_FLOAT && isnan(v->u.d);
    bool bytes = v->type == EL_BYTES && lua_type(L, -1) == LUA_TSTRING;
    unsigned rule = nan ? ELL_NO_NAN : bytes ? ELL_TEXT_ONLY : 0;
    if (rule != 0 && (document_rules(s, slot) & rule) != 0) {
        const char *label = elL_columnlabel(L, s, slot);
        elL_fail(L, EL_ERR_VALUE, "%s: a document can't hold the value: it %s", label,
                 nan ? elL_nan_refused : elL_bytes_refused);
    }
}

static int pack_document(lua_State *L) {
    el_value *out = lua_touserdata(L, 2);
    int around = (int)lua_tointeger(L, 3);
    unsigned rules = (unsigned)lua_tointeger(L, 4);
    lua_settop(L, 1);
    elL_todocument(L, out, around, rules);
    return 1;
}

/* Replaces the table at -1 by what keeps the document alive; the same of errors. */
static void to_document(lua_State *L, el_value *out, const elL_shape *s, int slot) {
    luaL_checkstack(L, 6, "document");
    lua_pushcfunction(L, pack_document);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, out);
    lua_pushinteger(L, slot < 0 ? ELL_COMMAND_LEVELS : 0);
    lua_pushinteger(L, (lua_Integer)document_rules(s, slot));
    if (lua_pcall(L, 4, 1, 0) != LUA_OK) {
        raise_labeled(L, s, slot);
    }
}

void elL_tovalue(lua_State *L, el_value *out, const elL_shape *s, int slot) {
    elL_coltype type = slot < 0 ? COL_ANY : s->column[slot].type;
    if (lua_type(L, -1) == LUA_TNUMBER && !elL_is_tree(type)) {
        number_value(L, out);
        return;
    }
    if (slot >= 0 && type != COL_ANY && elL_isnull(L, -1)) {
        out->type = EL_NULL;
        return;
    }
    switch (type) {
    case COL_STRING:
    case COL_TEXT:
    case COL_ULID:
    case COL_ENUM:
        text_value(L, out, EL_TEXT);
        return;
    case COL_BINARY:
        text_value(L, out, EL_BYTES);
        return;
    case COL_UUID:
        text_value(L, out, EL_UUID);
        return;
    case COL_DATE:
        text_value(L, out, EL_DATE);
        return;
    case COL_TIME:
        text_value(L, out, EL_TIME);
        return;
    case COL_JSON:
        elL_columnjson(L, s, slot);
        text_value(L, out, EL_JSON);
        return;
    case COL_DOCUMENT:
    case COL_OBJECT_ID:
        if (lua_istable(L, -1)) {
            to_document(L, out, s, slot);
        } else if (lua_isfunction(L, -1) || lua_isthread(L, -1)) {
            wrong_type(L, s, slot, -1, "a table or a value");
        } else {
            any_value(L, out, true);
            check_plain(L, out, s, slot);
        }
        return;
    default:
        if (slot == ELL_BY_TYPE_OR_TABLE && s && s->model && lua_istable(L, -1)) {
            to_document(L, out, s, slot);
            return;
        }
        if (type == COL_BIG && s->column[slot].is_63_bits &&
            elL_testdecimal(L, -1, NULL)) { /* written before its connection was known */
            out_of_range(L, s, slot, -1);
        }
        any_value(L, out, slot == ELL_BY_TYPE_OR_TABLE);
    }
}

/* }====== */
