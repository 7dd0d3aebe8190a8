/* SPDX-License-Identifier: MIT
**
** record.c - a row as scripts see it: cells that become Lua values when read, and a
** state table for what was written.  When and how a record is saved is Lua's business.
**
** The state, made by the first write, n = number of slots: [slot + 1] a value not saved
** yet; [n + 1] the mask of the last save; [n + slot + 2] a value saved since the row was
** read (JSON as text); the two groups change places when a record without saved values is
** saved.  [2n + slot + 2] is decoded JSON that the script may have changed in place.
** NULL is the null value.
*/
#include <stdio.h>
#include <string.h>

#include "core.h"

/* Address that marks the metatables of records. */
static const char record_tag;

enum { MASK_BITS = 62, SHOWN_TEXT = 60 };

/* List part of a record's metatable. */
enum { META_SHAPE = 1, META_OWNER };

/* {====== Handles ====== */

elL_record *elL_testrecord(lua_State *L, int idx) {
    elL_record *r = lua_touserdata(L, idx);
    if (!r || !lua_getmetatable(L, idx)) {
        return NULL;
    }
    bool ours = lua_rawgetp(L, -1, &record_tag) != LUA_TNIL;
    lua_pop(L, 2);
    return ours ? r : NULL;
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
    r->shape = s;
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
static void push_shape(lua_State *L, int idx) {
    lua_getmetatable(L, idx);
    lua_rawgeti(L, -1, META_SHAPE);
    lua_remove(L, -2);
}

/* }====== */

/* {====== State ====== */

static bool has_row(const elL_record *r) {
    return r->in_result || r->u.row;
}

/* Pushes the state table, made when there is none yet. */
static void push_state(lua_State *L, int idx, elL_record *r) {
    idx = lua_absindex(L, idx);
    if (r->has_state) {
        lua_getiuservalue(L, idx, RECORD_STATE);
        return;
    }
    lua_createtable(L, r->shape->nslots + 1, 0);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, idx, RECORD_STATE);
    r->has_state = true;
}

/* Pushes entry `key` of the state and returns true, or pushes nothing. */
static bool push_entry(lua_State *L, int idx, const elL_record *r, int key) {
    if (!r->has_state) {
        return false;
    }
    lua_getiuservalue(L, idx, RECORD_STATE);
    if (lua_rawgeti(L, -1, key) == LUA_TNIL) {
        lua_pop(L, 2);
        return false;
    }
    lua_remove(L, -2);
    return true;
}

/* Pops a value into entry `key` of the state. */
static void set_entry(lua_State *L, int idx, elL_record *r, int key) {
    idx = lua_absindex(L, idx);
    push_state(L, idx, r);
    lua_insert(L, -2);
    lua_rawseti(L, -2, key);
    lua_pop(L, 1);
}

static int dirty_key(const elL_record *r, int slot) {
    return (r->flipped ? r->shape->nslots + 1 : 0) + slot + 1;
}

static int saved_key(const elL_record *r, int slot) {
    return (r->flipped ? 0 : r->shape->nslots + 1) + slot + 1;
}

static int loaded_key(const elL_shape *s, int slot) {
    return 2 * (s->nslots + 1) + slot;
}

static int changes_key(const elL_shape *s) {
    return s->nslots + 1;
}

/* Keeps the bits of the first slots, so that what changed is known without a look. */
static void mark(elL_record *r, int slot, bool dirty) {
    if (slot < 64) {
        uint64_t bit = UINT64_C(1) << slot;
        r->dirty = dirty ? r->dirty | bit : r->dirty & ~bit;
    }
}

/* }====== */

/* {====== Reading ====== */

