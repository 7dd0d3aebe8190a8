/* SPDX-License-Identifier: MIT
**
** cells.c - the cells of a result as a script sees them, by the column's type and, where
** there is none, by the driver's.  The way to a column is convert.c.
*/
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "document.h"

static int unreadable(lua_State *L, const elL_shape *s, int slot, const el_value *v) {
    const char *label = elL_columnlabel(L, s, slot);
    return elL_fail(L, EL_ERR_VALUE, "%s holds %s that its column type can't represent",
                    label, el_type_name(v->type));
}

void elL_pushany(lua_State *L, const el_value *v) {
    switch (v->type) {
    case EL_NULL:
        lua_pushnil(L);
        return;
    case EL_BOOL:
        lua_pushboolean(L, v->u.b);
        return;
    case EL_INT:
        lua_pushinteger(L, v->u.i);
        return;
    case EL_FLOAT:
        lua_pushnumber(L, v->u.d);
        return;
    case EL_DECIMAL:
        elL_pushdecimal(L, v->u.s.p, v->u.s.n);
        return;
    case EL_TIMESTAMP:
        elL_pushdatetime(L, v->u.i);
        return;
    case EL_JSON:
        elL_jsondecode(L, v->u.s.p, v->u.s.n);
        return;
    case EL_OBJECT_ID:
        elL_pushobjectid(L, v->u.s.p, v->u.s.n);
        return;
    case EL_LIST:
    case EL_DOC:
    case EL_SPECIAL:
        elL_pushnested(L, v);
        return;
    default:
        lua_pushlstring(L, v->u.s.p, v->u.s.n);
        return;
    }
}

static bool push_boolean(lua_State *L, const el_value *v) {
    if (v->type != EL_BOOL && (v->type != EL_INT || v->u.i < 0 || v->u.i > 1)) {
        return false;
    }
    lua_pushboolean(L, v->type == EL_BOOL ? v->u.b : v->u.i == 1);
    return true;
}

static bool push_decimal(lua_State *L, const el_value *v, const elL_column *c) {
    if (v->type == EL_INT) {
        char text[24];
        int n = snprintf(text, sizeof text, "%lld", (long long)v->u.i);
        elL_pushdecimal(L, text, (size_t)n);
    } else if ((v->type != EL_DECIMAL && v->type != EL_TEXT) ||
               !elL_trypushdecimal(L, v->u.s.p, v->u.s.n)) {
        return false;
    }
    size_t n;
    const char *text = elL_testdecimal(L, -1, &n);
    const char *dot = memchr(text, '.', n);
    if (c->precision > 0 && (dot ? text + n - dot - 1 : 0) < c->scale) {
        elL_padscale(L, -1, c->scale);
    }
    return true;
}

static bool push_timestamp(lua_State *L, const el_value *v) {
    int64_t micros;
    if (v->type == EL_TIMESTAMP) {
        micros = v->u.i;
    } else if ((v->type != EL_TEXT && v->type != EL_DATE) ||
               !el_timestamp_parse(&micros, v->u.s.p, v->u.s.n)) {
        return false;
    }
    elL_pushdatetime(L, micros);
    return true;
}

static bool push_number(lua_State *L, const el_value *v, elL_coltype type) {
    if (v->type == EL_INT) {
        if (type == COL_FLOAT) {
            lua_pushnumber(L, (lua_Number)v->u.i);
        } else {
            lua_pushinteger(L, v->u.i);
        }
    } else if (v->type == EL_FLOAT && type == COL_FLOAT) {
        lua_pushnumber(L, v->u.d);
    } else if (v->type == EL_FLOAT) { /* SQLite's RETURNING gives keys so at times */
        const lua_Number exact = (lua_Number)((lua_Integer)1 << 53);
        if (v->u.d < -exact || v->u.d > exact || v->u.d != floor(v->u.d)) {
            return false;
        }
        lua_pushinteger(L, (lua_Integer)v->u.d);
    } else if (v->type == EL_DECIMAL && type != COL_FLOAT) {
        const char *dot = memchr(v->u.s.p, '.', v->u.s.n);
        lua_Integer i;
        if (!dot && elL_digits(v->u.s.p, v->u.s.n, &i)) {
            lua_pushinteger(L, i);
        } else {
            elL_pushdecimal(L, v->u.s.p, v->u.s.n);
        }
    } else if (v->type == EL_BOOL) {
        lua_pushinteger(L, v->u.b);
    } else {
        return false;
    }
    return true;
}

void elL_pushvalue(lua_State *L, const el_value *v, const elL_shape *s, int slot) {
    elL_coltype type = s->column[slot].type;
    if (v->type == EL_NULL || type == COL_ANY) {
        elL_pushany(L, v);
        return;
    }
    bool done = false;
    if (s->column[slot].is_key && type == COL_OBJECT_ID) {
        elL_pushany(L, v); /* as it is stored, by which it is found again */
        return;
    }
    switch (type) {
    case COL_SMALL:
    case COL_INT:
    case COL_BIG:
    case COL_FLOAT:
        done = push_number(L, v, type);
        break;
    case COL_BOOL:
        done = push_boolean(L, v);
        break;
    case COL_DECIMAL:
        done = push_decimal(L, v, &s->column[slot]);
        break;
    case COL_TIMESTAMP:
        done = push_timestamp(L, v);
        break;
    case COL_DOCUMENT:
        elL_pushnested(L, v);
        return;
    case COL_OBJECT_ID:
        done = el_type_has_bytes(v->type) && v->u.s.n == ELL_OBJECTID_DIGITS;
        if (done) {
            elL_pushobjectid(L, v->u.s.p, v->u.s.n);
        }
        break;
    case COL_JSON:
        done = el_type_has_bytes(v->type);
        if (done) {
            elL_jsondecode(L, v->u.s.p, v->u.s.n);
        }
        break;
    default:
        done = el_type_has_bytes(v->type);
        if (done) {
            lua_pushlstring(L, v->u.s.p, v->u.s.n);
        }
    }
    if (!done && s->column[slot].is_key) {
        elL_pushany(L, v);
    } else if (!done) {
        unreadable(L, s, slot, v);
    }
}
