/* SPDX-License-Identifier: MIT
**
** mongo_error.c - failures of the client library and of servers as el_error.  The kind
** comes from domains, codes and labels; messages are read for the name of an index only.
*/
#include <stdio.h>
#include <string.h>

#include "mongo_driver.h"

/* {====== Codes ====== */

typedef struct meaning {
    int code;
    el_errkind kind;
    char state[6];
    const char *advice; /* NULL: what the server says is enough */
} meaning;

/* https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml */
static const meaning server_codes[] = {
    {2, EL_ERR_SYNTAX, "42601", NULL}, /* BadValue */
    {6, EL_ERR_LOST, "08006", NULL},   /* HostUnreachable */
    {7, EL_ERR_LOST, "08006", NULL},   /* HostNotFound */
    {9, EL_ERR_SYNTAX, "42601", NULL}, /* FailedToParse */
    {11, EL_ERR_AUTH, "28000", NULL},  /* UserNotFound */
    {13, EL_ERR_AUTH, "42501", "give the user a role for it, see db.grantRolesToUser"},
    {14, EL_ERR_VALUE, "22000", NULL}, /* TypeMismatch */
    {15, EL_ERR_VALUE, "22003", NULL}, /* Overflow */
    {18, EL_ERR_AUTH, "28000", "check user, password and authSource in MONGO_URI"},
    {20, EL_ERR_UNSUPPORTED, "0A000",
     "transactions need a replica set: start the server with --replSet rs0 and run "
     "rs.initiate() once"},
    {22, EL_ERR_VALUE, "22000", NULL},  /* InvalidBSON */
    {24, EL_ERR_BUSY, "55P03", NULL},   /* LockTimeout */
    {26, EL_ERR_SYNTAX, "42P01", NULL}, /* NamespaceNotFound */
    {27, EL_ERR_SYNTAX, "42704", NULL}, /* IndexNotFound */
    {28, EL_ERR_VALUE, "22000", NULL},  /* PathNotViable */
    {34, EL_ERR_VALUE, "22000", NULL},
    {40, EL_ERR_SYNTAX, "42601", NULL}, /* ConflictingUpdateOperators */
    {43, EL_ERR_LOST, "34000",
     "the server has closed the cursor: it restarted, or the cursor lay unused for too "
     "long"},
    {46, EL_ERR_BUSY, "55P03", NULL},   /* LockBusy */
    {48, EL_ERR_SYNTAX, "42P07", NULL}, /* NamespaceExists */
    {50, EL_ERR_CANCELED, "57014", "it took longer than maxTimeMS allows"},
    {52, EL_ERR_VALUE, "22000", NULL},     /* DollarPrefixedFieldName */
    {53, EL_ERR_VALUE, "22000", NULL},     /* InvalidIdField */
    {56, EL_ERR_VALUE, "22000", NULL},     /* EmptyFieldName */
    {57, EL_ERR_VALUE, "22000", NULL},     /* DottedFieldName */
    {59, EL_ERR_SYNTAX, "42601", NULL},    /* CommandNotFound */
    {66, EL_ERR_VALUE, "22000", NULL},     /* ImmutableField */
    {72, EL_ERR_SYNTAX, "42601", NULL},    /* InvalidOptions */
    {73, EL_ERR_SYNTAX, "42602", NULL},    /* InvalidNamespace */
    {85, EL_ERR_SYNTAX, "42P07", NULL},    /* IndexOptionsConflict */
    {86, EL_ERR_SYNTAX, "42P07", NULL},    /* IndexKeySpecsConflict */
    {89, EL_ERR_LOST, "08006", NULL},      /* NetworkTimeout */
    {91, EL_ERR_LOST, "57P01", NULL},      /* ShutdownInProgress */
    {112, EL_ERR_CONFLICT, "40001", NULL}, /* WriteConflict */
    {115, EL_ERR_UNSUPPORTED, "0A000", NULL},
    {121, EL_ERR_CHECK, "23514", NULL},  /* DocumentValidationFailure */
    {168, EL_ERR_SYNTAX, "42601", NULL}, /* InvalidPipelineOperator */
    {189, EL_ERR_LOST, "08006", NULL},   /* PrimarySteppedDown */
    {197, EL_ERR_SYNTAX, "42601", NULL}, /* InvalidIndexSpecificationOption */
    {238, EL_ERR_UNSUPPORTED, "0A000", NULL},
    {241, EL_ERR_VALUE, "22000", NULL}, /* ConversionFailure */
    {251, EL_ERR_CONFLICT, "40001", "the server has ended the transaction"},
    {257, EL_ERR_VALUE, "54000",
     "write it in several transactions"},     /* TransactionTooLarge */
    {262, EL_ERR_CANCELED, "57014", NULL},    /* ExceededTimeLimit */
    {263, EL_ERR_UNSUPPORTED, "25001", NULL}, /* OperationNotSupportedInTransaction */
    {352, EL_ERR_UNSUPPORTED, "0A000", NULL},
    {388, EL_ERR_VALUE, "54000", "write it in several transactions"}, /* ...ForCache */
    {8000, EL_ERR_AUTH, "28000", NULL},
    {10058, EL_ERR_CONNECT, "08001", NULL},
    {10107, EL_ERR_CONNECT, "08001", NULL}, /* NotWritablePrimary: was not run */
    {MG_TOO_LARGE, EL_ERR_VALUE, "54000", "documents have 16 MiB at the most"},
    {11000, EL_ERR_UNIQUE, "23505", NULL},
    {11001, EL_ERR_UNIQUE, "23505", NULL},
    {11600, EL_ERR_LOST, "57P01", NULL},     /* InterruptedAtShutdown */
    {11601, EL_ERR_CANCELED, "57014", NULL}, /* Interrupted */
    {11602, EL_ERR_LOST, "08006", NULL},
    {12582, EL_ERR_UNIQUE, "23505", NULL},
    {13388, EL_ERR_CONNECT, "08001", NULL},
    {13435, EL_ERR_CONNECT, "08001", NULL}, /* NotPrimaryNoSecondaryOk */
    {13436, EL_ERR_CONNECT, "08001", NULL},
    {16755, EL_ERR_VALUE, "22000", NULL}, /* geometry */
    {17280, EL_ERR_VALUE, "54000", NULL}, /* KeyTooLong */
    {17419, EL_ERR_VALUE, "54000", "documents have 16 MiB at the most"},
    {40324, EL_ERR_SYNTAX, "42601", NULL}, /* unknown stage */
    {40415, EL_ERR_SYNTAX, "42601", NULL}, /* unknown field of a command */
};

