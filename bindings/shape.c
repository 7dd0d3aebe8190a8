/* SPDX-License-Identifier: MIT
**
** shape.c - what the records of a result look like: columns by name and type, and the
** metatable their records share.  One shape serves all records of all results alike.
*/
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "nearest.h"

enum { MAX_SLOTS = 16000, SHORT_STRING = 40 };

/* Column types by their public names; the order says nothing. */
static const struct {
    const char *name;
    elL_coltype type;
} type_names[] = {
    {"increments", COL_INT},     {"bigIncrements", COL_BIG}, {"integer", COL_INT},
    {"bigInteger", COL_BIG},     {"smallInteger", COL_SMALL}, {"boolean", COL_BOOL},
    {"string", COL_STRING},      {"text", COL_TEXT},         {"decimal", COL_DECIMAL},
    {"float", COL_FLOAT},        {"double", COL_FLOAT},      {"date", COL_DATE},
    {"time", COL_TIME},          {"timestamp", COL_TIMESTAMP}, {"json", COL_JSON},
    {"uuid", COL_UUID},          {"ulid", COL_ULID},         {"binary", COL_BINARY},
    {"enum", COL_ENUM},          {"any", COL_ANY},
    {"document", COL_DOCUMENT},  {"objectId", COL_OBJECT_ID},
};

static elL_coltype coltype_by_name(lua_State *L, const char *name) {
    for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++) {
        if (strcmp(type_names[i].name, name) == 0) {
            return type_names[i].type;
        }
    }
    return (elL_coltype)luaL_error(L, "unknown column type '%s'", name);
}

elL_shape *elL_checkshape(lua_State *L, int idx) {
    return luaL_checkudata(L, idx, ELL_SHAPE);
}

/* {====== Names ====== */

static unsigned bucket_of(const elL_shape *s, const char *key) {
    uintptr_t p = (uintptr_t)key;
    return (unsigned)((p >> 4) ^ (p >> 10)) & s->mask;
}

static void index_names(elL_shape *s) {
    for (int i = 0; i < s->nslots; i++) {
        const elL_column *c = &s->column[i];
        int first = elL_shape_slot(NULL, s, c->name, c->namelen, 0);
        if (first >= 0 && first < i) {
            continue; /* of two columns of one name the first answers to it */
        }
        unsigned b = bucket_of(s, c->name);
        while (s->buckets[b]) {
            b = (b + 1) & s->mask;
        }
        s->buckets[b] = (uint16_t)(i + 1);
    }
}

/* Lua keeps one copy of each short string, so that addresses tell names apart. */
int elL_shape_slot(lua_State *L, const elL_shape *s, const char *key, size_t n, int idx) {
    unsigned b = bucket_of(s, key);
    while (s->buckets[b]) {
        int slot = s->buckets[b] - 1;
        if (s->column[slot].name == key) {
            return slot;
        }
        b = (b + 1) & s->mask;
    }
    if (n <= SHORT_STRING) {
        return -1;
    }
    (void)L;
    (void)idx;
    for (int i = 0; i < s->nslots; i++) {
        if (s->column[i].namelen == n && memcmp(s->column[i].name, key, n) == 0) {
            return i;
        }
    }
    return -1;
}

typedef struct candidate {
    const char *name; /* NULL: none is near */
    size_t distance;
} candidate;

static void consider(candidate *best, const char *key, const char *name) {
    size_t d = el_distance(key, name);
    if (d < best->distance) {
        *best = (candidate){name, d};
    }
}

/* Names of the functions in the table at `idx`, and in those that it inherits from. */
static void consider_verbs(lua_State *L, candidate *best, const char *key, int idx) {
    luaL_checkstack(L, 6, "names");
    lua_pushvalue(L, idx);
    for (bool more = true; more;) {
        int table = lua_gettop(L);
        for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
            if (lua_type(L, -2) == LUA_TSTRING && lua_isfunction(L, -1) &&
                *lua_tostring(L, -2) != '_') {
                consider(best, key, lua_tostring(L, -2)); /* the table keeps it */
            }
        }
        more = luaL_getmetafield(L, table, "__index") == LUA_TTABLE;
        lua_settop(L, table + (more ? 1 : 0));
        lua_remove(L, more ? table : -1);
    }
}

