/* SPDX-License-Identifier: MIT
**
** connection.c - a connection as Lua sees it: opening, closing, transactions, facts.
** Running statements is run.c; names and settings are resolved before this.
*/
#include <string.h>

#include "colon.h"
#include "core.h"

static const char watch_key, conn_tag;

void elL_setwatch(lua_State *L, elL_watch watch) {
    elL_watch *slot = lua_newuserdatauv(L, sizeof *slot, 0);
    *slot = watch;
    lua_rawsetp(L, LUA_REGISTRYINDEX, &watch_key);
}

elL_conn *elL_checkconn(lua_State *L, int idx) {
    elL_conn *c = elL_testtag(L, idx, &conn_tag, sizeof *c);
    return c ? c : luaL_checkudata(L, idx, ELL_CONNECTION);
}

/* The connection at stack index 1, open. */
static elL_conn *check_open(lua_State *L) {
    elL_conn *c = elL_checkconn(L, 1);
    if (!c->conn) {
        elL_fail(L, EL_ERR_MISUSE, "the connection '%s' is closed", c->name);
    }
    elL_tidy(L, c);
    return c;
}

void elL_checktransaction(lua_State *L, const elL_conn *c) {
    if (!c->promised || !c->conn->open) {
        return;
    }
    if (!c->conflicted && c->driver->txstate(c->conn) != EL_TX_NONE) {
        return;
    }
    if (c->conflicted) {
        elL_fail(L, EL_ERR_CONFLICT,
                 "the server has undone the transaction on '%s' because of a conflict; "
                 "nothing more of it can run", c->name);
    }
    elL_fail(L, EL_ERR_MISUSE,
             "the transaction on '%s' has ended already: a statement inside it committed or "
             "rolled back (DDL does so on MySQL), or the server undid it; nothing more of it "
             "can run", c->name);
}

void elL_pushconnerror(lua_State *L, int conn_idx, elL_conn *c, const el_error *e,
                       const char *sql) {
    c->conflicted = c->conflicted || (c->promised && e->kind == EL_ERR_CONFLICT);
    if (c->watch && e->kind == EL_ERR_CANCELED) {
        c->watch(NULL, c, false);
    }
    elL_context where = {c->name, c->driver->name, sql, c->target};
    conn_idx = lua_absindex(L, conn_idx);
    luaL_checkstack(L, 6, "error");
    if (c->conn && !c->conn->open &&
        lua_getiuservalue(L, conn_idx, CONN_LOST) == LUA_TFUNCTION) {
        lua_call(L, 0, 0);
    }
    elL_pusherror(L, e, &where);
}

int elL_connfail(lua_State *L, int conn_idx, elL_conn *c, const el_error *e,
                 const char *sql) {
    elL_pushconnerror(L, conn_idx, c, e, sql);
    elL_raise(L);
}

/* {====== Opening and closing ====== */

/* Reads the table of options at `idx`; the array is a userdata left on the stack. */
static el_option *push_options(lua_State *L, int idx) {
    size_t n = 0, i = 0;
    for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
        n++;
    }
    el_option *options = lua_newuserdatauv(L, sizeof *options * (n + 1), 0);
    for (lua_pushnil(L); lua_next(L, idx) && i < n; lua_pop(L, 1)) {
        luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING,
                      idx, "options are strings by name");
        options[i].key = lua_tostring(L, -2);
        options[i].value = lua_tostring(L, -1);
        i++;
    }
    options[i].key = options[i].value = NULL;
    return options;
}

/* conn:journal(list|nil, serial): what notes the records that are written from now on. */
static int conn_journal(lua_State *L) {
    elL_conn *c = elL_checkconn(L, 1);
    c->journal = lua_istable(L, 2) ? (uint32_t)luaL_checkinteger(L, 3) : 0;
    lua_settop(L, 2);
    lua_setiuservalue(L, 1, CONN_JOURNAL);
    return 0;
}

/* connection.open(name, driver, options, onlost?, target?) */
static int conn_open(lua_State *L) {
    luaL_checktype(L, 1, LUA_TSTRING);
    const char *name = lua_tostring(L, 1);
    const char *driver = luaL_checkstring(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_settop(L, 5);
    elL_conn *c = lua_newuserdatauv(L, sizeof *c, CONN_UVS);
    memset(c, 0, sizeof *c);
    c->tag = &conn_tag;
    c->name = name;
    luaL_setmetatable(L, ELL_CONNECTION);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, 6, CONN_NAME);
    lua_pushvalue(L, 4);
    lua_setiuservalue(L, 6, CONN_LOST);
    c->target = lua_tostring(L, 5);
    lua_pushvalue(L, 5);
    lua_setiuservalue(L, 6, CONN_TARGET);
    lua_createtable(L, 0, 0);
    luaL_setmetatable(L, "eloquent.weak");
    lua_setiuservalue(L, 6, CONN_CURSORS);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &watch_key) == LUA_TUSERDATA) {
        c->watch = *(elL_watch *)lua_touserdata(L, -1);
    }
    lua_pop(L, 1);
    el_option *options = push_options(L, 3);
    el_error e;
    el_error_clear(&e);
    elL_context where = {name, driver, NULL, c->target};
    if (el_driver_load(&c->driver, driver, &e) != EL_OK ||
        c->driver->open(&c->conn, options, &e) != EL_OK) {
        c->conn = NULL;
        elL_pusherror(L, &e, &where);
        return lua_error(L);
    }
    c->statements = el_statements_new(c->conn, EL_STATEMENTS_LIMIT);
    if (!c->statements) {
        return elL_fail(L, EL_ERR_NOMEM, "no memory for a connection");
    }
    lua_settop(L, 6);
    return 1;
}

