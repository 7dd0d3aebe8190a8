/* SPDX-License-Identifier: MIT
**
** decimal.c - the decimal userdata: exact numbers for scripts.  It keeps the number's
** plain text, which is what databases take; digits are calculated in drivers/decimal.c.
*/
#include "decimal.h"

#include <string.h>

#include "core.h"

/* Immutable.  The text is what el_decimal_write makes, so reading it back never fails. */
typedef struct decimal {
    size_t n;
    char text[]; /* ends with NUL */
} decimal;

/* {====== Making and reading ====== */

static void push_metatable(lua_State *L);

static void push_view(lua_State *L, const el_decimal *view) {
    size_t n = el_decimal_length(view);
    decimal *d = lua_newuserdatauv(L, sizeof *d + n + 1, 0);
    d->n = n;
    el_decimal_write(d->text, view);
    d->text[n] = '\0';
    push_metatable(L);
    lua_setmetatable(L, -2);
}

bool elL_trypushdecimal(lua_State *L, const char *text, size_t n) {
    el_decimal view;
    if (!el_decimal_scan(&view, text, n)) {
        return false;
    }
    push_view(L, &view);
    return true;
}

void elL_pushdecimal(lua_State *L, const char *text, size_t n) {
    if (!elL_trypushdecimal(L, text, n)) {
        el_error err;
        el_decimal view;
        el_error_clear(&err);
        el_decimal_parse(&view, text, n, &err);
        elL_throw(L, &err);
    }
}

static const decimal *test_decimal(lua_State *L, int idx) {
    return lua_type(L, idx) == LUA_TUSERDATA ? luaL_testudata(L, idx, ELL_DECIMAL) : NULL;
}

const char *elL_testdecimal(lua_State *L, int idx, size_t *n) {
    const decimal *d = test_decimal(L, idx);
    if (d && n) {
        *n = d->n;
    }
    return d ? d->text : NULL;
}

static const decimal *check_decimal(lua_State *L, int idx) {
    const decimal *d = test_decimal(L, idx);
    if (!d) {
        luaL_typeerror(L, idx, "decimal");
    }
    return d;
}

static void check_view(lua_State *L, int idx, el_decimal *out) {
    const decimal *d = check_decimal(L, idx);
    el_decimal_scan(out, d->text, d->n);
}

/* }====== */

/* {====== Operands ====== */

/* Digits of integers, which the views of operands lend. */
typedef struct operands {
    el_decimal a, b;
    char digits[2][20];
} operands;

static void check_operand(lua_State *L, int idx, el_decimal *out, char *digits) {
    const decimal *d = test_decimal(L, idx);
    if (d) {
        el_decimal_scan(out, d->text, d->n);
    } else if (lua_isinteger(L, idx)) {
        el_decimal_from_int(out, lua_tointeger(L, idx), digits);
    } else if (lua_type(L, idx) == LUA_TNUMBER) {
        elL_fail(L, EL_ERR_VALUE,
                 "a decimal and a float do not mix, because the float is not exact; make "
                 "it a decimal from text, as in decimal(\"0.1\")");
    } else {
        elL_fail(L, EL_ERR_VALUE,
                 "a decimal takes a decimal or an integer as the other operand, got %s",
                 elL_isnull(L, idx) ? "null" : luaL_typename(L, idx));
    }
}

static void check_operands(lua_State *L, operands *o) {
    check_operand(L, 1, &o->a, o->digits[0]);
    check_operand(L, 2, &o->b, o->digits[1]);
}

/* Memory of a calculation: userdata that stay on the stack until the function ends. */
static void *more_userdata(void *ud, size_t n) {
    lua_State *L = ud;
    luaL_checkstack(L, 1, "decimal");
    return lua_newuserdatauv(L, n, 0);
}

typedef int operation(el_decimal *out, const el_decimal *a, const el_decimal *b,
                      el_workspace *w, el_error *err);

