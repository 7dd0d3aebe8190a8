/* SPDX-License-Identifier: MIT
**
** mongo_driver.h - what the files of the MongoDB driver share: the connection, writing
** BSON, command texts and reading BSON.  Nobody else includes it.
*/
#ifndef EL_MONGO_DRIVER_H
#define EL_MONGO_DRIVER_H

#include <mongoc/mongoc.h>
#include <pthread.h>
#include <stdatomic.h>

#include "driver.h"

enum {
    MG_MAX_DEPTH = 100,       /* levels that MongoDB lets documents nest */
    MG_MAX_READ_DEPTH = 1000, /* of what another program has stored */
    MG_MAX_DOC = 16 * 1024 * 1024,
    MG_COMMAND_EXTRA = 16 * 1024, /* a command may be so much larger than a document */
    MG_COMMAND_LEVELS = 4,        /* around documents, in values of commands */
    MG_TOO_LARGE = 10334,         /* as the server says it */
    MG_SCRATCH = 48,              /* text of a decimal, a UUID, an object id */
    MG_SPECIAL = 0x60             /* a type that BSON hasn't: text of EL_SPECIAL */
};

/* Types of BSON, https://bsonspec.org/spec.html */
enum {
    MG_DOUBLE = 0x01,
    MG_STRING = 0x02,
    MG_DOC = 0x03,
    MG_ARRAY = 0x04,
    MG_BINARY = 0x05,
    MG_UNDEFINED = 0x06,
    MG_OBJECT_ID = 0x07,
    MG_BOOL = 0x08,
    MG_DATE = 0x09,
    MG_NULL = 0x0A,
    MG_REGEX = 0x0B,
    MG_DBPOINTER = 0x0C,
    MG_CODE = 0x0D,
    MG_SYMBOL = 0x0E,
    MG_CODE_SCOPE = 0x0F,
    MG_INT32 = 0x10,
    MG_TIMESTAMP = 0x11,
    MG_INT64 = 0x12,
    MG_DECIMAL = 0x13,
    MG_MAX_KEY = 0x7F,
    MG_MIN_KEY = 0xFF
};

/* {====== Writing (mongo_write.c, mongo_json.c) ====== */

/* A document that grows; all zero is an empty one. */
typedef struct mg_buf {
    unsigned char *p;
    size_t n, max;
    int arg; /* the value that messages are about, 1 the first; 0: none */
} mg_buf;

void el_mg_buf_release(mg_buf *b);

/* n bytes at the end, which the caller fills; NULL and `err` when there is no memory. */
unsigned char *el_mg_more(mg_buf *b, size_t n, el_error *err);
int el_mg_put(mg_buf *b, const void *p, size_t n, el_error *err);

/* Type and key of an element; the value follows.  EL_ERR_VALUE for a key with NUL. */
int el_mg_put_key(mg_buf *b, unsigned type, const char *key, size_t n, el_error *err);

/* A document begins where b->n was; end it with that.  One beyond `max` is refused. */
int el_mg_open_doc(mg_buf *b, size_t *at, el_error *err);
int el_mg_close_doc(mg_buf *b, size_t at, size_t max, el_error *err);

int el_mg_put_text(mg_buf *b, const char *p, size_t n, el_error *err);

/* Elements of one kind; an integer is as small as it fits, a long has 64 bits. */
int el_mg_put_int(mg_buf *b, const char *key, size_t n, int64_t i, el_error *err);
int el_mg_put_long(mg_buf *b, const char *key, size_t n, int64_t i, el_error *err);
int el_mg_put_double(mg_buf *b, const char *key, size_t n, double d, el_error *err);
int el_mg_put_decimal(mg_buf *b, const char *key, size_t n, const char *text, size_t len,
                      el_error *err);

/*
** An element with any value; `depth` is that of the document around it, negative where
** the value has documents in it.
*/
int el_mg_put_value(mg_buf *b, const char *key, size_t n, const el_value *v, int depth,
                    el_error *err);

/* Puts a key before the path err->column of a value that can't be written; EL_FAIL. */
int el_mg_failed_at(const char *key, size_t n, el_error *err);

