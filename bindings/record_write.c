/* SPDX-License-Identifier: MIT
**
** record_write.c - create, save and delete of records whose statements are known: the
** short way.  What is unusual goes the long way, through the functions in Lua that also
** make the plans: lua/eloquent/model.
*/
#include <string.h>
#include <time.h>

#include "record.h"

enum { MAX_KNOWN = 16 };

/* Keys of a writer's user value, a table: what the plans are for, then the plans. */
enum { HELD_CONN = 1, HELD_INSERT, HELD_UPDATE = HELD_INSERT + MAX_KNOWN,
       HELD_DELETE = HELD_UPDATE + MAX_KNOWN };

/* Plans of one kind by the mask of the columns they write; the oldest makes room. */
typedef struct known_plans {
    uint64_t mask[MAX_KNOWN];
    int n, next;
} known_plans;

/* What one model's records are written with, on the connection that it uses now. */
struct elL_writer {
    elL_conn *c; /* anchored; NULL: no plan is known */
    known_plans insert, update;
    bool removes;         /* the plan of delete is known */
    bool creates, saves, deletes; /* may go the short way */
    int created, updated; /* slots that take the time, -1: none */
};

/* Entries of a journal for a record whose row tells what it was; see model/journal. */
typedef enum touched { TOUCHED, TOUCHED_AND_STAMPED } touched;

/* {====== What is known ====== */

void elL_writer_new(lua_State *L, int shape_idx, elL_shape *s) {
    shape_idx = lua_absindex(L, shape_idx);
    elL_writer *w = lua_newuserdatauv(L, sizeof *w, 1);
    memset(w, 0, sizeof *w);
    w->created = w->updated = -1;
    lua_setiuservalue(L, shape_idx, SHAPE_WRITER);
    s->writer = w;
}

static bool true_field(lua_State *L, const char *name) {
    lua_getfield(L, 2, name);
    bool on = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return on;
}

/* Slot of the column that field `name` of the table at 2 names, or -1. */
static int slot_field(lua_State *L, const elL_shape *s, const char *name) {
    int slot = -1;
    if (lua_getfield(L, 2, name) == LUA_TSTRING) {
        size_t n;
        const char *column = lua_tolstring(L, -1, &n);
        slot = elL_shape_slot(L, s, column, n, -1);
    }
    lua_pop(L, 1);
    return slot;
}

/*
** record.writes(shape, { creates =, saves =, deletes =, created =, updated = }): the verbs
** that may go the short way, and the columns that take the time.
*/
int elL_record_writes(lua_State *L) {
    elL_shape *s = elL_checkshape(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    bool able = s->writer && elL_record_masked(s);
    lua_settop(L, 2);
    if (able) {
        s->writer->creates = true_field(L, "creates");
        s->writer->saves = true_field(L, "saves");
        s->writer->deletes = true_field(L, "deletes");
        s->writer->created = slot_field(L, s, "created");
        s->writer->updated = slot_field(L, s, "updated");
    }
    return 0;
}

static void forget(elL_writer *w) {
    w->c = NULL;
    w->insert.n = w->update.n = w->insert.next = w->update.next = 0;
    w->removes = false;
}

/* record.forget(shape): the model goes by another connection from now on. */
int elL_record_forget(lua_State *L) {
    elL_shape *s = elL_checkshape(L, 1);
    if (s->writer) {
        forget(s->writer);
    }
    return 0;
}

static int add_known(known_plans *k, uint64_t mask) {
    for (int i = 0; i < k->n; i++) {
        if (k->mask[i] == mask) {
            return i;
        }
    }
    int at = k->n < MAX_KNOWN ? k->n++ : k->next++ % MAX_KNOWN;
    k->mask[at] = mask;
    return at;
}

/*
** record.remember(shape, conn, verb, plan, mask?): `verb` is "insert", "update" or
** "delete"; plans for another connection than before drop those for that one.
*/
int elL_record_remember(lua_State *L) {
    elL_shape *s = elL_checkshape(L, 1);
    elL_conn *c = elL_checkconn(L, 2);
    const char *verb = luaL_checkstring(L, 3);
    elL_checkplan(L, 4);
    elL_writer *w = s->writer;
    if (!w || !elL_record_masked(s)) {
        return 0;
    }
    uint64_t mask = (uint64_t)luaL_optinteger(L, 5, 0);
    lua_getiuservalue(L, 1, SHAPE_WRITER);
    if (lua_getiuservalue(L, -1, 1) != LUA_TTABLE || w->c != c) {
        forget(w);
        lua_pop(L, 1);
        lua_createtable(L, HELD_DELETE, 0);
        lua_pushvalue(L, 2);
        lua_rawseti(L, -2, HELD_CONN);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, -3, 1);
    }
    lua_pushvalue(L, 4);
    if (*verb == 'd') {
        lua_rawseti(L, -2, HELD_DELETE);
        w->removes = true;
    } else if (*verb == 'i') {
        lua_rawseti(L, -2, HELD_INSERT + add_known(&w->insert, mask));
    } else {
        lua_rawseti(L, -2, HELD_UPDATE + add_known(&w->update, mask));
    }
    w->c = c;
    return 0;
}