static int calculate(lua_State *L, operation *op) {
    operands o;
    el_decimal result;
    el_workspace w;
    el_error err;
    check_operands(L, &o);
    el_error_clear(&err);
    el_workspace_init(&w, more_userdata, L);
    if (op(&result, &o.a, &o.b, &w, &err) != EL_OK) {
        return elL_throw(L, &err);
    }
    push_view(L, &result);
    return 1;
}

/* Pushes a / b, or a where b is NULL, with `scale` digits after the point. */
static int push_quotient(lua_State *L, const el_decimal *a, const el_decimal *b,
                         lua_Integer scale, el_rounding rounding) {
    el_decimal result;
    el_workspace w;
    el_error err;
    el_error_clear(&err);
    el_workspace_init(&w, more_userdata, L);
    int digits = scale < 0 || scale > EL_DECIMAL_MAX_SCALE ? -1 : (int)scale;
    int rc = b ? el_decimal_div(&result, a, b, digits, rounding, &w, &err)
               : el_decimal_round(&result, a, digits, rounding, &w, &err);
    if (rc != EL_OK) {
        return elL_throw(L, &err);
    }
    push_view(L, &result);
    return 1;
}

/* }====== */

/* {====== Operators ====== */

static int decimal_add(lua_State *L) {
    return calculate(L, el_decimal_add);
}

static int decimal_sub(lua_State *L) {
    return calculate(L, el_decimal_sub);
}

static int decimal_mul(lua_State *L) {
    return calculate(L, el_decimal_mul);
}

static int decimal_mod(lua_State *L) {
    return calculate(L, el_decimal_mod);
}

static int floor_of_quotient(el_decimal *out, const el_decimal *a, const el_decimal *b,
                             el_workspace *w, el_error *err) {
    return el_decimal_div(out, a, b, 0, EL_ROUND_FLOOR, w, err);
}

static int decimal_idiv(lua_State *L) {
    return calculate(L, floor_of_quotient);
}

/* Also when the exponent is a decimal and the base a number: `2 ^ d` is an error. */
static int decimal_pow(lua_State *L) {
    el_decimal view, result;
    el_workspace w;
    el_error err;
    if (!test_decimal(L, 1) || !lua_isinteger(L, 2)) {
        return elL_fail(L, EL_ERR_VALUE,
                        "a decimal is raised to the power of an integer, as in d ^ 2");
    }
    check_view(L, 1, &view);
    el_error_clear(&err);
    el_workspace_init(&w, more_userdata, L);
    if (el_decimal_pow(&result, &view, lua_tointeger(L, 2), &w, &err) != EL_OK) {
        return elL_throw(L, &err);
    }
    push_view(L, &result);
    return 1;
}

static int decimal_unm(lua_State *L) {
    el_decimal view;
    check_view(L, 1, &view);
    el_decimal_negate(&view);
    push_view(L, &view);
    return 1;
}

static int decimal_no_division(lua_State *L) {
    return elL_fail(
        L, EL_ERR_MISUSE,
        "a decimal has no operator /, because a quotient has to be rounded somewhere; "
        "use a:div(b, scale), as in price:div(3, 2)");
}

static int compare_operands(lua_State *L) {
    operands o;
    check_operands(L, &o);
    return el_decimal_compare(&o.a, &o.b);
}

/* Lua calls it for two userdata only, so one of them may be anything. */
static int decimal_eq(lua_State *L) {
    lua_pushboolean(L,
                    test_decimal(L, 1) && test_decimal(L, 2) && compare_operands(L) == 0);
    return 1;
}

static int decimal_lt(lua_State *L) {
    lua_pushboolean(L, compare_operands(L) < 0);
    return 1;
}

static int decimal_le(lua_State *L) {
    lua_pushboolean(L, compare_operands(L) <= 0);
    return 1;
}

static int decimal_tostring(lua_State *L) {
    const decimal *d = check_decimal(L, 1);
    lua_pushlstring(L, d->text, d->n);
    return 1;
}

