/* SPDX-License-Identifier: MIT
**
** bulk.c - many rows into one table: walks a list of plain tables and hands the values
** to the driver, without SQL text or lists of values in between.  Which rows may go so,
** and in which transaction, is lua/eloquent/query/insertion.lua.
*/
#include <string.h>

#include "bulk.h"
#include "core.h"

enum {
    CONN_ARG = 1,
    SHAPE_ARG,
    INTO_ARG,
    COLUMNS_ARG,
    FILLS_ARG,
    RULES_ARG,
    ROWS_ARG,
    FROM_ARG,
    MOST_ARG
};

/* One column of the rows. */
typedef struct field {
    const void *string; /* in the list of columns, as lua_topointer tells it */
    const char *name;   /* its bytes */
    size_t len;
    int slot;    /* of the shape; -1: no shape */
    bool filled; /* rows without it get the column's entry in the list of fills */
    int rule;    /* of those below: what a row of these may not have there */
} field;

enum { NO_RULE, NO_NULL, NO_VALUE };

static const char *const rule_names[] = {"any", "not null", "not named", NULL};

/* Rows on their way. */
typedef struct walk {
    elL_conn *c;
    const elL_shape *shape;
    el_bulk *bulk;
    el_value *values;
    field *fields;
    int *order;           /* column of each key of the latest row, in the table's order */
    lua_Integer *seen_in; /* the row in which a column came last */
    int n;
    int by_type; /* how values are bound that are for no column */
    lua_Integer first, row, done;
    bool stopped;   /* by the driver, which said why */
    int64_t failed; /* and by which of the rows it was told, 1 the first; 0: unknown */
    el_error error;
} walk;

/* {====== One row ====== */

/*
** The column of the key below the top; -1: none.  Rows made by one line of a script have
** their keys in one order, so the column at that place of the row before is tried first.
** Names of equal text are nearly always one string, but long ones need not be.
*/
static int column_of(lua_State *L, const walk *w, int place) {
    int likely = place < w->n ? w->order[place] : 0;
    if (w->fields[likely].string == lua_topointer(L, -2)) {
        return likely;
    }
    size_t len = 0;
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &len) : NULL;
    for (int i = 0; key && i < w->n; i++) {
        const field *f = &w->fields[i];
        if (f->len == len && memcmp(f->name, key, len) == 0) {
            return i;
        }
    }
    return -1;
}

/*
** Takes the value at the top as it is, where its column keeps the likes of it so: what
** elL_normalize and elL_tovalue would do for most values, without their detours.
*/
static bool take_plain(lua_State *L, el_value *out, const elL_shape *s, int slot) {
    elL_coltype type = s->column[slot].type;
    switch (lua_type(L, -1)) {
    case LUA_TBOOLEAN:
        out->type = EL_BOOL;
        out->u.b = lua_toboolean(L, -1);
        return type == COL_BOOL;
    case LUA_TNUMBER:
        if (type == COL_FLOAT) {
            out->type = EL_FLOAT;
            out->u.d = lua_tonumber(L, -1);
            return !lua_isinteger(L, -1);
        }
        out->type = EL_INT;
        out->u.i = lua_tointeger(L, -1);
        return type != COL_DECIMAL && elL_is_normal(L, s, slot, -1);
    case LUA_TSTRING: {
        size_t most = (size_t)s->column[slot].length;
        out->type = type == COL_BINARY ? EL_BYTES : EL_TEXT;
        out->u.s.p = lua_tolstring(L, -1, &out->u.s.n);
        return type == COL_BINARY || ((type == COL_STRING || type == COL_TEXT) &&
                                      (most == 0 || out->u.s.n <= most) &&
                                      el_utf8_valid(out->u.s.p, out->u.s.n));
    }
    case LUA_TUSERDATA:
        out->type = EL_TIMESTAMP;
        return type == COL_TIMESTAMP && elL_testdatetime(L, -1, &out->u.i);
    case LUA_TLIGHTUSERDATA:
        out->type = EL_NULL;
        return elL_isnull(L, -1);
    default:
        return false;
    }
}

/* Takes the value at the top for column i; what must live on is left on the stack. */
static void take_value(lua_State *L, walk *w, int i) {
    int slot = w->fields[i].slot;
    el_value *out = &w->values[i];
    w->seen_in[i] = w->row;
    if (slot < 0) {
        elL_tovalue(L, out, w->shape, w->by_type);
    } else if (!take_plain(L, out, w->shape, slot)) {
        elL_normalize(L, w->shape, SHAPE_ARG, slot, -1);
        elL_tovalue(L, out, w->shape, slot);
    }
}

