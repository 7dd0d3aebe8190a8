/* SPDX-License-Identifier: MIT
**
** floor_pg.c - the work of bench/work.lua in C on libpq alone: what the client library
** and the server cost, written as one would write it by hand for speed.  Values and rows
** travel in binary; the server is the one that the EL_SPEC_PG_* variables name.
**
**     floor_pg WORKLOAD ROWS     prints: seconds checksum processor-seconds KiB
*/
#include <endian.h>
#include <libpq-fe.h>

#include "floor.h"

#define EPOCH INT64_C(946684800000000) /* the server counts from the year 2000 */

enum { BINARY = 1, MAX_VALUES = 8, COPY_BUFFER = 1 << 16, FETCH_ROWS = 4096 };

static _Noreturn void die(PGconn *pg, const char *what) {
    give_up(what, PQerrorMessage(pg));
}

static PGconn *connect_server(void) {
    const char *const keys[] = {
        "host", "port", "user", "password", "dbname", "client_encoding", "options", NULL};
    const char *const values[] = {setting("EL_SPEC_PG_HOST"),
                                  setting("EL_SPEC_PG_PORT"),
                                  setting("EL_SPEC_PG_USER"),
                                  setting("EL_SPEC_PG_PASSWORD"),
                                  setting("EL_SPEC_PG_NAME"),
                                  "UTF8",
                                  "-c timezone=UTC -c datestyle=ISO,YMD",
                                  NULL};
    PGconn *pg = PQconnectdbParams(keys, values, 0);
    if (PQstatus(pg) != CONNECTION_OK) {
        die(pg, "connect");
    }
    return pg;
}

static PGresult *check(PGconn *pg, PGresult *r, const char *what) {
    ExecStatusType status = PQresultStatus(r);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        die(pg, what);
    }
    return r;
}

static void run(PGconn *pg, const char *sql) {
    PQclear(check(pg, PQexec(pg, sql), sql));
}

static void prepare(PGconn *pg, const char *sql) {
    PQclear(check(pg, PQprepare(pg, "s", sql, 0, NULL), sql));
}

/* {====== Values of a statement, in binary ====== */

typedef struct values {
    int n;
    const char *p[MAX_VALUES];
    int length[MAX_VALUES], format[MAX_VALUES];
    uint64_t number[MAX_VALUES];
    char flag[MAX_VALUES];
} values;

static void add(values *v, const void *p, size_t n) {
    v->p[v->n] = p;
    v->length[v->n] = (int)n;
    v->format[v->n++] = BINARY;
}

static void add_int4(values *v, int64_t i) {
    uint32_t big = htobe32((uint32_t)i);
    memcpy(&v->number[v->n], &big, 4);
    add(v, &v->number[v->n], 4);
}

static void add_int8(values *v, int64_t i) {
    v->number[v->n] = htobe64((uint64_t)i);
    add(v, &v->number[v->n], 8);
}

static void add_float8(values *v, double d) {
    uint64_t bits;
    memcpy(&bits, &d, 8);
    add_int8(v, (int64_t)bits);
}

static void add_bool(values *v, bool b) {
    v->flag[v->n] = b;
    add(v, &v->flag[v->n], 1);
}

static void add_user(values *v, const user *u) {
    v->n = 0;
    add(v, u->name.p, u->name.n);
    add(v, u->email.p, u->email.n);
    add_int4(v, u->age);
    add_float8(v, u->score);
    add_bool(v, u->active);
    add(v, u->bio.p, u->bio.n);
    add_int8(v, u->created_at - EPOCH);
}

static PGresult *execute(PGconn *pg, const values *v) {
    return check(pg, PQexecPrepared(pg, "s", v->n, v->p, v->length, v->format, BINARY),
                 "execute");
}

/* }====== */

/* {====== Rows of a result ====== */

static int64_t read_int4(const PGresult *r, int row, int column) {
    uint32_t big;
    memcpy(&big, PQgetvalue(r, row, column), 4);
    return (int32_t)be32toh(big);
}

static uint64_t read_8(const PGresult *r, int row, int column) {
    uint64_t big;
    memcpy(&big, PQgetvalue(r, row, column), 8);
    return be64toh(big);
}

static text read_text(const PGresult *r, int row, int column) {
    return (text){PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column)};
}