/* Has the message begin with that path in the collection, which may be NULL. */
void el_mg_name_value(const char *collection, el_error *err);

/* Key of the i-th element of an array; returns its length. */
enum { MG_INDEX_SIZE = 24 };
size_t el_mg_index(char out[MG_INDEX_SIZE], size_t i);

/* Names the value in messages: "value 3", or "a value". */
const char *el_mg_arg_name(char out[32], const mg_buf *b);

/* }====== */

/* {====== JSON (mongo_json.c) ====== */

/*
** What reads JSON into a buffer.  Where `hole` is given, a `?` calls it in the place of a
** value; numbers there are literals, else they keep all digits.
*/
typedef struct mg_json {
    const char *p, *start, *end;
    mg_buf *out;
    int depth;
    int (*hole)(struct mg_json *j, const char *key, size_t n, el_error *err);
    int (*opened)(struct mg_json *j, size_t at, el_error *err);
    int (*closed)(struct mg_json *j, size_t at, bool list, el_error *err);
    mg_buf keys; /* of the objects around; scratch */
} mg_json;

/* One value as the element `key`.  EL_ERR_VALUE, or EL_ERR_SYNTAX where holes are. */
int el_mg_json_value(mg_json *j, const char *key, size_t n, el_error *err);

/* White space; then the next byte, or -1. */
int el_mg_json_peek(mg_json *j);

/* Takes `c`, or says that it is missing. */
int el_mg_json_expect(mg_json *j, char c, el_error *err);

/* A string, appended to `out` without NUL. */
int el_mg_json_string(mg_json *j, mg_buf *out, el_error *err);

int el_mg_json_fail(const mg_json *j, const char *what, el_error *err);

/* A whole text as the element `key`. */
int el_mg_put_json(mg_buf *b, const char *key, size_t n, const char *text, size_t len,
                   int depth, el_error *err);

/* }====== */

/* {====== Command texts (mongo_text.c) ====== */

typedef enum mg_verb {
    MG_OTHER,
    MG_FIND,
    MG_AGGREGATE, /* that only reads */
    MG_READ,      /* count, distinct */
    MG_INSERT,
    MG_UPDATE,
    MG_DELETE,
    MG_MODIFY /* findAndModify */
} mg_verb;

typedef struct mg_op {
    enum { MG_OP_VALUE, MG_OP_OPEN, MG_OP_CLOSE } kind;
    size_t at;  /* the bytes of `fixed` before this are due */
    size_t key; /* where in `keys` */
    size_t keylen;
    bool list;
} mg_op;

typedef struct mg_field {
    const char *path; /* ends with NUL */
    size_t len;
    bool dotted;
    const char *instead; /* the path to take where this one isn't there, or NULL */
    uint64_t head, mask; /* its first bytes with its NUL, as they stand before a value */
} mg_field;

/* A command, ready to take values. */
typedef struct mg_text {
    int refs;
    mg_verb verb;
    int nparams;
    mg_buf fixed, keys, names; /* names: of fields, database, collection */
    mg_op *ops;
    size_t nops, maxops;
    mg_field *fields; /* NULL: no $fields */
    el_column *columns;
    int nfields;
    const char *db;         /* $db, or NULL */
    const char *collection; /* value of the first key, or NULL */
    const char *command;    /* the first key */
    bool cursor_empty;      /* aggregate: "cursor":{}, which is not in `fixed` */
    bool has_batch;         /* batchSize is given */
} mg_text;

/* `*out` has one reference. */
int el_mg_text_new(mg_text **out, const char *text, size_t len, el_error *err);
void el_mg_text_drop(mg_text *t);

/*
** The command with its values, as one BSON document.  `batch` is how many documents a
** find or an aggregate that leaves it open is to send at once; 0: as the server likes.
*/
int el_mg_text_bind(const mg_text *t, mg_buf *out, const el_value *args, int batch,
                    el_error *err);

/* }====== */

/* {====== Reading (mongo_values.c) ====== */