int elL_unknown_name(lua_State *L, const elL_shape *s, const char *key, int methods) {
    const char *owner = s->model ? s->model : "this row";
    candidate best = {NULL, strlen(key) / 3 + 2};
    for (int i = 0; i < s->nslots; i++) {
        consider(&best, key, s->column[i].name);
    }
    size_t limit = strlen(key) / 3 + 1; /* other verbs do other things */
    candidate verb = {NULL, best.distance < limit ? best.distance : limit};
    if (methods != 0 && lua_istable(L, methods)) {
        consider_verbs(L, &verb, key, methods);
    }
    if (verb.name) {
        elL_fail(L, EL_ERR_MISUSE, "%s has no column or verb '%s'; did you mean '%s'?",
                 owner, key, verb.name);
    }
    if (best.name) {
        elL_fail(L, EL_ERR_MISUSE, "%s has no column '%s'; did you mean '%s'?", owner,
                 key, best.name);
    }
    elL_fail(L, EL_ERR_MISUSE, "%s has no column '%s'", owner, key);
}

int elL_unknown_column(lua_State *L, int shape_idx, const elL_shape *s, const char *key) {
    (void)shape_idx;
    elL_unknown_name(L, s, key, 0);
}

/* }====== */

/* {====== Making shapes ====== */

/* Pushes an empty shape with its names table; the columns are filled by the caller. */
static elL_shape *new_shape(lua_State *L, int nslots, int ncells) {
    if (nslots > MAX_SLOTS || ncells > MAX_SLOTS) {
        elL_fail(L, EL_ERR_UNSUPPORTED, "a result of %d columns is too wide (at most %d)",
                 nslots > ncells ? nslots : ncells, MAX_SLOTS);
    }
    unsigned nbuckets = 4;
    while (nbuckets < 2u * (unsigned)nslots) {
        nbuckets *= 2;
    }
    size_t columns = sizeof(elL_shape) + sizeof(elL_column) * (size_t)nslots;
    size_t cells = sizeof(int) * (size_t)(ncells > 0 ? ncells : 1);
    size_t buckets = sizeof(uint16_t) * nbuckets;
    elL_shape *s = lua_newuserdatauv(L, columns + cells + buckets, SHAPE_UVS);
    memset(s, 0, columns + cells + buckets);
    s->nslots = nslots;
    s->ncells = ncells;
    s->mask = nbuckets - 1;
    s->slot_of_cell = (int *)(void *)((char *)s + columns);
    s->buckets = (uint16_t *)(void *)((char *)s + columns + cells);
    luaL_setmetatable(L, ELL_SHAPE);
    lua_createtable(L, nslots, 0);
    lua_setiuservalue(L, -2, SHAPE_NAMES);
    return s;
}

/* Pops a name and gives it to a slot of the shape at `shape_idx`. */
static void set_name(lua_State *L, int shape_idx, elL_shape *s, int slot) {
    elL_column *c = &s->column[slot];
    c->name = lua_tolstring(L, -1, &c->namelen);
    lua_getiuservalue(L, shape_idx, SHAPE_NAMES);
    lua_insert(L, -2);
    lua_rawseti(L, -2, slot + 1);
    lua_pop(L, 1);
}

static int int_field(lua_State *L, const char *field) {
    lua_getfield(L, -1, field);
    int isnum;
    lua_Integer i = lua_tointegerx(L, -1, &isnum);
    lua_pop(L, 1);
    return isnum && i > 0 && i <= INT_MAX ? (int)i : 0;
}

/* Reads the column definition at the top of the stack into a slot. */
static void read_column(lua_State *L, int shape_idx, elL_shape *s, int slot) {
    elL_column *c = &s->column[slot];
    lua_getfield(L, -1, "type");
    c->type = coltype_by_name(L, luaL_checkstring(L, -1));
    lua_pop(L, 1);
    c->length = int_field(L, "length");
    c->precision = int_field(L, "precision");
    c->scale = int_field(L, "scale");
    c->cell = slot;
    s->slot_of_cell[slot] = slot;
    lua_getfield(L, -1, "unsigned");
    c->is_unsigned = lua_toboolean(L, -1);
    lua_pop(L, 1);
    lua_getfield(L, -1, "is_key");
    c->is_key = lua_toboolean(L, -1);
    lua_pop(L, 1);
    s->has_json |= elL_is_tree(c->type);
    if (c->type == COL_ENUM) {
        lua_getiuservalue(L, shape_idx, SHAPE_VALUES);
        lua_getfield(L, -2, "values");
        luaL_checktype(L, -1, LUA_TTABLE);
        lua_createtable(L, 0, (int)lua_rawlen(L, -1));
        for (lua_Integer i = 1; lua_rawgeti(L, -2, i) != LUA_TNIL; i++) {
            lua_pushboolean(L, 1);
            lua_rawset(L, -3);
        }
        lua_pop(L, 1);
        lua_rawseti(L, -3, slot + 1);
        lua_pop(L, 2);
    }
    lua_getfield(L, -1, "name");
    luaL_checktype(L, -1, LUA_TSTRING);
    set_name(L, shape_idx, s, slot);
}