/* The texts stay where the client library has them. */
static void read_user(const PGresult *r, int row, user *u) {
    uint64_t bits = read_8(r, row, 4);
    u->id = read_int4(r, row, 0);
    u->name = read_text(r, row, 1);
    u->email = read_text(r, row, 2);
    u->age = read_int4(r, row, 3);
    memcpy(&u->score, &bits, 8);
    u->active = *PQgetvalue(r, row, 5) != 0;
    u->bio = PQgetisnull(r, row, 6) ? (text){NULL, 0} : read_text(r, row, 6);
    u->created_at = (int64_t)read_8(r, row, 7) + EPOCH;
}

/* }====== */

/* {====== Workloads: each returns a checksum ====== */

static double create(PGconn *pg, int64_t n, start *s) {
    user *users = make_users(1, n);
    double sum = 0;
    begin_work(s);
    run(pg, "begin");
    prepare(pg, "insert into users (" FIELDS ") values ($1, $2, $3, $4, $5, $6, $7) "
                "returning id");
    for (int64_t i = 0; i < n; i++) {
        values v;
        add_user(&v, &users[i]);
        PGresult *r = execute(pg, &v);
        sum += (double)read_int4(r, 0, 0);
        PQclear(r);
    }
    run(pg, "commit");
    return sum;
}

static char *put_field(char *to, const void *p, size_t n) {
    uint32_t length = htobe32(p ? (uint32_t)n : UINT32_MAX);
    memcpy(to, &length, 4);
    if (p) {
        memcpy(to + 4, p, n);
    }
    return to + 4 + (p ? n : 0);
}

/* COPY is the client library's fastest way. */
static double bulk(PGconn *pg, int64_t n, start *s) {
    static char buffer[COPY_BUFFER + 1024] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0";
    static const char row_head[2] = {0, NFIELDS}, tail[2] = {'\377', '\377'};
    user *users = make_users(1, n);
    char *to = buffer + 19;
    begin_work(s);
    run(pg, "begin");
    PGresult *r = PQexec(pg, "copy users (" FIELDS ") from stdin (format binary)");
    if (PQresultStatus(r) != PGRES_COPY_IN) {
        die(pg, "copy");
    }
    PQclear(r);
    for (int64_t i = 0; i < n; i++) {
        values v;
        add_user(&v, &users[i]);
        to = memcpy(to, row_head, 2);
        to += 2;
        for (int k = 0; k < NFIELDS; k++) {
            to = put_field(to, v.p[k], (size_t)v.length[k]);
        }
        if (to - buffer > COPY_BUFFER) {
            if (PQputCopyData(pg, buffer, (int)(to - buffer)) != 1) {
                die(pg, "copy");
            }
            to = buffer;
        }
    }
    memcpy(to, tail, 2);
    if (PQputCopyData(pg, buffer, (int)(to + 2 - buffer)) != 1 ||
        PQputCopyEnd(pg, NULL) != 1) {
        die(pg, "copy");
    }
    PQclear(check(pg, PQgetResult(pg), "copy"));
    PQclear(PQgetResult(pg));
    run(pg, "commit");
    return (double)n;
}

static double hydrate(PGconn *pg, int64_t n, start *s) {
    begin_work(s);
    prepare(pg, "select " COLUMNS " from users");
    PGresult *r = execute(pg, &(values){0});
    int count = PQntuples(r);
    user *users = need(malloc(sizeof *users * ((size_t)count + 1)));
    for (int i = 0; i < count; i++) {
        read_user(r, i, &users[i]);
    }
    double sum = 0;
    for (int i = 0; i < count; i++) {
        sum += (double)users[i].age + users[i].score;
    }
    return count == n ? sum : -1;
}

static double find(PGconn *pg, int64_t n, start *s) {
    begin_work(s);
    double sum = 0;
    prepare(pg, "select " COLUMNS " from users where id = $1 limit 1");
    for (int64_t i = 0; i < 20000; i++) {
        user u;
        values v = {0};
        add_int4(&v, i * 7919 % n + 1);
        PGresult *r = execute(pg, &v);
        if (PQntuples(r) != 1) {
            die(pg, "find");
        }
        read_user(r, 0, &u);
        sum += (double)u.age;
        PQclear(r);
    }
    return sum;
}

