/* SPDX-License-Identifier: MIT
**
** mongo_link_spec.c - the MongoDB driver when things break: servers that go away in the
** middle of a command, a cursor, a bulk insert and a transaction (a relay between driver
** and server is cut), transactions, conflicts and canceling.
*/
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "mongo_support.h"

/* {====== A relay to the server ====== */

enum { MAX_PAIRS = 32 };

typedef struct relay {
    pthread_t thread;
    int listener, port, target;
    atomic_bool stop;
    atomic_int cut_after;    /* bytes from the driver, -1: never */
    atomic_int held;         /* links up to this number get no answers */
    int pairs[MAX_PAIRS][3]; /* driver, server, number */
    int npairs, accepted;
} relay;

static int connect_port(int port) {
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void close_all(relay *r) {
    for (int i = 0; i < r->npairs; i++) {
        close(r->pairs[i][0]);
        close(r->pairs[i][1]);
    }
    r->npairs = 0;
    if (r->listener >= 0) {
        close(r->listener);
        r->listener = -1;
    }
}

/* False when the pair is to be closed. */
static bool pass_on(relay *r, int pair, bool up) {
    int from = r->pairs[pair][up ? 0 : 1], to = r->pairs[pair][up ? 1 : 0];
    char bytes[65536];
    ssize_t n = recv(from, bytes, sizeof bytes, 0);
    int left = atomic_load(&r->cut_after);
    if (n <= 0) {
        return false;
    }
    if (up && left >= 0) {
        if (left < n) {
            atomic_store(&r->stop, true);
            return false;
        }
        atomic_store(&r->cut_after, left - (int)n);
    }
    if (!up && r->pairs[pair][2] <= atomic_load(&r->held)) {
        return true;
    }
    for (ssize_t done = 0; done < n;) {
        ssize_t w = send(to, bytes + done, (size_t)(n - done), MSG_NOSIGNAL);
        if (w <= 0) {
            return false;
        }
        done += w;
    }
    return true;
}

static void *relay_main(void *ud) {
    relay *r = ud;
    while (!atomic_load(&r->stop)) {
        struct pollfd fds[1 + 2 * MAX_PAIRS] = {{.fd = r->listener, .events = POLLIN}};
        for (int i = 0; i < r->npairs; i++) {
            for (int k = 0; k < 2; k++) {
                fds[1 + 2 * i + k] =
                    (struct pollfd){.fd = r->pairs[i][k], .events = POLLIN};
            }
        }
        int pairs = r->npairs;
        if (poll(fds, 1 + 2 * (nfds_t)pairs, 10) <= 0) {
            continue;
        }
        for (int i = pairs - 1; i >= 0; i--) {
            bool good = true;
            for (int k = 0; k < 2 && good; k++) {
                if (fds[1 + 2 * i + k].revents) {
                    good = pass_on(r, i, k == 0);
                }
            }
            if (!good) {
                close(r->pairs[i][0]);
                close(r->pairs[i][1]);
                memmove(&r->pairs[i], &r->pairs[i + 1],
                        (size_t)(r->npairs - i - 1) * sizeof r->pairs[0]);
                r->npairs--;
            }
        }
        if (fds[0].revents && r->npairs < MAX_PAIRS) {
            int in = accept(r->listener, NULL, NULL), out = connect_port(r->target);
            r->pairs[r->npairs][0] = in;
            r->pairs[r->npairs][1] = out;
            r->pairs[r->npairs++][2] = ++r->accepted;
        }
    }
    close_all(r);
    return NULL;
}

static void relay_start(relay *r) {
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    memset(r, 0, sizeof *r);
    const char *colon = strrchr(setting("EL_SPEC_MONGO_URI"), ':');
    r->target = atoi(colon + 1);
    atomic_store(&r->cut_after, -1);
    r->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(r->listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(r->listener, 16), 0);
    assert_int_equal(getsockname(r->listener, (struct sockaddr *)&a, &size), 0);
    r->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&r->thread, NULL, relay_main, r), 0);
}

/* As if the server had been killed: all links break, nobody listens. */
static void relay_cut(relay *r) {
    atomic_store(&r->stop, true);
    pthread_join(r->thread, NULL);
}

