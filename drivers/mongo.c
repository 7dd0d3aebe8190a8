/* SPDX-License-Identifier: MIT
**
** mongo.c - connections to MongoDB by mongo-c-driver, transactions, and the driver table.
** Statements, values, errors and links have files of their own.
*/
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "mongo_driver.h"

static const char *const option_keys[] = {"uri", "db", "connect_timeout", NULL};

static const el_driver mongo_driver;

/* {====== Settings ====== */

enum { CONNECT_SECONDS = 4, SELECT_MS = 3000 };

/* Hosts of the URI: what messages may show of it. */
static void set_target(mg_conn *c) {
    size_t n = 0;
    const mongoc_host_list_t *host = mongoc_uri_get_hosts(c->uri);
    const char *service = mongoc_uri_get_srv_hostname(c->uri);
    if (service) {
        snprintf(c->target, sizeof c->target, "%s", service);
        return;
    }
    for (; host && n < sizeof c->target; host = host->next) {
        n += (size_t)snprintf(c->target + n, sizeof c->target - n, "%s%s", n ? "," : "",
                              host->host_and_port);
    }
}

/* What the URI leaves open. */
static int set_defaults(mg_conn *c, const el_option *opts, el_error *err) {
    int seconds;
    if (el_option_int(&seconds, opts, "connect_timeout", 1, 86400, 0, err) != EL_OK) {
        return EL_FAIL;
    }
    int connect = (seconds ? seconds : CONNECT_SECONDS) * 1000;
    int select = seconds ? seconds * 1000 : SELECT_MS;
    if (!mongoc_uri_has_option(c->uri, MONGOC_URI_CONNECTTIMEOUTMS)) {
        mongoc_uri_set_option_as_int32(c->uri, MONGOC_URI_CONNECTTIMEOUTMS, connect);
    }
    if (!mongoc_uri_has_option(c->uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS)) {
        mongoc_uri_set_option_as_int32(c->uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS,
                                       select);
    }
    if (!mongoc_uri_get_appname(c->uri)) {
        mongoc_uri_set_appname(c->uri, "eloquent");
    }
    return EL_OK;
}

/* The client library says only that it could not connect. */
static int check_files(const mg_conn *c, el_error *err) {
    static const char *const keys[] = {"tlsCAFile", "tlsCertificateKeyFile"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *path = mongoc_uri_get_option_as_utf8(c->uri, keys[i], NULL);
        if (path && access(path, R_OK) != 0) {
            return el_fail(err, EL_ERR_MISUSE, 0, "%s of the uri can't be read: %s: %s",
                           keys[i], path, strerror(errno));
        }
    }
    return EL_OK;
}

static int copy_settings(mg_conn *c, const el_option *opts, el_error *err) {
    const char *uri = el_option_get(opts, "uri"), *db = el_option_get(opts, "db");
    if (el_mg_uri_new(&c->uri, uri ? uri : "mongodb://127.0.0.1:27017", err) != EL_OK ||
        check_files(c, err) != EL_OK) {
        return EL_FAIL;
    }
    set_target(c);
    db = db ? db : mongoc_uri_get_database(c->uri);
    if (!db) {
        return el_fail(err, EL_ERR_MISUSE, 0,
                       "no database is named: give db, or name it "
                       "in the uri");
    }
    if (!(c->db = strdup(db))) {
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for the settings");
    }
    return set_defaults(c, opts, err);
}

/* The client library says farewell to the server, which may hang. */
static void end_client(mg_conn *c) {
    bson_destroy(c->opts);
    c->opts = NULL;
    c->link.closing = true;
    if (c->session) {
        mongoc_client_session_destroy(c->session);
    }
    if (c->client) {
        mongoc_client_destroy(c->client);
    }
    c->session = NULL;
    c->client = NULL;
    c->link.closing = false;
}

static void free_conn(mg_conn *c) {
    end_client(c);
    if (c->uri) {
        mongoc_uri_destroy(c->uri);
    }
    free(c->db);
    free(c);
}

/* }====== */

/* {====== Running commands ====== */

static int start_client(mg_conn *c, el_error *err);

