/* SPDX-License-Identifier: MIT
**
** The core modules with a Lua allocator that fails: at every allocation of a script in
** turn, once or from there on.  Nothing may be lost by it, above all no statement: a
** table that one of them still reads could not be dropped.  And with finalisers that do
** their worst in the middle: a sanitizer sees what they take away.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>

#include "core.h"

/* {====== A state whose memory runs out ====== */

typedef struct memory {
    long left; /* allocations that succeed; below 0: all do */
    bool for_good;
    long failures;
} memory;

static void *allocate(void *ud, void *p, size_t old, size_t size) {
    memory *m = ud;
    if (size == 0) {
        free(p);
        return NULL;
    }
    if (m->left >= 0 && (!p || size > old)) { /* Lua counts on shrinking */
        if (m->left == 0) {
            m->failures++;
            if (!m->for_good &&
                m->failures >= 2) { /* the second try, after a collection */
                m->left = -1;
            }
            return NULL;
        }
        m->left--;
    }
    return realloc(p, size);
}

static lua_State *new_state(memory *m) {
    static const luaL_Reg modules[] = {{"null", luaopen_eloquent_core_null},
                                       {"errors", luaopen_eloquent_core_errors},
                                       {"shape", luaopen_eloquent_core_shape},
                                       {"plan", luaopen_eloquent_core_plan},
                                       {"record", luaopen_eloquent_core_record},
                                       {"collection", luaopen_eloquent_core_collection},
                                       {"connection", luaopen_eloquent_core_connection},
                                       {"decimal", luaopen_eloquent_core_decimal},
                                       {"datetime", luaopen_eloquent_core_datetime},
                                       {"json", luaopen_eloquent_core_json},
                                       {"uid", luaopen_eloquent_core_uid},
                                       {NULL, NULL}};
    lua_State *L = lua_newstate(allocate, m);
    assert_non_null(L);
    luaL_openlibs(L);
    for (const luaL_Reg *r = modules; r->name; r++) {
        luaL_requiref(L, r->name, r->func, 1);
        lua_pop(L, 1);
    }
    return L;
}

/* }====== */

static const char prelude[] =
    "local types = { id = 'increments', name = 'string', price = 'decimal', doc = "
    "'json',\n"
    "    at = 'timestamp', ok = 'boolean', long_enough_to_be_no_short_string_of_lua = "
    "'text' }\n"
    "names = { 'id', 'name', 'price', 'doc', 'at', 'ok',\n"
    "    'long_enough_to_be_no_short_string_of_lua' }\n"
    "local columns = {}\n"
    "for i, name in ipairs(names) do\n"
    "    columns[i] = { name = name, type = types[name] }\n"
    "end\n"
    "s = shape.new{ model = 'T', columns = columns }\n"
    "conn = connection.open('main', 'sqlite', { path = ':memory:' })\n"
    "conn:script([[create table t (id integer primary key, name text, price text,\n"
    "    doc json, at timestamp, ok boolean, long_enough_to_be_no_short_string_of_lua "
    "text)]])\n"
    "local words = {}\n"
    "for i = 1, 40 do words[i] = ('%d as c%d'):format(i, i) end\n"
    "wide = plan.new('select ' .. table.concat(words, ', ') .. ' from t')\n"
    "insert = plan.new('insert into t values (?, ?, ?, ?, ?, ?, ?)', s, names)\n"
    "returning = plan.new('insert into t values (?, ?, ?, ?, ?, ?, ?) returning *', s, "
    "names)\n"
    "update = plan.new('update t set name = ?, doc = ? where id = ?', s, { 'name', "
    "'doc', '=id' })\n"
    "all = plan.new('select * from t', s)\n"
    "function new(i)\n"
    "    return record.new(s, { id = i, name = 'name ' .. i, price = decimal(i .. "
    "'.50'),\n"
    "        doc = { list = { i, 2, 3 }, text = 'x' }, at = '2024-02-03 04:05:06', ok = "
    "i == 1,\n"
    "        long_enough_to_be_no_short_string_of_lua = ('long '):rep(i * 200) })\n"
    "end\n"
    "for i = 1, 12 do conn:insert(insert, new(i)) end\n"
    /* run once, so that what is made on first use is there */
    "tostring(conn:select(all)[1])\n"
    "json.decode(json.encode({ a = { decimal('1'), null } }))\n";