/* Gives column i its value for rows without one. */
static void fill(lua_State *L, walk *w, int i) {
    if (lua_rawgeti(L, FILLS_ARG, i + 1) == LUA_TFUNCTION) {
        lua_call(L, 0, 1);
    }
    take_value(L, w, i);
}

/* Whether the value that a row has for column i makes it a row of another kind. */
static bool breaks_rule(const walk *w, int i) {
    return w->fields[i].rule == NO_VALUE || w->values[i].type == EL_NULL;
}

/*
** Reads the row at the top; false when its columns are others.  Its values stay on the
** stack until the driver lets go of them.
*/
static bool read_row(lua_State *L, walk *w) {
    int row = lua_gettop(L), found = 0;
    luaL_checkstack(L, 4 * w->n + LUA_MINSTACK, "values of a row");
    lua_pushnil(L);
    while (lua_next(L, row)) {
        int i = column_of(L, w, found);
        if (i < 0 || found == w->n || w->seen_in[i] == w->row) {
            return false; /* a finaliser may add keys while we read them */
        }
        int key = lua_gettop(L) - 1;
        w->order[found++] = i;
        take_value(L, w, i);
        if (w->fields[i].rule != NO_RULE && breaks_rule(w, i)) {
            return false;
        }
        if (el_type_has_bytes(w->values[i].type) || w->values[i].type >= EL_LIST) {
            lua_rotate(L, key, -1);
        } else {
            lua_settop(L, key);
        }
    }
    int given = found;
    for (int i = 0; found < w->n; i++) {
        if (w->seen_in[i] != w->row) {
            if (!w->fields[i].filled) {
                return false;
            }
            w->order[found++] = i;
        }
    }
    while (found > given) {
        fill(L, w, w->order[--found]);
    }
    return true;
}

/* }====== */

/* {====== All rows ====== */

/* A finaliser, or a function that makes a value, may close it at any time. */
static void check_open(lua_State *L, const elL_conn *c) {
    if (!c->conn) {
        elL_fail(L, EL_ERR_MISUSE, "the connection '%s' is closed", c->name);
    }
}

/* Runs protected: whatever is raised, the driver is told that it is over.  Returns what
** was run. */
static int walk_rows(lua_State *L) {
    walk *w = lua_touserdata(L, -1);
    lua_pushstring(L, w->bulk->sql);
    int base = lua_gettop(L);
    for (;; w->row++) {
        int type = lua_rawgeti(L, ROWS_ARG, w->row);
        if (type != LUA_TTABLE || !read_row(L, w)) {
            break;
        }
        check_open(L, w->c);
        if (el_bulk_row(w->bulk, w->values, &w->error) != EL_OK) {
            w->stopped = true;
            break;
        }
        w->done++;
        if (w->bulk->pending == 0) {
            lua_settop(L, base);
        }
    }
    check_open(L, w->c);
    int64_t failed = 0;
    bool good = !w->stopped;
    if (el_bulk_end(w->bulk, good, &failed, &w->error) != EL_OK) {
        w->stopped = true;
    }
    w->bulk = NULL;
    w->failed = failed;
    lua_settop(L, base);
    return 1;
}

/* Names the row in the error object at the top, and in front of its message. */
static void name_row(lua_State *L, lua_Integer row) {
    if (lua_type(L, -1) != LUA_TTABLE || !lua_getmetatable(L, -1)) {
        return;
    }
    luaL_getmetatable(L, ELL_ERROR);
    bool ours = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    if (ours && lua_getfield(L, -1, "message") == LUA_TSTRING) {
        lua_pushfstring(L, "row %I: %s", row, lua_tostring(L, -1));
        lua_setfield(L, -3, "message");
        lua_pushinteger(L, row);
        lua_setfield(L, -3, "row");
    }
    lua_settop(L, lua_gettop(L) - (ours ? 1 : 0));
}

/* Raises what the driver said, with the row where it is known. */
static void fail_row(lua_State *L, walk *w, const char *sql) {
    elL_pushconnerror(L, CONN_ARG, w->c, &w->error, sql);
    if (w->failed > 0) {
        name_row(L, w->first + (lua_Integer)w->failed - 1);
    }
    elL_raise(L);
}

