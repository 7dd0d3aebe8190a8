/* SPDX-License-Identifier: MIT
**
** record_changes.c - what a script has changed in a record, and the record's values on
** their way to and from the database.  When that happens is Lua's business.
*/
#include <string.h>

#include "document.h"
#include "record.h"

/* {====== Trees ====== */

void elL_tree_pushsaved(lua_State *L, elL_coltype type, const el_value *v) {
    if (v->type == EL_NULL) {
        elL_pushnull(L);
    } else if (type == COL_DOCUMENT) {
        elL_pushkept(L, v);
    } else {
        lua_pushlstring(L, v->u.s.p, v->u.s.n);
    }
}

void elL_tree_saved(lua_State *L, int idx, elL_coltype type, el_value *out) {
    out->type = EL_NULL;
    if (elL_isnull(L, idx)) {
        return;
    }
    if (type == COL_DOCUMENT) {
        elL_testkept(L, idx, out);
    } else {
        out->type = EL_JSON;
        out->u.s.p = lua_tolstring(L, idx, &out->u.s.n);
    }
}

/* True when the value at -1 is what a document column had when it was read or saved. */
static bool document_same(lua_State *L, int idx, elL_record *r, int slot) {
    el_value v = {.type = EL_NULL};
    int value = lua_gettop(L);
    if (elL_record_pushentry(L, idx, r, saved_key(r, slot))) {
        elL_tree_saved(L, -1, COL_DOCUMENT, &v);
    } else if (!elL_record_cell(r, slot, &v)) {
        return false; /* not selected */
    }
    bool same = elL_document_same(L, value, &v, 0);
    lua_settop(L, value);
    return same;
}

/* }====== */

/* {====== What changed ====== */

/* True when decoded JSON no longer says what the row says. */
static bool json_changed(lua_State *L, int idx, elL_record *r, int slot) {
    if (!elL_record_pushentry(L, idx, r, loaded_key(r->shape, slot))) {
        return false;
    }
    if (r->shape->column[slot].type == COL_DOCUMENT) {
        bool same = document_same(L, idx, r, slot);
        lua_pop(L, 1);
        return !same;
    }
    lua_pushvalue(L, -1);
    elL_columnjson(L, r->shape, slot);
    elL_record_pushoriginal(L, idx, r, slot);
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
    if (r->shape->column[slot].type == COL_DOCUMENT) {
        return document_same(L, idx, r, slot);
    }
    if (!elL_record_pushentry(L, idx, r, saved_key(r, slot)) &&
        !elL_record_cell(r, slot, &known)) {
        return false; /* not selected */
    }
    elL_record_pushoriginal(L, idx, r, slot);
    bool same = elL_isnull(L, value) ? lua_isnil(L, -1) : elL_jsonequals(L, value, -1);
    lua_settop(L, value);
    return same;
}

bool elL_record_isdirty(lua_State *L, int idx, elL_record *r, int slot) {
    if (!r->has_state) {
        return false;
    }
    bool json = elL_is_tree(r->shape->column[slot].type);
    if (elL_record_pushentry(L, idx, r, dirty_key(r, slot))) {
        bool same = json && r->exists && json_same(L, idx, r, slot);
        lua_pop(L, 1);
        return !same;
    }
    return json && json_changed(L, idx, r, slot);
}

/* Pushes the key of a set of slots: an integer, or bytes for wide tables. */
void elL_record_pushmask(lua_State *L, int idx, elL_record *r) {
    const elL_shape *s = r->shape;
    if (s->nschema <= MASK_BITS) {
        lua_Integer mask = (lua_Integer)(r->dirty & ((UINT64_C(1) << s->nschema) - 1));
        for (int i = 0; s->has_json && i < s->nschema; i++) {
            if (elL_is_tree(s->column[i].type)) {
                mask &= ~((lua_Integer)1 << i);
                mask |= (lua_Integer)elL_record_isdirty(L, idx, r, i) << i;
            }
        }
        lua_pushinteger(L, mask);
        return;
    }
    luaL_Buffer b;
    size_t n = (size_t)s->nschema;
    char *bytes = luaL_buffinitsize(L, &b, n);
    for (size_t i = 0; i < n; i++) {
        bytes[i] = elL_record_isdirty(L, idx, r, (int)i) ? '1' : '0';
    }
    luaL_pushresultsize(&b, n);
}