static const meaning *meaning_of(int code) {
    static const meaning other = {0, EL_ERR_OTHER, "HY000", NULL};
    for (size_t i = 0; i < sizeof server_codes / sizeof *server_codes; i++) {
        if (server_codes[i].code == code) {
            return &server_codes[i];
        }
    }
    return &other;
}

/* }====== */

/* {====== Parts of replies ====== */

static const char unknown_commit[] = "UnknownTransactionCommitResult";

static bool has_label(const bson_t *reply, const char *label) {
    return reply && mongoc_error_has_label(reply, label);
}

/* }====== */

/* {====== Messages ====== */

/* Values that a server quotes in its message, {..} and "..", are left out. */
static void mask(char *out, size_t size, const char *text) {
    size_t n = 0;
    int braces = 0;
    bool quoted = false;
    for (const char *p = text; *p && n + 8 < size; p++) {
        if (*p == '"') {
            quoted = !quoted;
            if (braces == 0 && !quoted) {
                n += (size_t)snprintf(out + n, size - n, "\"..\"");
            }
        } else if (!quoted && *p == '{') {
            braces++;
        } else if (!quoted && *p == '}' && braces > 0) {
            if (--braces == 0) {
                n += (size_t)snprintf(out + n, size - n, "{..}");
            }
        } else if (!quoted && braces == 0) {
            out[n++] = *p;
        }
    }
    while (n > 0 && (out[n - 1] == ' ' || out[n - 1] == '.')) {
        n--;
    }
    out[n] = '\0';
}

