/* SPDX-License-Identifier: MIT
**
** record.h - what the files of records share, and nobody else.
**
** The state, n = number of slots: [slot + 1] a value not saved yet; [n + slot + 1] a value
** saved since the row was read (JSON as text); the two groups change places when a record
** without saved values is saved.  [2n + 1] is the mask of the last save where the table is
** wide, [2n + 2] the table beside the columns, [2n + slot + 3] decoded JSON that the script
** may have changed in place.  NULL is the null value.
**
** These are user values: of the record itself where it is new, else of a userdata that
** its first write makes.  Entries beyond the first group are there once one is written.
*/
#ifndef EL_RECORD_H
#define EL_RECORD_H

#include "core.h"

/* Columns of the widest table whose masks are integers. */
enum { MASK_BITS = 62 };

/* List part of a record's metatable. */
enum { META_SHAPE = 1, META_OWNER, META_HELD };

/* {====== Keys of the state ====== */

static inline int dirty_key(const elL_record *r, int slot) {
    return (r->flipped ? r->shape->nslots : 0) + slot + 1;
}

static inline int saved_key(const elL_record *r, int slot) {
    return (r->flipped ? 0 : r->shape->nslots) + slot + 1;
}

static inline int loaded_key(const elL_shape *s, int slot) {
    return 2 * s->nslots + slot + 3;
}

static inline int changes_key(const elL_shape *s) {
    return 2 * s->nslots + 1;
}

static inline int extra_key(const elL_shape *s) {
    return 2 * s->nslots + 2;
}

/* False when the state surely has no entry of that kind for the slot. */
static inline bool may_be_dirty(const elL_record *r, int slot) {
    return slot < 64 ? (r->dirty >> slot & 1) != 0 : r->has_state;
}

/* Keeps the bits of the first slots, so that what changed is known without a look. */
static inline void mark(elL_record *r, int slot, bool dirty) {
    if (slot < 64) {
        uint64_t bit = UINT64_C(1) << slot;
        r->dirty = dirty ? r->dirty | bit : r->dirty & ~bit;
    }
}

/* }====== */

/* {====== record.c ====== */

/* Pushes the shape's userdata of the record at `idx`. */
void elL_record_pushshape(lua_State *L, int idx);

/* True when the record was read: a column without a cell was not selected. */
bool elL_record_hasrow(const elL_record *r);

/*
** Pushes what holds the state, made when there is none yet; entry `key` of it is user
** value `key` + what this returns.  Without `whole` it may have the first group only.
*/
int elL_record_pushstate(lua_State *L, int idx, elL_record *r, bool whole);

/* Pushes entry `key` of the state and returns true, or pushes nothing. */
bool elL_record_pushentry(lua_State *L, int idx, const elL_record *r, int key);

/* Pops a value into entry `key` of the state. */
void elL_record_setentry(lua_State *L, int idx, elL_record *r, int key);

/* The cell of a slot as it was read; false when the row has no such cell. */
bool elL_record_cell(const elL_record *r, int slot, el_value *out);

/* Raises: the query did not select the column. */
int elL_record_notselected(lua_State *L, const elL_shape *s, int slot);

/* Pushes the value a script sees, or nil; `strict` raises for a column not selected. */
void elL_record_pushslot(lua_State *L, int idx, elL_record *r, int slot, bool strict);

/* Pushes the value that the row had when it was read or last saved. */
void elL_record_pushoriginal(lua_State *L, int idx, elL_record *r, int slot);

/* Pops the value and writes it to a slot of the record at `idx`. */
void elL_record_writeslot(lua_State *L, int idx, elL_record *r, int slot);

/* The same for a value that is in the column's own form already. */
void elL_record_putslot(lua_State *L, int idx, elL_record *r, int slot);

/* Writes every entry of the table at `data` to the record at `idx`. */
void elL_record_fill(lua_State *L, int idx, elL_record *r, int data);

/* }====== */

/* {====== record_write.c ====== */

/* Functions of the module eloquent.core.record. */
int elL_record_writes(lua_State *L);
int elL_record_forget(lua_State *L);
int elL_record_remember(lua_State *L);
int elL_record_verb(lua_State *L);
int elL_record_note(lua_State *L);
int elL_record_noted(lua_State *L);

/* }====== */

/* {====== record_changes.c ====== */

/*
** Saved values of trees: JSON as its text, a document as a kept value (kept.c).  Push one,
** and read the one at `idx`, which lends its bytes.
*/
void elL_tree_pushsaved(lua_State *L, elL_coltype type, const el_value *v);
void elL_tree_saved(lua_State *L, int idx, elL_coltype type, el_value *out);

bool elL_record_isdirty(lua_State *L, int idx, elL_record *r, int slot);

/* Pushes the key of the set of dirty slots: an integer, or bytes for wide tables. */
void elL_record_pushmask(lua_State *L, int idx, elL_record *r);

/* Pushes that key of the slots that the last save wrote. */
void elL_record_pushchanges(lua_State *L, int idx, const elL_record *r);

/* True when the mask is all that there is to know of what was written. */
static inline bool elL_record_masked(const elL_shape *s) {
    return s->nschema <= MASK_BITS && !s->has_json;
}

/* Pushes the names of the slots of the mask at -1, in schema order. */
void elL_record_pushnames(lua_State *L, const elL_shape *s);

/* }====== */

#endif
