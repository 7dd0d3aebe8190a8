/* SPDX-License-Identifier: MIT
**
** core.h - what the binding files share: shapes, plans, records, collections and
** connections as C sees them.  Lua code sees them as the modules eloquent.core.*.
*/
#ifndef EL_CORE_H
#define EL_CORE_H

#include <lauxlib.h>
#include <lua.h>

#include "driver.h"
#include "rowset.h"
#include "statements.h"
#include "throw.h"
#include "values.h"

/* Metatable names are what users read in messages. */
#define ELL_CONNECTION "eloquent.Connection"
#define ELL_SHAPE "eloquent.Shape"
#define ELL_PLAN "eloquent.Plan"
#define ELL_COLLECTION "eloquent.Collection"
#define ELL_CURSOR "eloquent.Cursor"
#define ELL_ERROR "eloquent.Error"

/* {====== Errors (error.c) ====== */

/* What an error object is told beyond the driver's struct; NULL where unknown. */
typedef struct elL_context {
    const char *connection, *driver, *sql;
    const char *target; /* where the connection leads; NULL: not told */
} elL_context;

/* Pushes the error object; position: the first running function that is a script's. */
void elL_pusherror(lua_State *L, const el_error *e, const elL_context *where);

/* Raises an error of a kind with a formatted message (as lua_pushfstring's). */
int elL_fail(lua_State *L, el_errkind kind, const char *fmt, ...) EL_NORETURN;

/* }====== */

/* {====== Shapes (shape.c): what the columns of a record are ====== */

typedef enum elL_coltype {
    COL_ANY, /* no schema: as the driver says */
    COL_SMALL,
    COL_INT,
    COL_BIG,
    COL_BOOL,
    COL_STRING,
    COL_TEXT,
    COL_DECIMAL,
    COL_FLOAT,
    COL_DATE,
    COL_TIME,
    COL_TIMESTAMP,
    COL_JSON,
    COL_DOCUMENT, /* anything that a document holds, by the driver's type */
    COL_OBJECT_ID,
    COL_UUID,
    COL_ULID,
    COL_BINARY,
    COL_ENUM
} elL_coltype;

/* Types whose values are tables that a script may change in place. */
static inline bool elL_is_tree(elL_coltype t) {
    return t == COL_JSON || t == COL_DOCUMENT;
}

typedef struct elL_column {
    const char *name; /* bytes of a Lua string that the shape anchors */
    size_t namelen;
    elL_coltype type;
    int cell; /* its column in the result; -1: not selected */
    int length, precision, scale;
    bool is_unsigned;
    bool is_63_bits; /* unsigned, and the engine's integers have a sign all the same */
    bool is_key;     /* of documents, some of which have keys of other types */
} elL_column;

/*
** User values of a shape: NAMES slot -> name (1-based), METATABLE of its records,
** VALUES slot -> set of an enum's values, WRITER what record_write.c keeps.  Slots are schema columns in schema order,
** then columns that only this result has.
*/
enum { SHAPE_NAMES = 1, SHAPE_META, SHAPE_VALUES, SHAPE_WRITER, SHAPE_UVS = SHAPE_WRITER };

typedef struct elL_writer elL_writer;

typedef struct elL_shape {
    const char *model; /* name for messages, NULL for raw rows */
    elL_writer *writer; /* anchored by SHAPE_WRITER; NULL for raw rows */
    int nslots;
    int nschema;
    int ncells;    /* columns of the result */
    bool has_json; /* or documents */
    bool open;     /* slot 0 is a document, whose fields are the record's */
    unsigned mask; /* of the buckets below */
    uint16_t *buckets; /* slot + 1 by address of the name, 0: free */
    int *slot_of_cell;
    elL_column column[];
} elL_shape;

/* Slot of a column, or -1.  `key` must be a Lua string's bytes at stack index `idx`. */
int elL_shape_slot(lua_State *L, const elL_shape *s, const char *key, size_t n, int idx);

elL_shape *elL_checkshape(lua_State *L, int idx);

/* Pushes the shape of raw rows with these columns. */
elL_shape *elL_pushrawshape(lua_State *L, const el_column *columns, int n);