/* The cell of a slot as it was read; false when the row has no such cell. */
static bool read_cell(const elL_record *r, int slot, el_value *out) {
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
static void push_json(lua_State *L, int idx, elL_record *r, int slot) {
    const elL_shape *s = r->shape;
    el_value v = {.type = EL_NULL};
    if (push_entry(L, idx, r, loaded_key(s, slot))) {
        return;
    }
    if (push_entry(L, idx, r, saved_key(r, slot))) {
        if (!elL_isnull(L, -1)) {
            v.type = EL_JSON;
            v.u.s.p = lua_tolstring(L, -1, &v.u.s.n);
        }
    } else {
        read_cell(r, slot, &v);
        lua_pushnil(L);
    }
    elL_pushvalue(L, &v, s, slot);
    lua_remove(L, -2);
    if (lua_type(L, -1) == LUA_TTABLE) {
        lua_pushvalue(L, -1);
        set_entry(L, idx, r, loaded_key(s, slot));
    }
}

static int not_selected(lua_State *L, const elL_shape *s, int slot) {
    return elL_fail(L, EL_ERR_MISUSE,
                    "%s.%s was not selected by this query; add it to select(...)",
                    s->model ? s->model : "row", s->column[slot].name);
}

/* Pushes the value a script sees, or nil; `strict` raises for a column not selected. */
static void push_slot(lua_State *L, int idx, elL_record *r, int slot, bool strict) {
    const elL_shape *s = r->shape;
    if (push_entry(L, idx, r, dirty_key(r, slot))) {
        null_to_nil(L);
        return;
    }
    if (s->column[slot].type == COL_JSON) {
        push_json(L, idx, r, slot);
        return;
    }
    if (push_entry(L, idx, r, saved_key(r, slot))) {
        null_to_nil(L);
        return;
    }
    el_value v;
    if (read_cell(r, slot, &v)) {
        elL_pushvalue(L, &v, s, slot);
    } else if (strict && has_row(r)) {
        not_selected(L, s, slot);
    } else {
        lua_pushnil(L);
    }
}

/* Pushes the value that the row had when it was read or last saved. */
static void push_original(lua_State *L, int idx, elL_record *r, int slot) {
    const elL_shape *s = r->shape;
    el_value v = {.type = EL_NULL};
    if (push_entry(L, idx, r, saved_key(r, slot))) {
        if (s->column[slot].type == COL_JSON && !elL_isnull(L, -1)) {
            v.type = EL_JSON;
            v.u.s.p = lua_tolstring(L, -1, &v.u.s.n);
            elL_pushvalue(L, &v, s, slot);
            lua_remove(L, -2);
        }
        null_to_nil(L);
        return;
    }
    read_cell(r, slot, &v);
    elL_pushvalue(L, &v, s, slot);
}

/* __index: upvalues are the methods and the function for names that are neither. */
static int record_index(lua_State *L) {
    elL_record *r = lua_touserdata(L, 1);
    if (lua_type(L, 2) == LUA_TSTRING) {
        size_t n;
        const char *key = lua_tolstring(L, 2, &n);
        int slot = elL_shape_slot(L, r->shape, key, n, 2);
        if (slot >= 0) {
            push_slot(L, 1, r, slot, true);
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
    push_shape(L, 1);
    return elL_unknown_column(L, -1, r->shape, luaL_tolstring(L, 2, NULL));
}

/* }====== */

/* {====== Writing ====== */

/* True when the value at -1 is what the column already has; false when in doubt. */
static bool is_same(lua_State *L, int idx, elL_record *r, int slot) {
    elL_coltype type = r->shape->column[slot].type;
    if (type == COL_JSON) {
        return false; /* see json_same */
    }
    const elL_shape *s = r->shape;
    if (push_entry(L, idx, r, saved_key(r, slot))) {
        bool same = lua_compare(L, -1, -2, LUA_OPEQ) &&
                    lua_type(L, -1) == lua_type(L, -2);
        lua_pop(L, 1);
        return same;
    }
    el_value now, new;
    if (!read_cell(r, slot, &now)) {
        return false;
    }
    elL_tovalue(L, &new, s, slot);
    if (now.type == EL_NULL || new.type == EL_NULL) {
        return now.type == new.type;
    }
    if (new.type == EL_INT && now.type == EL_INT) {
        return now.u.i == new.u.i;
    }
    if (el_type_has_bytes(new.type) && type != COL_DECIMAL) {
        return el_type_has_bytes(now.type) && now.u.s.n == new.u.s.n &&
               memcmp(now.u.s.p, new.u.s.p, new.u.s.n) == 0;
    }
    elL_pushvalue(L, &now, s, slot);
    bool same = lua_compare(L, -1, -2, LUA_OPEQ) && lua_type(L, -1) == lua_type(L, -2);
    lua_pop(L, 1);
    return same;
}

/* Pops the value and writes it to a slot of the record at `idx`. */
static void write_slot(lua_State *L, int idx, elL_record *r, int slot) {
    idx = lua_absindex(L, idx);
    const elL_shape *s = r->shape;
    if (!elL_is_normal(L, s, slot, -1)) {
        push_shape(L, idx);
        elL_normalize(L, s, -1, slot, -2);
        lua_replace(L, -3);
        lua_pop(L, 1);
    }
    bool same = r->exists && is_same(L, idx, r, slot);
    if (same) {
        lua_pop(L, 1);
        if (!r->has_state) {
            return;
        }
        lua_pushnil(L);
    }
    set_entry(L, idx, r, dirty_key(r, slot));
    mark(r, slot, !same);
    if (s->column[slot].type == COL_JSON) {
        lua_pushnil(L);
        set_entry(L, idx, r, loaded_key(s, slot));
    }
}

/* __newindex: upvalue 1 is the function for names that are no columns, or nil. */
static int record_newindex(lua_State *L) {
    elL_record *r = lua_touserdata(L, 1);
    if (lua_type(L, 2) == LUA_TSTRING) {
        size_t n;
        const char *key = lua_tolstring(L, 2, &n);
        int slot = elL_shape_slot(L, r->shape, key, n, 2);
        if (slot >= 0) {
            lua_settop(L, 3);
            write_slot(L, 1, r, slot);
            return 0;
        }
    }
    if (!lua_isnil(L, lua_upvalueindex(1))) {
        lua_pushvalue(L, lua_upvalueindex(1));
        lua_insert(L, 1);
        lua_call(L, 3, 0);
        return 0;
    }
    push_shape(L, 1);
    return elL_unknown_column(L, -1, r->shape, luaL_tolstring(L, 2, NULL));
}

/* Writes every entry of the table at `data` to the record at `idx`. */
static void fill(lua_State *L, int idx, elL_record *r, int data) {
    const elL_shape *s = r->shape;
    push_shape(L, idx);
    push_state(L, idx, r);
    int state = lua_gettop(L), shape = state - 1, first = dirty_key(r, 0);
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
        if (r->exists || s->column[slot].type == COL_JSON) {
            write_slot(L, idx, r, slot);
            continue;
        }
        if (!elL_is_normal(L, s, slot, -1)) {
            elL_normalize(L, s, shape, slot, -1);
            lua_replace(L, -2);
        }
        lua_rawseti(L, state, first + slot);
        mark(r, slot, true);
    }
    lua_settop(L, shape - 1);
}

/* }====== */

/* {====== What changed ====== */

/* True when decoded JSON no longer says what the row says. */
static bool json_changed(lua_State *L, int idx, elL_record *r, int slot) {
    if (!push_entry(L, idx, r, loaded_key(r->shape, slot))) {
        return false;
    }
    elL_jsonencode(L, -1);
    push_original(L, idx, r, slot);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 3);
        return true;
    }
    elL_jsonencode(L, -1);
    bool changed = !lua_rawequal(L, -1, -3);
    lua_pop(L, 4);
    return changed;
}