static const struct {
    const char *name, *code;
} scripts[] = {
    {"select", "local c = conn:select(all) return c[12].doc.list[1] + #c[3].name"},
    {"select raw rows",
     "local c = conn:select(plan.new('select * from t')) return c[2].name"},
    {"select wide rows", "local c = conn:select(wide) return c[12].c40"},
    {"project",
     "return conn:select(plan.new('select name, id + 1 as more from t', s))[1].more"},
    {"first", "return conn:first(all).price"},
    {"first of wide rows", "return conn:first(wide).c1"},
    {"scalar", "return conn:scalar(plan.new('select doc from t where id = ?', s, { 'id' "
               "}), { 3 })"},
    {"insert", "conn:insert(insert, new(100))"},
    {"insert returning", "conn:insert(returning, new(101))"},
    {"write", "conn:write(insert, new(102))"},
    {"update", "local r = conn:first(all) r.doc.list[2] = 'changed' r.name = 'other'\n"
               "record.mask(r) conn:update(update, r) record.changes(r)"},
    {"execute",
     "conn:execute(plan.new('delete from t where id > ? and name <> ?'), { 100, 'x' })"},
    {"many values",
     "local list, marks = {}, {} for i = 1, 50 do list[i], marks[i] = i, '?' end\n"
     "conn:select(plan.new('select * from t where id in ('\n"
     "    .. table.concat(marks, ',') .. ')'), list)"},
    {"cursor", "for r in conn:cursor(all) do local n = r.name end"},
    {"cursor of wide rows", "for r in conn:cursor(wide) do local n = r.c3 end"},
    {"cursor left open", "local c = conn:cursor(all) c() kept = c"},
    {"listener", "conn:listen(function(e) seen = e.sql .. e.rows end) conn:select(all)\n"
                 "pcall(conn.script, conn, 'no sql') conn:listen(nil)"},
    {"failing statement",
     "pcall(conn.select, conn, plan.new('select nothing from nowhere'))"},
    {"transaction", "conn:listen(function() end) conn:transact('begin') "
                    "conn:transact('savepoint', 'a')\n"
                    "conn:transact('rollbackTo', 'a') conn:transact('rollback')"},
    {"records", "local r = conn:first(all) for k, v in pairs(r) do local x = v end\n"
                "local t = tostring(r) record.toTable(r) r.price = '3' record.dirty(r)\n"
                "record.absorb(r, conn:first(all)) record.extra(r).x = 1"},
    {"connect", "local c = connection.open('other', 'sqlite', { path = ':memory:' })\n"
                "c:select(plan.new('select 1 as one')) c:close()"},
    {"connect without closing",
     "connection.open('other', 'sqlite', { path = ':memory:' })"},
    {"bulk",
     "conn:bulk(s, 't (id, name)', { 'id', 'name' }, {}, {}, { { id = 200, name = 'a' },\n"
     "{ id = 201, name = 'b' }, { id = 202, name = 'c' } }, 1, 2)"},
};

/* Not the place to be short of memory: rolls back what may be open, and looks. */
static const char look[] =
    "if conn:txstate() ~= 'none' then conn:transact('rollback') end\n"
    "if kept then kept:close() end\n"
    "collectgarbage()\n" /* a cursor that nobody closed */
    "conn:script('drop table t')\n"
    "conn:close()";

