/* SPDX-License-Identifier: MIT
**
** record_module.c - the module eloquent.core.record: records as the ORM's Lua code asks
** for them.
*/
#include <string.h>

#include "record.h"

/* {====== The module ====== */

/* record.new(shape, data?) -> record, mask of what the data wrote */
static int new_record(lua_State *L) {
    elL_shape *s = elL_checkshape(L, 1);
    lua_settop(L, 2);
    lua_getiuservalue(L, 1, SHAPE_META);
    elL_record *r = elL_newempty(L, -1, s);
    if (!lua_isnil(L, 2)) {
        luaL_checktype(L, 2, LUA_TTABLE);
        elL_record_fill(L, 4, r, 2);
    }
    elL_record_pushmask(L, 4, r);
    return 2;
}

static int fill_record(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    elL_record_fill(L, 1, r, 2);
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
        elL_record_pushshape(L, 1);
        elL_unknown_column(L, -1, s, key);
    }
    return slot;
}

static int get_value(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    elL_record_pushslot(L, 1, r, check_slot(L, 2, r->shape), true);
    return 1;
}

static int set_value(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    int slot = check_slot(L, 2, r->shape);
    lua_settop(L, 3);
    elL_record_writeslot(L, 1, r, slot);
    return 0;
}

/* record.has(record, name): whether the record can be asked for the column. */
static int has_value(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    int slot = check_slot(L, 2, r->shape);
    bool known = r->shape->column[slot].cell >= 0 || !elL_record_hasrow(r);
    for (int key = 0; !known && key < 2; key++) {
        known =
            elL_record_pushentry(L, 1, r, key ? saved_key(r, slot) : dirty_key(r, slot));
    }
    lua_pushboolean(L, known);
    return 1;
}

static int get_original(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    elL_record_pushoriginal(L, 1, r, check_slot(L, 2, r->shape));
    return 1;
}

static int get_mask(lua_State *L) {
    elL_record_pushmask(L, 1, elL_checkrecord(L, 1));
    return 1;
}

static int get_dirty(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    elL_record_pushmask(L, 1, r);
    elL_record_pushnames(L, r->shape);
    return 1;
}

/*
** record.baseline(record, known?): a table with the original values of what was written
** and not saved, NULL as the null value; what `known` has already stays.
*/
static int get_baseline(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    const elL_shape *s = r->shape;
    lua_settop(L, 2);
    if (!lua_istable(L, 2)) {
        lua_createtable(L, 0, 2);
        lua_replace(L, 2);
    }
    for (int i = 0; i < s->nschema; i++) {
        if (elL_record_isdirty(L, 1, r, i) &&
            lua_getfield(L, 2, s->column[i].name) == LUA_TNIL) {
            elL_record_pushoriginal(L, 1, r, i);
            if (lua_isnil(L, -1)) {
                elL_pushnull(L);
            }
            lua_setfield(L, 2, s->column[i].name);
        }
        lua_settop(L, 2);
    }
    return 1;
}

/*
** record.restore(record, values): writes values that the record had, NULL as the null
** value.  They may be some that the schema refuses: who knows what the row had.
*/
static int restore(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    lua_pushnil(L);
    while (lua_next(L, 2)) {
        elL_record_putslot(L, 1, r, check_slot(L, 3, r->shape));
    }
    return 0;
}

/*
** record.rewind(record): the record is what its row was read as.  Returns the values of
** the columns that were written since, saved or not, NULL as the null value.
*/
static int rewind_record(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    const elL_shape *s = r->shape;
    lua_settop(L, 1);
    lua_createtable(L, 0, 4);
    for (int i = 0; i < s->nschema; i++) {
        if (elL_record_isdirty(L, 1, r, i) ||
            (r->has_saved && elL_record_pushentry(L, 1, r, saved_key(r, i)))) {
            elL_record_pushslot(L, 1, r, i, false);
            if (lua_isnil(L, -1)) {
                elL_pushnull(L);
            }
            lua_setfield(L, 2, s->column[i].name);
        }
        lua_settop(L, 2);
    }
    for (int i = 0; r->has_state && i < s->nschema; i++) {
        int keys[] = {dirty_key(r, i), saved_key(r, i), loaded_key(s, i)};
        for (int k = 0; k < (s->has_json ? 3 : 2); k++) {
            if (elL_record_pushentry(L, 1, r, keys[k])) {
                lua_pushnil(L);
                elL_record_setentry(L, 1, r, keys[k]);
                lua_settop(L, 2);
            }
        }
    }
    r->dirty = 0;
    r->has_saved = false;
    return 1;
}

/*
** record.rowValues(record, all?): the values that its row was read with, NULL as the null
** value: of the columns saved since (NULL where they were not selected), or of all that
** were selected.
*/
static int row_values(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    const elL_shape *s = r->shape;
    bool all = lua_toboolean(L, 2);
    lua_settop(L, 1);
    lua_createtable(L, 0, all ? s->nschema : 4);
    for (int i = 0; i < s->nschema; i++) {
        el_value v = {.type = EL_NULL};
        bool wanted = all || elL_record_pushentry(L, 1, r, saved_key(r, i));
        lua_settop(L, 2);
        if (wanted && (elL_record_cell(r, i, &v) || !all)) {
            if (v.type == EL_NULL) {
                elL_pushnull(L);
            } else {
                elL_pushvalue(L, &v, s, i);
            }
            lua_setfield(L, 2, s->column[i].name);
        }
    }
    return 1;
}

/* record.isDirty(record, name?) */
static int get_is_dirty(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    bool dirty = false;
    if (lua_isnoneornil(L, 2)) {
        for (int i = 0; !dirty && i < r->shape->nschema; i++) {
            dirty = elL_record_isdirty(L, 1, r, i);
        }
    } else {
        dirty = elL_record_isdirty(L, 1, r, check_slot(L, 2, r->shape));
    }
    lua_pushboolean(L, dirty);
    return 1;
}

