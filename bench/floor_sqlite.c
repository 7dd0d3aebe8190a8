/* SPDX-License-Identifier: MIT
**
** floor_sqlite.c - the work of bench/work.lua in C on SQLite alone: what the client
** library itself costs, written as one would write it by hand for speed.
**
**     floor_sqlite WORKLOAD DATABASE ROWS     prints: seconds checksum
**                                                   processor-seconds KiB
*/
#include <inttypes.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define COLUMNS "id, name, email, age, score, active, bio, created_at"

typedef struct user {
    int64_t id, age;
    double score;
    bool active;
    const char *name, *email, *bio, *created_at;
} user;

/* Text of loaded rows: blocks that are never freed one by one. */
static struct {
    char *next, *end;
} arena;

static _Noreturn void die(sqlite3 *db, const char *what) {
    fprintf(stderr, "floor: %s: %s\n", what, db ? sqlite3_errmsg(db) : "no memory");
    exit(1);
}

static char *keep(const unsigned char *text, int n) {
    if (arena.end - arena.next < n + 1) {
        size_t size = n + 1 > 1 << 18 ? (size_t)n + 1 : 1 << 18;
        arena.next = malloc(size);
        if (!arena.next) {
            die(NULL, "malloc");
        }
        arena.end = arena.next + size;
    }
    char *copy = memcpy(arena.next, text, (size_t)n);
    copy[n] = '\0';
    arena.next += n + 1;
    return copy;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_time(const struct rusage *u) {
    return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) +
           (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e6;
}

/* When the work of a workload begins. */
static struct rusage before;

static double begin_work(void) {
    getrusage(RUSAGE_SELF, &before);
    return now();
}

static void report(double started, double sum) {
    double wall = now() - started;
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    printf("%.9f %.2f %.6f %ld\n", wall, sum, cpu_time(&u) - cpu_time(&before),
           u.ru_maxrss);
}

static void run(sqlite3 *db, const char *sql) {
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        die(db, sql);
    }
}

static sqlite3 *open_database(const char *path) {
    sqlite3 *db;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK) {
        die(db, path);
    }
    run(db, "pragma journal_mode = wal");
    run(db, "pragma synchronous = normal");
    run(db, "pragma foreign_keys = on");
    return db;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
    sqlite3_stmt *s;
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL) !=
        SQLITE_OK) {
        die(db, sql);
    }
    return s;
}

static void read_user(sqlite3_stmt *s, user *u) {
    u->id = sqlite3_column_int64(s, 0);
    u->name = keep(sqlite3_column_text(s, 1), sqlite3_column_bytes(s, 1));
    u->email = keep(sqlite3_column_text(s, 2), sqlite3_column_bytes(s, 2));
    u->age = sqlite3_column_int64(s, 3);
    u->score = sqlite3_column_double(s, 4);
    u->active = sqlite3_column_int(s, 5) != 0;
    u->bio = sqlite3_column_type(s, 6) == SQLITE_NULL
                 ? NULL
                 : keep(sqlite3_column_text(s, 6), sqlite3_column_bytes(s, 6));
    u->created_at = keep(sqlite3_column_text(s, 7), sqlite3_column_bytes(s, 7));
}

/* The rows of bench/rows.lua. */
static user *make_users(int64_t first, int64_t n) {
    user *users = calloc((size_t)n, sizeof *users);
    char text[128];
    if (!users) {
        die(NULL, "calloc");
    }
    for (int64_t i = 0; i < n; i++) {
        user *u = &users[i];
        u->id = first + i;
        int length = snprintf(text, sizeof text, "User number %" PRId64, u->id);
        u->name = keep((unsigned char *)text, length);
        length = snprintf(text, sizeof text, "user%" PRId64 "@example.org", u->id);
        u->email = keep((unsigned char *)text, length);
        u->age = u->id % 90;
        u->score = (double)u->id * 0.5;
        u->active = u->id % 2 == 0;
        u->bio = u->id % 3 == 0 ? "Writes about the weather and the sea." : NULL;
        u->created_at = "2024-05-01 12:00:00.000000";
    }
    return users;
}

