/* SPDX-License-Identifier: MIT
**
** floor_mongo.c - the work of bench/work.lua in C on mongo-c-driver alone: what it and
** the server cost, written as one would write it by hand for speed.  The server is the
** one that EL_SPEC_MONGO_URI and EL_SPEC_MONGO_DB name.
**
** Commands are made once and take new values where they stand; all of them go through one
** session, which costs the client library less than one for each.  Rows are read in the
** replies.
**
**     floor_mongo WORKLOAD ROWS [TIMES]
**
** prints: seconds checksum processor-seconds KiB
*/
#include <mongoc/mongoc.h>

#include "floor.h"

enum { BULK_ROWS = 20000, BATCH_ROWS = 1500 };

typedef struct server {
    bson_t opts; /* names the session */
    mongoc_client_t *client;
    mongoc_client_session_t *session;
    const char *db;
} server;

static void connect_server(server *l) {
    bson_error_t why;
    mongoc_init();
    l->db = setting("EL_SPEC_MONGO_DB");
    l->client = mongoc_client_new(setting("EL_SPEC_MONGO_URI"));
    if (!l->client) {
        give_up("connect", "EL_SPEC_MONGO_URI is no uri of MongoDB");
    }
    l->session = mongoc_client_start_session(l->client, NULL, &why);
    bson_init(&l->opts);
    if (!l->session || !mongoc_client_session_append(l->session, &l->opts, &why)) {
        give_up("connect", why.message);
    }
}

static void disconnect(server *l) {
    bson_destroy(&l->opts);
    mongoc_client_session_destroy(l->session);
    mongoc_client_destroy(l->client);
}

static void begin(server *l) {
    bson_error_t why;
    if (!mongoc_client_session_start_transaction(l->session, NULL, &why)) {
        give_up("begin", why.message);
    }
}

static void commit(server *l) {
    bson_error_t why;
    if (!mongoc_client_session_commit_transaction(l->session, NULL, &why)) {
        give_up("commit", why.message);
    }
}

/* As the library's own collections do, these try once more after a lost connection. */
static void read_with(server *l, const bson_t *command, bson_t *reply) {
    bson_error_t why;
    if (!mongoc_client_read_command_with_opts(l->client, l->db, command, NULL, &l->opts,
                                              reply, &why)) {
        give_up("read", why.message);
    }
}

static void write_with(server *l, const bson_t *command, const bson_t *opts,
                       bson_t *reply) {
    bson_error_t why;
    if (!mongoc_client_write_command_with_opts(l->client, l->db, command, opts, reply,
                                               &why)) {
        give_up("write", why.message);
    }
}

/* Runs a write, which has to be of `n` documents. */
static void write_to(server *l, const bson_t *command, int32_t n) {
    bson_t reply;
    bson_iter_t it;
    write_with(l, command, &l->opts, &reply);
    if (!bson_iter_init_find(&it, &reply, "n") || bson_iter_as_int64(&it) != n) {
        give_up("write", "not all documents were written");
    }
    bson_destroy(&reply);
}

/* The value at a path of a command, to be overwritten. */
static bson_iter_t value_at(const bson_t *command, const char *path) {
    bson_iter_t it, value;
    if (!bson_iter_init(&it, command) || !bson_iter_find_descendant(&it, path, &value)) {
        give_up("command", path);
    }
    return value;
}

/* {====== Rows ====== */

static text read_text(const bson_iter_t *it) {
    uint32_t n;
    const char *p = bson_iter_utf8(it, &n);
    return (text){p, n};
}

static void read_field(user *u, const bson_iter_t *it, unsigned field) {
    switch (field) {
    case 0:
        break; /* _id: the same as id */
    case 1:
        u->id = bson_iter_int32(it);
        break;
    case 2:
        u->name = read_text(it);
        break;
    case 3:
        u->email = read_text(it);
        break;
    case 4:
        u->age = bson_iter_int32(it);
        break;
    case 5:
        u->score = bson_iter_double(it);
        break;
    case 6:
        u->active = bson_iter_bool(it);
        break;
    case 7:
        u->bio = BSON_ITER_HOLDS_UTF8(it) ? read_text(it) : (text){NULL, 0};
        break;
    default:
        u->created_at = bson_iter_date_time(it) * 1000;
    }
}