static el_conn *open_through(relay *r) {
    char uri[100];
    el_conn *c = NULL;
    el_error err = {0};
    /* a replica set names its members itself, and would lead past the relay */
    snprintf(uri, sizeof uri, "mongodb://127.0.0.1:%d/?directConnection=true", r->port);
    if (connect_to(&c, uri, &err) != EL_OK) {
        fail_msg("%s", err.message);
    }
    return c;
}

/* }====== */

static void fill(el_conn *c, const char *collection, int64_t n) {
    char into[100];
    el_bulk *b = NULL;
    el_error err = {0};
    int64_t failed;
    empty(c, collection);
    snprintf(into, sizeof into, "{\"insert\":\"%s\",\"$fields\":[\"_id\"]}", collection);
    assert_int_equal(c->driver->bulk_begin(&b, c, into, 1, &err), EL_OK);
    for (int64_t i = 0; i < n; i++) {
        assert_int_equal(c->driver->bulk_row(b, &INT(i), &err), EL_OK);
    }
    assert_int_equal(c->driver->bulk_end(b, true, &failed, &err), EL_OK);
}

/* {====== Servers that go away ====== */

static void gone_between_commands(void **state) {
    (void)state;
    relay r;
    el_error err;
    relay_start(&r);
    el_conn *c = open_through(&r);
    run(c, "{\"ping\":1}", NOARGS);
    relay_cut(&r);
    double begun = seconds();
    run_failing(c, "{\"insert\":\"links\",\"documents\":[{\"a\":1}]}", NOARGS, &err);
    assert_true(err.kind == EL_ERR_LOST || err.kind == EL_ERR_CONNECT);
    assert_string_not_equal(err.message, "");
    run_failing(c, "{\"ping\":1}", NOARGS, &err); /* nobody listens any more */
    assert_kind(&err, EL_ERR_CONNECT, NULL);
    assert_true(seconds() - begun < 5);
    el_conn_release(c);
}

/* The command has left, the answer never comes. */
static void killed_in_a_command(void **state) {
    (void)state;
    static const char *const texts[] = {
        "{\"find\":\"links\",\"filter\":{\"a\":1}}",
        "{\"insert\":\"links\",\"documents\":[{\"a\":1}]}",
        "{\"aggregate\":\"links\",\"pipeline\":[],\"cursor\":{}}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        relay r;
        el_error err;
        relay_start(&r);
        el_conn *c = open_through(&r);
        run(c, "{\"ping\":1}", NOARGS);
        atomic_store(&r.cut_after, 20); /* in the middle of what is sent next */
        run_failing(c, texts[i], NOARGS, &err);
        assert_kind(&err, EL_ERR_LOST, "08006");
        relay_cut(&r);
        el_conn_release(c);
    }
}

static void killed_in_a_cursor(void **state) {
    el_conn *direct = *state;
    relay r;
    el_value v[1];
    el_error err = {0};
    fill(direct, "links", 2000);
    relay_start(&r);
    el_conn *c = open_through(&r);
    el_stmt *s = prepare(c, "{\"find\":\"links\",\"$fields\":[\"_id\"]}", EL_STMT_STREAM);
    execute(s, NOARGS);
    assert_true(next_row(s, v));
    relay_cut(&r);
    int rows = 1, rc;
    while ((rc = c->driver->fetch(s, &err)) == EL_ROW) {
        rows++;
    }
    assert_int_equal(rc, EL_FAIL);
    assert_true(rows < 2000);
    assert_true(err.kind == EL_ERR_LOST || err.kind == EL_ERR_CONNECT);
    assert_false(s->active);
    assert_int_equal(c->driver->fetch(s, &err), EL_DONE);
    finalize(s);
    el_conn_release(c);
}

static void killed_in_a_bulk_insert(void **state) {
    el_conn *direct = *state;
    relay r;
    el_bulk *b = NULL;
    el_error err = {0};
    int64_t failed;
    empty(direct, "links");
    relay_start(&r);
    el_conn *c = open_through(&r);
    assert_int_equal(c->driver->bulk_begin(
                         &b, c, "{\"insert\":\"links\",\"$fields\":[\"t\"]}", 1, &err),
                     EL_OK);
    char text[1000];
    memset(text, 'x', sizeof text);
    int rc = EL_OK;
    for (int i = 0; i < 20000 && rc == EL_OK; i++) {
        if (i == 5000) {
            atomic_store(&r.cut_after, 100000);
        }
        rc = c->driver->bulk_row(b, &BYTES(EL_TEXT, text, sizeof text), &err);
    }
    assert_int_equal(c->driver->bulk_end(b, rc == EL_OK, &failed, &err),
                     rc == EL_OK ? EL_FAIL : EL_OK);
    assert_kind(&err, EL_ERR_LOST, "08006");
    relay_cut(&r);
    el_conn_release(c);
    empty(direct, "links");
}

