/* SPDX-License-Identifier: MIT
**
** run.c - the funnel: every statement of every connection runs through here, so that
** caching, listeners, cancelling and errors have one place.
*/
#include <string.h>
#include <time.h>

#include "core.h"

enum { FEW_VALUES = 32 };

/* One statement on its way: who runs it, and the values that it lends. */
typedef struct run {
    elL_conn *c;
    const elL_plan *plan;
    el_statements *statements; /* where `stmt` goes back, also once `c` is closed */
    el_stmt *stmt;
    el_value *args;
    int nargs;
    double started;
    el_value few[FEW_VALUES];
} run;

/* Connection and plan are the first two arguments of every verb. */
enum { CONN_ARG = 1, PLAN_ARG = 2 };

/* {====== Values to bind ====== */

static void check_open(lua_State *L, const run *r) {
    if (!r->c->conn) {
        elL_fail(L, EL_ERR_MISUSE, "the connection '%s' is closed", r->c->name);
    }
}

static void begin(lua_State *L, run *r) {
    r->c = elL_checkconn(L, CONN_ARG);
    r->plan = elL_checkplan(L, PLAN_ARG);
    r->stmt = NULL;
    r->nargs = 0;
    r->args = r->few;
    r->started = 0;
    check_open(L, r);
    elL_tidy(L, r->c);
    if (r->c->promised) {
        elL_checktransaction(L, r->c);
    }
}

/* Room for n values; the stack keeps what they point to. */
static void reserve(lua_State *L, run *r, int n) {
    luaL_checkstack(L, n + LUA_MINSTACK, "too many values to bind");
    if (n > FEW_VALUES) {
        r->args = lua_newuserdatauv(L, sizeof(el_value) * (size_t)n, 0);
    }
    r->nargs = n;
}

/* Turns the value at the top into the i-th argument (0 first), or raises. */
static void bind_top(lua_State *L, run *r, int i) {
    int slot = r->plan->by_type;
    if (i < r->plan->nparams && r->plan->param[i] > 0) {
        slot = r->plan->param[i] - 1;
    }
    if (lua_isnil(L, -1)) {
        elL_fail(L, EL_ERR_MISUSE, "value %d of %d to bind is nil; pass eloquent.null "
                 "for NULL", i + 1, r->nargs);
    }
    if (slot >= 0) {
        int top = lua_gettop(L);
        lua_getiuservalue(L, PLAN_ARG, PLAN_SHAPE);
        elL_normalize(L, r->plan->shape, top + 1, slot, top);
        lua_replace(L, top);
        lua_settop(L, top);
    }
    elL_tovalue(L, &r->args[i], r->plan->shape, slot);
}

/* Binds a list, whose length is its field `n` where it has one. */
static void bind_list(lua_State *L, run *r, int idx) {
    if (lua_isnoneornil(L, idx)) {
        return;
    }
    luaL_checktype(L, idx, LUA_TTABLE);
    lua_Integer n = (lua_Integer)lua_rawlen(L, idx);
    lua_pushliteral(L, "n");
    if (lua_rawget(L, idx) == LUA_TNUMBER && lua_isinteger(L, -1)) {
        n = lua_tointeger(L, -1);
    }
    lua_pop(L, 1);
    if (n < 0 || n > 65535) {
        elL_fail(L, EL_ERR_MISUSE, "%I values are too many for one statement", n);
    }
    reserve(L, r, (int)n);
    for (int i = 0; i < (int)n; i++) {
        lua_rawgeti(L, idx, i + 1);
        bind_top(L, r, i);
    }
}

/* Binds the arguments from stack index `first` on. */
static void bind_arguments(lua_State *L, run *r, int first) {
    int last = lua_gettop(L);
    reserve(L, r, last >= first ? last - first + 1 : 0);
    for (int i = 0; i < r->nargs; i++) {
        lua_pushvalue(L, first + i);
        bind_top(L, r, i);
    }
}

/* Binds what the plan's placeholders name of the record at `idx`. */
static void bind_record(lua_State *L, run *r, int idx) {
    elL_record *record = elL_checkrecord(L, idx);
    reserve(L, r, 2 * r->plan->nparams);
    r->nargs = r->plan->nparams;
    elL_record_bind(L, idx, record, r->plan->param, r->nargs, r->args);
}

/* }====== */

