/* SPDX-License-Identifier: MIT
**
** pg_link.c - libpq connections of the PostgreSQL driver: settings, connecting, sending
** a request and waiting for its answer, noticing that the server is gone.
*/
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "pg.h"

/* {====== Settings ====== */

/* How the session talks.  All of it is sent with the first packet. */
static const struct pg_setting {
    const char *name, *value;
} session[] = {
    {"timezone", "UTC"},
    {"datestyle", "ISO,YMD"},
    {"intervalstyle", "postgres"},
    {"extra_float_digits", "3"}, /* servers before 12 print exact floats only so */
    {"standard_conforming_strings", "on"},
    {"bytea_output", "hex"},
};

enum { NSESSION = sizeof session / sizeof session[0], OPTIONS_SIZE = 256, NEXTRA = 4 };

static void wipe(char *text) {
    if (text != NULL) {
        explicit_bzero(text, strlen(text));
        free(text);
    }
}

void el_pg_settings_release(pg_settings *s) {
    for (size_t i = 0; s->keys != NULL && s->keys[i] != NULL; i++) {
        free(s->keys[i]);
        wipe(s->values[i]);
    }
    free(s->keys);
    free(s->values);
    *s = (pg_settings){0};
}

static bool add(pg_settings *s, size_t *n, const char *key, const char *value) {
    s->keys[*n] = strdup(key);
    s->values[*n] = strdup(value);
    if (s->keys[*n] == NULL || s->values[*n] == NULL) {
        free(s->keys[*n]);
        wipe(s->values[*n]);
        s->keys[*n] = s->values[*n] = NULL;
        return false;
    }
    ++*n;
    return true;
}

/* Ours come last, so they win over what the user's `options` set. */
static bool add_options(pg_settings *s, size_t *n, const char *theirs) {
    size_t size = (theirs != NULL ? strlen(theirs) : 0) + OPTIONS_SIZE;
    char *text = malloc(size);
    if (text == NULL) {
        return false;
    }
    size_t len = (size_t)snprintf(text, size, "%s", theirs != NULL ? theirs : "");
    for (size_t i = 0; i < NSESSION; i++) {
        len += (size_t)snprintf(text + len, size - len, " -c %s=%s", session[i].name,
                                session[i].value);
    }
    bool ok = add(s, n, "options", text);
    free(text);
    return ok;
}

/* libpq says no more than that it can't connect. */
static int check_sslmode(const el_option *opts, el_error *err) {
    static const char *const modes[] = {"disable", "allow",     "prefer",
                                        "require", "verify-ca", "verify-full"};
    const char *text = el_option_get(opts, "sslmode");
    for (size_t i = 0; text != NULL && i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(text, modes[i]) == 0) {
            return EL_OK;
        }
    }
    return text == NULL ? EL_OK
                        : el_fail(err, EL_ERR_MISUSE, 0,
                                  "option sslmode is '%s'; it takes one of disable, "
                                  "allow, prefer, require, verify-ca, verify-full",
                                  text);
}

int el_pg_settings_init(pg_settings *s, const el_option *opts, el_error *err) {
    size_t n = 0, count = 0;
    bool named = false;
    *s = (pg_settings){0};
    if (check_sslmode(opts, err) != EL_OK) {
        return EL_FAIL;
    }
    if (el_option_int(&s->timeout, opts, "connect_timeout", 0, 86400, 10, err) != EL_OK) {
        return EL_FAIL;
    }
    while (opts != NULL && opts[count].key != NULL) {
        count++;
    }
    s->keys = calloc(count + NEXTRA + 1, sizeof *s->keys);
    s->values = calloc(count + NEXTRA + 1, sizeof *s->values);
    bool ok = s->keys != NULL && s->values != NULL;
    for (size_t i = 0; ok && i < count; i++) {
        const char *key = opts[i].key, *value = opts[i].value;
        bool special = strcmp(key, "connect_timeout") == 0 || strcmp(key, "options") == 0;
        if (special || value == NULL || value[0] == '\0') {
            continue;
        }
        named = named || strcmp(key, "application_name") == 0;
        if (strcmp(key, "host") == 0 || strcmp(key, "service") == 0) {
            s->several_hosts |= key[0] == 's' || strchr(value, ',') != NULL;
        }
        ok = add(s, &n, strcmp(key, "name") == 0 ? "dbname" : key, value);
    }
    s->may_set_later = el_option_get(opts, "options") == NULL;
    char seconds[16];
    snprintf(seconds, sizeof seconds, "%d", s->timeout);
    ok = ok && add(s, &n, "connect_timeout", seconds) &&
         add(s, &n, "client_encoding", "UTF8") &&
         (named || add(s, &n, "application_name", "eloquent")) &&
         add_options(s, &n, el_option_get(opts, "options"));
    if (!ok) {
        el_pg_settings_release(s);
        return el_fail(err, EL_ERR_NOMEM, 0, "out of memory for connection settings");
    }
    return EL_OK;
}