/* `text` with the collection's name in the place of %s. */
static const char *into(const char *text, const char *name) {
    static char out[200];
    snprintf(out, sizeof out, text, name);
    return out;
}

static void killed_in_a_transaction(void **state) {
    el_conn *direct = *state;
    relay r;
    char name[40]; /* its own: the server may keep the transaction, and its locks */
    el_error err = {0};
    static const char insert[] = "{\"insert\":\"%s\",\"documents\":[{\"a\":1}]}";
    snprintf(name, sizeof name, "orphans_%d", (int)getpid());
    run(direct, into("{\"create\":\"%s\"}", name), NOARGS);
    relay_start(&r);
    el_conn *c = open_through(&r);
    assert_true(transact(c, EL_TX_BEGIN, NULL));
    run(c, into(insert, name), NOARGS);
    assert_int_equal(c->driver->txstate(c), EL_TX_ACTIVE);
    relay_cut(&r);
    run_failing(c, into(insert, name), NOARGS, &err);
    assert_true(err.kind == EL_ERR_LOST || err.kind == EL_ERR_CONNECT);
    assert_false(c->open);
    assert_int_equal(c->driver->txstate(c), EL_TX_NONE);
    run_failing(c, into(insert, name), NOARGS, &err);
    assert_kind(&err, EL_ERR_CONNECT, NULL);
    el_error_clear(&err);
    assert_int_equal(c->driver->transact(c, EL_TX_COMMIT, NULL, &err), EL_FAIL);
    el_conn_release(c);
    assert_int_equal(count(direct, name), 0);
}

/* }====== */

/* {====== Transactions ====== */

static void transactions(void **state) {
    el_conn *c = *state, *other = open_conn();
    el_error err = {0};
    run(c, "{\"insert\":\"links\",\"documents\":[{\"_id\":0}]}", NOARGS);
    empty(c, "links");
    assert_int_equal(c->driver->transact(c, EL_TX_COMMIT, NULL, &err), EL_FAIL);
    assert_kind(&err, EL_ERR_MISUSE, NULL);
    assert_true(transact(c, EL_TX_BEGIN, NULL));
    assert_int_equal(c->driver->txstate(c), EL_TX_ACTIVE);
    run(c, "{\"insert\":\"links\",\"documents\":[{\"_id\":1}]}", NOARGS);
    assert_int_equal(scalar(c,
                            "{\"aggregate\":\"links\",\"pipeline\":[{\"$count\":\"n\"}],"
                            "\"cursor\":{},\"$fields\":[\"n\"]}"),
                     1);
    assert_int_equal(count(other, "links"), 0);
    assert_true(transact(c, EL_TX_COMMIT, NULL));
    assert_int_equal(c->driver->txstate(c), EL_TX_NONE);
    assert_int_equal(count(other, "links"), 1);

    assert_true(transact(c, EL_TX_BEGIN, NULL));
    run(c, "{\"insert\":\"links\",\"documents\":[{\"_id\":2}]}", NOARGS);
    assert_true(transact(c, EL_TX_ROLLBACK, NULL));
    assert_int_equal(count(c, "links"), 1);

    assert_true(transact(c, EL_TX_BEGIN, NULL)); /* nothing in it */
    assert_true(transact(c, EL_TX_COMMIT, NULL));
    assert_true(transact(c, EL_TX_BEGIN, NULL));
    static const el_txop unsupported[] = {EL_TX_BEGIN, EL_TX_SAVE, EL_TX_RELEASE,
                                          EL_TX_ROLLBACK_TO};
    for (size_t i = 0; i < 4; i++) {
        el_error_clear(&err);
        assert_int_equal(c->driver->transact(c, unsupported[i], NULL, &err), EL_FAIL);
        assert_kind(&err, EL_ERR_UNSUPPORTED, NULL);
    }
    assert_true(transact(c, EL_TX_ROLLBACK, NULL));
    el_conn_release(other);
}