/* True when the JSON value at -1, written to a slot, is what the row has anyway.  Seen
** only here, not when it is written: the script may still change the table in place. */
static bool json_same(lua_State *L, int idx, elL_record *r, int slot) {
    int value = lua_gettop(L);
    el_value known;
    if (!push_entry(L, idx, r, saved_key(r, slot)) && !read_cell(r, slot, &known)) {
        return false; /* not selected */
    }
    push_original(L, idx, r, slot);
    bool same = elL_isnull(L, value) ? lua_isnil(L, -1) : elL_jsonequals(L, value, -1);
    lua_settop(L, value);
    return same;
}

static bool is_dirty(lua_State *L, int idx, elL_record *r, int slot) {
    if (!r->has_state) {
        return false;
    }
    bool json = r->shape->column[slot].type == COL_JSON;
    if (push_entry(L, idx, r, dirty_key(r, slot))) {
        bool same = json && r->exists && json_same(L, idx, r, slot);
        lua_pop(L, 1);
        return !same;
    }
    return json && json_changed(L, idx, r, slot);
}

/* Pushes the key of a set of slots: an integer, or bytes for wide tables. */
static void push_mask(lua_State *L, int idx, elL_record *r) {
    const elL_shape *s = r->shape;
    if (s->nschema <= MASK_BITS) {
        lua_Integer mask = (lua_Integer)(r->dirty & ((UINT64_C(1) << s->nschema) - 1));
        for (int i = 0; s->has_json && i < s->nschema; i++) {
            if (s->column[i].type == COL_JSON) {
                mask &= ~((lua_Integer)1 << i);
                mask |= (lua_Integer)is_dirty(L, idx, r, i) << i;
            }
        }
        lua_pushinteger(L, mask);
        return;
    }
    luaL_Buffer b;
    size_t n = (size_t)s->nschema;
    char *bytes = luaL_buffinitsize(L, &b, n);
    for (size_t i = 0; i < n; i++) {
        bytes[i] = is_dirty(L, idx, r, (int)i) ? '1' : '0';
    }
    luaL_pushresultsize(&b, n);
}