void elL_record_pushchanges(lua_State *L, int idx, const elL_record *r) {
    if (r->shape->nschema <= MASK_BITS ||
        !elL_record_pushentry(L, idx, r, changes_key(r->shape))) {
        lua_pushinteger(L, (lua_Integer)r->changes);
    }
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
void elL_record_pushnames(lua_State *L, const elL_shape *s) {
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
    bool json = elL_is_tree(s->column[slot].type);
    if (!original && (elL_record_pushentry(L, idx, r, dirty_key(r, slot)) ||
                      (json && elL_record_pushentry(L, idx, r, loaded_key(s, slot))))) {
        elL_tovalue(L, out, s, slot);
        return;
    }
    if (r->has_saved && elL_record_pushentry(L, idx, r, saved_key(r, slot))) {
        if (json && !elL_isnull(L, -1)) {
            elL_tree_saved(L, -1, s->column[slot].type, out);
        } else {
            elL_tovalue(L, out, s, slot);
        }
        return;
    }
    if (!elL_record_cell(r, slot, out)) {
        if (elL_record_hasrow(r)) {
            elL_record_notselected(L, s, slot);
        }
        out->type = EL_NULL;
    }
    if (r->in_result && el_type_has_bytes(out->type)) {
        out->u.s.p = lua_pushlstring(L, out->u.s.p, out->u.s.n);
    } else if (r->in_result && out->type >= EL_LIST) {
        elL_pushkept(L, out);
        elL_testkept(L, -1, out);
    } else {
        lua_pushnil(L);
    }
}

void elL_record_bind(lua_State *L, int idx, elL_record *r, const int16_t *params, int n,
                     el_value *out) {
    int state = 0, base = 0;
    if (r->has_state) {
        base = elL_record_pushstate(L, idx, r, false);
        state = lua_gettop(L);
    }
    for (int i = 0; i < n; i++) {
        bool original = params[i] < 0;
        int slot = (original ? -params[i] : params[i]) - 1;
        luaL_argcheck(L, slot >= 0 && slot < r->shape->nschema, 2,
                      "every placeholder must name a column");
        if (!original && slot < 64 && (r->dirty >> slot & 1)) {
            lua_getiuservalue(L, state, base + dirty_key(r, slot));
            elL_tovalue(L, &out[i], r->shape, slot);
        } else {
            bind_slot(L, idx, r, slot, original, &out[i]);
        }
    }
}

void elL_record_setkey(lua_State *L, int idx, elL_record *r, int slot, lua_Integer key) {
    lua_pushinteger(L, key);
    elL_record_setentry(L, idx, r, dirty_key(r, slot));
    mark(r, slot, true);
}

void elL_record_absorb(lua_State *L, int idx, elL_record *r, const elL_shape *from,
                       const el_value *values) {
    idx = lua_absindex(L, idx);
    const elL_shape *s = r->shape;
    /* What an insert returns changes places with what it wrote: see elL_record_sync. */
    bool with_dirty = !r->exists && !r->has_saved && elL_record_masked(s);
    for (int i = 0; i < from->ncells; i++) {
        int slot = from->slot_of_cell[i];
        if (slot >= s->nschema) {
            continue;
        }
        if (values[i].type == EL_NULL) {
            elL_pushnull(L);
        } else if (elL_is_tree(s->column[slot].type)) {
            elL_tree_pushsaved(L, s->column[slot].type, &values[i]);
        } else {
            elL_pushvalue(L, &values[i], s, slot);
        }
        elL_record_setentry(L, idx, r,
                            with_dirty ? dirty_key(r, slot) : saved_key(r, slot));
        r->has_saved = !with_dirty;
    }
}

/* Moves one dirty value over to the saved ones; the state is at the top. */
static void save_slot(lua_State *L, int idx, elL_record *r, int slot, int base) {
    int state = lua_gettop(L);
    if (elL_is_tree(r->shape->column[slot].type)) {
        el_value v;
        bind_slot(L, idx, r, slot, false, &v);
        elL_tree_pushsaved(L, r->shape->column[slot].type, &v);
        lua_setiuservalue(L, state, base + saved_key(r, slot));
        if (lua_getiuservalue(L, state, base + dirty_key(r, slot)) == LUA_TTABLE) {
            lua_setiuservalue(L, state, base + loaded_key(r->shape, slot));
        }
        lua_settop(L, state);
    } else {
        lua_getiuservalue(L, state, base + dirty_key(r, slot));
        lua_setiuservalue(L, state, base + saved_key(r, slot));
    }
    lua_pushnil(L);
    lua_setiuservalue(L, state, base + dirty_key(r, slot));
}

/* Makes the saved values of the slots in `left` values not saved again. */
static void take_back(lua_State *L, int idx, elL_record *r, uint64_t left) {
    for (int i = 0; i < 64 && i < r->shape->nslots; i++) {
        if ((left >> i & 1) && elL_record_pushentry(L, idx, r, saved_key(r, i))) {
            elL_record_setentry(L, idx, r, dirty_key(r, i));
            mark(r, i, true);
            lua_pushnil(L);
            elL_record_setentry(L, idx, r, saved_key(r, i));
        }
    }
}

void elL_record_sync(lua_State *L, int idx, elL_record *r, uint64_t written) {
    const elL_shape *s = r->shape;
    uint64_t left = r->dirty & ~written;
    if (!r->has_saved && elL_record_masked(s)) {
        r->flipped = !r->flipped;
        r->changes = r->dirty & ~left;
        r->dirty = 0;
        r->has_saved = true;
        if (left != 0) {
            take_back(L, idx, r, left);
        }
        return;
    }
    elL_record_pushmask(L, idx, r);
    int base = elL_record_pushstate(L, idx, r, true);
    int state = lua_gettop(L);
    for (int i = 0; i < s->nschema; i++) {
        if (in_mask(L, state - 1, i) && !(i < 64 && (left >> i & 1))) {
            save_slot(L, idx, r, i, base);
        }
    }
    r->dirty = left;
    r->has_saved = true;
    if (lua_isinteger(L, state - 1)) {
        r->changes = (uint64_t)lua_tointeger(L, state - 1) & ~left;
    } else {
        lua_pushvalue(L, state - 1);
        lua_setiuservalue(L, state, base + changes_key(s));
    }
    lua_settop(L, state - 2);
}

/* }====== */