static PGresult *first_users(PGconn *pg) {
    PGresult *r =
        PQexecParams(pg, "select " COLUMNS " from users order by id limit 10000", 0, NULL,
                     NULL, NULL, NULL, BINARY);
    return check(pg, r, "select");
}

static double save(PGconn *pg, int64_t n, start *s) {
    (void)n;
    PGresult *all = first_users(pg);
    int count = PQntuples(all);
    user *users = need(malloc(sizeof *users * ((size_t)count + 1)));
    for (int i = 0; i < count; i++) {
        read_user(all, i, &users[i]);
    }
    begin_work(s);
    run(pg, "begin");
    prepare(pg, "update users set age = $1, score = $2 where id = $3");
    for (int i = 0; i < count; i++) {
        values v = {0};
        users[i].age += 1;
        users[i].score += 0.25;
        add_int4(&v, users[i].age);
        add_float8(&v, users[i].score);
        add_int4(&v, users[i].id);
        PQclear(execute(pg, &v));
    }
    run(pg, "commit");
    return count;
}

static double query(PGconn *pg, int64_t n, start *s) {
    (void)n;
    begin_work(s);
    double sum = 0;
    prepare(pg, "select " COLUMNS " from users where id > $1 and active = $2 "
                "order by id asc limit 10");
    for (int64_t i = 0; i < 20000; i++) {
        values v = {0};
        add_int4(&v, i % 1000);
        add_bool(&v, true);
        PGresult *r = execute(pg, &v);
        for (int k = 0, rows = PQntuples(r); k < rows; k++) {
            user u;
            read_user(r, k, &u);
            sum += (double)u.age;
        }
        PQclear(r);
    }
    return sum;
}

/* A cursor takes less of the client than single rows do, and as little memory. */
static double stream(PGconn *pg, int64_t n, start *s) {
    (void)n;
    begin_work(s);
    double sum = 0;
    char fetch[64];
    int rows;
    snprintf(fetch, sizeof fetch, "fetch forward %d from c", FETCH_ROWS);
    run(pg, "begin read only");
    run(pg, "declare c no scroll cursor for select " COLUMNS " from users");
    prepare(pg, fetch);
    do {
        PGresult *r = execute(pg, &(values){0});
        rows = PQntuples(r);
        for (int i = 0; i < rows; i++) {
            user u;
            read_user(r, i, &u);
            sum += (double)u.age + u.score;
        }
        PQclear(r);
    } while (rows > 0);
    run(pg, "commit");
    return sum;
}

static double delete_each(PGconn *pg, int64_t n, start *s) {
    (void)n;
    PQclear(first_users(pg));
    begin_work(s);
    run(pg, "begin");
    prepare(pg, "delete from users where id = $1");
    for (int64_t i = 1; i <= 10000; i++) {
        values v = {0};
        add_int4(&v, i);
        PQclear(execute(pg, &v));
    }
    run(pg, "commit");
    return 10000;
}

static double one(PGconn *pg, int64_t n, start *s) {
    (void)n;
    begin_work(s);
    prepare(pg, "select " COLUMNS " from users where id = $1 limit 1");
    user u;
    values v = {0};
    add_int4(&v, 1);
    PGresult *r = execute(pg, &v);
    if (PQntuples(r) != 1) {
        die(pg, "start");
    }
    read_user(r, 0, &u);
    PQclear(r);
    return (double)u.age;
}

/* }====== */

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        double (*work)(PGconn *pg, int64_t n, start *s);
    } workloads[] = {{"create", create}, {"bulk", bulk},          {"hydrate", hydrate},
                     {"find", find},     {"save", save},          {"query", query},
                     {"stream", stream}, {"delete", delete_each}, {"start", one}};
    for (size_t i = 0; argc == 3 && i < sizeof workloads / sizeof *workloads; i++) {
        if (strcmp(workloads[i].name, argv[1]) == 0) {
            start s;
            PGconn *pg = connect_server();
            double sum = workloads[i].work(pg, atoll(argv[2]), &s);
            report(&s, sum);
            PQfinish(pg);
            return 0;
        }
    }
    fprintf(stderr, "usage: floor_pg WORKLOAD ROWS\n");
    return 2;
}