/* The word after `label` in "... collection: db.users index: email_1 dup key: ...". */
static void word_after(char *out, size_t size, const char *text, const char *label) {
    const char *p = strstr(text, label);
    size_t n = 0;
    if (p) {
        p += strlen(label);
        n = strcspn(p, " ");
    }
    el_error_copy(out, (unsigned)size, p ? p : "", (unsigned)n);
}

/* "team_id, name" of {team_id: 1, name: 1}. */
static void put_columns(el_error *err, const unsigned char *doc, size_t size) {
    mg_element pattern, e;
    size_t at = 4, n = 0;
    if (!el_mg_field(doc, size, "keyPattern", MG_DOC, &pattern)) {
        return;
    }
    while (el_mg_next(pattern.value, pattern.size, &at, &e) &&
           n + e.keylen + 3 < sizeof err->column) {
        n += (size_t)snprintf(err->column + n, sizeof err->column - n, "%s%.*s",
                              n > 0 ? ", " : "", (int)e.keylen, e.key);
    }
}

static void name_index(el_error *err, const char *text, const unsigned char *doc,
                       size_t size) {
    char ns[128];
    word_after(ns, sizeof ns, text, "collection: ");
    const char *dot = strchr(ns, '.');
    if (dot) {
        el_error_copy(err->table, sizeof err->table, dot + 1, (unsigned)strlen(dot + 1));
    }
    word_after(err->constraint, sizeof err->constraint, text, "index: ");
    put_columns(err, doc, size);
}

/* }====== */

/* {====== Failures of the server ====== */

static int fail_unique(const el_error *names, int code, el_error *err) {
    return el_fail(err, EL_ERR_UNIQUE, code,
                   "MongoDB: %s%s%.100s%s%.100s%s has that value already; it takes each "
                   "one once",
                   names->table[0] ? names->table : "a collection",
                   names->constraint[0] ? ", index " : "", names->constraint,
                   names->column[0] ? " on " : "", names->column,
                   names->constraint[0] ? "," : "");
}

/* Of a commit that nobody knows of; Ctrl-C is told by its kind. */
static el_errkind lost_or_canceled(mg_conn *c) {
    unsigned call = atomic_load(&c->link.calls) - 1; /* which has ended */
    return atomic_load(&c->link.canceled) == call ? EL_ERR_CANCELED : EL_ERR_LOST;
}

static int fail_server(mg_conn *c, int code, const char *text, const bson_t *reply,
                       const unsigned char *details, size_t size, el_error *err) {
    meaning m = *meaning_of(code);
    bool first = err && err->kind == EL_ERR_NONE;
    el_error names = {0};
    char plain[360];
    if (code == 2 && reply && details != bson_get_data(reply)) { /* BadValue of a write */
        m.kind = EL_ERR_VALUE;
        memcpy(m.state, "22000", 6);
    }
    if (has_label(reply, unknown_commit)) {
        m.kind = lost_or_canceled(c);
        memcpy(m.state, "08007", 6);
        m.advice = "the transaction may have been committed or not";
    } else if (has_label(reply, "TransientTransactionError") && m.kind != EL_ERR_LOST &&
               m.kind != EL_ERR_CANCELED) {
        m.kind = EL_ERR_CONFLICT;
        memcpy(m.state, "40001", 6);
    }
    if (m.kind == EL_ERR_UNIQUE) {
        name_index(&names, text, details, size);
        fail_unique(&names, code, err);
    } else if (m.kind == EL_ERR_CANCELED && !m.advice) {
        el_fail(err, m.kind, code, "MongoDB: the command was canceled");
    } else {
        mask(plain, sizeof plain, text);
        el_fail(err, m.kind, code, "MongoDB: %s%s%s", plain, m.advice ? "; " : "",
                m.advice ? m.advice : "");
    }
    if (first) {
        memcpy(err->sqlstate, m.state, sizeof err->sqlstate);
        memcpy(err->table, names.table, sizeof err->table);
        memcpy(err->column, names.column, sizeof err->column);
        memcpy(err->constraint, names.constraint, sizeof err->constraint);
    }
    if (el_mg_in_transaction(c)) {
        c->tx_failed = true;
    }
    return EL_FAIL;
}

