/* SPDX-License-Identifier: MIT
**
** record.c - a row as scripts see it: cells that become Lua values when read, and a
** state table for what was written.  What changed, and what goes to the database, is
** record_changes.c; the module that Lua code uses is record_module.c.
*/
#include <stdio.h>
#include <string.h>

#include "record.h"

static const char record_tag;

enum { SHOWN_TEXT = 60 };

/* {====== Handles ====== */

elL_record *elL_testrecord(lua_State *L, int idx) {
    return elL_testtag(L, idx, &record_tag, sizeof(elL_record));
}

elL_record *elL_checkrecord(lua_State *L, int idx) {
    elL_record *r = elL_testrecord(L, idx);
    if (!r) {
        luaL_typeerror(L, idx, "eloquent.Record");
    }
    return r;
}

elL_record *elL_newrecord(lua_State *L, int meta_idx, const elL_shape *s, size_t extra) {
    meta_idx = lua_absindex(L, meta_idx);
    elL_record *r = lua_newuserdatauv(L, sizeof *r + extra, RECORD_UVS);
    memset(r, 0, sizeof *r);
    r->tag = &record_tag;
    r->shape = s;
    lua_pushvalue(L, meta_idx);
    lua_setmetatable(L, -2);
    return r;
}

/* Entries of a whole state. */
static int all_entries(const elL_shape *s) {
    return 2 * s->nslots + 2 + (s->has_json ? s->nslots : 0);
}

/* Most records are saved once at most, and then need the first group only. */
static int first_entries(const elL_shape *s) {
    return elL_record_masked(s) ? s->nslots : all_entries(s);
}

elL_record *elL_newempty(lua_State *L, int meta_idx, const elL_shape *s) {
    meta_idx = lua_absindex(L, meta_idx);
    elL_record *r = lua_newuserdatauv(L, sizeof *r, RECORD_STATE + first_entries(s));
    memset(r, 0, sizeof *r);
    r->tag = &record_tag;
    r->shape = s;
    r->own_state = r->has_state = true;
    r->half_state = elL_record_masked(s);
    lua_pushvalue(L, meta_idx);
    lua_setmetatable(L, -2);
    return r;
}

elL_record *elL_newinline(lua_State *L, int shape_idx, const elL_shape *s,
                          const el_value *values) {
    shape_idx = lua_absindex(L, shape_idx);
    size_t fixed = el_row_size(s->ncells);
    size_t text = el_row_text_size(values, s->ncells);
    if (text > SIZE_MAX / 2) {
        elL_fail(L, EL_ERR_VALUE, "a value of this row is longer than 4 GiB");
    }
    lua_getiuservalue(L, shape_idx, SHAPE_META);
    elL_record *r = elL_newrecord(L, -1, s, fixed + text);
    lua_remove(L, -2);
    return r;
}

void elL_packinline(elL_record *r, const el_value *values) {
    int ncells = r->shape->ncells;
    unsigned char *row = (unsigned char *)(r + 1);
    el_row_pack(row, row + el_row_size(ncells), values, ncells);
    r->u.row = row;
    r->exists = true;
}

void elL_pushinline(lua_State *L, int shape_idx, const elL_shape *s,
                    const el_value *values) {
    elL_packinline(elL_newinline(L, shape_idx, s, values), values);
}

/* Pushes the shape's userdata of the record at `idx`. */
void elL_record_pushshape(lua_State *L, int idx) {
    lua_getmetatable(L, idx);
    lua_rawgeti(L, -1, META_SHAPE);
    lua_remove(L, -2);
}

/* }====== */

/* {====== State ====== */

bool elL_record_hasrow(const elL_record *r) {
    return r->in_result || r->u.row;
}

/* Gives the record at `idx` a whole state, with the entries of the one it has. */
static void grow_state(lua_State *L, int idx, elL_record *r) {
    idx = lua_absindex(L, idx);
    lua_newuserdatauv(L, 0, all_entries(r->shape));
    if (!r->half_state) { /* a finaliser has written to the record just now */
        lua_pop(L, 1);
        return;
    }
    for (int key = 1; key <= r->shape->nslots; key++) {
        if (elL_record_pushentry(L, idx, r, key)) {
            lua_setiuservalue(L, -2, key);
        }
    }
    for (int key = 1; r->own_state && key <= r->shape->nslots; key++) {
        lua_pushnil(L);
        lua_setiuservalue(L, idx, RECORD_STATE + key);
    }
    lua_setiuservalue(L, idx, RECORD_STATE);
    r->own_state = r->half_state = false;
}