static int ready(mg_conn *c, el_error *err) {
    if (c->base.open && c->stale && start_client(c, err) != EL_OK) {
        return EL_FAIL;
    }
    if (c->base.open && el_mg_link_is_gone(c)) {
        c->base.open = false;
    }
    if (!c->base.open) {
        el_fail(err, EL_ERR_CONNECT, 0,
                "the connection to MongoDB at %s is gone, nothing was sent; open a new "
                "one",
                c->target);
        return EL_FAIL;
    }
    if (c->tx_failed) {
        return el_fail(err, EL_ERR_MISUSE, 0,
                       "the transaction has failed, MongoDB has rolled it back; nothing "
                       "but a rollback is taken now");
    }
    return EL_OK;
}

static bool run_command(mg_conn *c, const mg_call *call, const bson_t *command,
                        const bson_t *opts, bson_t *reply, bson_error_t *why) {
    switch (call->verb) {
    case MG_FIND:
    case MG_AGGREGATE:
    case MG_READ:
        return mongoc_client_read_command_with_opts(c->client, call->db, command, NULL,
                                                    opts, reply, why);
    case MG_INSERT:
    case MG_UPDATE:
    case MG_DELETE:
    case MG_MODIFY:
        return mongoc_client_write_command_with_opts(c->client, call->db, command, opts,
                                                     reply, why);
    case MG_OTHER:
        break;
    }
    return mongoc_client_command_with_opts(c->client, call->db, command, NULL, opts,
                                           reply, why);
}

int el_mg_run(mg_conn *c, const mg_call *call, const mg_buf *command, bson_t *reply,
              el_error *err) {
    bson_t doc, placed = BSON_INITIALIZER;
    bson_error_t why = {0};
    bool good;
    if (ready(c, err) != EL_OK) { /* which may begin another session */
        bson_init(reply);
        return EL_FAIL;
    }
    const bson_t *opts = c->opts;
    if (!bson_init_static(&doc, command->p, command->n)) {
        bson_init(reply);
        return el_fail(err, EL_ERR_OTHER, 0, "a command of %zu bytes is no BSON",
                       command->n);
    }
    if (call->server != 0 && !el_mg_in_transaction(c)) {
        if (opts) {
            bson_concat(&placed, opts);
        }
        bson_append_int32(&placed, "serverId", 8, (int32_t)call->server);
        opts = &placed;
    }
    el_mg_link_begin(c);
    good = run_command(c, call, &doc, opts, reply, &why);
    el_mg_link_end(c);
    bson_destroy(&placed);
    if (good && c->link.cut) { /* the client library has tried once more */
        bson_set_error(&why, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_SOCKET, "cut");
        good = false;
    }
    return good ? EL_OK : el_mg_fail(c, &why, reply, err);
}

/* {name: 1} on the database admin; `reply` is initialized in any case. */
static int run_simple(mg_conn *c, const char *name, bson_t *reply, el_error *err) {
    mg_buf b = {0};
    mg_call call = {.db = "admin", .verb = MG_OTHER};
    size_t at;
    int rc = EL_FAIL;
    if (el_mg_open_doc(&b, &at, err) == EL_OK &&
        el_mg_put_int(&b, name, strlen(name), 1, err) == EL_OK &&
        el_mg_close_doc(&b, at, MG_MAX_DOC, err) == EL_OK) {
        rc = el_mg_run(c, &call, &b, reply, err);
    } else {
        bson_init(reply);
    }
    el_mg_buf_release(&b);
    return rc;
}

static int mg_ping(el_conn *base, el_error *err) {
    bson_t reply;
    int rc = run_simple((mg_conn *)base, "ping", &reply, err);
    bson_destroy(&reply);
    return rc;
}

static int mg_script(el_conn *base, const char *sql, size_t len, el_error *err) {
    el_query q = {.sql = sql, .len = len, .flags = EL_STMT_ONCE};
    el_stmt *s = NULL;
    int rc = el_mg_prepare(&s, base, &q, err);
    if (rc == EL_OK) {
        rc = el_mg_execute(s, NULL, 0, err);
        el_mg_finalize(s);
    }
    return rc;
}