/* }====== */

/* {====== Failures of the client library ====== */

static void set_state(el_error *err, const el_error *before, const char *state) {
    if (err && before->kind == EL_ERR_NONE) {
        el_error_copy(err->sqlstate, sizeof err->sqlstate, state, 5);
    }
}

/*
** The client library forgets servers that say that they are of another set, or of none;
** it doesn't count those that it can't reach either.
*/
static bool is_another_set(const mg_conn *c) {
    size_t n = 1;
    if (c->client && c->link.known && mongoc_uri_get_replica_set(c->uri)) {
        mongoc_server_description_t **all =
            mongoc_client_get_server_descriptions(c->client, &n);
        mongoc_server_descriptions_destroy_all(all, n);
    }
    return n == 0;
}

/* The link broke, or there was none. */
static int fail_link(mg_conn *c, const char *text, bool reached, el_error *err) {
    if (c->link.cut && !el_mg_in_transaction(c)) {
        c->stale = true;
    } else {
        c->base.open = false; /* the client library would wait before it connects again */
    }
    if (c->link.cut) {
        return el_fail(err, EL_ERR_CANCELED, 0, "MongoDB: the command was canceled");
    }
    if (c->link.starved) {
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for a connection to MongoDB");
    }
    if (!reached && is_another_set(c)) {
        return el_fail(err, EL_ERR_CONNECT, 0,
                       "no connection to MongoDB at %s: the server there is no member of "
                       "the replica set '%.100s'; is replicaSet right in MONGO_URI?",
                       c->target, mongoc_uri_get_replica_set(c->uri));
    }
    if (!reached) {
        return el_fail(
            err, EL_ERR_CONNECT, 0,
            "no connection to MongoDB at %s: %s; is it running there, and does "
            "MONGO_URI say so%s?",
            c->target, text,
            mongoc_uri_get_replica_set(c->uri) ? ", with the right replicaSet" : "");
    }
    return el_fail(
        err, EL_ERR_LOST, 0,
        "the connection to MongoDB at %s broke during a command, which may have "
        "run: %s",
        c->target, text);
}

/* The link broke at a commit, or the commit was done and not confirmed. */
static int fail_commit(mg_conn *c, const bson_error_t *why, const char *text,
                       el_error *err) {
    if (why->domain != MONGOC_ERROR_WRITE_CONCERN) {
        c->base.open = false;
    }
    return el_fail(err, lost_or_canceled(c), (int)why->code,
                   "MongoDB at %s: %s; the transaction may have been committed or not",
                   c->target, text);
}

/* It was done, and is lost again if the members that have it fail. */
static int fail_unconfirmed(int code, const char *text, el_error *err) {
    return el_fail(err, EL_ERR_LOST, code,
                   "MongoDB has written it, and could not confirm that it stays, as the "
                   "write concern asks: %s",
                   text);
}