/* }====== */

/* {====== Connecting ====== */

static void ignore_notice(void *arg, const char *message) {
    (void)arg;
    (void)message;
}

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* False when the time is over. */
static bool wait_for(int fd, short events, int64_t deadline) {
    for (;;) {
        int64_t left = deadline - now_ms();
        struct pollfd p = {.fd = fd, .events = events};
        if (deadline != 0 && left <= 0) {
            return false;
        }
        int ready = poll(&p, 1, deadline != 0 ? (int)left : -1);
        if (ready > 0 || (ready < 0 && errno != EINTR)) {
            return true; /* libpq finds out what is wrong with it */
        }
    }
}

/*
** Step by step, because the verbosity that shows the SQLSTATE of a refused login must be
** set after the connection object is made and before the server answers.
*/
static int connect_polled(PGconn **out, const pg_conn *c, el_error *err) {
    const pg_settings *s = &c->settings;
    int64_t deadline = s->timeout > 0 ? now_ms() + (int64_t)s->timeout * 1000 : 0;
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    PGconn *pg = PQconnectStartParams((const char *const *)s->keys,
                                      (const char *const *)s->values, 0);
    if (pg == NULL) {
        return el_fail(err, EL_ERR_NOMEM, 0, "out of memory for a connection");
    }
    PQsetErrorVerbosity(pg, PQERRORS_VERBOSE);
    PQsetNoticeProcessor(pg, ignore_notice, NULL);
    while (PQstatus(pg) != CONNECTION_BAD && state != PGRES_POLLING_OK) {
        short events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        if (!wait_for(PQsocket(pg), events, deadline)) {
            PQfinish(pg);
            return el_fail(err, EL_ERR_CONNECT, 0,
                           "%s did not answer within %d seconds. Check host, port and "
                           "firewall, or raise connect_timeout",
                           c->where, s->timeout);
        }
        state = PQconnectPoll(pg);
        if (state == PGRES_POLLING_FAILED) {
            break;
        }
    }
    if (PQstatus(pg) != CONNECTION_OK) {
        el_pg_connect_error(err, c, pg);
        PQfinish(pg);
        return EL_FAIL;
    }
    *out = pg;
    return EL_OK;
}

/*
** Of several hosts libpq passes over one that does not answer only in this call.  It
** tells no SQLSTATE, so when it fails the other way is asked for the reason.
*/
static int connect_any(PGconn **out, const pg_conn *c, el_error *err) {
    const pg_settings *s = &c->settings;
    if (s->several_hosts) {
        PGconn *pg = PQconnectdbParams((const char *const *)s->keys,
                                       (const char *const *)s->values, 0);
        if (pg != NULL && PQstatus(pg) == CONNECTION_OK) {
            PQsetNoticeProcessor(pg, ignore_notice, NULL);
            *out = pg;
            return EL_OK;
        }
        PQfinish(pg);
    }
    return connect_polled(out, c, err);
}