static int decimal_concat(lua_State *L) {
    for (int i = 1; i <= 2; i++) {
        if (!lua_isstring(L, i) && !test_decimal(L, i)) {
            return luaL_error(L, "attempt to concatenate a decimal and a %s value",
                              luaL_typename(L, i));
        }
        luaL_tolstring(L, i, NULL);
    }
    lua_concat(L, 2);
    return 1;
}

static int decimal_newindex(lua_State *L) {
    return elL_fail(L, EL_ERR_MISUSE, "a decimal cannot be changed; calculate a new one");
}

/* }====== */

/* {====== Methods ====== */

static el_rounding check_rounding(lua_State *L, int idx) {
    static const char *const names[] = {"half_up", "half_even", "down", "up",
                                        "floor",   "ceiling",   NULL};
    return (el_rounding)luaL_checkoption(L, idx, "half_up", names);
}

/* d:div(x, scale, rounding = "half_up") */
static int decimal_div(lua_State *L) {
    operands o;
    check_decimal(L, 1);
    check_operands(L, &o);
    lua_Integer scale = luaL_checkinteger(L, 3);
    return push_quotient(L, &o.a, &o.b, scale, check_rounding(L, 4));
}

/* d:round(scale = 0, rounding = "half_up"); pads with zeros up to the scale. */
static int decimal_round(lua_State *L) {
    el_decimal view;
    check_view(L, 1, &view);
    lua_Integer scale = luaL_optinteger(L, 2, 0);
    return push_quotient(L, &view, NULL, scale, check_rounding(L, 3));
}

static int decimal_abs(lua_State *L) {
    el_decimal view;
    check_view(L, 1, &view);
    view.negative = false;
    push_view(L, &view);
    return 1;
}

/* -1, 0 or 1. */
static int decimal_sign(lua_State *L) {
    el_decimal view;
    check_view(L, 1, &view);
    lua_pushinteger(L, el_decimal_is_zero(&view) ? 0 : view.negative ? -1 : 1);
    return 1;
}

/* d:compare(x): -1, 0 or 1; unlike ==, also with an integer. */
static int decimal_compare(lua_State *L) {
    check_decimal(L, 1);
    int order = compare_operands(L);
    lua_pushinteger(L, (order > 0) - (order < 0));
    return 1;
}

static int decimal_tointeger(lua_State *L) {
    el_decimal view;
    int64_t i;
    check_view(L, 1, &view);
    if (!el_decimal_to_int(&i, &view)) {
        return elL_fail(L, EL_ERR_VALUE,
                        "this decimal is no whole number within 64 bits; round it first, "
                        "as in d:round(0):tointeger()");
    }
    lua_pushinteger(L, i);
    return 1;
}

/* The nearest float, which may be another number. */
static int decimal_tonumber(lua_State *L) {
    const decimal *d = check_decimal(L, 1);
    if (lua_stringtonumber(L, d->text) == 0) {
        return elL_fail(L, EL_ERR_VALUE, "this decimal cannot be made a float");
    }
    lua_Number x = lua_tonumber(L, -1);
    if (x - x != 0) {
        return elL_fail(L, EL_ERR_VALUE, "this decimal is too large for a float");
    }
    lua_pushnumber(L, x);
    return 1;
}

static int decimal_scale(lua_State *L) {
    el_decimal view;
    check_view(L, 1, &view);
    lua_pushinteger(L, view.scale);
    return 1;
}

static int decimal_precision(lua_State *L) {
    el_decimal view;
    check_view(L, 1, &view);
    lua_pushinteger(L, el_decimal_precision(&view));
    return 1;
}

