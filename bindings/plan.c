/* SPDX-License-Identifier: MIT
**
** plan.c - one SQL text with what is known about it: the shape of its rows and the
** column that each placeholder stands for.  A plan belongs to no connection.
*/
#include "core.h"

enum { MAX_PARAMS = 65535 };

static const char plan_tag;

elL_plan *elL_checkplan(lua_State *L, int idx) {
    elL_plan *p = elL_testtag(L, idx, &plan_tag, sizeof *p);
    return p ? p : luaL_checkudata(L, idx, ELL_PLAN);
}

/* The column that the name at the top stands for; "=name" is the original value. */
static int16_t read_param(lua_State *L, int shape_idx, const elL_shape *s) {
    if (lua_type(L, -1) != LUA_TSTRING) {
        luaL_argcheck(L, lua_isboolean(L, -1) && !lua_toboolean(L, -1), 3,
                      "a column's name or false expected");
        return 0;
    }
    size_t n;
    const char *name = lua_tolstring(L, -1, &n);
    bool original = name[0] == '=';
    if (original) {
        lua_pushlstring(L, name + 1, n - 1);
        lua_replace(L, -2);
        name = lua_tolstring(L, -1, &n);
    }
    int slot = elL_shape_slot(L, s, name, n, -1);
    if (slot < 0) {
        elL_unknown_column(L, shape_idx, s, name);
    }
    return (int16_t)(original ? -(slot + 1) : slot + 1);
}

static bool flag(lua_State *L, const char *name) {
    lua_getfield(L, 4, name);
    bool on = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return on;
}

/* plan.new(sql, shape|nil, params|nil, { stream=, once=, generated= }|nil) */
static int plan_new(lua_State *L) {
    luaL_checktype(L, 1, LUA_TSTRING);
    const elL_shape *s = lua_isnoneornil(L, 2) ? NULL : elL_checkshape(L, 2);
    lua_settop(L, 4);
    int n = 0;
    if (!lua_isnil(L, 3)) {
        luaL_checktype(L, 3, LUA_TTABLE);
        n = (int)lua_rawlen(L, 3);
    }
    luaL_argcheck(L, n <= MAX_PARAMS, 3, "too many placeholders");
    elL_plan *p =
        lua_newuserdatauv(L, sizeof *p + sizeof p->param[0] * (size_t)n, PLAN_UVS);
    p->tag = &plan_tag;
    p->sql = lua_tolstring(L, 1, &p->len);
    p->flags = 0;
    p->by_type = p->sql[0] == '{' ? ELL_BY_TYPE_OR_TABLE : ELL_BY_TYPE;
    p->shape = s;
    p->nparams = n;
    p->generated = -1;
    p->columns = 0;
    luaL_setmetatable(L, ELL_PLAN);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, 5, PLAN_SQL);
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, 5, PLAN_SHAPE);
    for (int i = 0; i < n; i++) {
        lua_rawgeti(L, 3, i + 1);
        p->param[i] = s ? read_param(L, 2, s) : 0;
        if (p->param[i] > 0 && p->param[i] <= 64) {
            p->columns |= UINT64_C(1) << (p->param[i] - 1);
        }
        lua_pop(L, 1);
    }
    if (!lua_isnil(L, 4)) {
        luaL_checktype(L, 4, LUA_TTABLE);
        if (lua_getfield(L, 4, "generated") == LUA_TSTRING && s) {
            p->generated = read_param(L, 2, s) - 1;
        }
        lua_pop(L, 1);
        p->flags = (flag(L, "stream") ? EL_STMT_STREAM : 0u) |
                   (flag(L, "once") ? EL_STMT_ONCE : 0u);
    }
    return 1;
}

/* plan:sql(): the text, as it goes to the server. */
static int plan_sql(lua_State *L) {
    elL_checkplan(L, 1);
    lua_getiuservalue(L, 1, PLAN_SQL);
    return 1;
}

int luaopen_eloquent_core_plan(lua_State *L) {
    static const luaL_Reg methods[] = {{"sql", plan_sql}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"new", plan_new}, {NULL, NULL}};
    if (luaL_newmetatable(L, ELL_PLAN)) {
        luaL_newlib(L, methods);
        lua_setfield(L, -2, "__index");
        lua_pushliteral(L, ELL_PLAN);
        lua_setfield(L, -2, "__metatable");
    }
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