/* record.sync(record) */
static int sync_record(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    elL_record_sync(L, 1, r, UINT64_MAX);
    return 0;
}

/* record.discard(record): forgets what was written and not saved. */
static int discard(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    for (int i = 0; r->has_state && i < r->shape->nschema; i++) {
        lua_pushnil(L);
        elL_record_setentry(L, 1, r, dirty_key(r, i));
        if (r->shape->has_json) {
            lua_pushnil(L);
            elL_record_setentry(L, 1, r, loaded_key(r->shape, i));
        }
    }
    r->dirty = 0;
    return 0;
}

/* record.changes(record): names of the columns that the last sync saved. */
static int get_changes(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    elL_record_pushchanges(L, 1, r);
    elL_record_pushnames(L, r->shape);
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
    elL_record_pushmask(L, 1, r);
    lua_pushboolean(L, elL_record_hasrow(r) || r->has_saved);
    return 4;
}

/*
** record.detach(record, names?): makes it a new record, which stands for no row.  All
** that it has (or the columns that are keys of `names`) counts as written, not saved.
*/
static int detach(lua_State *L) {
    elL_record *r = elL_checkrecord(L, 1);
    const elL_shape *s = r->shape;
    bool all = lua_isnoneornil(L, 2);
    lua_settop(L, 2);
    luaL_checkstack(L, s->nschema + LUA_MINSTACK, "detach");
    int base = elL_record_pushstate(L, 1, r, true);
    uint64_t dirty = 0;
    for (int i = 0; i < s->nschema; i++) { /* pushes one value each */
        bool known = (s->column[i].cell >= 0 && elL_record_hasrow(r)) ||
                     elL_record_pushentry(L, 1, r, saved_key(r, i)) ||
                     elL_record_pushentry(L, 1, r, dirty_key(r, i));
        lua_settop(L, 3 + i);
        known = known && (all || lua_getfield(L, 2, s->column[i].name) != LUA_TNIL);
        lua_settop(L, 3 + i);
        if (!known) {
            lua_pushnil(L);
            continue;
        }
        elL_record_pushslot(L, 1, r, i, false);
        if (lua_isnil(L, -1)) {
            lua_pop(L, 1);
            elL_pushnull(L);
        }
        dirty |= i < 64 ? UINT64_C(1) << i : 0;
    }
    for (int i = s->nschema - 1; i >= 0; i--) {
        lua_setiuservalue(L, 3, base + dirty_key(r, i));
        lua_pushnil(L);
        lua_setiuservalue(L, 3, base + saved_key(r, i));
        if (s->has_json) {
            lua_pushnil(L);
            lua_setiuservalue(L, 3, base + loaded_key(s, i));
        }
    }
    r->dirty = dirty;
    r->changes = 0;
    r->has_saved = r->exists = r->in_result = false;
    r->u.row = NULL;
    return 0;
}

/* record.hasSaved(record): whether it was saved since its row was read. */
static int has_saved(lua_State *L) {
    lua_pushboolean(L, elL_checkrecord(L, 1)->has_saved);
    return 1;
}

static int get_shape(lua_State *L) {
    elL_checkrecord(L, 1);
    elL_record_pushshape(L, 1);
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
        elL_coltype type = r->shape->column[i].type;
        if (!elL_record_cell(other, i, &v)) {
            continue;
        }
        if (v.type == EL_NULL) {
            elL_pushnull(L);
        } else if (elL_is_tree(type)) {
            elL_tree_pushsaved(L, type, &v);
        } else {
            elL_pushvalue(L, &v, r->shape, i);
        }
        elL_record_setentry(L, 1, r, saved_key(r, i));
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
    if (!elL_record_pushentry(L, 1, r, extra_key(r->shape))) {
        lua_newtable(L);
        lua_pushvalue(L, -1);
        elL_record_setentry(L, 1, r, extra_key(r->shape));
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
        elL_record_pushslot(L, 1, r, i, false);
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
    static const luaL_Reg functions[] = {{"new", new_record},
                                         {"fill", fill_record},
                                         {"get", get_value},
                                         {"set", set_value},
                                         {"has", has_value},
                                         {"original", get_original},
                                         {"mask", get_mask},
                                         {"dirty", get_dirty},
                                         {"isDirty", get_is_dirty},
                                         {"sync", sync_record},
                                         {"discard", discard},
                                         {"changes", get_changes},
                                         {"exists", get_exists},
                                         {"setExists", set_exists},
                                         {"shape", get_shape},
                                         {"model", get_model},
                                         {"status", get_status},
                                         {"detach", detach},
                                         {"baseline", get_baseline},
                                         {"absorb", absorb},
                                         {"collection", get_collection},
                                         {"extra", get_extra},
                                         {"toTable", to_table},
                                         {"is", is_record},
                                         {"rowValues", row_values},
                                         {"restore", restore},
                                         {"rewind", rewind_record},
                                         {"writes", elL_record_writes},
                                         {"forget", elL_record_forget},
                                         {"remember", elL_record_remember},
                                         {"verb", elL_record_verb},
                                         {"note", elL_record_note},
                                         {"noted", elL_record_noted},
                                         {"hasSaved", has_saved},
                                         {NULL, NULL}};
    static const luaL_Reg row_methods[] = {
        {"toTable", row_to_table}, {"toJson", row_to_json}, {NULL, NULL}};
    luaL_newlib(L, row_methods);
    lua_setfield(L, LUA_REGISTRYINDEX, "eloquent.rowMethods");
    luaL_newlib(L, functions);
    return 1;
}

/* }====== */