/* shape.new{ model=, columns=, methods=, missing=, assign=, owner= } */
static int shape_new(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_getfield(L, 1, "columns");
    luaL_checktype(L, 2, LUA_TTABLE);
    int n = (int)lua_rawlen(L, 2);
    elL_shape *s = new_shape(L, n, n);
    s->nschema = n;
    lua_newtable(L);
    lua_setiuservalue(L, 3, SHAPE_VALUES);
    for (int i = 0; i < n; i++) {
        lua_rawgeti(L, 2, i + 1);
        read_column(L, 3, s, i);
        lua_pop(L, 1);
    }
    index_names(s);
    lua_getfield(L, 1, "model");
    if (!lua_isnil(L, -1)) {
        s->model = luaL_checkstring(L, -1);
        lua_getiuservalue(L, 3, SHAPE_VALUES);
        lua_insert(L, -2);
        lua_setfield(L, -2, "model");
    }
    lua_settop(L, 3);
    lua_getfield(L, 1, "open");
    s->open = lua_toboolean(L, -1);
    lua_settop(L, 3);
    lua_getfield(L, 1, "methods");
    lua_getfield(L, 1, "missing");
    lua_getfield(L, 1, "assign");
    lua_getfield(L, 1, "owner");
    elL_writer_new(L, 3, s);
    elL_record_register(L, 3, s, 4, 5, 6, 7);
    lua_settop(L, 3);
    return 1;
}

/* Gives the shape at -1 the record metatable's functions of the shape at `from`. */
static void inherit(lua_State *L, int from, elL_shape *s) {
    int to = lua_gettop(L);
    lua_getiuservalue(L, from, SHAPE_WRITER);
    lua_setiuservalue(L, to, SHAPE_WRITER);
    lua_getiuservalue(L, from, SHAPE_META);
    lua_getfield(L, -1, "methods");
    lua_getfield(L, -2, "missing");
    lua_getfield(L, -3, "assign");
    lua_rawgeti(L, -4, 2); /* the model */
    elL_record_register(L, to, s, to + 2, to + 3, to + 4, to + 5);
    lua_settop(L, to);
    lua_getiuservalue(L, from, SHAPE_VALUES);
    lua_setiuservalue(L, to, SHAPE_VALUES);
}

const elL_shape *elL_pushprojection(lua_State *L, int shape_idx, int names_idx) {
    luaL_checkstack(L, 12, "shape of a result");
    shape_idx = lua_absindex(L, shape_idx);
    names_idx = lua_absindex(L, names_idx);
    elL_shape *from = lua_touserdata(L, shape_idx);
    int ncells = (int)lua_rawlen(L, names_idx);
    int *slots = lua_newuserdatauv(L, sizeof(int) * (size_t)(ncells + 1), 0);
    int nslots = from->nschema;
    for (int i = 0; i < ncells; i++) {
        size_t n;
        lua_rawgeti(L, names_idx, i + 1);
        luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, 2, "names of columns expected");
        const char *name = lua_tolstring(L, -1, &n);
        int slot = elL_shape_slot(L, from, name, n, -1);
        slots[i] = slot >= 0 && slot < from->nschema ? slot : nslots++;
        lua_pop(L, 1);
    }
    elL_shape *s = new_shape(L, nslots, ncells);
    int top = lua_gettop(L);
    s->nschema = from->nschema;
    s->has_json = from->has_json;
    s->open = from->open;
    s->writer = from->writer;
    s->model = from->model;
    for (int i = 0; i < from->nschema; i++) {
        s->column[i] = from->column[i];
        s->column[i].cell = -1;
        lua_pushlstring(L, from->column[i].name, from->column[i].namelen);
        set_name(L, top, s, i);
    }
    for (int i = 0; i < ncells; i++) {
        elL_column *c = &s->column[slots[i]];
        s->slot_of_cell[i] = slots[i];
        c->cell = i;
        if (slots[i] >= from->nschema) {
            c->type = COL_ANY;
            lua_rawgeti(L, names_idx, i + 1);
            set_name(L, top, s, slots[i]);
        }
    }
    index_names(s);
    inherit(L, shape_idx, s);
    lua_remove(L, -2); /* the slots */
    return s;
}