static void isolation_levels(void **state) {
    el_conn *c = *state;
    el_error err = {0};
    static const char *const levels[] = {"repeatable read", "SNAPSHOT", "read committed",
                                         "read uncommitted"};
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        assert_int_equal(c->driver->transact(c, EL_TX_BEGIN, levels[i], &err), EL_OK);
        run(c, "{\"find\":\"links\",\"filter\":{}}", NOARGS);
        assert_true(transact(c, EL_TX_COMMIT, NULL));
    }
    assert_int_equal(c->driver->transact(c, EL_TX_BEGIN, "serializable", &err), EL_FAIL);
    assert_kind(&err, EL_ERR_UNSUPPORTED, NULL);
    assert_int_equal(c->driver->txstate(c), EL_TX_NONE);
}

/* The server rolls back at the first failure; only a rollback is taken then. */
static void a_failed_transaction(void **state) {
    el_conn *c = *state;
    el_error err;
    empty(c, "links");
    run(c, "{\"insert\":\"links\",\"documents\":[{\"_id\":1}]}", NOARGS);
    assert_true(transact(c, EL_TX_BEGIN, NULL));
    run(c, "{\"insert\":\"links\",\"documents\":[{\"_id\":2}]}", NOARGS);
    run_failing(c, "{\"insert\":\"links\",\"documents\":[{\"_id\":1}]}", NOARGS, &err);
    assert_kind(&err, EL_ERR_UNIQUE, "23505");
    assert_int_equal(c->driver->txstate(c), EL_TX_FAILED);
    run_failing(c, "{\"insert\":\"links\",\"documents\":[{\"_id\":3}]}", NOARGS, &err);
    assert_kind(&err, EL_ERR_MISUSE, NULL);
    el_error_clear(&err);
    assert_int_equal(c->driver->transact(c, EL_TX_COMMIT, NULL, &err), EL_FAIL);
    assert_kind(&err, EL_ERR_MISUSE, NULL);
    assert_true(transact(c, EL_TX_ROLLBACK, NULL));
    assert_int_equal(c->driver->txstate(c), EL_TX_NONE);
    assert_int_equal(count(c, "links"), 1);
}

/* Two transactions write one document: the second is to be tried again. */
static void conflicting_writes(void **state) {
    el_conn *c = *state, *other = open_conn();
    el_error err;
    static const char update[] = "{\"update\":\"links\",\"updates\":[{\"q\":{\"_id\":1},"
                                 "\"u\":{\"$inc\":{\"n\":1}}}]}";
    empty(c, "links");
    run(c, "{\"insert\":\"links\",\"documents\":[{\"_id\":1,\"n\":0}]}", NOARGS);
    assert_true(transact(c, EL_TX_BEGIN, NULL));
    assert_true(transact(other, EL_TX_BEGIN, NULL));
    run(other, "{\"find\":\"links\",\"filter\":{\"_id\":1}}", NOARGS);
    run(c, update, NOARGS);
    run_failing(other, update, NOARGS, &err);
    assert_kind(&err, EL_ERR_CONFLICT, "40001");
    assert_true(transact(other, EL_TX_ROLLBACK, NULL));
    assert_true(transact(c, EL_TX_COMMIT, NULL));
    el_conn_release(other);
}

/* }====== */

/* {====== What servers answer when they are unwell ====== */

/* The next command of that name fails so; servers for tests alone take this. */
static void fail_next(el_conn *c, const char *command, int code, const char *label) {
    char text[300];
    snprintf(text, sizeof text,
             "{\"configureFailPoint\":\"failCommand\",\"mode\":{\"times\":1},\"data\":{"
             "\"failCommands\":[\"%s\"],\"errorCode\":%d,\"errorLabels\":[%s%s%s]},"
             "\"$db\":\"admin\"}",
             command, code, label ? "\"" : "", label ? label : "", label ? "\"" : "");
    run(c, text, NOARGS);
}