static int find_known(const known_plans *k, uint64_t mask) {
    for (int i = 0; i < k->n; i++) {
        if (k->mask[i] == mask) {
            return i;
        }
    }
    return -1;
}

/* True when the plans of the writer can be run as they are. */
static bool is_ready(const elL_writer *w) {
    return w && w->c && w->c->conn && w->c->conn->open;
}

/* }====== */

/* {====== The journal ====== */

/* Pushes the journal of the connection at 1, and below the entry of the record at `idx`. */
static int push_entry(lua_State *L, int idx) {
    lua_getiuservalue(L, 1, CONN_JOURNAL);
    lua_pushvalue(L, idx);
    return lua_rawget(L, -2);
}

/*
** True when an entry says enough: the record's own row tells what it was.  Leaves the
** stack as it was, and the entry to note_touched, once nothing can go wrong.
*/
static bool can_note(lua_State *L, const elL_conn *c, int idx, const elL_record *r) {
    if (!c->journaling) {
        return true;
    }
    int type = push_entry(L, idx);
    lua_pop(L, 2);
    return type == LUA_TBOOLEAN || (type == LUA_TNIL && !r->has_saved);
}

static void note_touched(lua_State *L, const elL_conn *c, int idx, touched how) {
    if (c->journaling) {
        if (push_entry(L, idx) == LUA_TNIL || how == TOUCHED_AND_STAMPED) {
            lua_pushvalue(L, idx);
            lua_pushboolean(L, how == TOUCHED_AND_STAMPED);
            lua_rawset(L, -4);
        }
        lua_pop(L, 2);
    }
}

/* Of a record that no journal can know yet: the mask of what it was given. */
static void note_new(lua_State *L, const elL_conn *c, int idx, uint64_t mask) {
    if (c->journaling) {
        lua_getiuservalue(L, 1, CONN_JOURNAL);
        lua_pushvalue(L, idx);
        lua_pushinteger(L, (lua_Integer)mask);
        lua_rawset(L, -3);
        lua_pop(L, 1);
    }
}

/* }====== */

/* {====== Verbs ====== */

/* The long way: upvalue 1, with the arguments that are on the stack. */
static int long_way(lua_State *L) {
    int n = lua_gettop(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, n, LUA_MULTRET);
    return lua_gettop(L);
}