static void read_fields(lua_State *L, walk *w) {
    for (int i = 0; i < w->n; i++) {
        field *f = &w->fields[i];
        if (lua_rawgeti(L, COLUMNS_ARG, i + 1) != LUA_TSTRING) {
            elL_fail(L, EL_ERR_MISUSE, "column %d is no name", i + 1);
        }
        f->string = lua_topointer(L, -1);
        f->name = lua_tolstring(L, -1, &f->len);
        bool columns = w->shape && !w->shape->open;
        f->slot = columns ? elL_shape_slot(L, w->shape, f->name, f->len, -1) : -1;
        if (columns && f->slot < 0) {
            elL_unknown_column(L, SHAPE_ARG, w->shape, f->name);
        }
        f->filled = lua_rawgeti(L, FILLS_ARG, i + 1) != LUA_TNIL;
        lua_rawgeti(L, RULES_ARG, i + 1);
        f->rule = luaL_checkoption(L, -1, rule_names[NO_RULE], rule_names);
        lua_pop(L, 3);
    }
}

/* Fills `w`, its memory owned by userdata on the stack. */
static void prepare(lua_State *L, walk *w) {
    memset(w, 0, sizeof *w);
    el_error_clear(&w->error);
    w->c = elL_checkconn(L, CONN_ARG);
    check_open(L, w->c);
    elL_tidy(L, w->c);
    elL_checktransaction(L, w->c);
    w->shape = lua_isnil(L, SHAPE_ARG) ? NULL : elL_checkshape(L, SHAPE_ARG);
    luaL_checktype(L, INTO_ARG, LUA_TSTRING);
    w->by_type = *lua_tostring(L, INTO_ARG) == '{' ? ELL_BY_TYPE_OR_TABLE : ELL_BY_TYPE;
    w->by_type = w->shape && w->shape->open ? 0 : w->by_type; /* part of the document */
    luaL_checktype(L, COLUMNS_ARG, LUA_TTABLE);
    luaL_checktype(L, FILLS_ARG, LUA_TTABLE);
    luaL_checktype(L, RULES_ARG, LUA_TTABLE);
    luaL_checktype(L, ROWS_ARG, LUA_TTABLE);
    w->first = w->row = luaL_checkinteger(L, FROM_ARG);
    size_t n = lua_rawlen(L, COLUMNS_ARG);
    luaL_argcheck(L, n > 0 && n <= 65535, COLUMNS_ARG, "1 to 65535 columns expected");
    w->n = (int)n;
    w->values = lua_newuserdatauv(L, n * sizeof *w->values, 0);
    w->fields = lua_newuserdatauv(L, n * sizeof *w->fields, 0);
    w->order =
        memset(lua_newuserdatauv(L, n * sizeof *w->order, 0), 0, n * sizeof *w->order);
    w->seen_in = memset(lua_newuserdatauv(L, n * sizeof *w->seen_in, 0), 0,
                        n * sizeof *w->seen_in);
    read_fields(L, w);
}

/*
** conn:bulk(shape|nil, into, columns, fills, rules, rows, from, rows_per_statement) -> done
**
** Writes rows[from], rows[from + 1] and so on as long as they have exactly these columns,
** but for those that `fills` has a value (or a function that makes one) for at the same
** place.  Where `rules` has "not null" a row with NULL ends it, where it has "not named"
** one that has that column itself.  Returns how many were written.
*/
static int conn_bulk(lua_State *L) {
    walk w;
    int64_t ignored;
    lua_settop(L, MOST_ARG);
    prepare(L, &w);
    int most = (int)luaL_checkinteger(L, MOST_ARG);
    const char *sql = lua_tostring(L, INTO_ARG);
    double started = elL_seconds();
    lua_pushcfunction(L, walk_rows);
    for (int i = 1; i <= MOST_ARG; i++) {
        lua_pushvalue(L, i);
    }
    lua_pushlightuserdata(L, &w);
    check_open(L, w.c);
    el_conn *conn = w.c->conn;
    elL_watchrun(w.c, true);
    if (el_bulk_begin(&w.bulk, w.c->statements, sql, w.n, most, &w.error) != EL_OK) {
        elL_watchrun(w.c, false);
        return elL_connfail(L, CONN_ARG, w.c, &w.error, NULL);
    }
    el_conn_retain(conn); /* the rows' way needs it also when a script closes it */
    int raised = lua_pcall(L, MOST_ARG + 1, 1, 0); /* nothing can raise before it */
    if (w.bulk) {
        el_bulk_end(w.bulk, false, &ignored, &w.error);
    }
    el_conn_release(conn);
    elL_watchrun(w.c, false);
    sql = raised == LUA_OK ? lua_tostring(L, -1) : sql;
    elL_tell(L, CONN_ARG, w.c, sql, started, w.done, raised != LUA_OK || w.stopped);
    if (raised != LUA_OK) {
        name_row(L, w.row);
        elL_raise(L);
    }
    if (w.stopped) {
        fail_row(L, &w, sql);
    }
    lua_pushinteger(L, w.done);
    return 1;
}

const luaL_Reg elL_bulk_methods[] = {{"bulk", conn_bulk}, {NULL, NULL}};