/* Fields stand in the order in which they were written; the texts stay in the reply. */
static void read_user(const bson_iter_t *at, user *u) {
    static const char *const names[] = {"_id",   "id",     "name", "email",     "age",
                                        "score", "active", "bio",  "created_at"};
    enum { COUNT = sizeof names / sizeof *names };
    bson_iter_t it;
    unsigned next = 0;
    *u = (user){0}; /* a field may be missing */
    if (!bson_iter_recurse(at, &it)) {
        give_up("read", "a row is no document");
    }
    while (next < COUNT && bson_iter_next(&it)) {
        const char *key = bson_iter_key(&it);
        unsigned field = next;
        while (field < COUNT && strcmp(key, names[field]) != 0) {
            field++;
        }
        if (field < COUNT) {
            read_field(u, &it, field);
            next = field + 1;
        }
    }
}

/* The documents of a reply; returns the cursor, 0 when there are no more. */
static int64_t open_batch(const bson_t *reply, const char *name, bson_iter_t *docs) {
    bson_iter_t it, cursor;
    int64_t id = 0;
    if (!bson_iter_init_find(&it, reply, "cursor") || !bson_iter_recurse(&it, &cursor)) {
        give_up("read", "no cursor");
    }
    while (bson_iter_next(&cursor)) {
        if (strcmp(bson_iter_key(&cursor), name) == 0) {
            bson_iter_recurse(&cursor, docs);
        } else if (strcmp(bson_iter_key(&cursor), "id") == 0) {
            id = bson_iter_int64(&cursor);
        }
    }
    return id;
}

static int64_t next_batch(server *l, int64_t cursor, int32_t rows, bson_t *reply,
                          bson_iter_t *docs) {
    bson_t more = BSON_INITIALIZER;
    BSON_APPEND_INT64(&more, "getMore", cursor);
    BSON_APPEND_UTF8(&more, "collection", "users");
    if (rows > 0) {
        BSON_APPEND_INT32(&more, "batchSize", rows);
    }
    bson_error_t why;
    if (!mongoc_client_command_with_opts(l->client, l->db, &more, NULL, &l->opts, reply,
                                         &why)) {
        give_up("read", why.message);
    }
    bson_destroy(&more);
    return open_batch(reply, "nextBatch", docs);
}

/* }====== */

/* {====== Commands ====== */

static void make_find(bson_t *command) {
    bson_t filter;
    bson_init(command);
    BSON_APPEND_UTF8(command, "find", "users");
    BSON_APPEND_DOCUMENT_BEGIN(command, "filter", &filter);
    BSON_APPEND_INT32(&filter, "_id", 1);
    bson_append_document_end(command, &filter);
    BSON_APPEND_INT32(command, "limit", 1);
    BSON_APPEND_BOOL(command, "singleBatch", true);
}

static void make_find_all(bson_t *command, int32_t rows) {
    bson_init(command);
    BSON_APPEND_UTF8(command, "find", "users");
    BSON_APPEND_INT32(command, "batchSize", rows);
}

static void append_user(bson_t *doc, const user *u) {
    BSON_APPEND_INT32(doc, "_id", (int32_t)u->id);
    BSON_APPEND_INT32(doc, "id", (int32_t)u->id);
    bson_append_utf8(doc, "name", 4, u->name.p, (int)u->name.n);
    bson_append_utf8(doc, "email", 5, u->email.p, (int)u->email.n);
    BSON_APPEND_INT32(doc, "age", (int32_t)u->age);
    BSON_APPEND_DOUBLE(doc, "score", u->score);
    BSON_APPEND_BOOL(doc, "active", u->active);
    if (u->bio.p) {
        bson_append_utf8(doc, "bio", 3, u->bio.p, (int)u->bio.n);
    } else {
        BSON_APPEND_NULL(doc, "bio");
    }
    BSON_APPEND_DATE_TIME(doc, "created_at", u->created_at / 1000);
}