/* Gives the record at `idx` a state. */
static void make_state(lua_State *L, int idx, elL_record *r, bool whole) {
    idx = lua_absindex(L, idx);
    lua_newuserdatauv(L, 0, whole ? all_entries(r->shape) : first_entries(r->shape));
    if (r->has_state) { /* a finaliser has written to the record just now */
        lua_pop(L, 1);
        return;
    }
    lua_setiuservalue(L, idx, RECORD_STATE);
    r->has_state = true;
    r->half_state = !whole && elL_record_masked(r->shape);
}

int elL_record_pushstate(lua_State *L, int idx, elL_record *r, bool whole) {
    if (!r->has_state) {
        make_state(L, idx, r, whole);
    }
    if (whole && r->half_state) {
        grow_state(L, idx, r);
    }
    if (r->own_state) {
        lua_pushvalue(L, idx);
        return RECORD_STATE;
    }
    lua_getiuservalue(L, idx, RECORD_STATE);
    return 0;
}

/* Pushes entry `key` of the state and returns true, or pushes nothing. */
bool elL_record_pushentry(lua_State *L, int idx, const elL_record *r, int key) {
    if (!r->has_state) {
        return false;
    }
    if (r->own_state) { /* half a state has no such entry, which is not even nil */
        if (lua_getiuservalue(L, idx, RECORD_STATE + key) <= LUA_TNIL) {
            lua_pop(L, 1);
            return false;
        }
        return true;
    }
    lua_getiuservalue(L, idx, RECORD_STATE);
    if (lua_getiuservalue(L, -1, key) <= LUA_TNIL) {
        lua_pop(L, 2);
        return false;
    }
    lua_replace(L, -2);
    return true;
}

/* Pops a value into entry `key` of the state. */
void elL_record_setentry(lua_State *L, int idx, elL_record *r, int key) {
    bool whole = key > r->shape->nslots;
    if (r->own_state && !(whole && r->half_state)) {
        lua_setiuservalue(L, idx, RECORD_STATE + key);
        return;
    }
    elL_record_pushstate(L, lua_absindex(L, idx), r, whole);
    lua_pushvalue(L, -2);
    lua_setiuservalue(L, -2, key);
    lua_pop(L, 2);
}

/* }====== */

/* {====== Reading ====== */

/* The cell of a slot as it was read; false when the row has no such cell. */
bool elL_record_cell(const elL_record *r, int slot, el_value *out) {
    int cell = r->shape->column[slot].cell;
    if (cell < 0) {
        return false;
    }
    if (r->in_result) {
        const elL_collection *c = r->u.taken;
        c->driver->cell(c->taken, r->index, cell, out);
    } else if (r->u.row) {
        el_row_cell(r->u.row, r->shape->ncells, cell, out);
    } else {
        return false;
    }
    return true;
}

static void null_to_nil(lua_State *L) {
    if (elL_isnull(L, -1)) {
        lua_pop(L, 1);
        lua_pushnil(L);
    }
}

/* JSON is decoded once, so that changes inside it are seen by save. */
static void push_json(lua_State *L, int idx, elL_record *r, int slot, bool strict) {
    const elL_shape *s = r->shape;
    el_value v = {.type = EL_NULL};
    if (elL_record_pushentry(L, idx, r, loaded_key(s, slot))) {
        return;
    }
    if (r->has_saved && elL_record_pushentry(L, idx, r, saved_key(r, slot))) {
        elL_tree_saved(L, -1, s->column[slot].type, &v);
    } else {
        if (!elL_record_cell(r, slot, &v) && strict && elL_record_hasrow(r)) {
            elL_record_notselected(L, s, slot);
        }
        lua_pushnil(L);
    }
    elL_pushvalue(L, &v, s, slot);
    lua_remove(L, -2);
    if (lua_type(L, -1) == LUA_TTABLE) {
        lua_pushvalue(L, -1);
        elL_record_setentry(L, idx, r, loaded_key(s, slot));
    }
}

int elL_record_notselected(lua_State *L, const elL_shape *s, int slot) {
    return elL_fail(L, EL_ERR_MISUSE,
                    "%s.%s was not selected by this query; add it to select(...)",
                    s->model ? s->model : "row", s->column[slot].name);
}