static void bind_user(sqlite3_stmt *s, int at, const user *u) {
    sqlite3_bind_text(s, at, u->name, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, at + 1, u->email, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, at + 2, u->age);
    sqlite3_bind_double(s, at + 3, u->score);
    sqlite3_bind_int(s, at + 4, u->active);
    if (u->bio) {
        sqlite3_bind_text(s, at + 5, u->bio, -1, SQLITE_STATIC);
    } else {
        sqlite3_bind_null(s, at + 5);
    }
    sqlite3_bind_text(s, at + 6, u->created_at, -1, SQLITE_STATIC);
}

static void step_done(sqlite3 *db, sqlite3_stmt *s) {
    if (sqlite3_step(s) != SQLITE_DONE) {
        die(db, "step");
    }
    sqlite3_reset(s);
}

/* {====== Workloads: each returns a checksum; *started is when its work begins ====== */

static double create(sqlite3 *db, int64_t n, double *started) {
    user *users = make_users(1, n);
    double sum = 0;
    *started = begin_work();
    run(db, "begin immediate");
    sqlite3_stmt *s = prepare(db, "insert into users (name, email, age, score, active, "
                                  "bio, created_at) values (?, ?, ?, ?, ?, ?, ?)");
    for (int64_t i = 0; i < n; i++) {
        bind_user(s, 1, &users[i]);
        step_done(db, s);
        sum += (double)sqlite3_last_insert_rowid(db);
    }
    run(db, "commit");
    return sum;
}

/* Several rows a statement: fewer take longer, more are no faster. */
static double bulk(sqlite3 *db, int64_t n, double *started) {
    enum { ROWS = 200, FIELDS = 7 };
    user *users = make_users(1, n);
    char sql[8192] = "insert into users (name, email, age, score, active, bio, "
                     "created_at) values ";
    for (int i = 0; i < ROWS; i++) {
        strcat(sql, i ? ", (?, ?, ?, ?, ?, ?, ?)" : "(?, ?, ?, ?, ?, ?, ?)");
    }
    *started = begin_work();
    run(db, "begin immediate");
    sqlite3_stmt *s = prepare(db, sql);
    for (int64_t i = 0; i + ROWS <= n; i += ROWS) {
        for (int k = 0; k < ROWS; k++) {
            bind_user(s, 1 + k * FIELDS, &users[i + k]);
        }
        step_done(db, s);
    }
    run(db, "commit");
    return (double)n;
}

static double hydrate(sqlite3 *db, int64_t n, double *started) {
    *started = begin_work();
    size_t count = 0, room = 1024;
    user *users = malloc(sizeof *users * room);
    sqlite3_stmt *s = prepare(db, "select " COLUMNS " from users");
    while (sqlite3_step(s) == SQLITE_ROW) {
        if (count == room) {
            room *= 2;
            users = realloc(users, sizeof *users * room);
        }
        if (!users) {
            die(NULL, "realloc");
        }
        read_user(s, &users[count++]);
    }
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)users[i].age + users[i].score;
    }
    return count == (size_t)n ? sum : -1;
}

static double find(sqlite3 *db, int64_t n, double *started) {
    *started = begin_work();
    double sum = 0;
    sqlite3_stmt *s = prepare(db, "select " COLUMNS " from users where id = ? limit 1");
    for (int64_t i = 0; i < 20000; i++) {
        user u;
        sqlite3_bind_int64(s, 1, i * 7919 % n + 1);
        if (sqlite3_step(s) != SQLITE_ROW) {
            die(db, "find");
        }
        arena.next = arena.end ? arena.end - (1 << 18) : NULL;
        read_user(s, &u);
        sqlite3_reset(s);
        sum += (double)u.age;
    }
    return sum;
}