/* }====== */

/* {====== Connecting ====== */

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

/* The module stays loaded, and so does what the library keeps. */
static void begin_library(void) {
    mongoc_init();
    mongoc_log_set_handler(NULL, NULL); /* it would print */
}

mongoc_client_t *el_mg_client(const mg_conn *c, int32_t most_ms, el_error *err) {
    static const char *const limits[] = {MONGOC_URI_CONNECTTIMEOUTMS,
                                         MONGOC_URI_SERVERSELECTIONTIMEOUTMS,
                                         MONGOC_URI_SOCKETTIMEOUTMS};
    bson_error_t why;
    mongoc_uri_t *uri = mongoc_uri_copy(c->uri);
    for (size_t i = 0; most_ms > 0 && i < sizeof limits / sizeof *limits; i++) {
        mongoc_uri_set_option_as_int32(uri, limits[i], most_ms);
    }
    mongoc_client_t *client = mongoc_client_new_from_uri_with_error(uri, &why);
    mongoc_uri_destroy(uri);
    if (!client && why.domain == MONGOC_ERROR_STREAM) { /* mongodb+srv:// */
        bool first = err && err->kind == EL_ERR_NONE;
        el_fail(err, EL_ERR_CONNECT, 0,
                "the name service knows no MongoDB at %s; does MONGO_URI have the right "
                "name?",
                c->target);
        if (first) {
            memcpy(err->sqlstate, "08001", 6);
        }
        return NULL;
    }
    if (!client) {
        el_fail(err, EL_ERR_MISUSE, (int)why.code,
                "MongoDB at %s: the client library takes no such uri", c->target);
        return NULL;
    }
    mongoc_client_set_error_api(client, MONGOC_ERROR_API_VERSION_2);
    return client;
}

/* What kind of server answers. */
static int look_at_server(mg_conn *c, el_error *err) {
    bson_error_t why;
    el_mg_link_begin(c);
    mongoc_server_description_t *server =
        mongoc_client_select_server(c->client, true, NULL, &why);
    el_mg_link_end(c);
    if (!server) {
        return el_mg_fail(c, &why, NULL, err);
    }
    const char *type = mongoc_server_description_type(server);
    const bson_t *hello = mongoc_server_description_hello_response(server);
    bson_iter_t it;
    c->replicated = strcmp(type, "Standalone") != 0;
    c->pinned = strcmp(type, "Mongos") == 0 ||
                mongoc_read_prefs_get_mode(mongoc_client_get_read_prefs(c->client)) !=
                    MONGOC_READ_PRIMARY;
    c->max_batch = 100000;
    if (bson_iter_init_find(&it, hello, "maxWriteBatchSize") &&
        bson_iter_as_int64(&it) > 0 && bson_iter_as_int64(&it) < c->max_batch) {
        c->max_batch = (int)bson_iter_as_int64(&it);
    }
    mongoc_server_description_destroy(server);
    return EL_OK;
}

/* "7.0.14", "4.4". */
static int parse_version(const char *text) {
    int version = 0;
    for (int scale = 10000; text && scale > 0; scale /= 100) {
        char *end;
        version += (int)(strtol(text, &end, 10) % 100) * scale;
        text = *end == '.' ? end + 1 : NULL;
    }
    return version;
}

/* The first command also shows whether the user is let in. */
static int ask_version(mg_conn *c, el_error *err) {
    bson_t reply;
    bson_iter_t it;
    int rc = run_simple(c, "buildInfo", &reply, err);
    if (rc == EL_OK && bson_iter_init_find(&it, &reply, "version") &&
        BSON_ITER_HOLDS_UTF8(&it)) {
        c->base.version = parse_version(bson_iter_utf8(&it, NULL));
    }
    bson_destroy(&reply);
    return rc;
}

