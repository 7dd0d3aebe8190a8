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

/* A writer's user value is a table: the connection of the plans, then the plans. */
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

/* {====== What is known ====== */

void elL_writer_new(lua_State *L, int shape_idx, elL_shape *s) {
    shape_idx = lua_absindex(L, shape_idx);
    elL_writer *w = lua_newuserdatauv(L, sizeof *w, 1);
    memset(w, 0, sizeof *w);
    w->created = w->updated = -1;
    lua_createtable(L, HELD_DELETE, 0);
    lua_setiuservalue(L, -2, 1);
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
    int at = k->n < MAX_KNOWN ? k->n++ : k->next;
    k->next = (at + 1) % MAX_KNOWN;
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
    lua_getiuservalue(L, -1, 1);
    if (w->c != c) {
        forget(w);
        lua_pushvalue(L, 2);
        lua_rawseti(L, -2, HELD_CONN);
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

/* Notes the record at `idx` in the journal whose list is at the top, and pops the list. */
static void note(lua_State *L, int idx, elL_record *r, uint32_t serial, elL_note how) {
    if (r->noted != serial) {
        lua_pushvalue(L, idx);
        lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
        r->noted = serial;
    }
    r->note = (uint8_t)how;
    lua_pop(L, 1);
}

/* The same for the connection at 1. */
static void note_on(lua_State *L, const elL_conn *c, int idx, elL_record *r,
                    elL_note how) {
    if (c->journal) {
        lua_getiuservalue(L, 1, CONN_JOURNAL);
        note(L, idx, r, c->journal, how);
    }
}

/* True when the journal has noted already that the model has set the timestamp. */
static bool is_stamped(const elL_conn *c, const elL_record *r) {
    return c->journal && r->noted == c->journal && r->note == NOTE_STAMPED;
}

/* True when it is enough to note that the record is touched. */
static bool can_touch(const elL_conn *c, const elL_record *r) {
    if (c->journal && r->noted == c->journal) {
        return r->note != NOTE_NEW;
    }
    return !c->journal || !r->has_saved;
}

/*
** record.note(record, list, serial, entry): an integer is the mask of what was set of a
** new record; a boolean says that its row tells what it was, true that it was stamped;
** nil takes the note of that serial away.
*/
int elL_record_note(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    uint32_t serial = (uint32_t)luaL_checkinteger(L, 3);
    elL_note how = NOTE_NEW;
    if (lua_isnoneornil(L, 4)) {
        r->noted = r->noted == serial ? 0 : r->noted;
        return 0;
    }
    if (lua_isboolean(L, 4)) {
        how = lua_toboolean(L, 4) ? NOTE_STAMPED : NOTE_TOUCHED;
    } else {
        r->given = (uint64_t)luaL_checkinteger(L, 4);
    }
    lua_settop(L, 2);
    note(L, 1, r, serial, how);
    return 0;
}

/* record.noted(record, serial): what record.note was told last, nil for another journal. */
int elL_record_noted(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    if (r->noted != (uint32_t)luaL_checkinteger(L, 2) || r->noted == 0) {
        lua_pushnil(L);
    } else if (r->note == NOTE_NEW) {
        lua_pushinteger(L, (lua_Integer)r->given);
    } else {
        lua_pushboolean(L, r->note == NOTE_STAMPED);
    }
    return 1;
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

/* Calls upvalue 3 with the record at 3, for which no row was written. */
static void unwritten(lua_State *L) {
    lua_pushvalue(L, lua_upvalueindex(3));
    lua_pushvalue(L, 3);
    lua_call(L, 1, 0);
}

/* Puts connection and plan below the record that is alone on the stack. */
static void push_known(lua_State *L, int held) {
    lua_getmetatable(L, 1);
    lua_rawgeti(L, 2, META_HELD);
    lua_rawgeti(L, 3, HELD_CONN);
    lua_rawgeti(L, 3, held);
    lua_pushvalue(L, 1);
    lua_rotate(L, 1, 3);
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
    if (at < 0 || !can_touch(w->c, r)) {
        return long_way(L);
    }
    elL_conn *c = w->c;
    lua_settop(L, 1);
    push_known(L, HELD_UPDATE + at);
    if (stamps) {
        elL_pushdatetime(L, now());
        stamp(L, 3, r, w->updated);
        lua_settop(L, 3);
    }
    note_on(L, c, 3, r, stamps || is_stamped(c, r) ? NOTE_STAMPED : NOTE_TOUCHED);
    elL_written written;
    if (elL_run_write(L, &written) == 0) {
        elL_run_tell(L, &written);
        unwritten(L);
        return 1;
    }
    elL_record_sync(L, 3, r, written.columns);
    elL_run_tell(L, &written);
    return 1;
}

/* record:delete(), and record:forceDelete() where upvalue 2 is true */
static int delete(lua_State *L) {
    elL_record *r = elL_testrecord(L, 1);
    elL_writer *w = r ? r->shape->writer : NULL;
    bool able = is_ready(w) && w->removes && r->exists;
    if (!able || !(w->deletes || lua_toboolean(L, lua_upvalueindex(2))) ||
        !can_touch(w->c, r)) {
        return long_way(L);
    }
    elL_conn *c = w->c;
    lua_settop(L, 1);
    push_known(L, HELD_DELETE);
    note_on(L, c, 3, r, is_stamped(c, r) ? NOTE_STAMPED : NOTE_TOUCHED);
    elL_written written;
    lua_pushboolean(L, elL_run_write(L, &written) > 0);
    r->exists = false;
    elL_run_tell(L, &written);
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
    r->given = given;
    note_on(L, c, 3, r, NOTE_NEW);
    if (!elL_run_insert(L)) {
        unwritten(L);
    }
    return 1;
}

/*
** record.verb(name, function, extra?, unwritten?): "create", "save" or "delete" by the
** short way, and else by the function in Lua.  `extra`: see create and delete.  Create and
** save call `unwritten` with a record for which the database wrote no row: it raises, or
** what is in the record counts as saved.
*/
int elL_record_verb(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 4);
    lua_pushcclosure(L, *name == 'c' ? create : *name == 's' ? save : delete, 3);
    return 1;
}

/* }====== */
