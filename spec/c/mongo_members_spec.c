/* SPDX-License-Identifier: MIT
**
** mongo_members_spec.c - the MongoDB driver and a replica set of two members, the second
** of which cannot be reached.  The first is a server of this file's own, which knows
** little more than to say who it is, and fails where it is told to.
*/
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <strings.h>
#include <sys/socket.h>

#include "mongo_support.h"

/* {====== A server ====== */

enum { MAX_LINKS = 32, HEARTBEAT_MS = 600 };

typedef struct server {
    pthread_t thread, threads[MAX_LINKS];
    int links[MAX_LINKS], nlinks;
    int listener, port;
    int other, other_port; /* bound, and nobody listens */
    int primary_port;      /* of the member that takes writes */
    atomic_bool two;       /* it names the other member, too */
    const char *fails_at;  /* command that it does not answer, or NULL */
    bool answers;          /* it does, and only cancels */
    bool dies;             /* and nobody listens from then on */
    el_conn *canceled;     /* by the server before it closes the link, or NULL */
    atomic_int hellos, failures, inserts;
    atomic_int cancel; /* what canceling came to */
} server;

typedef struct job {
    server *s;
    int fd;
} job;

/* A document under way; `open` is where those begin that it is in. */
typedef struct doc {
    unsigned char bytes[2000];
    size_t n, open[8], depth;
} doc;

static void put_bytes(doc *d, const void *p, size_t n) {
    memcpy(d->bytes + d->n, p, n);
    d->n += n;
}

static void put_field(doc *d, unsigned char type, const char *key) {
    put_bytes(d, &type, 1);
    put_bytes(d, key, strlen(key) + 1);
}

static void put_int(doc *d, const char *key, int32_t i) {
    put_field(d, 0x10, key);
    put_bytes(d, &i, sizeof i);
}

static void put_true(doc *d, const char *key) {
    put_field(d, 0x08, key);
    put_bytes(d, "\1", 1);
}

static void put_text(doc *d, const char *key, const char *text) {
    int32_t n = (int32_t)strlen(text) + 1;
    put_field(d, 0x02, key);
    put_bytes(d, &n, sizeof n);
    put_bytes(d, text, (size_t)n);
}

static void open_doc(doc *d) {
    d->open[d->depth++] = d->n;
    d->n += 4;
}

static void close_doc(doc *d) {
    size_t begun = d->open[--d->depth];
    put_bytes(d, "", 1);
    int32_t n = (int32_t)(d->n - begun);
    memcpy(d->bytes + begun, &n, sizeof n);
}

static void put_doc(doc *d, unsigned char type, const char *key) {
    put_field(d, type, key);
    open_doc(d);
}

static void put_host(doc *d, const char *key, int port) {
    char host[40];
    snprintf(host, sizeof host, "127.0.0.1:%d", port);
    put_text(d, key, host);
}

static void put_hello(doc *d, server *s) {
    atomic_fetch_add(&s->hellos, 1);
    if (s->port == s->primary_port) {
        put_true(d, "ismaster");
        put_true(d, "isWritablePrimary");
    } else {
        put_true(d, "secondary");
    }
    put_true(d, "helloOk");
    put_text(d, "setName", "rs0");
    put_int(d, "setVersion", 1);
    put_doc(d, 0x04, "hosts");
    put_host(d, "0", s->port);
    if (atomic_load(&s->two)) {
        put_host(d, "1", s->other_port);
    }
    close_doc(d);
    put_host(d, "me", s->port);
    put_host(d, "primary", s->primary_port);
    put_int(d, "maxBsonObjectSize", 16777216);
    put_int(d, "maxMessageSizeBytes", 48000000);
    put_int(d, "maxWriteBatchSize", 100000);
    put_int(d, "logicalSessionTimeoutMinutes", 30);
    put_int(d, "minWireVersion", 0);
    put_int(d, "maxWireVersion", 17);
}

static void put_cursor(doc *d) {
    put_doc(d, 0x03, "cursor");
    put_doc(d, 0x04, "firstBatch");
    close_doc(d);
    put_field(d, 0x12, "id");
    put_bytes(d, "\0\0\0\0\0\0\0", 8);
    put_text(d, "ns", "t.t");
    close_doc(d);
}