/* All commands of a connection are of one session: their cursors and transactions. */
static int begin_session(mg_conn *c, el_error *err) {
    bson_error_t why;
    bson_iter_t it;
    el_mg_link_begin(c);
    mongoc_client_session_t *session =
        mongoc_client_start_session(c->client, NULL, &why);
    el_mg_link_end(c);
    c->session = session; /* not before: who cancels a call reads it */
    if (!c->session) {
        if (why.domain == MONGOC_ERROR_CLIENT &&
            why.code == MONGOC_ERROR_CLIENT_SESSION_FAILURE) {
            c->replicated = false; /* a server without sessions */
            return EL_OK;
        }
        return el_mg_fail(c, &why, NULL, err);
    }
    c->opts = bson_new();
    if (!mongoc_client_session_append(c->session, c->opts, &why)) {
        return el_mg_fail(c, &why, NULL, err);
    }
    const bson_t *lsid = mongoc_client_session_get_lsid(c->session);
    if (lsid && bson_iter_init_find(&it, lsid, "id") && BSON_ITER_HOLDS_BINARY(&it)) {
        uint32_t n;
        const uint8_t *id;
        bson_iter_binary(&it, NULL, &n, &id);
        memcpy(c->lsid, id, n < sizeof c->lsid ? n : sizeof c->lsid);
    }
    return EL_OK;
}

/* Cursors of an earlier client are lost. */
static int start_client(mg_conn *c, el_error *err) {
    end_client(c);
    el_mg_sasl_prepare(c->uri);
    c->stale = false;
    if (!(c->client = el_mg_client(c, 0, err))) {
        c->base.open = false;
        return EL_FAIL;
    }
    el_mg_link_attach(c);
    return begin_session(c, err);
}

static int mg_open(el_conn **out, const el_option *opts, el_error *err) {
    if (el_driver_check_options(&mongo_driver, opts, err) != EL_OK) {
        return EL_FAIL;
    }
    mg_conn *c = calloc(1, sizeof *c);
    if (!c) {
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for a connection");
    }
    pthread_once(&library_once, begin_library);
    c->base.driver = &mongo_driver;
    c->base.refs = 1;
    c->base.max_params = 100000;
    c->base.open = true;
    snprintf(c->base.product, sizeof c->base.product, "mongodb");
    if (copy_settings(c, opts, err) != EL_OK || start_client(c, err) != EL_OK ||
        look_at_server(c, err) != EL_OK || ask_version(c, err) != EL_OK) {
        free_conn(c);
        return EL_FAIL;
    }
    *out = &c->base;
    return EL_OK;
}

static void mg_close(el_conn *base) {
    free_conn((mg_conn *)base);
}

/* }====== */

/* {====== Transactions ====== */

bool el_mg_in_transaction(const mg_conn *c) {
    return c->session && mongoc_client_session_in_transaction(c->session);
}

static el_txstate mg_txstate(const el_conn *base) {
    const mg_conn *c = (const mg_conn *)base;
    if (!base->open || !el_mg_in_transaction(c)) {
        return EL_TX_NONE;
    }
    return c->tx_failed ? EL_TX_FAILED : EL_TX_ACTIVE;
}

/* What MongoDB has for a level; transactions read a snapshot. */
static int read_level(const char *level, const char **out, el_error *err) {
    static const char *const levels[][2] = {{"repeatable read", "snapshot"},
                                            {"snapshot", "snapshot"},
                                            {"read committed", "majority"},
                                            {"read uncommitted", "local"}};
    *out = NULL;
    for (size_t i = 0; level && i < sizeof levels / sizeof *levels; i++) {
        if (strcasecmp(level, levels[i][0]) == 0) {
            *out = levels[i][1];
        }
    }
    if (level && !*out) {
        return el_fail(
            err, EL_ERR_UNSUPPORTED, 0,
            "MongoDB has no isolation level \"%.40s\": it has repeatable read "
            "(snapshot), read committed (majority) and read uncommitted (local)",
            level);
    }
    return EL_OK;
}

