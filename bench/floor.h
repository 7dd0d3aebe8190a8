/* SPDX-License-Identifier: MIT
**
** floor.h - what the floors of the servers share: the rows of bench/rows.lua, memory for
** their text, clocks, and the choice of a workload.
*/
#ifndef EL_FLOOR_H
#define EL_FLOOR_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define COLUMNS "id, name, email, age, score, active, bio, created_at"
#define FIELDS "name, email, age, score, active, bio, created_at"

enum { NFIELDS = 7 };

typedef struct text {
    const char *p;
    size_t n;
} text;

typedef struct user {
    int64_t id, age, created_at; /* microseconds since 1970 */
    double score;
    bool active;
    text name, email, bio; /* bio.p NULL: no bio */
} user;

/* When the work of a workload begins, in wall and in processor time. */
typedef struct start {
    double wall, cpu;
} start;

static _Noreturn void give_up(const char *what, const char *why) {
    fprintf(stderr, "floor: %s: %s\n", what, why);
    exit(1);
}

static void *need(void *memory) {
    if (!memory) {
        give_up("malloc", "no memory");
    }
    return memory;
}

static double wall_time(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_time(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void begin_work(start *s) {
    s->cpu = cpu_time();
    s->wall = wall_time();
}

static const char *setting(const char *name) {
    const char *value = getenv(name);
    if (!value) {
        give_up(name, "not set; eval \"$(script/servers env)\" sets it");
    }
    return value;
}

/* Text of rows that are kept: blocks that are never freed one by one. */
static text keep(const char *p, size_t n) {
    static char *next, *end;
    if ((size_t)(end - next) < n || !next) {
        size_t size = n > 1 << 18 ? n : 1 << 18;
        next = need(malloc(size));
        end = next + size;
    }
    text copy = {memcpy(next, p, n), n};
    next += n;
    return copy;
}

static user *make_users(int64_t first, int64_t n) {
    static const char bio[] = "Writes about the weather and the sea.";
    user *users = need(calloc((size_t)n, sizeof *users));
    char line[128];
    for (int64_t i = 0; i < n; i++) {
        user *u = &users[i];
        u->id = first + i;
        int length = snprintf(line, sizeof line, "User number %" PRId64, u->id);
        u->name = keep(line, (size_t)length);
        length = snprintf(line, sizeof line, "user%" PRId64 "@example.org", u->id);
        u->email = keep(line, (size_t)length);
        u->age = u->id % 90;
        u->score = (double)u->id * 0.5;
        u->active = u->id % 2 == 0;
        u->bio = u->id % 3 == 0 ? (text){bio, sizeof bio - 1} : (text){NULL, 0};
        u->created_at = INT64_C(1714564800000000); /* 2024-05-01T12:00:00Z */
    }
    return users;
}

/* Prints seconds, checksum, seconds of processor time, and the peak memory in KiB. */
static void report(const start *s, double sum) {
    double wall = wall_time() - s->wall, cpu = cpu_time() - s->cpu;
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    printf("%.9f %.2f %.6f %ld\n", wall, sum, cpu, u.ru_maxrss);
}

#endif