static void put_duplicate(doc *d) {
    put_int(d, "n", 0);
    put_doc(d, 0x04, "writeErrors");
    put_doc(d, 0x03, "0");
    put_int(d, "index", 0);
    put_int(d, "code", 11000);
    put_text(
        d, "errmsg",
        "E11000 duplicate key error collection: t.twice index: _id_ dup key: { : 1 }");
    close_doc(d);
    close_doc(d);
}

/* The answer to a command, of which the name and what it is of are looked at. */
static void answer(doc *d, server *s, const char *name, const char *of) {
    *d = (doc){0};
    open_doc(d);
    if (strcmp(name, "hello") == 0 || strcasecmp(name, "isMaster") == 0) {
        put_hello(d, s);
    } else if (strcmp(name, "find") == 0 || strcmp(name, "aggregate") == 0) {
        put_cursor(d);
    } else if (strcmp(name, "insert") == 0 && strcmp(of, "twice") == 0) {
        put_duplicate(d);
    } else if (strcmp(name, "insert") == 0) {
        atomic_fetch_add(&s->inserts, 1);
        put_int(d, "n", 1);
    }
    put_int(d, "ok", 1);
    close_doc(d);
}

/* What happens at the command that it does not answer. */
static void give_up(server *s) {
    el_error err = {0};
    atomic_fetch_add(&s->failures, 1);
    if (s->canceled) {
        atomic_store(&s->cancel, s->canceled->driver->cancel(s->canceled, &err));
    }
    if (s->dies) {
        shutdown(s->listener, SHUT_RDWR);
    }
}

static bool receive(int fd, unsigned char *to, size_t n) {
    return recv(fd, to, n, MSG_WAITALL) == (ssize_t)n;
}

/* Answers one message; false when the link is to be closed. */
static bool serve(server *s, int fd) {
    enum { QUERY = 2004, MESSAGE = 2013, REPLY = 1 };
    int32_t head[4],
        first[5] = {8}; /* of a reply: flags, a cursor, from where, how many */
    unsigned char body[8000];
    doc d;
    if (!receive(fd, (unsigned char *)head, sizeof head) ||
        (size_t)head[0] - sizeof head > sizeof body ||
        !receive(fd, body, (size_t)head[0] - sizeof head)) {
        return false;
    }
    bool query = head[3] == QUERY; /* a collection's name and two numbers come before */
    const unsigned char *at = query ? body + 4 + strlen((char *)body + 4) + 9 : body + 5;
    const char *name = (const char *)at + 5, *value = name + strlen(name) + 1;
    if (s->fails_at && strcmp(name, s->fails_at) == 0) {
        give_up(s);
        if (!s->answers) {
            return false;
        }
    }
    answer(&d, s, name, at[4] == 0x02 ? value + 4 : "");
    size_t extra = query ? sizeof first : 5;
    int32_t out[4] = {(int32_t)(sizeof head + extra + d.n), 1, head[1],
                      query ? REPLY : MESSAGE};
    first[4] = query ? 1 : 0;
    first[0] = query ? first[0] : 0; /* else flags, and a byte for the kind of section */
    return send(fd, out, sizeof out, MSG_NOSIGNAL) == sizeof out &&
           send(fd, first, extra, MSG_NOSIGNAL) == (ssize_t)extra &&
           send(fd, d.bytes, d.n, MSG_NOSIGNAL) == (ssize_t)d.n;
}

static void *link_main(void *ud) {
    job j = *(job *)ud;
    free(ud);
    while (serve(j.s, j.fd)) {
        ;
    }
    shutdown(j.fd, SHUT_RDWR);
    return NULL;
}

static void *server_main(void *ud) {
    server *s = ud;
    int fd;
    while ((fd = accept(s->listener, NULL, NULL)) >= 0 && s->nlinks < MAX_LINKS) {
        job *j = malloc(sizeof *j);
        if (!j) {
            break;
        }
        *j = (job){s, fd};
        s->links[s->nlinks] = fd;
        if (pthread_create(&s->threads[s->nlinks], NULL, link_main, j) != 0) {
            free(j);
            break;
        }
        s->nlinks++;
    }
    return NULL;
}

