/* SPDX-License-Identifier: MIT
**
** json_decode.c - JSON text to Lua values, with yajl as the parser.  All its memory is
** from the Lua state, so an error may be raised in the middle of a parse and nothing is
** lost; handles are never freed one by one.
*/
#include <float.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "decimal.h"
#include "json.h"

/* {====== Memory ====== */

/* yajl takes a buffer of 2 KiB for any text; with the first block, small texts need no
   memory of Lua but for their values. */
enum { ALIGNMENT = 16, FIRST_BLOCK = 4096, BLOCK = 16384 };

typedef struct arena {
    lua_State *L;
    int slot; /* of the newest block; each block holds the one before as user value */
    unsigned char *p, *end;
    _Alignas(ALIGNMENT) unsigned char first[FIRST_BLOCK];
} arena;

/* Every piece has its size in front. */
static void *arena_malloc(void *ctx, size_t n) {
    arena *a = ctx;
    if (n > SIZE_MAX / 2) {
        luaL_error(a->L, "not enough memory");
    }
    size_t whole = (n + ALIGNMENT + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (whole > (size_t)(a->end - a->p)) {
        size_t size = whole > BLOCK ? whole : BLOCK;
        luaL_checkstack(a->L, 2, "JSON");
        unsigned char *block = lua_newuserdatauv(a->L, size, 1);
        lua_pushvalue(a->L, a->slot);
        lua_setiuservalue(a->L, -2, 1);
        lua_replace(a->L, a->slot);
        a->p = block;
        a->end = block + size;
    }
    unsigned char *piece = a->p + ALIGNMENT;
    memcpy(a->p, &n, sizeof n);
    a->p += whole;
    return piece;
}

static void arena_free(void *ctx, void *piece) {
    (void)ctx;
    (void)piece;
}

static void *arena_realloc(void *ctx, void *piece, size_t n) {
    size_t old = 0;
    if (piece) {
        memcpy(&old, (unsigned char *)piece - ALIGNMENT, sizeof old);
    }
    if (piece && n <= old) {
        return piece;
    }
    void *larger = arena_malloc(ctx, n);
    if (piece) {
        memcpy(larger, piece, old);
    }
    return larger;
}

/* }====== */

/* {====== Numbers ====== */

/* Reads a fraction as a double, whatever the locale's decimal point. */
static double to_double(lua_State *L, const char *text, size_t n) {
    char local[64], *copy = local;
    if (n >= sizeof local) {
        copy = lua_newuserdatauv(L, n + 1, 0);
    }
    memcpy(copy, text, n);
    copy[n] = '\0';
    char *point = memchr(copy, '.', n);
    if (point) {
        *point = *localeconv()->decimal_point;
    }
    double d = strtod(copy, NULL);
    if (copy != local) {
        lua_pop(L, 1);
    }
    return d;
}

/* 0e-99999 is zero, though no decimal has so many digits. */
static bool is_zero(const char *text, size_t n) {
    for (size_t i = 0; i < n && text[i] != 'e' && text[i] != 'E'; i++) {
        if (text[i] >= '1' && text[i] <= '9') {
            return false;
        }
    }
    return true;
}

/* True when the float d, printed, is the number itself. */
static bool keeps_value(const el_decimal *number, double d) {
    size_t digits = number->len[0] + number->len[1];
    /* so many digits survive a double, but for the smallest ones */
    if (digits <= DBL_DIG && number->point > -300 && number->point < 300) {
        return true;
    }
    char text[EL_JSON_FLOAT];
    el_decimal printed;
    return d - d == 0 && el_decimal_scan(&printed, text, elL_json_float(text, d)) &&
           el_decimal_compare(number, &printed) == 0;
}

static void push_whole(lua_State *L, const char *text, size_t n) {
    el_decimal view;
    int64_t i;
    if (el_decimal_scan(&view, text, n) && el_decimal_to_int(&i, &view)) {
        lua_pushinteger(L, i);
    } else {
        elL_pushdecimal(L, text, n);
    }
}

/* Pushes a number with a fraction or an exponent: a float; where a float would be another
   number a decimal, or the integer as which such a decimal would be read again. */
static void push_fraction(lua_State *L, const char *text, size_t n) {
    el_decimal view;
    double d = to_double(L, text, n);
    bool read = el_decimal_scan(&view, text, n);
    if (is_zero(text, n) || (read && keeps_value(&view, d))) {
        lua_pushnumber(L, d);
    } else if (read && view.scale == 0) {
        push_whole(L, text, n);
    } else {
        elL_pushdecimal(L, text, n);
    }
}

/* }====== */

/* {====== Values ====== */

typedef struct decoder {
    lua_State *L;
    int marks; /* slot of the array mark; the object mark is in the next one */
    int depth;
    lua_Integer count[EL_JSON_DEPTH + 1]; /* entries of an array so far; -1: an object */
    arena memory;
} decoder;

/* Stores the value at the top; below it are its key, if any, and its table. */
static int store(decoder *d) {
    if (d->depth > 0) {
        if (d->count[d->depth] < 0) {
            lua_rawset(d->L, -3);
        } else {
            lua_rawseti(d->L, -2, ++d->count[d->depth]);
        }
    }
    return 1;
}

static int on_null(void *ud) {
    decoder *d = ud;
    elL_pushnull(d->L);
    return store(d);
}

static int on_boolean(void *ud, int value) {
    decoder *d = ud;
    lua_pushboolean(d->L, value);
    return store(d);
}

static int on_number(void *ud, const char *text, size_t n) {
    decoder *d = ud;
    bool whole = true;
    for (size_t i = 0; i < n && whole; i++) {
        whole = (text[i] >= '0' && text[i] <= '9') || text[i] == '-';
    }
    if (whole) {
        push_whole(d->L, text, n);
    } else {
        push_fraction(d->L, text, n);
    }
    return store(d);
}

static int on_string(void *ud, const unsigned char *text, size_t n) {
    decoder *d = ud;
    lua_pushlstring(d->L, (const char *)text, n);
    return store(d);
}

static int on_key(void *ud, const unsigned char *text, size_t n) {
    decoder *d = ud;
    lua_pushlstring(d->L, (const char *)text, n);
    return 1;
}

static int open_table(decoder *d, bool array) {
    lua_State *L = d->L;
    if (d->depth == EL_JSON_DEPTH) {
        elL_fail(L, EL_ERR_VALUE, "JSON text is nested deeper than %d levels",
                 EL_JSON_DEPTH);
    }
    luaL_checkstack(L, 8, "JSON");
    d->count[++d->depth] = array ? 0 : -1;
    lua_newtable(L);
    lua_pushvalue(L, array ? d->marks : d->marks + 1);
    lua_setmetatable(L, -2);
    return 1;
}

static int on_start_array(void *ud) {
    return open_table(ud, true);
}

static int on_start_map(void *ud) {
    return open_table(ud, false);
}

static int on_end(void *ud) {
    decoder *d = ud;
    d->depth--;
    return store(d);
}

/* }====== */

/* {====== Text ====== */

/* The code unit that \uXXXX at p spells, or -1. */
static int code_unit(const char *p, const char *end) {
    int unit = 0;
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u') {
        return -1;
    }
    for (int i = 2; i < 6; i++) {
        char c = p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) {
            return -1;
        }
        unit = unit * 16 + digit;
    }
    return unit;
}