/* {====== Running ====== */

double elL_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void cancel_running(void *ud) {
    el_conn *c = ud;
    el_error ignored;
    el_error_clear(&ignored); /* the statement itself reports how it ended */
    c->driver->cancel(c, &ignored);
}

void elL_watchrun(const elL_conn *c, bool running) {
    if (c->watch) {
        bool in_signal = (c->driver->caps & EL_CAP_SIGNAL_CANCEL) != 0;
        c->watch(running ? cancel_running : NULL, running ? c->conn : NULL, in_signal);
    }
}

void elL_tell(lua_State *L, int conn_idx, const elL_conn *c, const char *sql,
              double started, lua_Integer rows, bool failed) {
    if (!c->listening) {
        return;
    }
    luaL_checkstack(L, 6, "listener");
    lua_getiuservalue(L, conn_idx, CONN_LISTENER);
    lua_createtable(L, 0, 5);
    lua_pushstring(L, sql);
    lua_setfield(L, -2, "sql");
    lua_pushnumber(L, elL_seconds() - started);
    lua_setfield(L, -2, "seconds");
    lua_pushinteger(L, rows);
    lua_setfield(L, -2, "rows");
    lua_pushboolean(L, failed);
    lua_setfield(L, -2, "failed");
    lua_pushstring(L, c->name);
    lua_setfield(L, -2, "connection");
    lua_call(L, 1, 0);
}

/* Tells the listener, if any, about a statement that has ended. */
static void tell(lua_State *L, const run *r, lua_Integer rows, bool failed) {
    elL_tell(L, CONN_ARG, r->c, r->plan->sql, r->started, rows, failed);
}

/* Gives the statement back and raises. */
static int failed(lua_State *L, run *r, const el_error *e) {
    elL_watchrun(r->c, false);
    if (r->stmt) {
        el_statements_failed(r->statements, r->stmt, e);
        r->stmt = NULL;
        r->c->lent--;
    }
    tell(L, r, 0, true);
    return elL_connfail(L, CONN_ARG, r->c, e, r->plan->sql);
}

static void give_back(run *r) {
    elL_watchrun(r->c, false);
    el_statements_release(r->statements, r->stmt);
    r->stmt = NULL;
    r->c->lent--;
}

static void finish(lua_State *L, run *r, lua_Integer rows) {
    give_back(r);
    tell(L, r, rows, false);
}

/*
** From here to `failed` or `finish` memory may run out and finalisers may run, but
** nothing else of Lua: elL_tidy builds on it.
*/
static void execute(lua_State *L, run *r, unsigned flags) {
    el_error e;
    el_error_clear(&e);
    check_open(L, r); /* a finaliser may have closed it since */
    r->statements = r->c->statements;
    if (r->c->listening) {
        r->started = elL_seconds();
    }
    elL_watchrun(r->c, true);
    if (el_statements_get(&r->stmt, r->statements, r->plan->sql, r->plan->len,
                          r->plan->flags | flags, &e) != EL_OK) {
        failed(L, r, &e);
    }
    r->c->lent++;
    if (r->c->driver->execute(r->stmt, r->args, r->nargs, &e) != EL_OK) {
        failed(L, r, &e);
    }
}

void elL_reclaim(elL_conn *c) {
    if (c->lent > 0) {
        elL_watchrun(c, false);
        el_statements_reclaim(c->statements);
        c->lent = 0;
    }
}

/* }====== */

/* {====== Shapes of results ====== */

/* True when the columns are those that the plan's shape expects, in that order. */
static bool as_planned(const elL_shape *s, const el_stmt *stmt) {
    if (s->ncells != stmt->ncolumns) {
        return false;
    }
    if (s->open && s->column[0].cell == 0) { /* a column of documents, not a field */
        return s->ncells == 1 && stmt->columns[0].type == EL_DOC;
    }
    for (int i = 0; i < s->ncells; i++) {
        const elL_column *c = &s->column[s->slot_of_cell[i]];
        if (c->namelen != stmt->columns[i].namelen ||
            memcmp(c->name, stmt->columns[i].name, c->namelen) != 0) {
            return false;
        }
    }
    return true;
}