/* Pushes the value a script sees, or nil; `strict` raises for a column not selected. */
void elL_record_pushslot(lua_State *L, int idx, elL_record *r, int slot, bool strict) {
    const elL_shape *s = r->shape;
    if (may_be_dirty(r, slot) && elL_record_pushentry(L, idx, r, dirty_key(r, slot))) {
        null_to_nil(L);
        return;
    }
    if (s->has_json && elL_is_tree(s->column[slot].type)) {
        push_json(L, idx, r, slot, strict);
        return;
    }
    if (r->has_saved && elL_record_pushentry(L, idx, r, saved_key(r, slot))) {
        null_to_nil(L);
        return;
    }
    el_value v;
    if (elL_record_cell(r, slot, &v)) {
        elL_pushvalue(L, &v, s, slot);
    } else if (strict && elL_record_hasrow(r)) {
        elL_record_notselected(L, s, slot);
    } else {
        lua_pushnil(L);
    }
}

/* Pushes the value that the row had when it was read or last saved. */
void elL_record_pushoriginal(lua_State *L, int idx, elL_record *r, int slot) {
    const elL_shape *s = r->shape;
    el_value v = {.type = EL_NULL};
    if (r->has_saved && elL_record_pushentry(L, idx, r, saved_key(r, slot))) {
        if (elL_is_tree(s->column[slot].type) && !elL_isnull(L, -1)) {
            elL_tree_saved(L, -1, s->column[slot].type, &v);
            elL_pushvalue(L, &v, s, slot);
            lua_remove(L, -2);
        }
        null_to_nil(L);
        return;
    }
    elL_record_cell(r, slot, &v);
    elL_pushvalue(L, &v, s, slot);
}

/*
** True when a slot is what its name means to a script.  The fields of an open shape are
** those of its document, or what a query has selected of it, until all of it is read.
*/
static bool is_named(const elL_record *r, int slot) {
    return slot >= 0 &&
           (!r->shape->open || (slot > 0 && !r->has_saved && elL_record_hasrow(r)));
}

/* __index: upvalues are the methods and the function for names that are neither. */
static int record_index(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    if (lua_type(L, 2) == LUA_TSTRING) {
        size_t n;
        const char *key = lua_tolstring(L, 2, &n);
        int slot = elL_shape_slot(L, r->shape, key, n, 2);
        if (is_named(r, slot)) {
            elL_record_pushslot(L, 1, r, slot, true);
            return 1;
        }
    }
    if (!lua_isnil(L, lua_upvalueindex(1))) {
        lua_pushvalue(L, 2);
        if (lua_gettable(L, lua_upvalueindex(1)) != LUA_TNIL) {
            return 1;
        }
    }
    if (!lua_isnil(L, lua_upvalueindex(2))) {
        lua_pushvalue(L, lua_upvalueindex(2));
        lua_pushvalue(L, 1);
        lua_pushvalue(L, 2);
        lua_call(L, 2, 1);
        return 1;
    }
    return elL_unknown_name(L, r->shape, luaL_tolstring(L, 2, NULL), lua_upvalueindex(1));
}

/* }====== */

/* {====== Writing ====== */

/* By bits: -0.0 is another, and NaN is itself. */
static bool same_float(lua_Number a, lua_Number b) {
    uint64_t x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    return x == y;
}

/* True when the two values at the top are the same one for a column. */
static bool same_value(lua_State *L) {
    if (lua_type(L, -1) != lua_type(L, -2)) {
        return false;
    }
    if (lua_type(L, -1) == LUA_TNUMBER && !lua_isinteger(L, -1)) {
        return same_float(lua_tonumber(L, -1), lua_tonumber(L, -2));
    }
    return lua_compare(L, -1, -2, LUA_OPEQ);
}

/* True when the value at -1 is what the column already has; false when in doubt. */
static bool is_same(lua_State *L, int idx, elL_record *r, int slot) {
    elL_coltype type = r->shape->column[slot].type;
    if (elL_is_tree(type)) {
        return false; /* see json_same */
    }
    const elL_shape *s = r->shape;
    if (r->has_saved && elL_record_pushentry(L, idx, r, saved_key(r, slot))) {
        bool same = same_value(L);
        lua_pop(L, 1);
        return same;
    }
    el_value now, new;
    if (!elL_record_cell(r, slot, &now)) {
        return false;
    }
    if (now.type == EL_INT && lua_isinteger(L, -1)) {
        return now.u.i == lua_tointeger(L, -1);
    }
    elL_tovalue(L, &new, s, slot);
    if (now.type == EL_NULL || new.type == EL_NULL) {
        return now.type == new.type;
    }
    if (new.type == EL_FLOAT && now.type == EL_FLOAT) {
        return same_float(now.u.d, new.u.d);
    }
    if (el_type_has_bytes(new.type) && type != COL_DECIMAL) {
        return el_type_has_bytes(now.type) &&
               now.u.s.n == new.u.s.n &&memcmp(now.u.s.p, new.u.s.p, new.u.s.n) == 0;
    }
    elL_pushvalue(L, &now, s, slot);
    bool same = same_value(L);
    lua_pop(L, 1);
    return same;
}