static double save(sqlite3 *db, int64_t n, double *started) {
    (void)n;
    sqlite3_stmt *all = prepare(db, "select " COLUMNS " from users order by id limit 10000");
    user *users = malloc(sizeof *users * 10000);
    size_t count = 0;
    while (users && sqlite3_step(all) == SQLITE_ROW) {
        read_user(all, &users[count++]);
    }
    sqlite3_reset(all);
    *started = begin_work();
    run(db, "begin immediate");
    sqlite3_stmt *s = prepare(db, "update users set age = ?, score = ? where id = ?");
    for (size_t i = 0; i < count; i++) {
        users[i].age += 1;
        users[i].score += 0.25;
        sqlite3_bind_int64(s, 1, users[i].age);
        sqlite3_bind_double(s, 2, users[i].score);
        sqlite3_bind_int64(s, 3, users[i].id);
        step_done(db, s);
    }
    run(db, "commit");
    return (double)count;
}

static double query(sqlite3 *db, int64_t n, double *started) {
    (void)n;
    *started = begin_work();
    double sum = 0;
    sqlite3_stmt *s = prepare(db, "select " COLUMNS " from users where id > ? and "
                                  "active = ? order by id asc limit 10");
    for (int64_t i = 0; i < 20000; i++) {
        user u;
        sqlite3_bind_int64(s, 1, i % 1000);
        sqlite3_bind_int(s, 2, 1);
        arena.next = arena.end ? arena.end - (1 << 18) : NULL;
        while (sqlite3_step(s) == SQLITE_ROW) {
            read_user(s, &u);
            sum += (double)u.age;
        }
        sqlite3_reset(s);
    }
    return sum;
}

static double stream(sqlite3 *db, int64_t n, double *started) {
    (void)n;
    *started = begin_work();
    double sum = 0;
    sqlite3_stmt *s = prepare(db, "select " COLUMNS " from users");
    while (sqlite3_step(s) == SQLITE_ROW) {
        user u;
        arena.next = arena.end ? arena.end - (1 << 18) : NULL;
        read_user(s, &u);
        sum += (double)u.age + u.score;
    }
    return sum;
}

static double delete_each(sqlite3 *db, int64_t n, double *started) {
    (void)n;
    *started = begin_work();
    run(db, "begin immediate");
    sqlite3_stmt *s = prepare(db, "delete from users where id = ?");
    for (int64_t i = 1; i <= 10000; i++) {
        sqlite3_bind_int64(s, 1, i);
        step_done(db, s);
    }
    run(db, "commit");
    return 10000;
}

static double start(sqlite3 *db, int64_t n, double *started) {
    (void)n;
    *started = begin_work();
    sqlite3_stmt *s = prepare(db, "select " COLUMNS " from users where id = ? limit 1");
    user u;
    sqlite3_bind_int64(s, 1, 1);
    if (sqlite3_step(s) != SQLITE_ROW) {
        die(db, "start");
    }
    read_user(s, &u);
    sqlite3_finalize(s);
    return (double)u.age;
}

/* }====== */

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        double (*work)(sqlite3 *db, int64_t n, double *started);
    } workloads[] = {{"create", create}, {"bulk", bulk},     {"hydrate", hydrate},
                     {"find", find},     {"save", save},     {"query", query},
                     {"stream", stream}, {"delete", delete_each}, {"start", start}};
    if (argc != 4) {
        fprintf(stderr, "usage: floor_sqlite WORKLOAD DATABASE ROWS\n");
        return 2;
    }
    sqlite3 *db = open_database(argv[2]);
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
        if (strcmp(workloads[i].name, argv[1]) == 0) {
            double started;
            double sum = workloads[i].work(db, atoll(argv[3]), &started);
            report(started, sum);
            for (sqlite3_stmt *s; (s = sqlite3_next_stmt(db, NULL)) != NULL;) {
                sqlite3_finalize(s);
            }
            sqlite3_close(db);
            return 0;
        }
    }
    fprintf(stderr, "floor_sqlite: no workload '%s'\n", argv[1]);
    return 2;
}