/* An update or delete of one document: its filter is {"_id": 1}. */
static void begin_write(bson_t *command, const char *verb, const char *items,
                        bson_t *list, bson_t *item) {
    bson_t filter;
    bson_init(command);
    bson_append_utf8(command, verb, -1, "users", 5);
    bson_append_array_begin(command, items, -1, list);
    BSON_APPEND_DOCUMENT_BEGIN(list, "0", item);
    BSON_APPEND_DOCUMENT_BEGIN(item, "q", &filter);
    BSON_APPEND_INT32(&filter, "_id", 1);
    bson_append_document_end(item, &filter);
}

static void end_write(bson_t *command, bson_t *list, bson_t *item) {
    bson_append_document_end(list, item);
    bson_append_array_end(command, list);
}

static void make_update(bson_t *command) {
    bson_t list, item, body, set;
    begin_write(command, "update", "updates", &list, &item);
    BSON_APPEND_DOCUMENT_BEGIN(&item, "u", &body);
    BSON_APPEND_DOCUMENT_BEGIN(&body, "$set", &set);
    BSON_APPEND_INT32(&set, "age", 1);
    BSON_APPEND_DOUBLE(&set, "score", 1);
    bson_append_document_end(&body, &set);
    bson_append_document_end(&item, &body);
    end_write(command, &list, &item);
}

static void make_delete(bson_t *command) {
    bson_t list, item;
    begin_write(command, "delete", "deletes", &list, &item);
    BSON_APPEND_INT32(&item, "limit", 1);
    end_write(command, &list, &item);
}

/* The next `n` numbers are taken: {"$inc": {"seq": n}}. */
static int64_t take_numbers(server *l, const bson_t *opts, int32_t n) {
    bson_t command = BSON_INITIALIZER, filter, update, inc, reply;
    bson_iter_t it, last;
    BSON_APPEND_UTF8(&command, "findAndModify", "counters");
    BSON_APPEND_DOCUMENT_BEGIN(&command, "query", &filter);
    BSON_APPEND_UTF8(&filter, "_id", "users");
    bson_append_document_end(&command, &filter);
    BSON_APPEND_DOCUMENT_BEGIN(&command, "update", &update);
    BSON_APPEND_DOCUMENT_BEGIN(&update, "$inc", &inc);
    BSON_APPEND_INT32(&inc, "seq", n);
    bson_append_document_end(&update, &inc);
    bson_append_document_end(&command, &update);
    BSON_APPEND_BOOL(&command, "new", true);
    BSON_APPEND_BOOL(&command, "upsert", true);
    write_with(l, &command, opts, &reply);
    if (!bson_iter_init(&it, &reply) ||
        !bson_iter_find_descendant(&it, "value.seq", &last)) {
        give_up("counter", "no number");
    }
    int64_t number = bson_iter_as_int64(&last) - n + 1;
    bson_destroy(&reply);
    bson_destroy(&command);
    return number;
}

/* }====== */

/* {====== Workloads: each returns a checksum ====== */

/* Numbers are taken outside of the transaction. */
static double create(server *l, int64_t n, int64_t times, start *s) {
    (void)times;
    user *users = make_users(1, n);
    double sum = 0;
    bson_t command = BSON_INITIALIZER;
    begin_work(s);
    begin(l);
    for (int64_t i = 0; i < n; i++) {
        bson_t list, doc;
        users[i].id = take_numbers(l, NULL, 1);
        bson_reinit(&command);
        BSON_APPEND_UTF8(&command, "insert", "users");
        BSON_APPEND_ARRAY_BEGIN(&command, "documents", &list);
        BSON_APPEND_DOCUMENT_BEGIN(&list, "0", &doc);
        append_user(&doc, &users[i]);
        bson_append_document_end(&list, &doc);
        bson_append_array_end(&command, &list);
        write_to(l, &command, 1);
        sum += (double)users[i].id;
    }
    commit(l);
    return sum;
}

