/* SPDX-License-Identifier: MIT
**
** mongo_link.c - the streams of a connection, wrapped so that a call can be ended from
** another thread and that we know whether anything was sent; and canceling.
*/
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>

#include "mongo_driver.h"

enum {
    EARLY_SIZE = 8192,
    SLICE_MS = 50,         /* how soon a reading call sees that it is to end */
    CANCEL_MS = 1500,      /* for each answer to what cancels */
    CLOSING_MS = 300,      /* for the answer to a farewell */
    GRACE_US = 1000 * 1000 /* for the server to end it, before the link is cut */
};

typedef struct wrapped {
    mongoc_stream_t base; /* first: the client library gets it */
    mongoc_stream_t *inner;
    mg_link *link;
    bool answered;   /* a server is there */
    size_t at, have; /* of the bytes read early, where the next one is */
    char early[EARLY_SIZE];
} wrapped;

static mongoc_stream_t *inner_of(mongoc_stream_t *stream) {
    return ((wrapped *)stream)->inner;
}

int64_t el_mg_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* {====== The stream ====== */

static void forget(mongoc_stream_t *stream) {
    wrapped *w = (wrapped *)stream;
    w->link->alive -= w->answered;
    w->answered = false;
    if (w->link->stream == stream) {
        w->link->stream = NULL;
    }
}

static void stream_destroy(mongoc_stream_t *stream) {
    forget(stream);
    mongoc_stream_destroy(inner_of(stream));
    free(stream);
}

static void stream_failed(mongoc_stream_t *stream) {
    forget(stream);
    mongoc_stream_failed(inner_of(stream));
    free(stream);
}

static int stream_close(mongoc_stream_t *stream) {
    return mongoc_stream_close(inner_of(stream));
}

static int stream_flush(mongoc_stream_t *stream) {
    return mongoc_stream_flush(inner_of(stream));
}

static int stream_setsockopt(mongoc_stream_t *stream, int level, int name, void *value,
                             mongoc_socklen_t size) {
    return mongoc_stream_setsockopt(inner_of(stream), level, name, value, size);
}

static mongoc_stream_t *stream_base(mongoc_stream_t *stream) {
    return inner_of(stream);
}

static bool stream_check_closed(mongoc_stream_t *stream) {
    return mongoc_stream_check_closed(inner_of(stream));
}

static bool stream_timed_out(mongoc_stream_t *stream) {
    return mongoc_stream_timed_out(inner_of(stream));
}

static bool stream_should_retry(mongoc_stream_t *stream) {
    return mongoc_stream_should_retry(inner_of(stream));
}

/*
** True when the call that runs is to end now, though the server goes on with it; nothing
** is tried again then.
*/
static bool is_to_end(mg_link *link) {
    unsigned call = atomic_load(&link->calls);
    int64_t at = atomic_load(&link->cut_at);
    if (call % 2 == 0 || atomic_load(&link->canceled) != call || at == 0 ||
        el_mg_now() < at) {
        return false;
    }
    link->cut = true;
    errno = ECANCELED;
    return true;
}

static ssize_t stream_writev(mongoc_stream_t *stream, mongoc_iovec_t *iov, size_t n,
                             int32_t timeout) {
    wrapped *w = (wrapped *)stream;
    if (is_to_end(w->link)) {
        return -1;
    }
    w->link->sent = true;
    w->link->stream = stream;
    return mongoc_stream_writev(w->inner, iov, n, timeout);
}

/*
** Reads once: what was read before, else from the socket, and then what a small answer
** has in one go.
*/
static ssize_t read_once(wrapped *w, char *to, size_t size, size_t min, int32_t timeout) {
    if (w->at == w->have && size < sizeof w->early && min > 0) {
        ssize_t n = mongoc_stream_read(w->inner, w->early, sizeof w->early, min, timeout);
        if (n <= 0) {
            return n;
        }
        w->at = 0;
        w->have = (size_t)n;
    }
    if (w->at == w->have) {
        return mongoc_stream_read(w->inner, to, size, min, timeout);
    }
    size_t n = w->have - w->at < size ? w->have - w->at : size;
    memcpy(to, w->early + w->at, n);
    w->at += n;
    return (ssize_t)n;
}

/* Reads one byte at least in each slice, so nothing is lost when a slice ends. */
static ssize_t read_sliced(wrapped *w, char *to, size_t size, size_t min,
                           int32_t timeout) {
    timeout = w->link->closing ? CLOSING_MS : timeout;
    int64_t until = timeout > 0 ? el_mg_now() + (int64_t)timeout * 1000 : 0;
    size_t got = 0;
    for (;;) {
        errno = 0;
        ssize_t n = read_once(w, to + got, size - got, 1, SLICE_MS);
        if (n > 0) {
            got += (size_t)n;
            if (got >= min) {
                return (ssize_t)got;
            }
            continue;
        }
        if (n == 0 || !mongoc_stream_timed_out(w->inner)) {
            return got > 0 ? (ssize_t)got : n;
        }
        if (is_to_end(w->link)) {
            return -1;
        }
        if (until != 0 && el_mg_now() >= until) {
            errno = ETIMEDOUT;
            return -1;
        }
    }
}

/* Reads what is there, or for so short a time that nobody would end it. */
static ssize_t read_soon(wrapped *w, char *to, size_t size, size_t min, int32_t timeout) {
    ssize_t n = read_once(w, to, size, min, timeout);
    if (n <= 0 || (size_t)n >= min) {
        return n;
    }
    size_t got = (size_t)n;
    n = mongoc_stream_read(w->inner, to + got, size - got, min - got, timeout);
    return n < 0 ? n : n + (ssize_t)got;
}

static ssize_t stream_readv(mongoc_stream_t *stream, mongoc_iovec_t *iov, size_t n,
                            size_t min, int32_t timeout) {
    wrapped *w = (wrapped *)stream;
    bool soon = min == 0 || (timeout >= 0 && timeout <= SLICE_MS);
    size_t got = 0;
    for (size_t i = 0; i < n && (i == 0 || got < min); i++) {
        size_t size = iov[i].iov_len, wanted = min > got ? min - got : 0;
        wanted = wanted < size ? wanted : size;
        ssize_t m = soon ? read_soon(w, iov[i].iov_base, size, wanted, timeout)
                         : read_sliced(w, iov[i].iov_base, size, wanted, timeout);
        if (m <= 0) {
            return got > 0 ? (ssize_t)got : m;
        }
        got += (size_t)m;
    }
    w->link->known = true;
    w->link->alive += !w->answered;
    w->answered = true;
    return (ssize_t)got;
}

/* All are ours: one client makes them all. */
static ssize_t stream_poll(mongoc_stream_poll_t *streams, size_t n, int32_t timeout) {
    enum { FEW = 16 };
    mongoc_stream_poll_t few[FEW], *inner = few;
    if (n > FEW && !(inner = calloc(n, sizeof *inner))) {
        errno = ENOMEM;
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        inner[i] = (mongoc_stream_poll_t){.stream = inner_of(streams[i].stream),
                                          .events = streams[i].events};
    }
    ssize_t rc = mongoc_stream_poll(inner, n, timeout);
    for (size_t i = 0; i < n; i++) {
        streams[i].revents = inner[i].revents;
    }
    if (inner != few) {
        free(inner);
    }
    return rc;
}

static mongoc_stream_t *wrap(mongoc_stream_t *inner, mg_link *link) {
    wrapped *w = calloc(1, sizeof *w);
    if (!w) {
        return NULL;
    }
    w->base = (mongoc_stream_t){.type = inner->type,
                                .destroy = stream_destroy,
                                .close = stream_close,
                                .flush = stream_flush,
                                .writev = stream_writev,
                                .readv = stream_readv,
                                .setsockopt = stream_setsockopt,
                                .get_base_stream = stream_base,
                                .check_closed = stream_check_closed,
                                .poll = stream_poll,
                                .failed = stream_failed,
                                .timed_out = stream_timed_out,
                                .should_retry = stream_should_retry};
    w->inner = inner;
    w->link = link;
    return &w->base;
}

/* A socket that is connected to one address, or NULL. */
static mongoc_socket_t *try_address(const struct sockaddr *address, socklen_t size,
                                    int family, int64_t until) {
    mongoc_socket_t *socket = mongoc_socket_new(family, SOCK_STREAM, 0);
    if (socket && mongoc_socket_connect(socket, address, (mongoc_socklen_t)size, until)) {
        int error = errno;
        mongoc_socket_destroy(socket);
        errno = error;
        socket = NULL;
    }
    return socket;
}

static mongoc_socket_t *connect_local(const char *path, int64_t until) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    memcpy(address.sun_path, path, strlen(path));
    return try_address((struct sockaddr *)&address, sizeof address, AF_UNIX, until);
}