void elL_record_writeslot(lua_State *L, int idx, elL_record *r, int slot) {
    idx = lua_absindex(L, idx);
    if (!elL_is_normal(L, r->shape, slot, -1)) {
        elL_record_pushshape(L, idx);
        elL_normalize(L, r->shape, -1, slot, -2);
        lua_replace(L, -3);
        lua_pop(L, 1);
    }
    elL_record_putslot(L, idx, r, slot);
}

void elL_record_putslot(lua_State *L, int idx, elL_record *r, int slot) {
    idx = lua_absindex(L, idx);
    const elL_shape *s = r->shape;
    bool same = r->exists && is_same(L, idx, r, slot);
    if (same) {
        lua_pop(L, 1);
        if (!may_be_dirty(r, slot)) {
            return;
        }
        lua_pushnil(L);
    }
    /* Now, as a finaliser may move the key while this takes memory. */
    while (!r->has_state || (r->flipped && r->half_state)) {
        elL_record_pushstate(L, idx, r, r->flipped);
        lua_pop(L, 1);
    }
    elL_record_setentry(L, idx, r, dirty_key(r, slot));
    mark(r, slot, !same);
    if (s->has_json && elL_is_tree(s->column[slot].type)) {
        lua_pushnil(L);
        elL_record_setentry(L, idx, r, loaded_key(s, slot));
    }
}

/* __newindex: upvalue 1 is the function for names that are no columns, or nil. */
static int record_newindex(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    lua_settop(L, 3);
    if (lua_type(L, 2) == LUA_TSTRING) {
        size_t n;
        const char *key = lua_tolstring(L, 2, &n);
        int slot = elL_shape_slot(L, r->shape, key, n, 2);
        if (slot >= 0 && !r->shape->open) {
            elL_record_writeslot(L, 1, r, slot);
            return 0;
        }
    }
    if (!lua_isnil(L, lua_upvalueindex(1))) {
        lua_pushvalue(L, lua_upvalueindex(1));
        lua_insert(L, 1);
        lua_call(L, 3, 0);
        return 0;
    }
    elL_record_pushshape(L, 1);
    return elL_unknown_column(L, -1, r->shape, luaL_tolstring(L, 2, NULL));
}

/* Writes every entry of the table at `data` to the record at `idx`. */
void elL_record_fill(lua_State *L, int idx, elL_record *r, int data) {
    const elL_shape *s = r->shape;
    elL_record_pushshape(L, idx);
    int first = elL_record_pushstate(L, idx, r, r->flipped) + dirty_key(r, 0);
    int state = lua_gettop(L), shape = state - 1;
    lua_pushnil(L);
    while (lua_next(L, data)) {
        size_t n;
        if (lua_type(L, -2) != LUA_TSTRING) {
            elL_fail(L, EL_ERR_MISUSE,
                     "a record is filled from a table of column names; found the key %s",
                     luaL_tolstring(L, -2, NULL));
        }
        const char *key = lua_tolstring(L, -2, &n);
        int slot = elL_shape_slot(L, s, key, n, -2);
        if (slot < 0) {
            elL_unknown_column(L, shape, s, key);
        }
        if (r->exists || elL_is_tree(s->column[slot].type) ||
            !elL_is_normal(L, s, slot, -1)) {
            elL_record_writeslot(L, idx, r, slot);
            continue;
        }
        lua_setiuservalue(L, state, first + slot);
        mark(r, slot, true);
    }
    lua_settop(L, shape - 1);
}

/* }====== */

/* {====== Metatable of a shape's records ====== */

/* False for a column whose name an earlier one has, too: that one answers to the name. */
static bool is_first(lua_State *L, const elL_shape *s, int slot) {
    const elL_column *c = &s->column[slot];
    return elL_shape_slot(L, s, c->name, c->namelen, 0) == slot;
}

/* Iterator of pairs(record): columns of the row in order, NULL as nil. */
static int next_column(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    const elL_shape *s = r->shape;
    int slot = 0;
    if (!lua_isnil(L, 2)) {
        size_t n;
        const char *key = luaL_checklstring(L, 2, &n);
        slot = elL_shape_slot(L, s, key, n, 2) + 1;
    }
    for (; slot < s->nslots; slot++) {
        if (s->column[slot].cell >= 0 && is_first(L, s, slot)) {
            lua_pushlstring(L, s->column[slot].name, s->column[slot].namelen);
            elL_record_pushslot(L, 1, r, slot, false);
            return 2;
        }
    }
    return 0;
}