/* Pushes the plan's shape for just the result's columns. */
static void push_projection(lua_State *L, const el_stmt *stmt) {
    lua_getiuservalue(L, PLAN_ARG, PLAN_SHAPE);
    lua_createtable(L, stmt->ncolumns, 0);
    for (int i = 0; i < stmt->ncolumns; i++) {
        lua_pushlstring(L, stmt->columns[i].name, stmt->columns[i].namelen);
        lua_rawseti(L, -2, i + 1);
    }
    elL_pushprojection(L, -2, -1);
    lua_replace(L, -3);
    lua_pop(L, 1);
}

/* Pushes the shape of the result: the plan's, or one by the names of its columns. */
static const elL_shape *push_shape(lua_State *L, const run *r) {
    luaL_checkstack(L, 6, "shape of a result");
    const elL_shape *planned = r->plan->shape;
    if (planned && as_planned(planned, r->stmt)) {
        lua_getiuservalue(L, PLAN_ARG, PLAN_SHAPE);
        return planned;
    }
    if (lua_getiuservalue(L, PLAN_ARG, PLAN_RAWSHAPE) == LUA_TUSERDATA) {
        const elL_shape *s = lua_touserdata(L, -1);
        if (as_planned(s, r->stmt)) {
            return s;
        }
    }
    lua_pop(L, 1);
    if (planned) {
        push_projection(L, r->stmt);
    } else {
        elL_pushrawshape(L, r->stmt->columns, r->stmt->ncolumns);
    }
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, PLAN_ARG, PLAN_RAWSHAPE);
    return lua_touserdata(L, -1);
}

/* }====== */

/* {====== Verbs ====== */

/* Bytes that a collection has of its own, so that a small result is one allocation. */
enum { OWN_ROOM = 3072 };

/* Where the blocks of a collection come from: its own room first, then userdata. */
typedef struct block_owner {
    lua_State *L;
    int collection; /* stack index */
    int blocks;     /* stack index of the table that anchors them; 0: not made yet */
    lua_Integer count;
    unsigned char *room, *room_end;
} block_owner;

static void *new_block(void *ud, size_t n) {
    block_owner *o = ud;
    lua_State *L = o->L;
    size_t size = (n + 7) & ~(size_t)7;
    if (size <= (size_t)(o->room_end - o->room)) {
        void *p = o->room;
        o->room += size;
        return p;
    }
    if (!o->blocks) {
        lua_newtable(L);
        o->blocks = lua_gettop(L);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, o->collection, COLLECTION_BLOCKS);
    }
    void *p = lua_newuserdatauv(L, n, 0);
    lua_rawseti(L, o->blocks, ++o->count);
    return p;
}

/* Copies the rows of the statement into the collection at the top. */
static void read_rows(lua_State *L, run *r, elL_collection *c) {
    el_error e;
    el_error_clear(&e);
    el_value few[FEW_VALUES];
    el_value *row = few;
    int collection = lua_gettop(L);
    if (r->stmt->ncolumns > FEW_VALUES) {
        row = lua_newuserdatauv(L, sizeof *row * (size_t)r->stmt->ncolumns, 0);
    }
    unsigned char *room = (unsigned char *)(c + 1);
    block_owner owner = {L, collection, 0, 0, room, room + OWN_ROOM};
    el_rowset_init(&c->rs, r->stmt->ncolumns, new_block, &owner);
    const el_driver *d = r->c->driver;
    int got;
    while ((got = d->fetch(r->stmt, &e)) == EL_ROW) {
        if (d->row(r->stmt, row, &e) != EL_OK ||
            el_rowset_append(&c->rs, row, &e) != EL_OK) {
            got = EL_FAIL;
            break;
        }
    }
    if (got == EL_FAIL) {
        failed(L, r, &e);
    }
    c->nrows = c->rs.nrows;
    c->rs.ud = NULL;
    lua_settop(L, collection);
}

/* conn:select(plan, args) -> Collection */
static int run_select(lua_State *L) {
    run r;
    lua_settop(L, 3);
    begin(L, &r);
    bind_list(L, &r, 3);
    execute(L, &r, 0);
    const elL_shape *s = push_shape(L, &r);
    bool take = r.c->driver->take != NULL;
    elL_collection *c = elL_newcollection(L, -1, s, take ? 0 : OWN_ROOM);
    if (take) {
        el_error e;
        el_error_clear(&e);
        void **result = elL_newresult(L, -1, c, r.c->driver);
        if (r.c->driver->take(r.stmt, result, &c->nrows, &e) != EL_OK) {
            failed(L, &r, &e);
        }
        c->taken = *result;
    } else {
        read_rows(L, &r, c);
    }
    finish(L, &r, (lua_Integer)c->nrows);
    return 1;
}