typedef struct mg_element {
    unsigned type;
    const char *key;
    size_t keylen;
    const unsigned char *value;
    size_t size;
} mg_element;

/* The element at `*at`, which moves on.  False at the end, or where it is malformed. */
bool el_mg_next(const unsigned char *doc, size_t size, size_t *at, mg_element *out);

/* Where the values of fields stand in a document: its bytes before them, or... */
enum {
    MG_NOWHERE = 0,  /* no such field */
    MG_FAR = 0xFFFF, /* to be looked for: a path, or beyond what a spot can say */
};

typedef struct mg_spots {
    const mg_field *fields;
    int n, known; /* known: names; the others are paths */
    uint16_t
        *order; /* names as the first document has them, from which it learns; paths */
    bool learns;
    uint16_t *at; /* for each field */
} mg_spots;

/*
** Fails unless all of the document can be walked.  *special: it has such values; NULL: it
** may have them as MG_SPECIAL.  `spots` may be NULL.
*/
int el_mg_check(const unsigned char *doc, size_t size, mg_spots *spots, bool *special,
                el_error *err);

/* The element whose key has that length and whose value is at `spot`. */
void el_mg_at(const unsigned char *doc, size_t size, size_t spot, size_t keylen,
              mg_element *out);

/* A copy in which values that no el_value has are MG_SPECIAL. */
int el_mg_expose(mg_buf *out, const unsigned char *doc, size_t size, el_error *err);

/* `scratch` has MG_SCRATCH bytes; `room` takes the iterator of a nested value. */
void el_mg_decode(const mg_element *e, el_value *out, char *scratch, el_iter *room);

void el_mg_iter(el_iter *out, const unsigned char *doc, size_t size, bool list);

/* Finds a field by its path. */
bool el_mg_find(const unsigned char *doc, size_t size, const mg_field *f,
                mg_element *out);

/* A field of that type by its plain name, and one that is a number. */
bool el_mg_field(const unsigned char *doc, size_t size, const char *name, unsigned type,
                 mg_element *out);
bool el_mg_number(const unsigned char *doc, size_t size, const char *name, int64_t *out);
bool el_mg_as_number(const mg_element *e, int64_t *out);

/* Length of the document at p, which has `left` bytes; 0 when it can't be one. */
size_t el_mg_doc_size(const unsigned char *p, size_t left);

/* }====== */

/* {====== Connections (mongo.c, mongo_link.c) ====== */

typedef struct mg_link {
    mongoc_stream_t *stream; /* the one last written to, or NULL */
    bool ours;               /* streams are ours: not with TLS */
    atomic_uint calls;       /* odd: a call runs */
    atomic_uint canceled;    /* the call that is to end */
    _Atomic int64_t cut_at;  /* when to end it without the server, 0: not */
    bool sent;               /* since the call began */
    bool cut;                /* the call was ended here */
    bool closing;            /* nobody waits for answers any more */
    bool known;              /* a server has answered */
    bool unreached;          /* and one could not be connected to: see no_stream */
    bool starved;            /* there was no memory for a stream */
    int alive;               /* streams by which a server has answered */
} mg_link;

typedef struct mg_conn {
    el_conn base;
    mongoc_client_t *client;
    mongoc_client_session_t *session; /* NULL: the server has none */
    bson_t *opts;                     /* of commands: they are of that session */
    mongoc_uri_t *uri;
    char *db;
    char target[200]; /* hosts, for messages */
    size_t max_doc;
    int max_batch;   /* documents in one insert */
    bool replicated; /* has transactions */
    bool pinned;     /* commands may go to several servers */
    bool tx_failed;
    bool stale;       /* the link was cut: a new client is needed */
    int64_t answered; /* when the server last did */
    unsigned char lsid[16];
    mg_link link;
} mg_conn;

/* Has the client use streams of ours, which can be cut and know what was sent. */
void el_mg_link_attach(mg_conn *c);
void el_mg_link_begin(mg_conn *c);
void el_mg_link_end(mg_conn *c);
bool el_mg_link_is_gone(mg_conn *c);
int64_t el_mg_now(void); /* microseconds */