static mongoc_socket_t *connect_host(const mongoc_host_list_t *host, int64_t until,
                                     const char **why) {
    struct addrinfo hints = {.ai_family = host->family, .ai_socktype = SOCK_STREAM};
    struct addrinfo *all = NULL;
    char port[8];
    snprintf(port, sizeof port, "%u", (unsigned)host->port);
    int rc = getaddrinfo(host->host, port, &hints, &all);
    if (rc != 0) {
        *why = gai_strerror(rc);
        return NULL;
    }
    mongoc_socket_t *socket = NULL;
    for (struct addrinfo *a = all; a && !socket; a = a->ai_next) {
        socket = try_address(a->ai_addr, a->ai_addrlen, a->ai_family, until);
    }
    freeaddrinfo(all);
    return socket;
}

/*
** What connect_stream returns when it fails: no stream; but one that never works when the
** server has answered before.  For a server that it knew the client library may want a new
** stream while it holds the lock that a failure takes, and would wait for itself (up to
** 1.23 at least: _mongoc_topology_scanner_cb and _mongoc_topology_scanner_setup_err_cb).
*/
static mongoc_stream_t *no_stream(mg_link *link) {
    mongoc_socket_t *socket =
        link->known ? mongoc_socket_new(AF_UNIX, SOCK_STREAM, 0) : NULL;
    mongoc_stream_t *inner = socket ? mongoc_stream_socket_new(socket) : NULL;
    mongoc_stream_t *stream = inner ? wrap(inner, link) : NULL;
    if (!stream) {
        mongoc_stream_destroy(inner);
    }
    link->unreached = link->unreached || stream != NULL;
    return stream;
}