/* shape:project(names): the same slots, the result has only these columns. */
static int shape_project(lua_State *L) {
    elL_checkshape(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    elL_pushprojection(L, 1, 2);
    return 1;
}

elL_shape *elL_pushrawshape(lua_State *L, const el_column *columns, int n) {
    luaL_checkstack(L, 10, "shape of a result");
    elL_shape *s = new_shape(L, n, n);
    int top = lua_gettop(L);
    for (int i = 0; i < n; i++) {
        lua_pushlstring(L, columns[i].name, columns[i].namelen);
        s->column[i].type = COL_ANY;
        s->column[i].cell = i;
        s->slot_of_cell[i] = i;
        set_name(L, top, s, i);
    }
    index_names(s);
    lua_pushnil(L);
    lua_getfield(L, LUA_REGISTRYINDEX, "eloquent.rowMethods");
    elL_record_register(L, top, s, top + 2, top + 1, top + 1, top + 1);
    lua_settop(L, top);
    return s;
}

bool elL_shape_fits(const elL_shape *s, const el_column *columns, int n) {
    if (s->ncells != n) {
        return false;
    }
    for (int i = 0; i < n; i++) {
        const elL_column *c = &s->column[i];
        if (c->namelen != columns[i].namelen ||
            memcmp(c->name, columns[i].name, c->namelen) != 0) {
            return false;
        }
    }
    return true;
}

/* }====== */

/* shape:columns(): names of the columns that a result of this shape has. */
static int shape_columns(lua_State *L) {
    elL_shape *s = elL_checkshape(L, 1);
    lua_createtable(L, s->ncells, 0);
    for (int i = 0; i < s->ncells; i++) {
        const elL_column *c = &s->column[s->slot_of_cell[i]];
        lua_pushlstring(L, c->name, c->namelen);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* shape:has(name): whether records of this shape have such a column. */
static int shape_has(lua_State *L) {
    elL_shape *s = elL_checkshape(L, 1);
    size_t n;
    luaL_checktype(L, 2, LUA_TSTRING);
    const char *name = lua_tolstring(L, 2, &n);
    lua_pushboolean(L, elL_shape_slot(L, s, name, n, 2) >= 0);
    return 1;
}

/* shape:normal(name, value): what a record would read for a value that it was given. */
static int shape_normal(lua_State *L) {
    elL_shape *s = elL_checkshape(L, 1);
    size_t n;
    luaL_checktype(L, 2, LUA_TSTRING);
    const char *name = lua_tolstring(L, 2, &n);
    int slot = elL_shape_slot(L, s, name, n, 2);
    if (slot < 0) {
        return elL_unknown_column(L, 1, s, name);
    }
    lua_settop(L, 3);
    elL_normalize(L, s, 1, slot, 3);
    return 1;
}

/* shape:check(name, value): raises what writing the value to that column would raise. */
static int shape_check(lua_State *L) {
    el_value ignored;
    lua_settop(L, 3);
    shape_normal(L);
    const char *name = lua_tostring(L, 2);
    elL_shape *s = elL_checkshape(L, 1);
    elL_tovalue(L, &ignored, s, elL_shape_slot(L, s, name, lua_rawlen(L, 2), 2));
    return 0;
}

/* shape.bindable(value, documents): the same of a value that is for no column, or of a
** document where `documents` is true. */
static int shape_bindable(lua_State *L) {
    el_value ignored;
    bool documents = lua_toboolean(L, 2);
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    elL_tovalue(L, &ignored, NULL, documents ? ELL_BY_TYPE_OR_TABLE : ELL_BY_TYPE);
    return 0;
}

/* shape:limit(yes): whether the engine has no integers from 2^63 on. */
static int shape_limit(lua_State *L) {
    elL_shape *s = elL_checkshape(L, 1);
    for (int i = 0; i < s->nslots; i++) {
        elL_column *c = &s->column[i];
        c->is_63_bits = lua_toboolean(L, 2) && c->type == COL_BIG && c->is_unsigned;
    }
    return 0;
}

int luaopen_eloquent_core_shape(lua_State *L) {
    static const luaL_Reg methods[] = {{"project", shape_project},
                                       {"columns", shape_columns},
                                       {"has", shape_has},
                                       {"normal", shape_normal},
                                       {"check", shape_check},
                                       {"limit", shape_limit},
                                       {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"new", shape_new}, {"bindable", shape_bindable}, {NULL, NULL}};
    if (luaL_newmetatable(L, ELL_SHAPE)) {
        luaL_newlib(L, methods);
        lua_setfield(L, -2, "__index");
        lua_pushliteral(L, ELL_SHAPE);
        lua_setfield(L, -2, "__metatable");
    }
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