/* False once the script has all the memory that it wants. */
static bool fail_at(const char *name, const char *code, long n, bool for_good) {
    memory m = {.left = -1};
    lua_State *L = new_state(&m);
    if (luaL_dostring(L, prelude) != LUA_OK) {
        fail_msg("prelude: %s", luaL_tolstring(L, -1, NULL));
    }
    assert_int_equal(LUA_OK, luaL_loadstring(L, code));
    m.for_good = for_good;
    m.left = n;
    int status = lua_pcall(L, 0, 0, 0);
    m.left = -1;
    if (status != LUA_OK && m.failures == 0) {
        fail_msg("%s: %s", name, luaL_tolstring(L, -1, NULL));
    }
    if (luaL_dostring(L, look) != LUA_OK) {
        fail_msg("%s, allocation %ld: %s", name, n, luaL_tolstring(L, -1, NULL));
    }
    lua_close(L);
    return m.failures > 0;
}

static void nothing_is_lost(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        for (int for_good = 0; for_good < 2; for_good++) {
            long n = 0;
            while (fail_at(scripts[i].name, scripts[i].code, n, for_good)) {
                n++;
            }
            if (n == 0) {
                fail_msg("%s takes no memory, so nothing was tried", scripts[i].name);
            }
        }
    }
}

/* {====== Finalisers ====== */

/* arm(when, what): the finaliser that runs as the `when`-th one calls `what`. */
static const char arming[] =
    "function arm(when, what)\n"
    "    runs = 0\n"
    "    local function again()\n"
    "        setmetatable({}, { __gc = function()\n"
    "            if over then return end\n"
    "            runs = runs + 1\n"
    "            if runs == when then what() else again() end\n"
    "        end })\n"
    "    end\n"
    "    collectgarbage()\n"
    "    collectgarbage('incremental', 1, 1000, 1)\n" /* a step at every allocation */
    "    again()\n"
    "end\n"
    "victim = {}\n"
    "for i = 1, 40 do victim[('key ' .. i):rep(9)] = ('v'):rep(900) end\n";

static const char *const deeds[] = {
    "conn:close()",
    "conn:select(all)",
    "conn:transact('rollback')",
    "if kept then kept() end",
    "if kept then kept:close() end",
    "for key in pairs(victim) do victim[key] = nil end",
};

static const struct {
    const char *name, *code;
} more_scripts[] = {
    {"JSON", "json.encode({ victim, victim })"},
    {"cursor by hand", "kept = conn:cursor(all) for i = 1, 12 do local r = kept() end"},
    {"cursor of wide rows by hand", "kept = conn:cursor(wide) while kept() do end"},
};

/* False once no finaliser runs so late. */
static bool interfere(const char *code, const char *deed, int when) {
    memory m = {.left = -1};
    lua_State *L = new_state(&m);
    if (luaL_dostring(L, prelude) != LUA_OK || luaL_dostring(L, arming) != LUA_OK) {
        fail_msg("prelude: %s", luaL_tolstring(L, -1, NULL));
    }
    assert_int_equal(LUA_OK, luaL_loadstring(L, code));
    lua_getglobal(L, "arm");
    lua_pushinteger(L, when);
    assert_int_equal(LUA_OK, luaL_loadstring(L, deed));
    lua_call(L, 2, 0);
    lua_pcall(L, 0, 0, 0); /* with such a finaliser it may well fail */
    lua_pushboolean(L, 1);
    lua_setglobal(L, "over");
    lua_getglobal(L, "runs");
    bool reached = lua_tointeger(L, -1) >= when;
    lua_close(L);
    return reached;
}

static void finalisers_break_nothing(void **state) {
    (void)state;
    enum {
        SCRIPTS = sizeof scripts / sizeof *scripts,
        MORE = sizeof more_scripts / sizeof *more_scripts,
        OFTEN = 60
    };
    for (size_t i = 0; i < SCRIPTS + MORE; i++) {
        const char *code = i < SCRIPTS ? scripts[i].code : more_scripts[i - SCRIPTS].code;
        for (size_t k = 0; k < sizeof deeds / sizeof *deeds; k++) {
            for (int when = 1; when < OFTEN && interfere(code, deeds[k], when); when++) {
            }
        }
    }
}

/* }====== */

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_lost),
                                       cmocka_unit_test(finalisers_break_nothing)};
    return cmocka_run_group_tests_name("core, without memory", tests, NULL, NULL);
}