/*
** Pushes the shape at `shape_idx` for a result with the columns named by the list at
** `names_idx`.  It calls no function, so no hook and no script runs in it.
*/
const elL_shape *elL_pushprojection(lua_State *L, int shape_idx, int names_idx);

/* True when a raw shape still describes the columns. */
bool elL_shape_fits(const elL_shape *s, const el_column *columns, int n);

/* Gives the shape at `shape_idx` what its records are written with (record_write.c). */
void elL_writer_new(lua_State *L, int shape_idx, elL_shape *s);

/* Raises: `key` is no column of the shape at `idx`; names the nearest. */
int elL_unknown_column(lua_State *L, int shape_idx, const elL_shape *s, const char *key)
    EL_NORETURN;

/* Raises the same, of a name that may have been meant for one of the methods at an index.
 */
int elL_unknown_name(lua_State *L, const elL_shape *s, const char *key,
                     int methods) EL_NORETURN;

/* }====== */

/* {====== Values by column (convert.c, cells.c) ====== */

/* Replaces the value at -1 by its JSON text; an error names the column, too. */
void elL_columnjson(lua_State *L, const elL_shape *s, int slot);

/* "User.age" or "age", for messages; pushes the text. */
const char *elL_columnlabel(lua_State *L, const elL_shape *s, int slot);

/* Reads a whole number written as digits, "-12"; nothing else is one. */
bool elL_digits(const char *text, size_t n, lua_Integer *out);

/*
** Pushes the value at `idx` as column `slot` of the shape keeps it (a whole float as
** integer, text of a moment as datetime), or raises an error of kind "value".  nil and
** null push null.
*/
void elL_normalize(lua_State *L, const elL_shape *s, int shape_idx, int slot, int idx);

/* True when elL_normalize would push the value at `idx` as it is; false when in doubt. */
bool elL_is_normal(lua_State *L, const elL_shape *s, int slot, int idx);

/* In place of a slot: bind by the Lua type, or also tables, as documents. */
enum { ELL_BY_TYPE = -1, ELL_BY_TYPE_OR_TABLE = -2 };

/*
** Fills `out` from a normalized value at the top of the stack, which may be replaced by
** what must stay anchored (JSON text).
*/
void elL_tovalue(lua_State *L, el_value *out, const elL_shape *s, int slot);

/* Pushes what a script sees of a value; NULL is nil. */
void elL_pushvalue(lua_State *L, const el_value *v, const elL_shape *s, int slot);

/* The same by the driver's type, as raw queries show it. */
void elL_pushany(lua_State *L, const el_value *v);

/* }====== */

/* {====== Plans (plan.c): one SQL text, ready to run ====== */

enum { PLAN_SQL = 1, PLAN_SHAPE, PLAN_RAWSHAPE, PLAN_UVS = PLAN_RAWSHAPE };

typedef struct elL_plan {
    const void *tag; /* says that it is a plan */
    const char *sql;
    size_t len;
    unsigned flags;         /* of prepare */
    int by_type;            /* how values are bound that are for no column */
    const elL_shape *shape; /* NULL: raw rows, values bound by their Lua types */
    int generated;          /* slot of the key that the engine makes; -1: none */
    uint64_t columns;       /* bit per slot (of the first 64) that they write */
    int nparams;
    int16_t param[];        /* slot + 1; negative: the record's original; 0: no column */
} elL_plan;

elL_plan *elL_checkplan(lua_State *L, int idx);

/* }====== */

/* {====== Collections and records (collection.c, record.c) ====== */

enum { COLLECTION_META = 1, COLLECTION_RECORDS, COLLECTION_BLOCKS,
       COLLECTION_UVS = COLLECTION_BLOCKS };

typedef struct elL_collection {
    const void *tag; /* says that it is a collection */
    el_rowset rs;
    const elL_shape *shape;
    void *taken;           /* a client library's result used as storage, or NULL */
    const el_driver *driver;
    size_t nrows;
} elL_collection;

/*
** Pushes an empty collection of rows of the shape at `shape_idx`, with `room` bytes of
** its own behind it for the first of them.
*/
elL_collection *elL_newcollection(lua_State *L, int shape_idx, const elL_shape *s,
                                  size_t room);

/* Pushes the i-th record (0 first) of the collection at `idx`. */
void elL_collection_push(lua_State *L, int idx, elL_collection *c, size_t i);