/* Fetches the first row into `row`; false when there is none. */
static bool first_row(lua_State *L, run *r, el_value *row) {
    el_error e;
    el_error_clear(&e);
    int got = r->c->driver->fetch(r->stmt, &e);
    if (got == EL_FAIL ||
        (got == EL_ROW && r->c->driver->row(r->stmt, row, &e) != EL_OK)) {
        failed(L, r, &e);
    }
    return got == EL_ROW;
}

static el_value *row_buffer(lua_State *L, const run *r, el_value *few) {
    return r->stmt->ncolumns <= FEW_VALUES
               ? few
               : lua_newuserdatauv(L, sizeof *few * (size_t)r->stmt->ncolumns, 0);
}

/* conn:first(plan, ...) -> Record | nil */
static int run_first(lua_State *L) {
    run r;
    el_value few[FEW_VALUES];
    begin(L, &r);
    bind_arguments(L, &r, 3);
    execute(L, &r, 0);
    const elL_shape *s = push_shape(L, &r);
    el_value *row = row_buffer(L, &r, few);
    bool found = first_row(L, &r, row);
    if (found) {
        elL_pushinline(L, row == few ? -1 : -2, s, row);
    } else {
        lua_pushnil(L);
    }
    finish(L, &r, found);
    return 1;
}

/* conn:scalar(plan, args) -> first column of the first row | nil */
static int run_scalar(lua_State *L) {
    run r;
    el_value few[FEW_VALUES];
    lua_settop(L, 3);
    begin(L, &r);
    bind_list(L, &r, 3);
    execute(L, &r, 0);
    if (r.stmt->ncolumns == 0) {
        el_error e;
        el_error_clear(&e);
        el_fail(&e, EL_ERR_MISUSE, 0, "the statement returns no rows to take a value of");
        failed(L, &r, &e);
    }
    const elL_shape *s = push_shape(L, &r);
    el_value *row = row_buffer(L, &r, few);
    bool found = first_row(L, &r, row);
    if (found) { /* packed first: decoding may raise, and the statement must be back */
        elL_pushinline(L, row == few ? -1 : -2, s, row);
    }
    finish(L, &r, found);
    if (!found) {
        lua_pushnil(L);
        return 1;
    }
    elL_record *record = lua_touserdata(L, -1);
    el_row_cell(record->u.row, s->ncells, 0, &row[0]);
    elL_pushvalue(L, &row[0], s, s->slot_of_cell[0]);
    return 1;
}

/* Reads the statement to its end, so that what it wrote is complete and counted. */
static void drain(lua_State *L, run *r) {
    el_error e;
    el_error_clear(&e);
    int got = EL_DONE;
    while (r->stmt->ncolumns > 0 &&
           (got = r->c->driver->fetch(r->stmt, &e)) == EL_ROW) {
    }
    if (got == EL_FAIL) {
        failed(L, r, &e);
    }
}

static int push_counts(lua_State *L, run *r) {
    lua_Integer affected = r->stmt->affected, last_id = r->stmt->last_id;
    finish(L, r, affected);
    lua_pushinteger(L, affected);
    lua_pushinteger(L, last_id);
    return 2;
}

/* conn:execute(plan, args) -> affected, last_id */
static int run_execute(lua_State *L) {
    run r;
    lua_settop(L, 3);
    begin(L, &r);
    bind_list(L, &r, 3);
    execute(L, &r, 0);
    drain(L, &r);
    return push_counts(L, &r);
}