/* `statements` stays known after it, for the verbs that still have to give one back. */
static void release(elL_conn *c) {
    if (c->conn) {
        el_statements_free(c->statements);
        el_conn_release(c->conn);
        c->conn = NULL;
    }
}

static int conn_gc(lua_State *L) {
    elL_conn *c = elL_checkconn(L, 1);
    elL_reclaim(c); /* whoever ran a statement would have kept the connection */
    release(c);
    return 0;
}

/* conn:close(): open cursors end; closing twice is fine. */
static int conn_close(lua_State *L) {
    elL_conn *c = elL_checkconn(L, 1);
    lua_getiuservalue(L, 1, CONN_CURSORS);
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pop(L, 1);
        if (luaL_callmeta(L, -1, "__close")) {
            lua_pop(L, 1);
        }
    }
    elL_tidy(L, c);
    release(c);
    return 0;
}

static int conn_is_open(lua_State *L) {
    elL_conn *c = elL_checkconn(L, 1);
    lua_pushboolean(L, c->conn && c->conn->open);
    return 1;
}

/* }====== */

/* {====== Statements without rows ====== */

/* Turns a driver's answer into a return or a raise. */
static int answer(lua_State *L, elL_conn *c, int status, const el_error *e,
                  const char *sql) {
    return status == EL_OK ? 0 : elL_connfail(L, 1, c, e, sql);
}

static int conn_ping(lua_State *L) {
    elL_conn *c = check_open(L);
    el_error e;
    el_error_clear(&e);
    return answer(L, c, c->driver->ping(c->conn, &e), &e, NULL);
}

/*
** conn:script(sql): several statements, no values.  Tables may have changed by it, and
** what was prepared for the old ones (the types of parameters, above all) is forgotten.
*/
static int conn_script(lua_State *L) {
    elL_conn *c = check_open(L);
    size_t n;
    luaL_checktype(L, 2, LUA_TSTRING);
    const char *sql = lua_tolstring(L, 2, &n);
    elL_checktransaction(L, c);
    el_error e;
    el_error_clear(&e);
    double started = elL_seconds();
    elL_watchrun(c, true);
    int status = c->driver->script(c->conn, sql, n, &e);
    elL_watchrun(c, false);
    el_statements_clear(c->statements);
    elL_tell(L, 1, c, sql, started, 0, status != EL_OK);
    return answer(L, c, status, &e, sql);
}

/* conn:cancel(): stops what runs on the connection; from a signal or another state. */
static int conn_cancel(lua_State *L) {
    elL_conn *c = check_open(L);
    el_error e;
    el_error_clear(&e);
    return answer(L, c, c->driver->cancel(c->conn, &e), &e, NULL);
}

/* conn:transact(op, name?) */
static int conn_transact(lua_State *L) {
    static const char *const names[] = {"begin",     "commit",  "rollback",
                                        "savepoint", "release", "rollbackTo", NULL};
    static const el_txop ops[] = {EL_TX_BEGIN, EL_TX_COMMIT,  EL_TX_ROLLBACK,
                                  EL_TX_SAVE,  EL_TX_RELEASE, EL_TX_ROLLBACK_TO};
    int op = luaL_checkoption(L, 2, NULL, names);
    const char *name = luaL_optstring(L, 3, NULL);
    luaL_argcheck(L, ops[op] < EL_TX_SAVE || name, 3, "name of the savepoint expected");
    elL_conn *c = check_open(L); /* last: a finaliser may close it before */
    if (ops[op] == EL_TX_ROLLBACK && c->promised &&
        c->driver->txstate(c->conn) == EL_TX_NONE) {
        c->promised = false; /* it is undone already */
        return 0;
    }
    if (ops[op] != EL_TX_ROLLBACK) {
        elL_checktransaction(L, c);
    }
    el_error e;
    el_error_clear(&e);
    double started = elL_seconds();
    elL_watchrun(c, true);
    int status = c->driver->transact(c->conn, ops[op], name, &e);
    elL_watchrun(c, false);
    if (ops[op] == EL_TX_BEGIN) {
        c->promised = status == EL_OK;
        c->conflicted = false;
    } else if (ops[op] == EL_TX_ROLLBACK || (ops[op] == EL_TX_COMMIT && status == EL_OK)) {
        c->promised = false;
    }
    elL_tell(L, 1, c, names[op], started, 0, status != EL_OK);
    return answer(L, c, status, &e, NULL);
}