static mongoc_stream_t *connect_stream(const mongoc_uri_t *uri,
                                       const mongoc_host_list_t *host, void *ud,
                                       bson_error_t *why) {
    mg_link *link = ud;
    int32_t ms = mongoc_uri_get_option_as_int32(uri, MONGOC_URI_CONNECTTIMEOUTMS, 4000);
    int64_t until = bson_get_monotonic_time() + (int64_t)ms * 1000;
    const char *text = NULL;
    if (is_to_end(link)) {
        bson_set_error(why, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_CONNECT,
                       "the command was canceled");
        return no_stream(link);
    }
    mongoc_stream_t *inner = NULL, *stream = NULL;
    mongoc_socket_t *socket = host->family == AF_UNIX ? connect_local(host->host, until)
                                                      : connect_host(host, until, &text);
    if (!socket) {
        bson_set_error(why, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_CONNECT, "%s: %s",
                       host->host_and_port, text ? text : strerror(errno));
        return no_stream(link);
    }
    inner = mongoc_stream_socket_new(socket);
    stream = inner ? wrap(inner, link) : NULL;
    if (!stream) {
        mongoc_stream_destroy(inner);
        link->starved = true;
        bson_set_error(why, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_CONNECT,
                       "no memory for a connection");
        return no_stream(link);
    }
    return stream;
}

/* The client library alone knows how to set up TLS by an URI. */
void el_mg_link_attach(mg_conn *c) {
    if (!mongoc_uri_get_tls(c->uri)) {
        mongoc_client_set_stream_initiator(c->client, connect_stream, &c->link);
        c->link.ours = true;
        c->link.known = false;
    }
}

/* }====== */

/* {====== Calls ====== */