static int record_pairs(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    if (r->shape->open) {
        elL_record_pushslot(L, 1, r, 0, false);
        if (lua_istable(L, -1) && luaL_getmetafield(L, -1, "__pairs") != LUA_TNIL) {
            lua_insert(L, -2);
            lua_call(L, 1, 3);
            return 3;
        }
        lua_settop(L, 1);
    }
    lua_pushcfunction(L, next_column);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

static int encode_tree(lua_State *L) {
    return elL_jsonencode(L, 1);
}

static void add_shown(lua_State *L, luaL_Buffer *b) {
    bool text = lua_type(L, -1) == LUA_TSTRING;
    size_t n;
    if (lua_type(L, -1) == LUA_TTABLE) { /* JSON, or a document, which may have bytes */
        lua_pushcfunction(L, encode_tree);
        lua_insert(L, -2);
        if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
            lua_pop(L, 1);
            lua_pushliteral(L, "{...}");
        }
        text = false;
    }
    if (lua_isnil(L, -1)) {
        lua_pushliteral(L, "NULL");
    } else {
        luaL_tolstring(L, -1, NULL);
    }
    lua_replace(L, -2);
    const char *shown = lua_tolstring(L, -1, &n);
    if (text && n > SHOWN_TEXT) {
        while (n > SHOWN_TEXT || (n > 0 && ((unsigned char)shown[n] & 0xC0) == 0x80)) {
            n--;
        }
    }
    if (text) { /* any bytes, so by length */
        const char *end = n < lua_rawlen(L, -1) ? "...'" : "'";
        lua_pushliteral(L, "'");
        lua_pushlstring(L, shown, n);
        lua_pushstring(L, end);
        lua_concat(L, 3);
        lua_replace(L, -2);
    }
    luaL_addvalue(b);
}

/* User { id = 1, name = 'Ada' } */
static int record_tostring(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    const elL_shape *s = r->shape;
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    luaL_addstring(&b, s->model ? s->model : "row");
    if (s->open && s->column[0].cell >= 0) {
        luaL_addstring(&b, " ");
        elL_record_pushslot(L, 1, r, 0, false);
        add_shown(L, &b);
        luaL_pushresult(&b);
        return 1;
    }
    luaL_addstring(&b, " {");
    const char *separator = " ";
    for (int i = 0; i < s->nslots; i++) {
        if (s->column[i].cell < 0) {
            continue;
        }
        luaL_addstring(&b, separator);
        luaL_addlstring(&b, s->column[i].name, s->column[i].namelen);
        luaL_addstring(&b, " = ");
        elL_record_pushslot(L, 1, r, i, false);
        add_shown(L, &b);
        separator = ", ";
    }
    luaL_addstring(&b, " }");
    luaL_pushresult(&b);
    return 1;
}

void elL_record_register(lua_State *L, int shape_idx, const elL_shape *s, int methods,
                         int missing, int assign, int owner) {
    lua_createtable(L, 3, 13);
    lua_pushvalue(L, owner);
    lua_rawseti(L, -2, META_OWNER);
    lua_pushvalue(L, shape_idx);
    lua_rawseti(L, -2, META_SHAPE);
    if (s->writer) {
        lua_getiuservalue(L, shape_idx, SHAPE_WRITER);
        lua_getiuservalue(L, -1, 1);
        lua_rawseti(L, -3, META_HELD);
        lua_pop(L, 1);
    }
    lua_pushvalue(L, methods);
    lua_setfield(L, -2, "methods");
    lua_pushvalue(L, missing);
    lua_setfield(L, -2, "missing");
    lua_pushvalue(L, assign);
    lua_setfield(L, -2, "assign");
    lua_pushvalue(L, methods);
    lua_pushvalue(L, missing);
    lua_pushcclosure(L, record_index, 2);
    lua_setfield(L, -2, "__index");
    lua_pushvalue(L, assign);
    lua_pushcclosure(L, record_newindex, 1);
    lua_setfield(L, -2, "__newindex");
    lua_pushcfunction(L, record_pairs);
    lua_setfield(L, -2, "__pairs");
    lua_pushcfunction(L, record_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pushliteral(L, "eloquent.Record");
    lua_setfield(L, -2, "__name");
    lua_pushliteral(L, "eloquent.Record");
    lua_setfield(L, -2, "__metatable");
    lua_setiuservalue(L, shape_idx, SHAPE_META);
}

/* }====== */