elL_collection *elL_testcollection(lua_State *L, int idx);

/* The function `ipairs` of scripts. */
int elL_ipairs(lua_State *L);

/*
** Where to put a client library's result that is to be the storage of the collection at
** `idx`; the collection owns it from then on.
*/
void **elL_newresult(lua_State *L, int idx, elL_collection *c, const el_driver *d);

/* A new record has its state in its own user values, from RECORD_STATE on. */
enum { RECORD_OWNER = 1, RECORD_STATE, RECORD_UVS = RECORD_STATE };

/* What a journal notes in a record itself; see lua/eloquent/model/journal.lua. */
typedef enum elL_note {
    NOTE_NEW,    /* it stood for no row */
    NOTE_TOUCHED, /* its row tells what it was */
    NOTE_STAMPED /* as well, and the model has set its timestamp */
} elL_note;

typedef struct elL_record {
    const void *tag;        /* says that it is a record */
    const elL_shape *shape; /* anchored by the metatable */
    union {                 /* anchored by RECORD_OWNER, or inside the record */
        const unsigned char *row; /* packed cells; NULL: no row */
        elL_collection *taken;    /* where `in_result`: cells of a client's result */
    } u;
    uint64_t dirty;   /* bit per slot with a value not saved; of the first 64 */
    uint64_t changes; /* the same of the last save */
    uint64_t given;   /* what a script had set of a new record, where it is noted so */
    uint32_t index;   /* in its collection */
    uint32_t noted;   /* serial of the journal that has it in its list */
    uint8_t note;     /* an elL_note: what is noted there */
    bool exists;    /* stands for a row of the database */
    bool in_result;
    bool own_state; /* it is a new one, see above */
    bool has_state; /* there are entries, own or in the userdata at RECORD_STATE */
    bool half_state; /* it has the entries of one group only */
    bool has_saved; /* the state has saved values */
    bool flipped;   /* which half of the state is which; see record.c */
} elL_record;

/* The record at `idx`, or NULL. */
elL_record *elL_testrecord(lua_State *L, int idx);
elL_record *elL_checkrecord(lua_State *L, int idx);

/* Pushes a record whose metatable is at `meta_idx`, with `extra` bytes behind it. */
elL_record *elL_newrecord(lua_State *L, int meta_idx, const elL_shape *s, size_t extra);

/* The same for a record that stands for no row yet: it has room for what it is given. */
elL_record *elL_newempty(lua_State *L, int meta_idx, const elL_shape *s);

/* Pushes a record that carries its row itself. */
void elL_pushinline(lua_State *L, int shape_idx, const elL_shape *s,
                    const el_value *values);

/*
** The same in two steps, for values that a finaliser may take away: it runs in the first
** step only, so between them one sees whether they are still there.
*/
elL_record *elL_newinline(lua_State *L, int shape_idx, const elL_shape *s,
                          const el_value *values);
void elL_packinline(elL_record *r, const el_value *values);

/*
** Fills n values from the slots that `params` name as a plan does, and pushes n values
** that keep them alive.
*/
void elL_record_bind(lua_State *L, int idx, elL_record *r, const int16_t *params, int n,
                     el_value *out);

/*
** What was written to the columns of the mask (one bit for each of the first 64 slots)
** counts as saved from now on; the others were set since, and stay dirty.
*/
void elL_record_sync(lua_State *L, int idx, elL_record *r, uint64_t written);

/* Sets a slot to a generated key, as a value not saved yet. */
void elL_record_setkey(lua_State *L, int idx, elL_record *r, int slot, lua_Integer key);

/* Takes the columns of a returned row as saved values of the record at `idx`. */
void elL_record_absorb(lua_State *L, int idx, elL_record *r, const elL_shape *s,
                       const el_value *values);

void elL_record_register(lua_State *L, int shape_idx, const elL_shape *s, int methods,
                         int missing, int assign, int owner);

/* }====== */

/* {====== Connections (connection.c) and the funnel (run.c) ====== */

/*
** Told before and after each statement what cancels it (NULL afterwards); `cancel` may be
** called from another thread, and from a signal handler where `in_signal` says so.  Told
** NULL with a `ud` when the script gets the error of a statement that was canceled.  The
** host names its own, if it handles Ctrl-C.
*/
typedef void (*elL_watch)(void (*cancel)(void *ud), void *ud, bool in_signal);
void elL_setwatch(lua_State *L, elL_watch watch);