void el_mg_link_begin(mg_conn *c) {
    c->link.sent = c->link.cut = c->link.starved = c->link.unreached = false;
    atomic_store(&c->link.cut_at, 0);
    atomic_fetch_add(&c->link.calls, 1);
}

/*
** A member that can't be reached is looked for again and again, which is no matter as
** long as there is a stream to another one.
*/
void el_mg_link_end(mg_conn *c) {
    atomic_fetch_add(&c->link.calls, 1);
    c->answered = el_mg_now();
    if (c->link.unreached && c->link.alive == 0 && !c->link.cut) {
        c->base.open = false; /* the client library would wait before it tries again */
    }
}

/* A link that has answered just now is taken to be there; looking is a system call. */
bool el_mg_link_is_gone(mg_conn *c) {
    const int64_t just = 200;
    return c->link.stream && el_mg_now() - c->answered > just &&
           mongoc_stream_check_closed(c->link.stream);
}

/* }====== */

/* {====== Canceling ====== */

/* Asks the server which operation runs in our session; false when it can't tell. */
static bool find_operation(const mg_conn *c, mongoc_client_t *client, mg_element *id,
                           bson_t *reply) {
    static const mg_field first = {
        .path = "cursor.firstBatch.0.opid", .len = 24, .dotted = true};
    bson_error_t why;
    bson_t *command =
        BCON_NEW("aggregate", BCON_INT32(1), "pipeline", "[", "{", "$currentOp", "{", "}",
                 "}", "{", "$match", "{", "lsid.id",
                 BCON_BIN(BSON_SUBTYPE_UUID, c->lsid, sizeof c->lsid), "active",
                 BCON_BOOL(true), "}", "}", "]", "cursor", "{", "}");
    bool good = mongoc_client_command_simple(client, "admin", command, NULL, reply, &why);
    bson_destroy(command);
    return good && el_mg_find(bson_get_data(reply), reply->len, &first, id);
}

static bool kill_operation(const mg_conn *c, mongoc_client_t *client, unsigned call) {
    mg_element id;
    bson_t reply, answer;
    bson_error_t why;
    mg_buf command = {0};
    bson_t doc;
    size_t at;
    bool good = false;
    if (find_operation(c, client, &id, &reply) &&
        el_mg_open_doc(&command, &at, NULL) == EL_OK &&
        el_mg_put_int(&command, "killOp", 6, 1, NULL) == EL_OK &&
        el_mg_put_key(&command, id.type, "op", 2, NULL) == EL_OK &&
        el_mg_put(&command, id.value, id.size, NULL) == EL_OK &&
        el_mg_close_doc(&command, at, MG_MAX_DOC, NULL) == EL_OK &&
        bson_init_static(&doc, command.p, command.n) &&
        atomic_load(&c->link.calls) == call) {
        good = mongoc_client_command_simple(client, "admin", &doc, NULL, &answer, &why);
        bson_destroy(&answer);
    }
    bson_destroy(&reply);
    el_mg_buf_release(&command);
    return good;
}

/*
** Uses nothing of `c` that a call changes, but for atomic counters.  A server that can't
** end the operation, or takes too long to, loses the link instead.
*/
int el_mg_cancel(el_conn *base, el_error *err) {
    mg_conn *c = (mg_conn *)base;
    unsigned call = atomic_load(&c->link.calls);
    if (call % 2 == 0) {
        return EL_OK; /* nothing runs */
    }
    mongoc_client_t *client = el_mg_client(c, CANCEL_MS, err);
    if (!client) {
        return EL_FAIL;
    }
    bool killed = c->session && kill_operation(c, client, call);
    mongoc_client_destroy(client);
    if (!killed && !c->link.ours) {
        return el_fail(err, EL_ERR_UNSUPPORTED, 0,
                       "MongoDB at %s does not end its operations: it has no $currentOp "
                       "or killOp for this user",
                       c->target);
    }
    atomic_store(&c->link.canceled, call);
    atomic_store(&c->link.cut_at, el_mg_now() + (killed ? GRACE_US : 0));
    return EL_OK;
}

/* }====== */