/* Puts connection and plan below the record that is alone on the stack. */
static void push_known(lua_State *L, int held) {
    elL_record_pushshape(L, 1);
    lua_getiuservalue(L, -1, SHAPE_WRITER);
    lua_getiuservalue(L, -1, 1);
    lua_rawgeti(L, -1, HELD_CONN);
    lua_rawgeti(L, -2, held);
    lua_pushvalue(L, 1);
    lua_replace(L, 3);
    lua_replace(L, 2);
    lua_replace(L, 1);
    lua_settop(L, 3);
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static uint64_t bit_of(int slot) {
    return slot >= 0 ? UINT64_C(1) << slot : 0;
}

/* Sets a column to the time at the top, unless it has been written. */
static void stamp(lua_State *L, int idx, elL_record *r, int slot) {
    if (slot >= 0 && !(r->dirty & bit_of(slot))) {
        lua_pushvalue(L, -1);
        elL_record_writeslot(L, lua_absindex(L, idx), r, slot);
    }
}

/* record:save() */
static int save(lua_State *L) {
    elL_record *r = elL_testrecord(L, 1);
    elL_writer *w = r ? r->shape->writer : NULL;
    if (!is_ready(w) || !w->saves || !r->exists || r->dirty == 0) {
        return long_way(L);
    }
    bool stamps = w->updated >= 0 && !(r->dirty & bit_of(w->updated));
    int at = find_known(&w->update, r->dirty | bit_of(w->updated));
    if (at < 0) {
        return long_way(L);
    }
    elL_conn *c = w->c;
    lua_settop(L, 1);
    push_known(L, HELD_UPDATE + at);
    if (!can_note(L, c, 3, r)) {
        lua_rotate(L, 1, 1);
        lua_settop(L, 1);
        return long_way(L);
    }
    if (stamps) {
        elL_pushdatetime(L, now());
        stamp(L, 3, r, w->updated);
        lua_settop(L, 3);
    }
    note_touched(L, c, 3, stamps ? TOUCHED_AND_STAMPED : TOUCHED);
    lua_Integer last_id;
    if (elL_run_write(L, &last_id) == 0) {
        lua_rotate(L, 1, 1);
        lua_settop(L, 1);
        return long_way(L); /* no such row: says so */
    }
    elL_record_sync(L, 3, r);
    return 1;
}

/* record:delete(), and record:forceDelete() where upvalue 2 is true */
static int delete(lua_State *L) {
    elL_record *r = elL_testrecord(L, 1);
    elL_writer *w = r ? r->shape->writer : NULL;
    bool able = is_ready(w) && w->removes && r->exists;
    if (!able || !(w->deletes || lua_toboolean(L, lua_upvalueindex(2)))) {
        return long_way(L);
    }
    elL_conn *c = w->c;
    lua_settop(L, 1);
    push_known(L, HELD_DELETE);
    if (!can_note(L, c, 3, r)) {
        lua_rotate(L, 1, 1);
        lua_settop(L, 1);
        return long_way(L);
    }
    note_touched(L, c, 3, TOUCHED);
    lua_Integer last_id;
    lua_Integer count = elL_run_write(L, &last_id);
    r->exists = false;
    lua_pushboolean(L, count > 0);
    return 1;
}

/* Model:create(data); upvalue 2 is the field of a model that has its shape. */
static int create(lua_State *L) {
    lua_settop(L, 2);
    if (lua_type(L, 1) != LUA_TTABLE || lua_type(L, 2) != LUA_TTABLE) {
        return long_way(L);
    }
    lua_pushvalue(L, lua_upvalueindex(2));
    if (lua_rawget(L, 1) != LUA_TUSERDATA) {
        lua_settop(L, 2);
        return long_way(L);
    }
    elL_shape *s = elL_checkshape(L, 3);
    elL_writer *w = s->writer;
    if (!is_ready(w) || !w->creates) {
        lua_settop(L, 2);
        return long_way(L);
    }
    lua_getiuservalue(L, 3, SHAPE_META);
    elL_record *r = elL_newempty(L, 4, s);
    elL_record_fill(L, 5, r, 2);
    uint64_t given = r->dirty;
    uint64_t mask = given | bit_of(w->created) | bit_of(w->updated);
    if (mask != given) {
        elL_pushdatetime(L, now());
        stamp(L, 5, r, w->created);
        stamp(L, 5, r, w->updated);
        lua_settop(L, 5);
    }
    /* From here to push_known nothing allocates, so no finaliser changes what is known. */
    int at = find_known(&w->insert, mask);
    if (at < 0 || !is_ready(w)) {
        lua_settop(L, 2);
        return long_way(L);
    }
    elL_conn *c = w->c;
    lua_replace(L, 1);
    lua_settop(L, 1);
    push_known(L, HELD_INSERT + at);
    note_new(L, c, 3, given);
    elL_run_insert(L);
    return 1;
}

/*
** record.verb(name, function, extra?): "create", "save" or "delete" by the short way, and
** else by the function in Lua.  `extra`: see create and delete.
*/
int elL_record_verb(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 3);
    lua_pushcclosure(L, *name == 'c' ? create : *name == 's' ? save : delete, 2);
    return 1;
}

/* }====== */