lua_Integer elL_run_write(lua_State *L, elL_written *w) {
    run r;
    el_value few[FEW_VALUES];
    begin(L, &r);
    bind_record(L, &r, 3);
    execute(L, &r, 0);
    el_value *row = few;
    const elL_shape *s = NULL;
    bool found = false;
    if (r.stmt->ncolumns > 0) {
        s = push_shape(L, &r);
        row = row_buffer(L, &r, few);
        found = first_row(L, &r, row);
    }
    if (found) { /* packed first: decoding may raise, and the statement must be back */
        elL_pushinline(L, row == few ? -1 : -2, s, row);
        drain(L, &r);
    }
    int returned = lua_gettop(L);
    w->rows = r.stmt->affected;
    w->last_id = r.stmt->last_id;
    w->columns = r.plan->columns;
    w->started = r.started;
    w->returned = found;
    give_back(&r);
    if (found) {
        elL_record *from = lua_touserdata(L, returned);
        for (int i = 0; i < s->ncells; i++) {
            el_row_cell(from->u.row, s->ncells, i, &row[i]);
        }
        elL_record_absorb(L, 3, lua_touserdata(L, 3), s, row);
    }
    lua_settop(L, 3);
    return w->rows;
}

void elL_run_tell(lua_State *L, const elL_written *w) {
    const elL_conn *c = elL_checkconn(L, CONN_ARG);
    if (c->listening) {
        elL_tell(L, CONN_ARG, c, elL_checkplan(L, PLAN_ARG)->sql, w->started, w->rows,
                 false);
    }
}

bool elL_run_insert(lua_State *L) {
    elL_written w;
    if (elL_run_write(L, &w) == 0 && !w.returned) {
        elL_run_tell(L, &w);
        return false;
    }
    elL_record *record = lua_touserdata(L, 3);
    int generated = elL_checkplan(L, PLAN_ARG)->generated;
    if (generated >= 0 && w.last_id != 0) {
        elL_record_setkey(L, 3, record, generated, w.last_id);
        w.columns |= generated < 64 ? UINT64_C(1) << generated : 0;
    }
    elL_record_sync(L, 3, record, w.columns);
    record->exists = true;
    elL_run_tell(L, &w);
    return true;
}

/*
** conn:insert(plan, record): the record stands for the new row afterwards.  False, and
** the record is new as before, when the database says that it wrote none.
*/
static int run_insert(lua_State *L) {
    lua_settop(L, 3);
    lua_pushboolean(L, elL_run_insert(L));
    return 1;
}

/* conn:write(plan, record) -> affected: for plans that delete the record's row. */
static int run_write(lua_State *L) {
    elL_written w;
    lua_settop(L, 3);
    lua_pushinteger(L, elL_run_write(L, &w));
    ((elL_record *)lua_touserdata(L, 3))->exists = false;
    elL_run_tell(L, &w);
    return 1;
}

/* conn:update(plan, record) -> affected: what was written counts as saved, if any was. */
static int run_update(lua_State *L) {
    elL_written w;
    lua_settop(L, 3);
    if (elL_run_write(L, &w) > 0) {
        elL_record_sync(L, 3, lua_touserdata(L, 3), w.columns);
    }
    lua_pushinteger(L, w.rows);
    elL_run_tell(L, &w);
    return 1;
}

/* }====== */

/* {====== Cursors ====== */

enum { CURSOR_CONN = 1, CURSOR_SHAPE, CURSOR_ARGS, CURSOR_PLAN, CURSOR_UVS = CURSOR_PLAN };

typedef struct cursor {
    const void *tag; /* says that it is a cursor */
    elL_conn *c;
    const elL_shape *shape;
    el_statements *statements;
    el_stmt *stmt; /* NULL: closed */
    unsigned turn; /* another one whenever the client library's row is */
    bool ended;
} cursor;

static const char cursor_tag;

static cursor *check_cursor(lua_State *L) {
    cursor *u = elL_testtag(L, 1, &cursor_tag, sizeof *u);
    return u ? u : luaL_checkudata(L, 1, ELL_CURSOR);
}

static void cursor_release(cursor *u) {
    u->turn++;
    if (u->stmt) {
        el_statements_release(u->statements, u->stmt);
        u->stmt = NULL;
    }
}

static int cursor_close(lua_State *L) {
    cursor *u = check_cursor(L);
    cursor_release(u);
    u->ended = true;
    return 0;
}