static int fail_client(mg_conn *c, const bson_error_t *why, const char *text,
                       const char **state, el_error *err) {
    int code = (int)why->code;
    switch (why->domain) {
    case MONGOC_ERROR_SERVER_SELECTION:
        *state = "08001";
        return fail_link(c, text, false, err);
    case MONGOC_ERROR_STREAM:
        *state = c->link.cut ? "57014" : c->link.sent ? "08006" : "08001";
        return fail_link(c, text, c->link.sent, err);
    case MONGOC_ERROR_SASL:
    case MONGOC_ERROR_SCRAM:
        *state = "28000";
        return el_fail(err, EL_ERR_AUTH, code, "MongoDB at %s refuses the user: %s",
                       c->target, text);
    case MONGOC_ERROR_CLIENT:
        if (code == MONGOC_ERROR_CLIENT_AUTHENTICATE) {
            *state = "28000";
            return el_fail(err, EL_ERR_AUTH, code,
                           "MongoDB at %s refuses the user: %s; check user, password and "
                           "authSource in MONGO_URI",
                           c->target, text);
        }
        if (code == MONGOC_ERROR_CLIENT_TOO_BIG) {
            *state = "54000";
            return el_fail(err, EL_ERR_VALUE, code, "MongoDB: %s", text);
        }
        break;
    case MONGOC_ERROR_PROTOCOL:
        if (code == MONGOC_ERROR_PROTOCOL_BAD_WIRE_VERSION) {
            *state = "0A000";
            return el_fail(err, EL_ERR_UNSUPPORTED, code,
                           "MongoDB at %s and the client library are too far apart: %s",
                           c->target, text);
        }
        *state = "08006";
        return fail_link(c, text, true, err);
    case MONGOC_ERROR_WRITE_CONCERN:
        *state = "08007";
        return fail_unconfirmed(code, text, err);
    case MONGOC_ERROR_BSON:
        *state = "22000";
        return el_fail(err, EL_ERR_VALUE, code, "MongoDB: %s", text);
    default:
        break;
    }
    *state = "HY000";
    return el_fail(err,
                   why->domain == MONGOC_ERROR_TRANSACTION ? EL_ERR_MISUSE : EL_ERR_OTHER,
                   code, "MongoDB: %s", text);
}

/* }====== */

/* {====== Both ====== */

int el_mg_fail(mg_conn *c, const bson_error_t *why, const bson_t *reply, el_error *err) {
    el_error before = {0};
    char text[400];
    const char *state;
    if (why->domain == MONGOC_ERROR_SERVER) {
        const unsigned char *doc = reply ? bson_get_data(reply) : NULL;
        return fail_server(c, (int)why->code, why->message, reply, doc,
                           reply ? reply->len : 0, err);
    }
    if (err) {
        before.kind = err->kind;
    }
    mask(text, sizeof text, why->message);
    if (has_label(reply, unknown_commit) && !c->link.cut) {
        state = "08007";
        fail_commit(c, why, text, err);
    } else {
        fail_client(c, why, text, &state, err);
    }
    set_state(err, &before, state);
    return EL_FAIL;
}

/* A failure that stands inside a reply that is no error. */
static int fail_inside(mg_conn *c, const mg_element *e, const bson_t *reply,
                       el_error *err) {
    int64_t code = 0;
    mg_element message;
    const char *text = "it failed, and the server does not say why";
    el_mg_number(e->value, e->size, "code", &code);
    if (el_mg_field(e->value, e->size, "errmsg", MG_STRING, &message)) {
        text = (const char *)message.value + 4;
    }
    return fail_server(c, (int)code, text, reply, e->value, e->size, err);
}

int el_mg_check_writes(mg_conn *c, const bson_t *reply, int64_t *row, el_error *err) {
    const unsigned char *doc = bson_get_data(reply);
    mg_element list, e;
    size_t at = 4;
    *row = -1;
    if (el_mg_field(doc, reply->len, "writeErrors", MG_ARRAY, &list) &&
        el_mg_next(list.value, list.size, &at, &e) && e.type == MG_DOC) {
        el_mg_number(e.value, e.size, "index", row);
        return fail_inside(c, &e, reply, err);
    }
    if (el_mg_field(doc, reply->len, "writeConcernError", MG_DOC, &e)) {
        return fail_inside(c, &e, reply, err);
    }
    return EL_OK;
}

/* }====== */