static bool in_mask(lua_State *L, int idx, int slot) {
    if (lua_isinteger(L, idx)) {
        return slot < MASK_BITS && (lua_tointeger(L, idx) >> slot & 1);
    }
    size_t n;
    const char *bytes = lua_tolstring(L, idx, &n);
    return (size_t)slot < n && bytes[slot] == '1';
}

/* Pushes the names of the slots of the mask at -1, in schema order. */
static void push_names(lua_State *L, const elL_shape *s) {
    lua_newtable(L);
    for (int i = 0, n = 0; i < s->nschema; i++) {
        if (in_mask(L, -2, i)) {
            lua_pushlstring(L, s->column[i].name, s->column[i].namelen);
            lua_rawseti(L, -2, ++n);
        }
    }
}

/* }====== */

/* {====== Towards the database ====== */

/* Pushes what anchors the value of a slot and fills `out`. */
static void bind_slot(lua_State *L, int idx, elL_record *r, int slot, bool original,
                      el_value *out) {
    const elL_shape *s = r->shape;
    bool json = s->column[slot].type == COL_JSON;
    if (!original && (push_entry(L, idx, r, dirty_key(r, slot)) ||
                      (json && push_entry(L, idx, r, loaded_key(s, slot))))) {
        elL_tovalue(L, out, s, slot);
        return;
    }
    if (push_entry(L, idx, r, saved_key(r, slot))) {
        if (json && !elL_isnull(L, -1)) {
            out->type = EL_JSON;
            out->u.s.p = lua_tolstring(L, -1, &out->u.s.n);
        } else {
            elL_tovalue(L, out, s, slot);
        }
        return;
    }
    if (!read_cell(r, slot, out)) {
        if (has_row(r)) {
            not_selected(L, s, slot);
        }
        out->type = EL_NULL;
    }
    if (r->in_result && el_type_has_bytes(out->type)) {
        out->u.s.p = lua_pushlstring(L, out->u.s.p, out->u.s.n);
    } else {
        lua_pushnil(L);
    }
}

void elL_record_bind(lua_State *L, int idx, elL_record *r, const int16_t *params, int n,
                     el_value *out) {
    int state = 0;
    if (r->has_state) {
        lua_getiuservalue(L, idx, RECORD_STATE);
        state = lua_gettop(L);
    }
    for (int i = 0; i < n; i++) {
        bool original = params[i] < 0;
        int slot = (original ? -params[i] : params[i]) - 1;
        luaL_argcheck(L, slot >= 0 && slot < r->shape->nschema, 2,
                      "every placeholder must name a column");
        if (!original && slot < 64 && (r->dirty >> slot & 1) && state) {
            lua_rawgeti(L, state, dirty_key(r, slot));
            elL_tovalue(L, &out[i], r->shape, slot);
        } else {
            bind_slot(L, idx, r, slot, original, &out[i]);
        }
    }
}

void elL_record_setkey(lua_State *L, int idx, elL_record *r, int slot, lua_Integer key) {
    lua_pushinteger(L, key);
    set_entry(L, idx, r, dirty_key(r, slot));
    mark(r, slot, true);
}

void elL_record_absorb(lua_State *L, int idx, elL_record *r, const elL_shape *from,
                       const el_value *values) {
    idx = lua_absindex(L, idx);
    const elL_shape *s = r->shape;
    for (int i = 0; i < from->ncells; i++) {
        int slot = from->slot_of_cell[i];
        if (slot >= s->nschema) {
            continue;
        }
        if (values[i].type == EL_NULL) {
            elL_pushnull(L);
        } else if (s->column[slot].type == COL_JSON && el_type_has_bytes(values[i].type)) {
            lua_pushlstring(L, values[i].u.s.p, values[i].u.s.n);
        } else {
            elL_pushvalue(L, &values[i], s, slot);
        }
        set_entry(L, idx, r, saved_key(r, slot));
        r->has_saved = true;
    }
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
            push_slot(L, 1, r, slot, false);
            return 2;
        }
    }
    return 0;
}