static void codes_of_servers(void **state) {
    el_conn *c = *state;
    static const struct {
        int code;
        el_errkind kind;
    } cases[] = {
        {11601, EL_ERR_CANCELED}, {50, EL_ERR_CANCELED},    {112, EL_ERR_CONFLICT},
        {13, EL_ERR_AUTH},        {24, EL_ERR_BUSY},        {43, EL_ERR_LOST},
        {10334, EL_ERR_VALUE},    {20, EL_ERR_UNSUPPORTED}, {263, EL_ERR_UNSUPPORTED},
        {2, EL_ERR_SYNTAX},       {424242, EL_ERR_OTHER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        el_error err;
        fail_next(c, "insert", cases[i].code, NULL);
        run_failing(c, "{\"insert\":\"links\",\"documents\":[{\"a\":1}]}", NOARGS, &err);
        assert_kind(&err, cases[i].kind, NULL);
        assert_int_equal(err.code, cases[i].code);
    }
}

/* Labels say more than codes: try again, or nobody knows. */
static void labels_of_servers(void **state) {
    el_conn *c = *state;
    el_error err;
    empty(c, "links");
    fail_next(c, "insert", 2, "TransientTransactionError");
    assert_true(transact(c, EL_TX_BEGIN, NULL));
    run_failing(c, "{\"insert\":\"links\",\"documents\":[{\"a\":1}]}", NOARGS, &err);
    assert_kind(&err, EL_ERR_CONFLICT, "40001");
    assert_true(transact(c, EL_TX_ROLLBACK, NULL));
    assert_true(transact(c, EL_TX_BEGIN, NULL));
    run(c, "{\"insert\":\"links\",\"documents\":[{\"a\":1}]}", NOARGS);
    el_conn *other = open_conn();
    fail_next(other, "commitTransaction", 50, "UnknownTransactionCommitResult");
    el_conn_release(other);
    el_error_clear(&err);
    assert_int_equal(c->driver->transact(c, EL_TX_COMMIT, NULL, &err), EL_FAIL);
    assert_kind(&err, EL_ERR_LOST, "08007");
    assert_int_equal(c->driver->txstate(c), EL_TX_NONE);
}

/* }====== */

/* {====== Canceling ====== */

typedef struct canceling {
    el_conn *c;
    el_error err;
    int rc;
} canceling;

static void *cancel_main(void *ud) {
    canceling *job = ud;
    usleep(400000);
    job->rc = job->c->driver->cancel(job->c, &job->err);
    return NULL;
}

/* The relay holds the answer back, so the command is still under way. */
static void cancels_what_runs(void **state) {
    (void)state;
    static const char *const texts[] = {
        "{\"find\":\"links\",\"filter\":{\"a\":1}}",
        "{\"aggregate\":\"links\",\"pipeline\":[],\"cursor\":{}}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        relay r;
        pthread_t thread;
        el_error err;
        relay_start(&r);
        el_conn *c = open_through(&r);
        canceling job = {.c = c, .rc = EL_FAIL};
        run(c, "{\"ping\":1}", NOARGS);
        assert_int_equal(c->driver->cancel(c, &job.err), EL_OK); /* nothing runs */
        run(c, "{\"ping\":1}", NOARGS);
        atomic_store(&r.held, r.accepted);
        double begun = seconds();
        assert_int_equal(pthread_create(&thread, NULL, cancel_main, &job), 0);
        run_failing(c, texts[i], NOARGS, &err);
        assert_kind(&err, EL_ERR_CANCELED, "57014");
        assert_true(seconds() - begun < 5);
        pthread_join(thread, NULL);
        assert_int_equal(job.rc, EL_OK);
        atomic_store(&r.held, 0);
        run(c, "{\"ping\":1}", NOARGS); /* the connection is of use again */
        relay_cut(&r);
        el_conn_release(c);
    }
}

/* }====== */

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gone_between_commands),
        cmocka_unit_test(killed_in_a_command),
        cmocka_unit_test(killed_in_a_cursor),
        cmocka_unit_test(killed_in_a_bulk_insert),
        cmocka_unit_test(killed_in_a_transaction),
        cmocka_unit_test(transactions),
        cmocka_unit_test(isolation_levels),
        cmocka_unit_test(a_failed_transaction),
        cmocka_unit_test(conflicting_writes),
        cmocka_unit_test(codes_of_servers),
        cmocka_unit_test(labels_of_servers),
        cmocka_unit_test(cancels_what_runs),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