/*
** Reads a URI.  *out may be set on failure, too, and is the caller's; messages begin with
** "option uri is ", for the caller's caller to name the variable.
*/
int el_mg_uri_new(mongoc_uri_t **out, const char *uri, el_error *err);

/* Makes ready for a uri that logs in by Kerberos. */
void el_mg_sasl_prepare(const mongoc_uri_t *uri);

/* A client with the connection's settings, which waits `most_ms` at the most (0: as set).
 */
mongoc_client_t *el_mg_client(const mg_conn *c, int32_t most_ms, el_error *err);
bool el_mg_in_transaction(const mg_conn *c);
int el_mg_cancel(el_conn *base, el_error *err);

/* Runs a command; `reply` is initialized in any case. */
typedef struct mg_call {
    const char *db;
    mg_verb verb;
    uint32_t server; /* 0: any */
} mg_call;
int el_mg_run(mg_conn *c, const mg_call *call, const mg_buf *command, bson_t *reply,
              el_error *err);

/* }====== */

/* {====== Errors (mongo_error.c) ====== */

int el_mg_fail(mg_conn *c, const bson_error_t *why, const bson_t *reply, el_error *err);

/* Fails for writeErrors or a writeConcernError in a reply; *row: which document, or -1.
 */
int el_mg_check_writes(mg_conn *c, const bson_t *reply, int64_t *row, el_error *err);

/* }====== */

/* {====== Statements (mongo_stmt.c, mongo_rows.c) ====== */

/* A reply of the server, where its documents stand. */
typedef struct mg_reply {
    bson_t doc;
    struct mg_reply *next;
} mg_reply;

typedef struct mg_row {
    const unsigned char *doc;
    size_t size;
} mg_row;

typedef struct mg_slot { /* what a decoded column needs */
    char scratch[MG_SCRATCH];
    el_iter room;
} mg_slot;

/* Rows, and the memory that they stand in. */
typedef struct mg_result {
    mg_text *text;             /* a reference: names the columns */
    mg_reply *replies, *spare; /* spare: memory for the next one */
    struct mg_exposed *exposed;
    mg_row *rows;
    size_t nrows, maxrows;
    int nspots, nnames; /* for each row: its columns, none for whole documents */
    uint16_t *spots;    /* of all rows */
    uint16_t *order;    /* of fields in documents */
    mg_slot slot;
} mg_result;

int el_mg_result_new(mg_result **out, mg_text *text, el_error *err);
void el_mg_result_free(mg_result *r);

/* Forgets the rows and their memory. */
void el_mg_result_clear(mg_result *r);

/* A reply for the client library to fill; NULL: no memory. */
bson_t *el_mg_result_reply(mg_result *r, el_error *err);

/* A document of one of the replies as a row. */
int el_mg_result_add(mg_result *r, const unsigned char *doc, size_t size, el_error *err);

/* A cell, of type MG_NULL where the document has no such field. */
void el_mg_result_cell(const mg_result *r, size_t row, int column, mg_element *out);

typedef struct mg_stmt mg_stmt;

int el_mg_prepare(el_stmt **out, el_conn *c, const el_query *q, el_error *err);
int el_mg_execute(el_stmt *s, const el_value *args, int nargs, el_error *err);
int el_mg_fetch(el_stmt *s, el_error *err);
int el_mg_row(el_stmt *s, el_value *out, el_error *err);
void el_mg_reset(el_stmt *s);
void el_mg_finalize(el_stmt *s);
int el_mg_take(el_stmt *s, void **result, size_t *nrows, el_error *err);
void el_mg_cell(void *result, size_t row, int column, el_value *out);
void el_mg_discard(void *result);

int el_mg_bulk_begin(el_bulk **out, el_conn *c, const char *into, int ncolumns,
                     el_error *err);
int el_mg_bulk_row(el_bulk *b, const el_value *values, el_error *err);
int el_mg_bulk_end(el_bulk *b, bool good, int64_t *failed, el_error *err);

/* }====== */

#endif