void elL_pushrescaled(lua_State *L, int idx, int scale) {
    el_decimal view, rescaled;
    check_view(L, idx, &view);
    int top = lua_gettop(L);
    push_quotient(L, &view, NULL, scale, EL_ROUND_DOWN);
    if (lua_gettop(L) > top + 1) { /* memory of the calculation lies below */
        lua_replace(L, top + 1);
        lua_settop(L, top + 1);
    }
    check_view(L, -1, &rescaled);
    if (el_decimal_compare(&view, &rescaled) != 0) {
        elL_fail(
            L, EL_ERR_VALUE,
            "the decimal has more than %d digits after the point; round it first, as "
            "in d:round(%d)",
            scale, scale);
    }
}

void elL_padscale(lua_State *L, int idx, int scale) {
    el_decimal view;
    check_view(L, idx, &view);
    if (view.scale < scale) {
        idx = lua_absindex(L, idx);
        view.scale = scale < EL_DECIMAL_MAX_SCALE ? scale : EL_DECIMAL_MAX_SCALE;
        push_view(L, &view);
        lua_replace(L, idx);
    }
}

/* }====== */

/* {====== Module ====== */

static void push_metatable(lua_State *L) {
    static const luaL_Reg meta[] = {
        {"__add", decimal_add},
        {"__sub", decimal_sub},
        {"__mul", decimal_mul},
        {"__unm", decimal_unm},
        {"__div", decimal_no_division},
        {"__idiv", decimal_idiv},
        {"__mod", decimal_mod},
        {"__pow", decimal_pow},
        {"__eq", decimal_eq},
        {"__lt", decimal_lt},
        {"__le", decimal_le},
        {"__tostring", decimal_tostring},
        {"__concat", decimal_concat},
        {"__newindex", decimal_newindex},
        {NULL, NULL},
    };
    static const luaL_Reg methods[] = {
        {"div", decimal_div},
        {"round", decimal_round},
        {"abs", decimal_abs},
        {"sign", decimal_sign},
        {"compare", decimal_compare},
        {"tointeger", decimal_tointeger},
        {"tonumber", decimal_tonumber},
        {"scale", decimal_scale},
        {"precision", decimal_precision},
        {NULL, NULL},
    };
    if (luaL_getmetatable(L, ELL_DECIMAL) != LUA_TNIL) {
        return;
    }
    lua_pop(L, 1);
    luaL_newmetatable(L, ELL_DECIMAL);
    luaL_setfuncs(L, meta, 0);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushliteral(L, ELL_DECIMAL);
    lua_setfield(L, -2, "__metatable");
}

/* decimal(x): from text, an integer or a decimal. */
static int decimal_call(lua_State *L) {
    size_t n;
    char digits[20];
    el_decimal view;
    switch (lua_type(L, 2)) {
    case LUA_TSTRING: {
        const char *text = lua_tolstring(L, 2, &n);
        elL_pushdecimal(L, text, n);
        return 1;
    }
    case LUA_TNUMBER:
        if (!lua_isinteger(L, 2)) {
            return elL_fail(
                L, EL_ERR_VALUE,
                "a decimal is not made from a float, which is not exact; give "
                "text, as in decimal(\"0.1\")");
        }
        el_decimal_from_int(&view, lua_tointeger(L, 2), digits);
        push_view(L, &view);
        return 1;
    default:
        if (test_decimal(L, 2)) {
            lua_settop(L, 2);
            return 1;
        }
        return elL_fail(L, EL_ERR_VALUE,
                        "a decimal is made from text or an integer, got %s",
                        elL_isnull(L, 2) ? "null" : luaL_typename(L, 2));
    }
}

static int decimal_is(lua_State *L) {
    lua_pushboolean(L, test_decimal(L, 1) != NULL);
    return 1;
}

/* A table that can be called: decimal("12.30"), decimal.is(x). */
int luaopen_eloquent_core_decimal(lua_State *L) {
    static const luaL_Reg functions[] = {{"is", decimal_is}, {NULL, NULL}};
    luaL_newlib(L, functions);
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, decimal_call);
    lua_setfield(L, -2, "__call");
    lua_pushliteral(L, "eloquent.decimal");
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    return 1;
}

/* }====== */