/* Halves of surrogate pairs that stand alone: yajl would put other text in their place.
 */
static bool has_lone_surrogate(const char *p, const char *end) {
    while ((p = memchr(p, '\\', (size_t)(end - p))) != NULL && end - p >= 2) {
        int unit = code_unit(p, end);
        if (unit < 0xD800 || unit > 0xDFFF) {
            p += 2;
            continue;
        }
        int low = code_unit(p + 6, end);
        if (unit > 0xDBFF || low < 0xDC00 || low > 0xDFFF) {
            return true;
        }
        p += 12;
    }
    return false;
}

static int malformed(lua_State *L, yajl_handle h, const char *text, size_t n) {
    size_t at = yajl_get_bytes_consumed(h);
    const char *why = (const char *)yajl_get_error(h, 0, (const unsigned char *)text, n);
    size_t length = strcspn(why, "\n");
    lua_pushlstring(L, why, length);
    return elL_fail(L, EL_ERR_VALUE,
                    "JSON text of %d bytes is malformed near byte %d: %s", (int)n,
                    (int)at, lua_tostring(L, -1));
}

static void parse(decoder *d, const char *text, size_t n) {
    static const yajl_callbacks callbacks = {
        .yajl_null = on_null,
        .yajl_boolean = on_boolean,
        .yajl_number = on_number,
        .yajl_string = on_string,
        .yajl_start_map = on_start_map,
        .yajl_map_key = on_key,
        .yajl_end_map = on_end,
        .yajl_start_array = on_start_array,
        .yajl_end_array = on_end,
    };
    yajl_alloc_funcs memory = {arena_malloc, arena_realloc, arena_free, &d->memory};
    yajl_handle h = yajl_alloc(&callbacks, &memory, d);
    yajl_config(h, yajl_dont_validate_strings, 1); /* the whole text was checked */
    if (yajl_parse(h, (const unsigned char *)text, n) != yajl_status_ok ||
        yajl_complete_parse(h) != yajl_status_ok) {
        malformed(d->L, h, text, n);
    }
}

int elL_jsondecode(lua_State *L, const char *text, size_t n) {
    decoder d;
    if (!el_utf8_valid(text, n)) {
        return elL_fail(L, EL_ERR_VALUE, "JSON text of %d bytes is not valid UTF-8",
                        (int)n);
    }
    if (has_lone_surrogate(text, text + n)) {
        return elL_fail(L, EL_ERR_VALUE,
                        "JSON text of %d bytes has half of a surrogate pair (\\uD800 to "
                        "\\uDFFF) alone, which is no character",
                        (int)n);
    }
    luaL_checkstack(L, 12, "JSON");
    int top = lua_gettop(L);
    elL_json_pushmark(L, JSON_ARRAY);
    elL_json_pushmark(L, JSON_OBJECT);
    lua_pushnil(L); /* the first block of memory is on the C stack */
    d.L = L;
    d.marks = top + 1;
    d.depth = 0;
    d.memory.L = L;
    d.memory.slot = top + 3;
    d.memory.p = d.memory.first;
    d.memory.end = d.memory.first + sizeof d.memory.first;
    parse(&d, text, n);
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    return 1;
}

/* }====== */