static void insert_all(server *l, int64_t n, bool at_once, start *s) {
    user *users = make_users(1, n);
    bson_t command = BSON_INITIALIZER;
    begin_work(s);
    int64_t first = take_numbers(l, NULL, (int32_t)n);
    if (at_once) {
        begin(l);
    }
    for (int64_t i = 0; i < n;) {
        bson_t list, doc;
        int32_t rows = 0;
        bson_reinit(&command);
        BSON_APPEND_UTF8(&command, "insert", "users");
        BSON_APPEND_ARRAY_BEGIN(&command, "documents", &list);
        for (; i < n && rows < BULK_ROWS; i++, rows++) {
            char digits[16];
            const char *key;
            size_t length = bson_uint32_to_string((uint32_t)rows, &key, digits, 16);
            users[i].id = first + i;
            bson_append_document_begin(&list, key, (int)length, &doc);
            append_user(&doc, &users[i]);
            bson_append_document_end(&list, &doc);
        }
        bson_append_array_end(&command, &list);
        write_to(l, &command, rows);
    }
    if (at_once) {
        commit(l);
    }
}

static double bulk(server *l, int64_t n, int64_t times, start *s) {
    (void)times;
    insert_all(l, n, true, s);
    return (double)n;
}

/* The rows for other work: as a transaction they are too much for some servers. */
static double load(server *l, int64_t n, int64_t times, start *s) {
    (void)times;
    insert_all(l, n, false, s);
    return (double)n;
}

/* The replies are kept, and the texts of the users in them. */
static double hydrate(server *l, int64_t n, int64_t times, start *s) {
    (void)times;
    bson_t command;
    begin_work(s);
    size_t count = 0, room = 1024;
    user *users = need(malloc(sizeof *users * room));
    bson_iter_t docs;
    bson_t *reply = need(malloc(sizeof *reply));
    make_find_all(&command, INT32_MAX);
    read_with(l, &command, reply);
    int64_t cursor = open_batch(reply, "firstBatch", &docs);
    for (;;) {
        while (bson_iter_next(&docs)) {
            if (count == room) {
                room *= 2;
                users = need(realloc(users, sizeof *users * room));
            }
            read_user(&docs, &users[count++]);
        }
        if (cursor == 0) {
            break;
        }
        reply = need(malloc(sizeof *reply));
        cursor = next_batch(l, cursor, 0, reply, &docs);
    }
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)users[i].age + users[i].score;
    }
    return count == (size_t)n ? sum : -1;
}

static double find(server *l, int64_t n, int64_t times, start *s) {
    begin_work(s);
    double sum = 0;
    bson_t command;
    make_find(&command);
    bson_iter_t key = value_at(&command, "filter._id");
    for (int64_t i = 0; i < times; i++) {
        bson_t reply;
        bson_iter_t docs;
        user u;
        bson_iter_overwrite_int32(&key, (int32_t)(i * 7919 % n + 1));
        read_with(l, &command, &reply);
        open_batch(&reply, "firstBatch", &docs);
        if (!bson_iter_next(&docs)) {
            give_up("find", "no row");
        }
        read_user(&docs, &u);
        sum += (double)u.age;
        bson_destroy(&reply);
    }
    bson_destroy(&command);
    return sum;
}

/* The first users by id, at most `most`; the reply they are in is kept. */
static size_t first_users(server *l, user *users, size_t most) {
    bson_t command, sort, *reply = need(malloc(sizeof *reply));
    bson_iter_t docs;
    size_t count = 0;
    make_find_all(&command, INT32_MAX);
    BSON_APPEND_DOCUMENT_BEGIN(&command, "sort", &sort);
    BSON_APPEND_INT32(&sort, "id", 1);
    bson_append_document_end(&command, &sort);
    BSON_APPEND_INT32(&command, "limit", (int32_t)most);
    read_with(l, &command, reply);
    open_batch(reply, "firstBatch", &docs);
    while (count < most && bson_iter_next(&docs)) {
        read_user(&docs, &users[count++]);
    }
    return count;
}

static double save(server *l, int64_t n, int64_t times, start *s) {
    (void)n;
    user *users = need(malloc(sizeof *users * (size_t)times));
    size_t count = first_users(l, users, (size_t)times);
    begin_work(s);
    bson_t command;
    make_update(&command);
    bson_iter_t key = value_at(&command, "updates.0.q._id"),
                age = value_at(&command, "updates.0.u.$set.age"),
                score = value_at(&command, "updates.0.u.$set.score");
    begin(l);
    for (size_t i = 0; i < count; i++) {
        users[i].age += 1;
        users[i].score += 0.25;
        bson_iter_overwrite_int32(&key, (int32_t)users[i].id);
        bson_iter_overwrite_int32(&age, (int32_t)users[i].age);
        bson_iter_overwrite_double(&score, users[i].score);
        write_to(l, &command, 1);
    }
    commit(l);
    return (double)count;
}