static int record_pairs(lua_State *L) {
    elL_checkrecord(L, 1);
    lua_pushcfunction(L, next_column);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

static void add_shown(lua_State *L, luaL_Buffer *b) {
    bool text = lua_type(L, -1) == LUA_TSTRING;
    size_t n;
    if (lua_type(L, -1) == LUA_TTABLE) { /* decoded JSON */
        elL_jsonencode(L, -1);
        lua_replace(L, -2);
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
    luaL_addstring(&b, " {");
    const char *separator = " ";
    for (int i = 0; i < s->nslots; i++) {
        if (s->column[i].cell < 0) {
            continue;
        }
        luaL_addstring(&b, separator);
        luaL_addlstring(&b, s->column[i].name, s->column[i].namelen);
        luaL_addstring(&b, " = ");
        push_slot(L, 1, r, i, false);
        add_shown(L, &b);
        separator = ", ";
    }
    luaL_addstring(&b, " }");
    luaL_pushresult(&b);
    return 1;
}

void elL_record_register(lua_State *L, int shape_idx, const elL_shape *s, int methods,
                         int missing, int assign, int owner) {
    (void)s;
    lua_createtable(L, 2, 13);
    lua_pushvalue(L, owner);
    lua_rawseti(L, -2, META_OWNER);
    lua_pushvalue(L, shape_idx);
    lua_rawseti(L, -2, META_SHAPE);
    lua_pushboolean(L, 1);
    lua_rawsetp(L, -2, &record_tag);
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

/* {====== The module ====== */

/* record.new(shape, data?) -> record, mask of what the data wrote */
static int new_record(lua_State *L) {
    elL_shape *s = elL_checkshape(L, 1);
    lua_settop(L, 2);
    lua_getiuservalue(L, 1, SHAPE_META);
    elL_record *r = elL_newrecord(L, -1, s, 0);
    if (!lua_isnil(L, 2)) {
        luaL_checktype(L, 2, LUA_TTABLE);
        fill(L, 4, r, 2);
    }
    push_mask(L, 4, r);
    return 2;
}

static int fill_record(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    fill(L, 1, r, 2);
    lua_settop(L, 1);
    return 1;
}

/* Slot named by the argument; raises for a name that is no column. */
static int check_slot(lua_State *L, int idx, const elL_shape *s) {
    size_t n;
    luaL_checktype(L, idx, LUA_TSTRING);
    const char *key = lua_tolstring(L, idx, &n);
    int slot = elL_shape_slot(L, s, key, n, idx);
    if (slot < 0) {
        push_shape(L, 1);
        elL_unknown_column(L, -1, s, key);
    }
    return slot;
}

static int get_value(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    push_slot(L, 1, r, check_slot(L, 2, r->shape), true);
    return 1;
}

static int set_value(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    int slot = check_slot(L, 2, r->shape);
    lua_settop(L, 3);
    write_slot(L, 1, r, slot);
    return 0;
}

/* record.has(record, name): whether the record can be asked for the column. */
static int has_value(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    int slot = check_slot(L, 2, r->shape);
    bool known = r->shape->column[slot].cell >= 0 || !has_row(r);
    for (int key = 0; !known && key < 2; key++) {
        known = push_entry(L, 1, r, key ? saved_key(r, slot) : dirty_key(r, slot));
    }
    lua_pushboolean(L, known);
    return 1;
}

static int get_original(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    push_original(L, 1, r, check_slot(L, 2, r->shape));
    return 1;
}

static int get_mask(lua_State *L) {
    push_mask(L, 1, elL_checkrecord(L, 1));
    return 1;
}

static int get_dirty(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    push_mask(L, 1, r);
    push_names(L, r->shape);
    return 1;
}

/* record.isDirty(record, name?) */
static int get_is_dirty(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    bool dirty = false;
    if (lua_isnoneornil(L, 2)) {
        for (int i = 0; !dirty && i < r->shape->nschema; i++) {
            dirty = is_dirty(L, 1, r, i);
        }
    } else {
        dirty = is_dirty(L, 1, r, check_slot(L, 2, r->shape));
    }
    lua_pushboolean(L, dirty);
    return 1;
}

/* Moves one dirty value over to the saved ones; the state is at the top. */
static void save_slot(lua_State *L, int idx, elL_record *r, int slot) {
    int state = lua_gettop(L);
    if (r->shape->column[slot].type == COL_JSON) {
        el_value v;
        bind_slot(L, idx, r, slot, false, &v);
        if (v.type == EL_NULL) {
            elL_pushnull(L);
        } else {
            lua_pushlstring(L, v.u.s.p, v.u.s.n);
        }
        lua_rawseti(L, state, saved_key(r, slot));
        if (lua_rawgeti(L, state, dirty_key(r, slot)) == LUA_TTABLE) {
            lua_rawseti(L, state, loaded_key(r->shape, slot));
        }
        lua_settop(L, state);
    } else {
        lua_rawgeti(L, state, dirty_key(r, slot));
        lua_rawseti(L, state, saved_key(r, slot));
    }
    lua_pushnil(L);
    lua_rawseti(L, state, dirty_key(r, slot));
}

void elL_record_sync(lua_State *L, int idx, elL_record *r) {
    const elL_shape *s = r->shape;
    push_mask(L, idx, r);
    push_state(L, idx, r);
    int state = lua_gettop(L);
    if (!r->has_saved && !s->has_json) {
        r->flipped = !r->flipped;
    } else {
        for (int i = 0; i < s->nschema; i++) {
            if (in_mask(L, state - 1, i)) {
                save_slot(L, idx, r, i);
            }
        }
    }
    r->dirty = 0;
    r->has_saved = true;
    lua_pushvalue(L, state - 1);
    lua_rawseti(L, state, changes_key(s));
    lua_settop(L, state - 2);
}

/* record.sync(record) */
static int sync_record(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    elL_record_sync(L, 1, r);
    return 0;
}

/* record.discard(record): forgets what was written and not saved. */
static int discard(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    for (int i = 0; r->has_state && i < r->shape->nschema; i++) {
        lua_pushnil(L);
        set_entry(L, 1, r, dirty_key(r, i));
        lua_pushnil(L);
        set_entry(L, 1, r, loaded_key(r->shape, i));
    }
    r->dirty = 0;
    return 0;
}

/* record.changes(record): names of the columns that the last sync saved. */
static int get_changes(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    lua_pushinteger(L, 0);
    if (r->has_state) {
        lua_getiuservalue(L, 1, RECORD_STATE);
        if (lua_rawgeti(L, -1, changes_key(r->shape)) == LUA_TNIL) {
            lua_pop(L, 2);
        }
    }
    push_names(L, r->shape);
    return 1;
}

static int get_exists(lua_State *L) {
    lua_pushboolean(L, elL_checkrecord(L, 1)->exists);
    return 1;
}

static int set_exists(lua_State *L) {
    elL_checkrecord(L, 1)->exists = lua_toboolean(L, 2);
    return 0;
}

/* record.model(record): the model that the shape was made for. */
static int get_model(lua_State *L) {
    elL_checkrecord(L, 1);
    lua_getmetatable(L, 1);
    lua_rawgeti(L, -1, META_OWNER);
    return 1;
}

/*
** record.status(record) -> model, exists, mask of what was written and not saved, and
** whether it stood for a row at any time
*/
static int get_status(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    lua_settop(L, 1);
    lua_getmetatable(L, 1);
    lua_rawgeti(L, -1, META_OWNER);
    lua_pushboolean(L, r->exists);
    push_mask(L, 1, r);
    lua_pushboolean(L, has_row(r) || r->has_saved);
    return 4;
}

/*
** record.detach(record, names?): makes it a new record, which stands for no row.  All that
** it has (or the columns that are keys of `names`) counts as written and not saved.
*/
static int detach(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    const elL_shape *s = r->shape;
    bool all = lua_isnoneornil(L, 2);
    lua_settop(L, 2);
    lua_createtable(L, s->nslots + 1, 0);
    uint64_t dirty = 0;
    for (int i = 0; i < s->nschema; i++) {
        bool known = (s->column[i].cell >= 0 && has_row(r)) ||
                     push_entry(L, 1, r, saved_key(r, i)) ||
                     push_entry(L, 1, r, dirty_key(r, i));
        lua_settop(L, 3);
        if (!known || (!all && lua_getfield(L, 2, s->column[i].name) == LUA_TNIL)) {
            lua_settop(L, 3);
            continue;
        }
        push_slot(L, 1, r, i, false);
        if (lua_isnil(L, -1)) {
            elL_pushnull(L);
        }
        lua_rawseti(L, 3, i + 1);
        dirty |= i < 64 ? UINT64_C(1) << i : 0;
        lua_settop(L, 3);
    }
    push_state(L, 1, r);
    lua_getfield(L, -1, "extra");
    lua_setfield(L, 3, "extra");
    lua_settop(L, 3);
    lua_setiuservalue(L, 1, RECORD_STATE);
    r->dirty = dirty;
    r->flipped = r->has_saved = r->exists = r->in_result = false;
    r->u.row = NULL;
    return 0;
}

static int get_shape(lua_State *L) {
    elL_checkrecord(L, 1);
    push_shape(L, 1);
    return 1;
}

/* record.absorb(record, other): takes the columns that `other` has as saved values. */
static int absorb(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    elL_record *other = elL_checkrecord(L, 2);
    luaL_argcheck(L, other->shape->nschema == r->shape->nschema, 2,
                  "a record of the same model expected");
    for (int i = 0; i < r->shape->nschema; i++) {
        el_value v = {.type = EL_NULL};
        bool json = r->shape->column[i].type == COL_JSON;
        if (!read_cell(other, i, &v)) {
            continue;
        }
        if (v.type == EL_NULL) {
            elL_pushnull(L);
        } else if (json && el_type_has_bytes(v.type)) {
            lua_pushlstring(L, v.u.s.p, v.u.s.n);
        } else {
            elL_pushvalue(L, &v, r->shape, i);
        }
        set_entry(L, 1, r, saved_key(r, i));
        r->has_saved = true;
    }
    lua_settop(L, 1);
    return discard(L);
}

static int get_collection(lua_State *L) {
    elL_checkrecord(L, 1);
    lua_getiuservalue(L, 1, RECORD_OWNER);
    return 1;
}

/* record.extra(record): a table beside the columns, made on demand. */
static int get_extra(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    push_state(L, 1, r);
    if (lua_getfield(L, -1, "extra") == LUA_TNIL) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setfield(L, -3, "extra");
    }
    return 1;
}

/* record.toTable(record, keepNull?): a plain table of the columns that the row has. */
static int to_table(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    bool keep = lua_toboolean(L, 2);
    const elL_shape *s = r->shape;
    lua_createtable(L, 0, s->nslots);
    for (int i = s->nslots - 1; i >= 0; i--) {
        if (s->column[i].cell < 0) {
            continue;
        }
        lua_pushlstring(L, s->column[i].name, s->column[i].namelen);
        push_slot(L, 1, r, i, false);
        if (keep && lua_isnil(L, -1)) {
            lua_pop(L, 1);
            elL_pushnull(L);
        }
        lua_rawset(L, -3);
    }
    return 1;
}

static int is_record(lua_State *L) {
    lua_pushboolean(L, elL_testrecord(L, 1) != NULL);
    return 1;
}

static int row_to_table(lua_State *L) {
    lua_settop(L, 1);
    return to_table(L);
}

static int row_to_json(lua_State *L) {
    lua_settop(L, 1);
    lua_pushboolean(L, 1);
    to_table(L);
    elL_jsonencode(L, -1);
    return 1;
}

int luaopen_eloquent_core_record(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"new", new_record},        {"fill", fill_record},     {"get", get_value},
        {"set", set_value},         {"has", has_value},        {"original", get_original},
        {"mask", get_mask},         {"dirty", get_dirty},      {"isDirty", get_is_dirty},
        {"sync", sync_record},      {"discard", discard},      {"changes", get_changes},
        {"exists", get_exists},     {"setExists", set_exists}, {"shape", get_shape},
        {"model", get_model},       {"status", get_status},
        {"detach", detach},
        {"absorb", absorb},         {"collection", get_collection},
        {"extra", get_extra},       {"toTable", to_table},     {"is", is_record},
        {NULL, NULL}};
    static const luaL_Reg row_methods[] = {
        {"toTable", row_to_table}, {"toJson", row_to_json}, {NULL, NULL}};
    luaL_newlib(L, row_methods);
    lua_setfield(L, LUA_REGISTRYINDEX, "eloquent.rowMethods");
    luaL_newlib(L, functions);
    return 1;
}

/* }====== */