enum {
    CONN_NAME = 1,
    CONN_LISTENER,
    CONN_LOST,
    CONN_CURSORS,
    CONN_JOURNAL,
    CONN_TARGET,
    CONN_UVS = CONN_TARGET
};

typedef struct elL_conn {
    const void *tag; /* says that it is a connection */
    el_conn *conn; /* NULL: closed */
    el_statements *statements;
    const el_driver *driver;
    const char *name;
    const char *target; /* where it leads, for messages; may be NULL */
    bool listening;
    bool promised;   /* begun by `transact`, and neither committed nor rolled back by it */
    bool conflicted; /* the server gave up that transaction for a conflict */
    uint32_t journal; /* serial of the journal whose list is CONN_JOURNAL; 0: none */
    int lent;        /* statements that verbs took and did not give back yet */
    elL_watch watch; /* or NULL */
} elL_conn;

elL_conn *elL_checkconn(lua_State *L, int idx);

/* Raises when statements were promised a transaction that has ended: they would stay. */
void elL_checktransaction(lua_State *L, const elL_conn *c);

/* Pushes the error object of a failed statement; `sql` may be NULL. */
void elL_pushconnerror(lua_State *L, int conn_idx, elL_conn *c, const el_error *e,
                       const char *sql);

/* Raises it. */
int elL_connfail(lua_State *L, int conn_idx, elL_conn *c, const el_error *e,
                 const char *sql) EL_NORETURN;

/*
** Takes back statements that an error (no memory, above all) kept their verbs from
** giving back.  `elL_tidy` does it where no verb can be in the middle of its work.
*/
void elL_reclaim(elL_conn *c);
static inline void elL_tidy(lua_State *L, elL_conn *c) {
    /* Between taking and giving back a verb calls no function, so only a finaliser can
       run in the middle of one; and in a finaliser the collector does not run. */
    if (c->lent > 0 && lua_gc(L, LUA_GCISRUNNING) == 1) {
        elL_reclaim(c);
    }
}

/* What became of a record that was written. */
typedef struct elL_written {
    lua_Integer rows, last_id;
    uint64_t columns; /* of the plan */
    double started;
    bool returned; /* the statement gave a row back */
} elL_written;

/*
** Runs the plan at 2 on the connection at 1 with the values of the record at 3, which
** takes what is returned; the stack below is kept.  Returns the number of rows.  The
** listener may use the record, or raise: elL_run_tell once the record is up to date.
** The third makes the record stand for the row that the plan inserts, and tells; false,
** and the record stays new, when the database says that it wrote none.
*/
lua_Integer elL_run_write(lua_State *L, elL_written *w);
void elL_run_tell(lua_State *L, const elL_written *w);
bool elL_run_insert(lua_State *L);

/* Methods of connections that run plans; registered by connection.c. */
extern const luaL_Reg elL_run_methods[];

/* conn:bulk (bulk.c): many rows into one table. */
extern const luaL_Reg elL_bulk_methods[];

/*
** The funnel's ends, for what runs no plan: elL_watchrun before and after it (Ctrl-C
** cancels in between), elL_tell once it has ended (the listener hears of it).
*/
void elL_watchrun(const elL_conn *c, bool running);
void elL_tell(lua_State *L, int conn_idx, const elL_conn *c, const char *sql,
              double started, lua_Integer rows, bool failed);

/* conn:protect: what runs in it is the function of a transaction. */
int elL_protect(lua_State *L);

/* Monotonic clock, in seconds. */
double elL_seconds(void);

/* Makes the metatable of cursors. */
void elL_cursor_register(lua_State *L);

/* }====== */

int luaopen_eloquent_core_null(lua_State *L);
int luaopen_eloquent_core_errors(lua_State *L);
int luaopen_eloquent_core_shape(lua_State *L);
int luaopen_eloquent_core_plan(lua_State *L);
int luaopen_eloquent_core_collection(lua_State *L);
int luaopen_eloquent_core_record(lua_State *L);
int luaopen_eloquent_core_connection(lua_State *L);
int luaopen_eloquent_core_uid(lua_State *L);

#endif