/* cursor() -> the next record, nil at the end. */
static int cursor_next(lua_State *L) {
    cursor *u = check_cursor(L);
    el_value few[FEW_VALUES];
    if (u->ended) {
        return 0;
    }
    el_error e;
    el_error_clear(&e);
    lua_settop(L, 1);
    el_value *row = !u->shape || u->shape->ncells <= FEW_VALUES
                        ? few
                        : lua_newuserdatauv(
                              L, sizeof *row * (size_t)u->shape->ncells, 0);
    if (!u->stmt || !u->c->conn) { /* a finaliser may have closed it just now */
        return elL_fail(L, EL_ERR_MISUSE, "the cursor is closed");
    }
    unsigned turn = ++u->turn;
    elL_watchrun(u->c, true);
    int got = u->c->driver->fetch(u->stmt, &e);
    if (got == EL_ROW && u->c->driver->row(u->stmt, row, &e) != EL_OK) {
        got = EL_FAIL;
    }
    elL_watchrun(u->c, false);
    if (got == EL_ROW) {
        lua_getiuservalue(L, 1, CURSOR_SHAPE);
        elL_record *record = elL_newinline(L, -1, u->shape, row);
        if (u->turn != turn) {
            return elL_fail(L, EL_ERR_MISUSE, "a finaliser (__gc) moved or closed the "
                            "cursor while a row of it was being read");
        }
        elL_packinline(record, row);
        return 1;
    }
    u->ended = true;
    if (got == EL_FAIL) {
        el_statements_failed(u->statements, u->stmt, &e);
        u->stmt = NULL;
        lua_getiuservalue(L, 1, CURSOR_CONN);
        lua_getiuservalue(L, 1, CURSOR_PLAN);
        return elL_connfail(L, -2, u->c, &e, elL_checkplan(L, -1)->sql);
    }
    cursor_release(u);
    return 0;
}

/* conn:cursor(plan, args) -> cursor, nil, nil, cursor: as the generic for takes it. */
static int run_cursor(lua_State *L) {
    run r;
    lua_settop(L, 3);
    begin(L, &r);
    cursor *u = lua_newuserdatauv(L, sizeof *u, CURSOR_UVS);
    memset(u, 0, sizeof *u);
    u->tag = &cursor_tag;
    luaL_setmetatable(L, ELL_CURSOR);
    lua_pushvalue(L, CONN_ARG);
    lua_setiuservalue(L, 4, CURSOR_CONN);
    lua_pushvalue(L, PLAN_ARG);
    lua_setiuservalue(L, 4, CURSOR_PLAN);
    bind_list(L, &r, 3);
    int last = lua_gettop(L);
    lua_createtable(L, r.nargs + 1, 0);
    if (r.args == r.few && r.nargs > 0) {
        size_t size = sizeof(el_value) * (size_t)r.nargs;
        r.args = memcpy(lua_newuserdatauv(L, size, 0), r.few, size);
        lua_rawseti(L, -2, 1);
    }
    for (int i = 5; i <= last; i++) {
        lua_pushvalue(L, i);
        lua_rawseti(L, -2, i - 3);
    }
    lua_setiuservalue(L, 4, CURSOR_ARGS);
    execute(L, &r, EL_STMT_STREAM);
    u->c = r.c;
    u->statements = r.statements;
    u->stmt = r.stmt;
    el_statements_hold(u->statements, u->stmt);
    r.c->lent--;
    elL_watchrun(r.c, false);
    u->shape = push_shape(L, &r);
    lua_setiuservalue(L, 4, CURSOR_SHAPE);
    lua_getiuservalue(L, CONN_ARG, CONN_CURSORS);
    lua_pushvalue(L, 4);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
    tell(L, &r, 0, false);
    lua_settop(L, 4);
    lua_pushnil(L);
    lua_pushnil(L);
    lua_pushvalue(L, 4);
    return 4;
}

void elL_cursor_register(lua_State *L) {
    static const luaL_Reg meta[] = {{"__call", cursor_next},
                                    {"__close", cursor_close},
                                    {"__gc", cursor_close},
                                    {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"close", cursor_close}, {"next", cursor_next}, {NULL, NULL}};
    if (luaL_newmetatable(L, ELL_CURSOR)) {
        luaL_setfuncs(L, meta, 0);
        luaL_newlib(L, methods);
        lua_setfield(L, -2, "__index");
        lua_pushliteral(L, ELL_CURSOR);
        lua_setfield(L, -2, "__metatable");
    }
    lua_pop(L, 1);
}

/* }====== */

const luaL_Reg elL_run_methods[] = {
    {"select", run_select},   {"first", run_first}, {"scalar", run_scalar},
    {"execute", run_execute}, {"write", run_write}, {"insert", run_insert},
    {"update", run_update},   {"cursor", run_cursor},
    {NULL, NULL}};
