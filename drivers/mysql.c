/* SPDX-License-Identifier: MIT
**
** mysql.c - connections to MySQL and MariaDB, by libmysqlclient or MariaDB Connector/C,
** and the driver table.  Statements, values and errors have files of their own.
*/
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <strings.h>

#include "mysql_driver.h"

static const char *const option_keys[] = {"host",
                                          "port",
                                          "user",
                                          "password",
                                          "name",
                                          "socket",
                                          "connect_timeout",
                                          "ssl_mode",
                                          "ssl_ca",
                                          "ssl_capath",
                                          "ssl_cert",
                                          "ssl_key",
                                          "ssl_cipher",
                                          NULL};

static const char *const setting_keys[MY_NSETTINGS] = {[MY_HOST] = "host",
                                                       [MY_USER] = "user",
                                                       [MY_PASSWORD] = "password",
                                                       [MY_NAME] = "name",
                                                       [MY_SOCKET] = "socket",
                                                       [MY_SSL_CA] = "ssl_ca",
                                                       [MY_SSL_CAPATH] = "ssl_capath",
                                                       [MY_SSL_CERT] = "ssl_cert",
                                                       [MY_SSL_KEY] = "ssl_key",
                                                       [MY_SSL_CIPHER] = "ssl_cipher"};

/* One round trip: UTC, nothing truncated silently, the character set also where the
** server does not know the collation that the client library asked for, and as much time
** for a script between two rows of a cursor as it has between two statements. */
static const char session_sql[] =
    "SET NAMES utf8mb4, time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,"
    "STRICT_TRANS_TABLES,ONLY_FULL_GROUP_BY,NO_ZERO_DATE,NO_ZERO_IN_DATE,"
    "ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', net_write_timeout = 28800";

static const el_driver mysql_driver;

/* {====== Settings ====== */

void el_my_target(const my_conn *c, char *out, size_t size) {
    if (c->settings[MY_SOCKET]) {
        snprintf(out, size, "%s", c->settings[MY_SOCKET]);
    } else {
        snprintf(out, size, "%s:%d", c->settings[MY_HOST] ? c->settings[MY_HOST] : "",
                 c->port);
    }
}

static int parse_tls(my_tls *out, const el_option *opts, el_error *err) {
    static const struct {
        const char *name;
        my_tls mode;
    } modes[] = {
        {"disabled", MY_TLS_DISABLED},           {"preferred", MY_TLS_PREFERRED},
        {"required", MY_TLS_REQUIRED},           {"verify-ca", MY_TLS_VERIFY_CA},
        {"verify-full", MY_TLS_VERIFY_FULL},     {"verify_ca", MY_TLS_VERIFY_CA},
        {"verify_identity", MY_TLS_VERIFY_FULL},
    };
    const char *text = el_option_get(opts, "ssl_mode");
    if (!text) { /* who names a CA wants it used */
        bool ca = el_option_get(opts, "ssl_ca") || el_option_get(opts, "ssl_capath");
        *out = ca ? MY_TLS_VERIFY_CA : MY_TLS_PREFERRED;
        return EL_OK;
    }
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (strcasecmp(text, modes[i].name) == 0) {
            *out = modes[i].mode;
            return EL_OK;
        }
    }
    return el_fail(err, EL_ERR_MISUSE, 0,
                   "option ssl_mode is '%s'; it takes one of disabled, preferred, "
                   "required, verify-ca, verify-full",
                   text);
}

static int copy_settings(my_conn *c, const el_option *opts, el_error *err) {
    if (el_option_int(&c->port, opts, "port", 1, 65535, 3306, err) != EL_OK ||
        el_option_int(&c->connect_timeout, opts, "connect_timeout", 1, 86400, 10, err) !=
            EL_OK ||
        parse_tls(&c->tls, opts, err) != EL_OK) {
        return EL_FAIL;
    }
    for (int i = 0; i < MY_NSETTINGS; i++) {
        const char *value = el_option_get(opts, setting_keys[i]);
        if (!value && i == MY_HOST) {
            value = "127.0.0.1";
        }
        if (value && !(c->settings[i] = strdup(value))) {
            return el_fail(err, EL_ERR_NOMEM, 0, "no memory for the settings");
        }
    }
    if (c->settings[MY_SOCKET] && c->tls == MY_TLS_PREFERRED) {
        c->tls = MY_TLS_DISABLED; /* nobody listens in on a socket of this machine */
    }
    return EL_OK;
}