static int set_session(pg_conn *c, pg_link *l, el_error *err) {
    char sql[2 * OPTIONS_SIZE];
    size_t len = 0;
    for (size_t i = 0; i < NSESSION; i++) {
        len += (size_t)snprintf(sql + len, sizeof sql - len, "SET %s = '%s';",
                                session[i].name, session[i].value);
    }
    return el_pg_run(c, l, sql, err);
}

int el_pg_link_open(pg_conn *c, pg_link *l, el_error *err) {
    el_error e = {0};
    pg_settings *s = &c->settings;
    *l = (pg_link){0};
    int rc = connect_any(&l->pg, c, &e);
    if (rc != EL_OK && s->may_set_later && e.kind == EL_ERR_CONNECT &&
        strcmp(e.sqlstate, "08P01") == 0) {
        /* PgBouncer before 1.20 takes no `options`, which are the last setting.  Those of
           the user would be lost that way, so with them it stays a failure. */
        size_t last = 0;
        while (s->keys[last + 1] != NULL) {
            last++;
        }
        free(s->keys[last]);
        wipe(s->values[last]);
        s->keys[last] = s->values[last] = NULL;
        s->may_set_later = false;
        s->set_later = true;
        e = (el_error){0};
        rc = connect_any(&l->pg, c, &e);
    }
    if (rc != EL_OK) {
        *err = err->kind == EL_ERR_NONE ? e : *err;
        return EL_FAIL;
    }
    l->cancel = PQgetCancel(l->pg);
    if (l->cancel == NULL) {
        el_pg_link_close(l);
        return el_fail(err, EL_ERR_NOMEM, 0, "out of memory for a connection");
    }
    if (s->set_later) {
        bool changed = c->session_changed;
        if (set_session(c, l, err) != EL_OK) {
            el_pg_link_close(l);
            return EL_FAIL;
        }
        c->session_changed = changed; /* every link gets these */
    }
    return EL_OK;
}

void el_pg_link_close(pg_link *l) {
    PQfreeCancel(l->cancel);
    PQfinish(l->pg);
    *l = (pg_link){0};
}

/* }====== */

/* {====== Requests ====== */