static int bind_port(int *port) {
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static void begin_serving(server *s) {
    atomic_store(&s->cancel, EL_FAIL);
    assert_int_equal(listen(s->listener, 16), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
}

static void server_start(server *s) {
    memset(s, 0, sizeof *s);
    s->listener = bind_port(&s->port);
    s->primary_port = s->port;
    s->other = bind_port(&s->other_port);
    begin_serving(s);
}

/* The other member, for once, is there. */
static void member_start(server *s, server *primary) {
    memset(s, 0, sizeof *s);
    s->listener = dup(primary->other);
    s->port = primary->other_port;
    s->primary_port = s->other_port = primary->port;
    s->other = -1;
    atomic_store(&s->two, true);
    atomic_store(&primary->two, true);
    begin_serving(s);
}

static void server_stop(server *s) {
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    for (int i = 0; i < s->nlinks; i++) {
        shutdown(s->links[i], SHUT_RDWR);
        pthread_join(s->threads[i], NULL);
        close(s->links[i]);
    }
    close(s->listener);
    if (s->other >= 0) {
        close(s->other);
    }
}

/* The members are looked at again before a command that comes some time later. */
static el_conn *open_set(server *s, const char *option) {
    char uri[120];
    el_conn *c = NULL;
    el_error err = {0};
    snprintf(uri, sizeof uri,
             "mongodb://127.0.0.1:%d/?replicaSet=rs0&heartbeatFrequencyMS=500%s", s->port,
             option);
    if (connect_to(&c, uri, &err) != EL_OK) {
        fail_msg("%s", err.message);
    }
    return c;
}

static const char find[] = "{\"find\":\"once\"}"; /* tried again by the client library */
static const char insert[] = "{\"insert\":\"once\",\"documents\":[{\"a\":1}]}";

/* From the next look at the members on there are two. */
static void lose_member(server *s) {
    atomic_store(&s->two, true);
    sleep_ms(HEARTBEAT_MS);
}

/* }====== */

static void a_member_that_is_down_is_no_matter(void **state) {
    (void)state;
    server s;
    el_error err;
    server_start(&s);
    el_conn *c = open_set(&s, "");
    lose_member(&s);
    for (int i = 0; i < 3; i++) {
        int before = atomic_load(&s.hellos);
        assert_int_equal(run(c, insert, NOARGS), 1);
        assert_true(atomic_load(&s.hellos) > before); /* they were looked at */
        assert_true(c->open);
        sleep_ms(HEARTBEAT_MS);
    }
    el_conn_release(c);
    server_stop(&s);
    server_start(&s); /* nor where the command fails for what it says */
    c = open_set(&s, "");
    lose_member(&s);
    run_failing(c, "{\"insert\":\"twice\",\"documents\":[{\"_id\":1}]}", NOARGS, &err);
    assert_kind(&err, EL_ERR_UNIQUE, "23505");
    assert_true(c->open);
    run(c, find, NOARGS);
    el_conn_release(c);
    server_stop(&s);
}

/* The look comes before a command that says by itself which member it is for. */
static void nor_where_members_are_chosen(void **state) {
    (void)state;
    server s;
    server_start(&s);
    el_conn *c = open_set(&s, "&readPreference=primaryPreferred");
    lose_member(&s);
    for (int i = 0; i < 2; i++) {
        run(c, find, NOARGS);
        assert_true(c->open);
        sleep_ms(HEARTBEAT_MS);
    }
    el_conn_release(c);
    server_stop(&s);
}

static void nor_one_that_was_there_before(void **state) {
    (void)state;
    server s, member;
    server_start(&s);
    member_start(&member, &s);
    el_conn *c = open_set(&s, "&readPreference=primaryPreferred");
    for (int i = 0; i < 2; i++) {
        run(c, find, NOARGS);
        sleep_ms(HEARTBEAT_MS);
    }
    assert_true(atomic_load(&member.hellos) > 0);
    server_stop(&member);
    for (int i = 0; i < 3; i++) {
        run(c, find, NOARGS);
        assert_true(c->open);
        sleep_ms(HEARTBEAT_MS);
    }
    el_conn_release(c);
    server_stop(&s);
}

static void nor_in_a_transaction(void **state) {
    (void)state;
    static const el_txop ends[] = {EL_TX_COMMIT, EL_TX_ROLLBACK};
    for (size_t i = 0; i < 2; i++) {
        for (int late = 0; late < 2; late++) {
            server s;
            server_start(&s);
            el_conn *c = open_set(&s, "");
            assert_true(transact(c, EL_TX_BEGIN, NULL));
            run(c, insert, NOARGS);
            lose_member(&s);
            if (!late) {
                run(c, insert, NOARGS);
                assert_int_equal(c->driver->txstate(c), EL_TX_ACTIVE);
            }
            assert_true(transact(c, ends[i], NULL));
            assert_true(c->open);
            assert_int_equal(c->driver->txstate(c), EL_TX_NONE);
            run(c, "{\"ping\":1}", NOARGS);
            el_conn_release(c);
            server_stop(&s);
        }
    }
}

/* The client library hides it. */
static void a_rollback_finds_the_server_gone(void **state) {
    (void)state;
    for (int two = 0; two < 2; two++) {
        server s;
        el_error err = {0};
        server_start(&s);
        s.fails_at = "abortTransaction";
        s.dies = true;
        el_conn *c = open_set(&s, "");
        assert_true(transact(c, EL_TX_BEGIN, NULL));
        run(c, insert, NOARGS);
        if (two) {
            lose_member(&s);
        }
        assert_int_equal(c->driver->transact(c, EL_TX_ROLLBACK, NULL, &err), EL_FAIL);
        assert_kind(&err, EL_ERR_CONNECT, NULL);
        assert_int_equal(atomic_load(&s.failures), 1);
        assert_false(c->open);
        assert_int_equal(c->driver->txstate(c), EL_TX_NONE);
        el_conn_release(c);
        server_stop(&s);
    }
}

/* The link breaks, and the client library is about to connect once more. */
static void what_is_canceled_is_not_tried_again(void **state) {
    (void)state;
    server s;
    el_error err;
    server_start(&s);
    s.fails_at = "find";
    el_conn *c = open_set(&s, "");
    s.canceled = c;
    run_failing(c, find, NOARGS, &err);
    assert_kind(&err, EL_ERR_CANCELED, "57014");
    assert_int_equal(atomic_load(&s.cancel), EL_OK);
    assert_int_equal(atomic_load(&s.failures), 1);
    run(c, "{\"ping\":1}", NOARGS); /* by a new link */
    assert_true(transact(c, EL_TX_BEGIN, NULL));
    run(c, insert, NOARGS);
    s.fails_at = "abortTransaction";
    assert_true(transact(c, EL_TX_ROLLBACK, NULL));
    assert_int_equal(atomic_load(&s.failures), 2);
    run(c, "{\"ping\":1}", NOARGS);
    el_conn_release(c);
    server_stop(&s);
}

/* By then the client library has only asked who the server is. */
static void what_is_canceled_is_not_begun(void **state) {
    (void)state;
    server s;
    el_error err;
    server_start(&s);
    s.fails_at = "hello";
    s.answers = true;
    el_conn *c = open_set(&s, "");
    s.canceled = c;
    sleep_ms(HEARTBEAT_MS);
    run_failing(c, insert, NOARGS, &err);
    assert_kind(&err, EL_ERR_CANCELED, "57014");
    assert_int_equal(atomic_load(&s.cancel), EL_OK);
    assert_int_equal(atomic_load(&s.inserts), 0);
    assert_int_equal(run(c, insert, NOARGS), 1);
    el_conn_release(c);
    server_stop(&s);
}

/* Of a new link, which has known no server. */
static void says_why_there_is_no_new_link(void **state) {
    (void)state;
    server s;
    el_error err;
    server_start(&s);
    s.fails_at = "find";
    s.dies = true;
    el_conn *c = open_set(&s, "");
    s.canceled = c;
    run_failing(c, find, NOARGS, &err);
    assert_kind(&err, EL_ERR_CANCELED, "57014");
    assert_int_equal(atomic_load(&s.cancel), EL_OK);
    run_failing(c, "{\"ping\":1}", NOARGS, &err);
    assert_kind(&err, EL_ERR_CONNECT, NULL);
    /* the client library itself says "connection refused" of whatever it was */
    assert_non_null(strstr(err.message, ": Connection refused"));
    el_conn_release(c);
    server_stop(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_that_is_down_is_no_matter),
        cmocka_unit_test(nor_where_members_are_chosen),
        cmocka_unit_test(nor_one_that_was_there_before),
        cmocka_unit_test(nor_in_a_transaction),
        cmocka_unit_test(a_rollback_finds_the_server_gone),
        cmocka_unit_test(what_is_canceled_is_not_tried_again),
        cmocka_unit_test(what_is_canceled_is_not_begun),
        cmocka_unit_test(says_why_there_is_no_new_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