static void free_conn(my_conn *c) {
    for (int i = 0; i < MY_NSETTINGS; i++) {
        if (c->settings[i]) {
            explicit_bzero(c->settings[i], strlen(c->settings[i]));
            free(c->settings[i]);
        }
    }
    free(c);
}

/* }====== */

/* {====== Connecting ====== */

static void set_tls(const my_conn *c, MYSQL *link) {
    static const struct {
        enum my_setting setting;
        enum mysql_option option;
    } files[] = {{MY_SSL_CA, MYSQL_OPT_SSL_CA},
                 {MY_SSL_CAPATH, MYSQL_OPT_SSL_CAPATH},
                 {MY_SSL_CERT, MYSQL_OPT_SSL_CERT},
                 {MY_SSL_KEY, MYSQL_OPT_SSL_KEY},
                 {MY_SSL_CIPHER, MYSQL_OPT_SSL_CIPHER}};
    for (size_t i = 0; c->tls != MY_TLS_DISABLED && i < sizeof files / sizeof *files;
         i++) {
        if (c->settings[files[i].setting]) {
            mysql_options(link, files[i].option, c->settings[files[i].setting]);
        }
    }
#if MY_LIBMARIADB
    /* It checks the certificate with the host name or not at all. */
    my_flag use = c->tls != MY_TLS_DISABLED, verify = c->tls >= MY_TLS_VERIFY_CA;
    mysql_options(link, MYSQL_OPT_SSL_ENFORCE, &use);
    mysql_options(link, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
#else
    static const unsigned modes[] = {[MY_TLS_DISABLED] = SSL_MODE_DISABLED,
                                     [MY_TLS_PREFERRED] = SSL_MODE_PREFERRED,
                                     [MY_TLS_REQUIRED] = SSL_MODE_REQUIRED,
                                     [MY_TLS_VERIFY_CA] = SSL_MODE_VERIFY_CA,
                                     [MY_TLS_VERIFY_FULL] = SSL_MODE_VERIFY_IDENTITY};
    unsigned mode = modes[c->tls];
    mysql_options(link, MYSQL_OPT_SSL_MODE, &mode);
#if MYSQL_VERSION_ID >= 80003
    /* caching_sha2_password on an open connection encrypts with the server's key */
    my_flag fetch_key = c->tls < MY_TLS_REQUIRED;
    mysql_options(link, MYSQL_OPT_GET_SERVER_PUBLIC_KEY, &fetch_key);
#endif
#endif
}

static void set_options(const my_conn *c, MYSQL *link) {
    unsigned timeout = (unsigned)c->connect_timeout, off = 0;
    unsigned protocol =
        c->settings[MY_SOCKET] ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
    mysql_options(link, MYSQL_OPT_CONNECT_TIMEOUT, &timeout);
    mysql_options(link, MYSQL_OPT_PROTOCOL, &protocol);
    mysql_options(link, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options(link, MYSQL_OPT_LOCAL_INFILE,
                  &off); /* a server may not read our files */
    mysql_options4(link, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "eloquent");
    set_tls(c, link);
}

/* A new link with the settings of `c`, which it leaves alone. */
static MYSQL *connect_link(my_conn *c, el_error *err) {
    MYSQL *link = mysql_init(NULL);
    if (!link) {
        el_fail(err, EL_ERR_NOMEM, 0, "no memory for a connection");
        return NULL;
    }
    set_options(c, link);
    const char *socket = c->settings[MY_SOCKET];
    if (!mysql_real_connect(link, socket ? NULL : c->settings[MY_HOST],
                            c->settings[MY_USER], c->settings[MY_PASSWORD],
                            c->settings[MY_NAME], socket ? 0 : (unsigned)c->port, socket,
                            CLIENT_FOUND_ROWS | CLIENT_MULTI_RESULTS)) {
        el_my_fail(c, link, NULL, 0, err);
        mysql_close(link);
        return NULL;
    }
    if (c->tls >= MY_TLS_REQUIRED && !mysql_get_ssl_cipher(link)) {
        /* Connector/C goes on without TLS where the server has none */
        char target[200];
        el_my_target(c, target, sizeof target);
        el_fail(
            err, EL_ERR_CONNECT, 0,
            "ssl_mode asks for an encrypted connection, MySQL at %s has none to offer",
            target);
        mysql_close(link);
        return NULL;
    }
    return link;
}

/* "10.11.6-MariaDB-log", "5.5.5-10.11.6-MariaDB", "8.0.36". */
static void read_version(my_conn *c) {
    const char *text = mysql_get_server_info(c->link);
    bool mariadb = text && strstr(text, "MariaDB");
    if (mariadb &&
        strncmp(text, "5.5.5-", 6) == 0) { /* for clients that knew one digit */
        text += 6;
    }
    int version = 0;
    for (int scale = 10000; text && scale > 0; scale /= 100) {
        char *end;
        version += (int)strtol(text, &end, 10) % 100 * scale;
        text = *end == '.' ? end + 1 : NULL;
    }
    c->base.version = version;
    snprintf(c->base.product, sizeof c->base.product, "%s",
             mariadb ? "mariadb" : "mysql");
}

static int my_open(el_conn **out, const el_option *opts, el_error *err) {
    if (el_driver_check_options(&mysql_driver, opts, err) != EL_OK) {
        return EL_FAIL;
    }
    my_conn *c = calloc(1, sizeof *c);
    if (!c) {
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for a connection");
    }
    c->base.driver = &mysql_driver;
    c->base.refs = 1;
    c->base.max_params = 65535;
    c->owner = pthread_self();
    if (copy_settings(c, opts, err) != EL_OK || !(c->link = connect_link(c, err))) {
        free_conn(c);
        return EL_FAIL;
    }
    c->base.open = true;
    c->thread_id = mysql_thread_id(c->link);
    read_version(c);
    if (el_my_run(c, session_sql, sizeof session_sql - 1, err) != EL_OK) {
        mysql_close(c->link);
        free_conn(c);
        return EL_FAIL;
    }
    *out = &c->base;
    return EL_OK;
}

static void my_close(el_conn *base) {
    my_conn *c = (my_conn *)base;
    mysql_close(c->link);
    free_conn(c);
}

/* }====== */

/* {====== Running texts ====== */

/* True when the server has closed its side: nothing sent now would be run. */
static bool has_hung_up(const my_conn *c) {
#if MY_LIBMARIADB
    int fd = (int)mysql_get_socket(c->link);
#else
    int fd = (int)c->link->net.fd;
#endif
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

int64_t el_my_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/*
** Whether to look if the server has hung up before something is sent: that tells what was
** never sent from what may have run, but takes a system call.  A link that has answered
** just now is taken to be there.
*/
static bool is_worth_a_look(const my_conn *c) {
    const int64_t just = 200000;
    return el_my_now() - c->answered > just;
}

int el_my_ready(my_conn *c, const my_stmt *s, el_error *err) {
    if (c->base.open && is_worth_a_look(c) && has_hung_up(c)) {
        c->base.open = false;
    }
    int rc = el_my_usable(c, s, err);
    return rc == EL_OK && c->stream ? el_my_set_aside(c, err) : rc;
}

int el_my_usable(const my_conn *c, const my_stmt *s, el_error *err) {
    if (!c->base.open) {
        char target[200];
        el_my_target(c, target, sizeof target);
        return el_fail(err, EL_ERR_CONNECT, 2006,
                       "the connection to MySQL at %s is gone, nothing was sent; open a "
                       "new one",
                       target);
    }
    if (c->unread && c->unread != s) {
        return el_fail(err, EL_ERR_MISUSE, 0,
                       "a procedure call still has results to read; read its rows to "
                       "their end, or close it, before the next statement");
    }
    return EL_OK;
}

/* Drops all results of a text; *failed is the number of the statement that failed. */
static bool drain_link(MYSQL *link, int *failed) {
    for (*failed = 1;; ++*failed) {
        MYSQL_RES *result = mysql_store_result(link);
        if (result) {
            mysql_free_result(result);
        } else if (mysql_field_count(link) > 0) {
            return false;
        }
        int next = mysql_next_result(link);
        if (next != 0) {
            *failed += 1;
            return next < 0;
        }
    }
}

int el_my_run(my_conn *c, const char *sql, size_t len, el_error *err) {
    int number;
    my_begin(c);
    bool good = mysql_real_query(c->link, sql, (unsigned long)len) == 0 &&
                drain_link(c->link, &number);
    my_end(c);
    return good ? EL_OK : el_my_fail(c, c->link, sql, len, err);
}

int el_my_ask_limits(my_conn *c, el_error *err) {
    static const char sql[] = "SELECT @@max_allowed_packet";
    my_begin(c);
    MYSQL_RES *result = NULL;
    if (mysql_real_query(c->link, sql, sizeof sql - 1) == 0) {
        result = mysql_store_result(c->link);
    }
    my_end(c);
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    if (!row || !row[0]) {
        if (result) {
            mysql_free_result(result);
        }
        return el_my_fail(c, c->link, NULL, 0, err);
    }
    c->max_packet = strtoull(row[0], NULL, 10);
    mysql_free_result(result);
    return EL_OK;
}

static int my_ping(el_conn *base, el_error *err) {
    my_conn *c = (my_conn *)base;
    if (el_my_ready(c, NULL, err) != EL_OK) {
        return EL_FAIL;
    }
    my_begin(c);
    int failed = mysql_ping(c->link);
    my_end(c);
    return failed ? el_my_fail(c, c->link, NULL, 0, err) : EL_OK;
}

/* Says in which statement of the script it failed. */
static int fail_script(my_conn *c, int number, el_error *err) {
    el_error why = {0};
    el_my_fail(c, c->link, NULL, 0, &why);
    char text[sizeof why.message];
    memcpy(text, why.message, sizeof text);
    snprintf(why.message, sizeof why.message, "statement %d of the script: %.*s", number,
             (int)sizeof why.message - 48, text);
    if (err && err->kind == EL_ERR_NONE) {
        *err = why;
    }
    return EL_FAIL;
}

static int my_script(el_conn *base, const char *sql, size_t len, el_error *err) {
    my_conn *c = (my_conn *)base;
    if (el_my_ready(c, NULL, err) != EL_OK) {
        return EL_FAIL;
    }
    int number = 1, rc = EL_OK;
    my_begin(c);
    if (mysql_set_server_option(c->link, MYSQL_OPTION_MULTI_STATEMENTS_ON) != 0) {
        my_end(c);
        return el_my_fail(c, c->link, NULL, 0, err);
    }
    bool good = mysql_real_query(c->link, sql, (unsigned long)len) == 0 &&
                drain_link(c->link, &number);
    my_end(c);
    if (!good && mysql_errno(c->link) != 1065) { /* a text that ends in a comment */
        rc = fail_script(c, number, err);
    }
    if (base->open &&
        mysql_set_server_option(c->link, MYSQL_OPTION_MULTI_STATEMENTS_OFF) &&
        rc == EL_OK) {
        rc = el_my_fail(c, c->link, NULL, 0, err);
    }
    return rc;
}

/* }====== */

/* {====== Transactions ====== */

static el_txstate my_txstate(const el_conn *base) {
    const my_conn *c = (const my_conn *)base;
    bool inside = base->open && (c->link->server_status & SERVER_STATUS_IN_TRANS);
    return inside ? EL_TX_ACTIVE : EL_TX_NONE;
}

static int begin(my_conn *c, const char *level, el_error *err) {
    static const char *const levels[] = {"SERIALIZABLE", "REPEATABLE READ",
                                         "READ COMMITTED", "READ UNCOMMITTED"};
    if (my_txstate(&c->base) != EL_TX_NONE) { /* the server would commit the first */
        return el_fail(err, EL_ERR_MISUSE, 0,
                       "a transaction is open on this connection; use a savepoint");
    }
    if (level) {
        size_t i = 0, n = sizeof levels / sizeof *levels;
        while (i < n && strcasecmp(level, levels[i]) != 0) {
            i++;
        }
        if (i == n) {
            return el_fail(err, EL_ERR_MISUSE, 0,
                           "unknown isolation level \"%s\"; it may be serializable, "
                           "repeatable read, read committed or read uncommitted",
                           level);
        }
        char sql[64];
        int len =
            snprintf(sql, sizeof sql, "SET TRANSACTION ISOLATION LEVEL %s", levels[i]);
        if (el_my_run(c, sql, (size_t)len, err) != EL_OK) {
            return EL_FAIL;
        }
    }
    return el_my_run(c, "START TRANSACTION", 17, err);
}

static int savepoint(my_conn *c, const char *verb, const char *name, el_error *err) {
    enum { NAME_MAX_BYTES = 64 * 4 }; /* 64 characters */
    char sql[64 + 2 * NAME_MAX_BYTES];
    if (!name || !*name || strlen(name) > NAME_MAX_BYTES) {
        return el_fail(err, EL_ERR_MISUSE, 0,
                       "a savepoint needs a name of 1 to 64 characters");
    }
    size_t n = (size_t)snprintf(sql, sizeof sql, "%s `", verb);
    for (const char *p = name; *p; p++) {
        if (*p == '`') {
            sql[n++] = '`';
        }
        sql[n++] = *p;
    }
    sql[n++] = '`';
    el_error why = {0};
    if (el_my_run(c, sql, n, &why) == EL_OK) {
        return EL_OK;
    }
    if (why.code == 1305) {
        return el_fail(
            err, EL_ERR_MISUSE, why.code,
            "savepoint %.64s does not exist; on MySQL a statement such as CREATE "
            "TABLE commits, and ends all savepoints",
            name);
    }
    if (err && err->kind == EL_ERR_NONE) {
        *err = why;
    }
    return EL_FAIL;
}

static int my_transact(el_conn *base, el_txop op, const char *name, el_error *err) {
    my_conn *c = (my_conn *)base;
    if (el_my_ready(c, NULL, err) != EL_OK) {
        return EL_FAIL;
    }
    switch (op) {
    case EL_TX_BEGIN:
        return begin(c, name, err);
    case EL_TX_COMMIT:
        return el_my_run(c, "COMMIT", 6, err);
    case EL_TX_ROLLBACK:
        return el_my_run(c, "ROLLBACK", 8, err);
    case EL_TX_SAVE:
        return savepoint(c, "SAVEPOINT", name, err);
    case EL_TX_RELEASE:
        return savepoint(c, "RELEASE SAVEPOINT", name, err);
    case EL_TX_ROLLBACK_TO:
        return savepoint(c, "ROLLBACK TO SAVEPOINT", name, err);
    }
    return el_fail(err, EL_ERR_MISUSE, 0, "unknown transaction step");
}

/* }====== */

static int kill_query(my_conn *c, unsigned call, el_error *err) {
    MYSQL *link = connect_link(c, err);
    int rc = link ? EL_OK : EL_FAIL;
    if (link) {
        char sql[64];
        int n = snprintf(sql, sizeof sql, "KILL QUERY %lu", c->thread_id);
        /* what was to be stopped may have ended meanwhile: leave the next one alone */
        if (atomic_load(&c->calls) == call &&
            mysql_real_query(link, sql, (unsigned long)n) != 0) {
            rc = el_my_fail(c, link, NULL, 0, err);
        }
        mysql_close(link);
    }
    return rc;
}

int el_my_kill_query(my_conn *c, el_error *err) {
    return kill_query(c, atomic_load(&c->calls), err);
}

/* Uses nothing of `c` that a statement changes, but for the atomic counter. */
static int my_cancel(el_conn *base, el_error *err) {
    my_conn *c = (my_conn *)base;
    unsigned call = atomic_load(&c->calls);
    if (call % 2 == 0) {
        return EL_OK; /* nothing runs */
    }
    int rc = kill_query(c, call, err);
    if (!pthread_equal(pthread_self(), c->owner)) {
        mysql_thread_end(); /* what mysql_init kept for this thread */
    }
    return rc;
}

static const el_driver mysql_driver = {.abi = EL_DRIVER_ABI,
                                       .name = "mysql",
                                       .caps = EL_CAP_TRANSACTIONS | EL_CAP_SAVEPOINTS,
                                       .options = option_keys,
                                       .open = my_open,
                                       .close = my_close,
                                       .ping = my_ping,
                                       .prepare = el_my_prepare,
                                       .execute = el_my_execute,
                                       .fetch = el_my_fetch,
                                       .row = el_my_row,
                                       .reset = el_my_reset,
                                       .finalize = el_my_finalize,
                                       .transact = my_transact,
                                       .txstate = my_txstate,
                                       .script = my_script,
                                       .cancel = my_cancel,
                                       .take = el_my_take,
                                       .cell = el_my_cell,
                                       .discard = el_my_discard,
                                       .bulk_begin = el_my_bulk_begin,
                                       .bulk_row = el_my_bulk_row,
                                       .bulk_end = el_my_bulk_end};

/* What el_driver_load looks for in the module. */
extern const el_driver *const el_driver_module;
__attribute__((visibility("default"))) const el_driver *const el_driver_module =
    &mysql_driver;