static int begin(mg_conn *c, const char *level, el_error *err) {
    const char *concern;
    bson_error_t why;
    if (el_mg_in_transaction(c)) {
        return el_fail(err, EL_ERR_UNSUPPORTED, 0,
                       "a transaction is open, and MongoDB has no savepoints for another "
                       "one inside: let the inner code join the outer transaction");
    }
    if (!c->replicated) {
        return el_fail(
            err, EL_ERR_UNSUPPORTED, 0,
            "MongoDB at %s is a single server, transactions need a replica set: "
            "start it with --replSet rs0 and run rs.initiate() once",
            c->target);
    }
    if (read_level(level, &concern, err) != EL_OK || ready(c, err) != EL_OK) {
        return EL_FAIL;
    }
    mongoc_transaction_opt_t *opts = mongoc_transaction_opts_new();
    if (concern) {
        mongoc_read_concern_t *rc = mongoc_read_concern_new();
        mongoc_read_concern_set_level(rc, concern);
        mongoc_transaction_opts_set_read_concern(opts, rc);
        mongoc_read_concern_destroy(rc);
    }
    bool good = mongoc_client_session_start_transaction(c->session, opts, &why);
    mongoc_transaction_opts_destroy(opts);
    return good ? EL_OK : el_mg_fail(c, &why, NULL, err);
}

static int commit(mg_conn *c, el_error *err) {
    bson_error_t why;
    bson_t reply;
    if (ready(c, err) != EL_OK) {
        return EL_FAIL;
    }
    el_mg_link_begin(c);
    bool good = mongoc_client_session_commit_transaction(c->session, &reply, &why);
    el_mg_link_end(c);
    int rc = good ? EL_OK : el_mg_fail(c, &why, &reply, err);
    bson_destroy(&reply);
    c->tx_failed = false;
    return rc;
}

static int rollback(mg_conn *c, el_error *err) {
    bson_error_t why;
    if (!c->base.open) {
        return ready(c, err);
    }
    c->tx_failed = false;
    el_mg_link_begin(c); /* the server's own answer is of no interest: it rolls back */
    bool good = mongoc_client_session_abort_transaction(c->session, &why);
    el_mg_link_end(c); /* which sees that the server is gone: `good` hides it */
    if (!good) {
        return el_mg_fail(c, &why, NULL, err);
    }
    c->stale = c->stale || c->link.cut;
    return c->base.open ? EL_OK : ready(c, err);
}

static int mg_transact(el_conn *base, el_txop op, const char *name, el_error *err) {
    mg_conn *c = (mg_conn *)base;
    if (op == EL_TX_BEGIN) {
        return begin(c, name, err);
    }
    if (op != EL_TX_COMMIT && op != EL_TX_ROLLBACK) {
        return el_fail(err, EL_ERR_UNSUPPORTED, 0,
                       "MongoDB has no savepoints: let the inner code join the outer "
                       "transaction");
    }
    if (base->open && !el_mg_in_transaction(c)) {
        return el_fail(err, EL_ERR_MISUSE, 0, "no transaction is open");
    }
    return op == EL_TX_COMMIT ? commit(c, err) : rollback(c, err);
}

/* }====== */

static const el_driver mongo_driver = {.abi = EL_DRIVER_ABI,
                                       .name = "mongo",
                                       .caps = EL_CAP_DOCUMENTS | EL_CAP_TRANSACTIONS,
                                       .options = option_keys,
                                       .open = mg_open,
                                       .close = mg_close,
                                       .ping = mg_ping,
                                       .prepare = el_mg_prepare,
                                       .execute = el_mg_execute,
                                       .fetch = el_mg_fetch,
                                       .row = el_mg_row,
                                       .reset = el_mg_reset,
                                       .finalize = el_mg_finalize,
                                       .transact = mg_transact,
                                       .txstate = mg_txstate,
                                       .script = mg_script,
                                       .cancel = el_mg_cancel,
                                       .take = el_mg_take,
                                       .cell = el_mg_cell,
                                       .discard = el_mg_discard,
                                       .bulk_begin = el_mg_bulk_begin,
                                       .bulk_row = el_mg_bulk_row,
                                       .bulk_end = el_mg_bulk_end};

/* What el_driver_load looks for in the module. */
extern const el_driver *const el_driver_module;
__attribute__((visibility("default"))) const el_driver *const el_driver_module =
    &mongo_driver;