/*
** conn:protect(fn, ...) -> as pcall: coroutine.yield can't leave fn, which would leave its
** transaction to whoever runs next.
*/
int elL_protect(lua_State *L) {
    check_open(L);
    luaL_checkany(L, 2);
    lua_pushcfunction(L, elL_explain);
    lua_insert(L, 1);
    int status = lua_pcall(L, lua_gettop(L) - 3, LUA_MULTRET, 1);
    lua_pushboolean(L, status == LUA_OK);
    lua_replace(L, 2);
    return lua_gettop(L) - 1;
}

static int conn_txstate(lua_State *L) {
    elL_conn *c = check_open(L);
    static const char *const names[] = {"none", "active", "failed"};
    lua_pushstring(L, names[c->driver->txstate(c->conn)]);
    return 1;
}

/* conn:listen(fn|nil): fn is told about each statement that ends. */
static int conn_listen(lua_State *L) {
    elL_conn *c = elL_checkconn(L, 1);
    if (!lua_isnoneornil(L, 2)) {
        luaL_checktype(L, 2, LUA_TFUNCTION);
    }
    lua_settop(L, 2);
    c->listening = !lua_isnil(L, 2);
    lua_setiuservalue(L, 1, CONN_LISTENER);
    return 0;
}

/* }====== */

/* {====== Facts ====== */

static int conn_name(lua_State *L) {
    lua_pushstring(L, elL_checkconn(L, 1)->name);
    return 1;
}

static int conn_driver(lua_State *L) {
    lua_pushstring(L, elL_checkconn(L, 1)->driver->name);
    return 1;
}

static int conn_product(lua_State *L) {
    lua_pushstring(L, check_open(L)->conn->product);
    return 1;
}

static int conn_version(lua_State *L) {
    lua_pushinteger(L, check_open(L)->conn->version);
    return 1;
}

static int conn_max_params(lua_State *L) {
    lua_pushinteger(L, check_open(L)->conn->max_params);
    return 1;
}

static int conn_can(lua_State *L) {
    static const char *const names[] = {"transactions", "savepoints", "ddlInTransaction",
                                        "returning",    "documents",  "numbered", NULL};
    static const unsigned caps[] = {EL_CAP_TRANSACTIONS, EL_CAP_SAVEPOINTS,
                                    EL_CAP_DDL_IN_TX,    EL_CAP_RETURNING,
                                    EL_CAP_DOCUMENTS,    EL_CAP_NUMBERED};
    elL_conn *c = elL_checkconn(L, 1);
    lua_pushboolean(L, (c->driver->caps & caps[luaL_checkoption(L, 2, NULL, names)]) != 0);
    return 1;
}

static int conn_numbered(lua_State *L) {
    lua_pushboolean(L, (elL_checkconn(L, 1)->driver->caps & EL_CAP_NUMBERED) != 0);
    return 1;
}

static int conn_tostring(lua_State *L) {
    elL_conn *c = elL_checkconn(L, 1);
    lua_pushfstring(L, "connection %s (%s)", c->name, c->conn ? "open" : "closed");
    return 1;
}

/* }====== */

int luaopen_eloquent_core_connection(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"close", conn_close},     {"isOpen", conn_is_open},
        {"ping", conn_ping},       {"script", conn_script},
        {"cancel", conn_cancel},   {"transact", conn_transact},
        {"txstate", conn_txstate}, {"listen", conn_listen}, {"journal", conn_journal},
        {"protect", elL_protect},
        {"name", conn_name},       {"driver", conn_driver},
        {"product", conn_product}, {"version", conn_version},
        {"can", conn_can},         {"maxParams", conn_max_params},
        {"numbered", conn_numbered}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"open", conn_open}, {NULL, NULL}};
    if (luaL_newmetatable(L, "eloquent.weak")) {
        lua_pushliteral(L, "k");
        lua_setfield(L, -2, "__mode");
    }
    lua_pop(L, 1);
    luaL_requiref(L, "eloquent.core.shape", luaopen_eloquent_core_shape, 0);
    luaL_requiref(L, "eloquent.core.plan", luaopen_eloquent_core_plan, 0);
    luaL_requiref(L, "eloquent.core.record", luaopen_eloquent_core_record, 0);
    luaL_requiref(L, "eloquent.core.collection", luaopen_eloquent_core_collection, 0);
    lua_pop(L, 4);
    elL_cursor_register(L);
    if (luaL_newmetatable(L, ELL_CONNECTION)) {
        lua_pushcfunction(L, conn_gc);
        lua_setfield(L, -2, "__gc");
        lua_pushcfunction(L, conn_tostring);
        lua_setfield(L, -2, "__tostring");
        luaL_newlib(L, methods);
        luaL_setfuncs(L, elL_run_methods, 0);
        luaL_setfuncs(L, elL_bulk_methods, 0);
        lua_setfield(L, -2, "__index");
        lua_pushliteral(L, ELL_CONNECTION);
        lua_setfield(L, -2, "__metatable");
    }
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