bool el_pg_link_alive(pg_link *l) {
    for (;;) {
        char byte;
        ssize_t n = recv(PQsocket(l->pg), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        if (n < 0) {
            return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
        }
        /* A notification, a changed setting, or the server's last words. */
        if (PQconsumeInput(l->pg) == 0 || PQstatus(l->pg) != CONNECTION_OK) {
            return false;
        }
        PQisBusy(l->pg); /* digests it */
    }
}

static void set_running(pg_conn *c, PGcancel *cancel) {
    pthread_mutex_lock(&c->lock);
    c->running = cancel;
    pthread_mutex_unlock(&c->lock);
}

static void mark_broken(pg_conn *c, const pg_link *l) {
    if (l == &c->main) {
        c->base.open = false;
    }
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/*
** Whether to look if the server has hung up before something is sent: that tells what was
** never sent from what may have run, but takes a system call.  A link that has answered
** just now is taken to be there.
*/
static bool is_worth_a_look(const pg_link *l) {
    const int64_t just = 200000;
    return PQstatus(l->pg) != CONNECTION_OK || now() - l->answered > just;
}

int el_pg_start(pg_conn *c, pg_link *l, el_error *err) {
    if (l->pg == NULL || (l == &c->main && !c->base.open)) {
        return el_fail(err, EL_ERR_LOST, 0,
                       "the connection to %s was lost earlier: connect again", c->where);
    }
    /* Read the state first: a link that breaks forgets that it was in a transaction. */
    bool in_transaction = PQtransactionStatus(l->pg) != PQTRANS_IDLE;
    if (is_worth_a_look(l) && !el_pg_link_alive(l)) {
        mark_broken(c, l);
        return el_pg_lost(err, c, NULL, in_transaction);
    }
    set_running(c, l->cancel);
    c->blocks_itself = c->blocks_itself && l != &c->main;
    return EL_OK;
}

static bool is_failure(const PGresult *r) {
    ExecStatusType status = PQresultStatus(r);
    return status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE ||
           status == PGRES_NONFATAL_ERROR;
}

/* What a statement did to the session, by the server's word for it. */
static void note_result(pg_conn *c, const pg_link *l, PGresult *r) {
    const char *tag = PQcmdStatus(r);
    if (l != &c->main || tag == NULL) {
        return;
    }
    bool discard = strcmp(tag, "DISCARD ALL") == 0;
    if (discard || strcmp(tag, "DEALLOCATE ALL") == 0) {
        c->ndropped = 0;
    }
    if (discard || strcmp(tag, "ROLLBACK") == 0 || strcmp(tag, "CLOSE CURSOR ALL") == 0) {
        c->rollbacks++;
    }
    if (strcmp(tag, "SET") == 0) {
        c->session_changed = true;
    }
}

void el_pg_end(pg_conn *c, pg_link *l) {
    l->answered = now();
    PGnotify *notice;
    set_running(c, NULL);
    while ((notice = PQnotifies(l->pg)) != NULL) { /* nobody listens */
        PQfreemem(notice);
    }
    if (PQstatus(l->pg) != CONNECTION_OK) {
        mark_broken(c, l);
    } else if (l == &c->main && PQtransactionStatus(l->pg) == PQTRANS_IDLE) {
        c->transactions++;
    }
}

/* Ends a COPY, which this driver doesn't speak, so that the link is usable again. */
static void end_copy(const pg_link *l, ExecStatusType status) {
    if (status == PGRES_COPY_OUT) {
        char *line, reason[256];
        PQcancel(l->cancel, reason, sizeof reason);
        while (PQgetCopyData(l->pg, &line, 0) > 0) {
            PQfreemem(line);
        }
    } else {
        PQputCopyEnd(l->pg, "COPY needs a client that reads and writes its data");
    }
}

/* Whether the server makes the main link wait for a cursor of its own. */
static bool blocks_itself(pg_conn *c) {
    char sql[512], answer[8] = "";
    el_error ignored = {0};
    int n = snprintf(sql, sizeof sql, "SELECT pg_catalog.pg_blocking_pids(%d) && ARRAY[0",
                     PQbackendPID(c->main.pg));
    for (pg_link *l = c->streaming; l != NULL && n < (int)sizeof sql - 32; l = l->next) {
        n += snprintf(sql + n, sizeof sql - (size_t)n, ",%d", PQbackendPID(l->pg));
    }
    snprintf(sql + n, sizeof sql - (size_t)n, "]");
    pg_link *side = el_pg_side_take(c, &ignored);
    if (side != NULL) {
        PGresult *r = PQexec(side->pg, sql);
        if (PQntuples(r) == 1) {
            snprintf(answer, sizeof answer, "%s", PQgetvalue(r, 0, 0));
        }
        PQclear(r);
        el_pg_side_give(c, side);
    }
    set_running(c, c->main.cancel);
    return strcmp(answer, "t") == 0;
}

/*
** PQgetResult.  Beside open cursors it looks from time to time if the request waits for
** one of them: a DROP of a table that is being read.  No deadlock is seen by the server
** there, and nobody but this program could end it.
*/
static PGresult *next_result(pg_conn *c, pg_link *l) {
    int patience = 250;
    while (l == &c->main && c->streaming != NULL && !c->blocks_itself &&
           PQisBusy(l->pg)) {
        if (!wait_for(PQsocket(l->pg), POLLIN, now_ms() + patience)) {
            char reason[256];
            patience = 1000;
            c->blocks_itself = blocks_itself(c);
            if (c->blocks_itself && !PQcancel(l->cancel, reason, sizeof reason)) {
                c->blocks_itself = false;
            }
        } else if (PQconsumeInput(l->pg) == 0) {
            break;
        }
    }
    return PQgetResult(l->pg);
}

/* What the server said, in EL_FAIL's way. */
static int fail_by(pg_conn *c, const PGresult *r, el_error *err) {
    if (c->blocks_itself) {
        return el_fail(err, EL_ERR_BUSY, 0,
                       "the statement waits for a cursor of this program, which still "
                       "reads the table: close it first, by leaving its loop or by "
                       "cursor:close()");
    }
    return el_pg_error(err, c, r);
}

PGresult *el_pg_finish(pg_conn *c, pg_link *l, int sent, el_error *err) {
    PGresult *kept = NULL, *r;
    bool copied = false;
    while (sent && (r = next_result(c, l)) != NULL) {
        ExecStatusType status = PQresultStatus(r);
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT ||
            status == PGRES_COPY_BOTH) {
            copied = true;
            end_copy(l, status);
        }
        note_result(c, l, r);
        if (kept != NULL && is_failure(kept)) { /* the first failure is the reason */
            PQclear(r);
        } else {
            PQclear(kept);
            kept = r;
        }
    }
    el_pg_end(c, l);
    if (PQstatus(l->pg) != CONNECTION_OK) {
        el_pg_lost(err, c, kept, true);
    } else if (copied) {
        el_fail(err, EL_ERR_UNSUPPORTED, 0,
                "COPY from and to the client is not supported: use statements, or COPY "
                "with a file on the server");
    } else if (!sent) {
        el_fail(err, EL_ERR_OTHER, 0, "%s: the client library did not send the statement",
                c->where);
    } else if (kept == NULL) {
        el_fail(err, EL_ERR_OTHER, 0, "%s sent no result", c->where);
    } else if (is_failure(kept)) {
        fail_by(c, kept, err);
    } else {
        return kept;
    }
    PQclear(kept);
    return NULL;
}

int el_pg_run(pg_conn *c, pg_link *l, const char *sql, el_error *err) {
    if (el_pg_start(c, l, err) != EL_OK) {
        return EL_FAIL;
    }
    PGresult *r = el_pg_finish(c, l, PQsendQuery(l->pg, sql), err);
    PQclear(r);
    return r != NULL ? EL_OK : EL_FAIL;
}

int el_pg_answers(pg_conn *c, pg_link *l, int sent, int nsyncs, PGresult **out, int nout,
                  int first, int *failed, el_error *err) {
    PGresult *late = NULL, *r; /* late: a failure after the answers, at the commit */
    int got = 0, nulls = 0;
    *failed = -1;
    for (int i = 0; i < nout; i++) {
        out[i] = NULL;
    }
    /* One NULL follows each answer, none a sync; two in a row: nothing more comes. */
    while (sent && nsyncs > 0 && nulls < 2) {
        r = next_result(c, l);
        ExecStatusType status = PQresultStatus(r);
        nulls = r == NULL ? nulls + 1 : 0;
        if (r == NULL) {
            continue;
        } else if (status == PGRES_PIPELINE_SYNC) {
            nsyncs--;
            PQclear(r);
            continue;
        }
        note_result(c, l, r);
        bool fails = is_failure(r) && got >= first;
        if (got < nout && status != PGRES_PIPELINE_ABORTED) {
            out[got] = r;
            *failed = fails && *failed < 0 ? got : *failed;
        } else if (fails && *failed < 0 && late == NULL) {
            late = r;
        } else {
            PQclear(r);
        }
        got++;
    }
    bool left = PQexitPipelineMode(l->pg) != 0;
    int rc = EL_OK;
    el_pg_end(c, l);
    if (PQstatus(l->pg) != CONNECTION_OK) {
        rc = el_pg_lost(err, c, *failed >= 0 ? out[*failed] : late, true);
    } else if (*failed >= 0) {
        rc = fail_by(c, out[*failed], err);
    } else if (late != NULL) {
        rc = fail_by(c, late, err);
    } else if (!sent || !left || nsyncs > 0 || got < nout) {
        /* Half an exchange: nothing on this link can be trusted any more. */
        mark_broken(c, l);
        rc = el_fail(err, EL_ERR_LOST, 0,
                     "%s: the exchange with the server broke off: connect again",
                     c->where);
    }
    PQclear(late);
    return rc;
}

/* }====== */