static double query(server *l, int64_t n, int64_t times, start *s) {
    (void)n;
    begin_work(s);
    double sum = 0;
    bson_t command, filter, sort;
    bson_init(&command);
    BSON_APPEND_UTF8(&command, "find", "users");
    BSON_APPEND_DOCUMENT_BEGIN(&command, "filter", &filter);
    bson_t above;
    BSON_APPEND_DOCUMENT_BEGIN(&filter, "id", &above);
    BSON_APPEND_INT32(&above, "$gt", 0);
    bson_append_document_end(&filter, &above);
    BSON_APPEND_BOOL(&filter, "active", true);
    bson_append_document_end(&command, &filter);
    BSON_APPEND_DOCUMENT_BEGIN(&command, "sort", &sort);
    BSON_APPEND_INT32(&sort, "id", 1);
    bson_append_document_end(&command, &sort);
    BSON_APPEND_INT32(&command, "limit", 10);
    bson_iter_t id = value_at(&command, "filter.id.$gt");
    for (int64_t i = 0; i < times; i++) {
        bson_t reply;
        bson_iter_t docs;
        user u;
        bson_iter_overwrite_int32(&id, (int32_t)(i % 1000));
        read_with(l, &command, &reply);
        open_batch(&reply, "firstBatch", &docs);
        while (bson_iter_next(&docs)) {
            read_user(&docs, &u);
            sum += (double)u.age;
        }
        bson_destroy(&reply);
    }
    return sum;
}

static double stream(server *l, int64_t n, int64_t times, start *s) {
    (void)n, (void)times;
    begin_work(s);
    double sum = 0;
    bson_t command, reply;
    bson_iter_t docs;
    make_find_all(&command, BATCH_ROWS);
    read_with(l, &command, &reply);
    int64_t cursor = open_batch(&reply, "firstBatch", &docs);
    for (;;) {
        while (bson_iter_next(&docs)) {
            user u;
            read_user(&docs, &u);
            sum += (double)u.age + u.score;
        }
        bson_destroy(&reply);
        if (cursor == 0) {
            return sum;
        }
        cursor = next_batch(l, cursor, BATCH_ROWS, &reply, &docs);
    }
}

static double delete_each(server *l, int64_t n, int64_t times, start *s) {
    (void)n;
    user *users = need(malloc(sizeof *users * (size_t)times));
    size_t count = first_users(l, users, (size_t)times);
    begin_work(s);
    bson_t command;
    make_delete(&command);
    bson_iter_t key = value_at(&command, "deletes.0.q._id");
    begin(l);
    for (size_t i = 0; i < count; i++) {
        bson_iter_overwrite_int32(&key, (int32_t)users[i].id);
        write_to(l, &command, 1);
    }
    commit(l);
    return (double)count;
}

static double one(server *l, int64_t n, int64_t times, start *s) {
    (void)n, (void)times;
    return find(l, 1, 1, s);
}

/* }====== */

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        double (*work)(server *l, int64_t n, int64_t times, start *s);
        int64_t times;
    } workloads[] = {
        {"create", create, 0},   {"bulk", bulk, 0},     {"load", load, 0},
        {"hydrate", hydrate, 0}, {"find", find, 20000}, {"save", save, 10000},
        {"query", query, 20000}, {"stream", stream, 0}, {"delete", delete_each, 10000},
        {"start", one, 0}};
    for (size_t i = 0; argc >= 3 && i < sizeof workloads / sizeof *workloads; i++) {
        if (strcmp(workloads[i].name, argv[1]) == 0) {
            start s;
            server l;
            connect_server(&l);
            double sum = workloads[i].work(
                &l, atoll(argv[2]), argc > 3 ? atoll(argv[3]) : workloads[i].times, &s);
            report(&s, sum);
            disconnect(&l);
            return 0;
        }
    }
    fprintf(stderr, "usage: floor_mongo WORKLOAD ROWS [TIMES]\n");
    return 2;
}
