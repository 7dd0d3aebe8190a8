/* SPDX-License-Identifier: MIT
**
** statements.c - finds prepared statements by text, lends them, and gives up the least
** recently used beyond the limit.  What a statement does is its driver's business.
*/
#include "statements.h"

#include <stdlib.h>
#include <string.h>

/* A statement and its text; it is in exactly one of the lists below. */
typedef struct entry {
    struct entry *prev, *next; /* of its list */
    struct entry *chain;       /* of its bucket, while it is idle */
    el_stmt *stmt;
    uint64_t hash;
    size_t len;
    unsigned flags;
    bool keep; /* goes back to the idle ones when it is released */
    bool held; /* lent to one who surely releases it */
    char *sql; /* behind the struct */
} entry;

/*
** Idle statements are in `idle`, most recently used first, and in a bucket; lent ones
** are in `lent`, latest first, and in no bucket.  So a text that is lent is simply not
** found, and can't be evicted.
*/
struct el_statements {
    el_conn *conn;
    size_t limit, nidle;
    bool freed;       /* by its owner; lives on for what is lent */
    entry idle, lent; /* heads of rings */
    size_t mask;
    entry *buckets[];
};

/* {====== Rings and buckets ====== */

static void ring_init(entry *head) {
    head->prev = head->next = head;
}

static void ring_remove(entry *e) {
    e->prev->next = e->next;
    e->next->prev = e->prev;
}

static void ring_push(entry *head, entry *e) {
    e->next = head->next;
    e->prev = head;
    head->next->prev = e;
    head->next = e;
}

static uint64_t mix(uint64_t h, uint64_t word) {
    h = (h ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ (h >> 32);
}

static uint64_t hash_text(const char *text, size_t n, unsigned flags) {
    uint64_t h = mix(n, flags), word;
    for (; n >= sizeof word; text += sizeof word, n -= sizeof word) {
        memcpy(&word, text, sizeof word);
        h = mix(h, word);
    }
    if (n) {
        word = 0;
        memcpy(&word, text, n);
        h = mix(h, word);
    }
    return h;
}

static void bucket_remove(el_statements *cache, entry *e) {
    entry **at = &cache->buckets[e->hash & cache->mask];
    while (*at != e) {
        at = &(*at)->chain;
    }
    *at = e->chain;
}

static void forget(el_statements *cache, entry *e) {
    bucket_remove(cache, e);
    ring_remove(e);
    cache->nidle--;
}

static void destroy(entry *e) {
    e->stmt->conn->driver->finalize(e->stmt);
    free(e);
}

/* Takes the idle statement of that text out of the cache; NULL when there is none. */
static entry *take_idle(el_statements *cache, const char *sql, size_t len, unsigned flags,
                        uint64_t hash) {
    for (entry *e = cache->buckets[hash & cache->mask]; e; e = e->chain) {
        if (e->hash == hash && e->len == len && e->flags == flags &&
            memcmp(e->sql, sql, len) == 0) {
            forget(cache, e);
            return e;
        }
    }
    return NULL;
}

/* The same where it is the one used last, as in a loop. */
static entry *take_latest(el_statements *cache, const char *sql, size_t len,
                          unsigned flags) {
    entry *e = cache->idle.next;
    if (e != &cache->idle && e->len == len && e->flags == flags &&
        memcmp(e->sql, sql, len) == 0) {
        forget(cache, e);
        return e;
    }
    return NULL;
}

/* Keeps a statement; of two with one text the one used last stays. */
static void keep_idle(el_statements *cache, entry *e) {
    entry *twin = take_idle(cache, e->sql, e->len, e->flags, e->hash);
    if (twin) {
        destroy(twin);
    } else if (cache->nidle == cache->limit) {
        entry *oldest = cache->idle.prev;
        forget(cache, oldest);
        destroy(oldest);
    }
    e->chain = cache->buckets[e->hash & cache->mask];
    cache->buckets[e->hash & cache->mask] = e;
    ring_push(&cache->idle, e);
    cache->nidle++;
}

/* }====== */

/* {====== The cache ====== */

el_statements *el_statements_new(el_conn *c, size_t limit) {
    size_t nbuckets = 16;
    while (nbuckets < limit * 2 && nbuckets < 65536) {
        nbuckets *= 2;
    }
    el_statements *cache = calloc(1, sizeof *cache + nbuckets * sizeof(entry *));
    if (!cache) {
        return NULL;
    }
    el_conn_retain(c);
    cache->conn = c;
    cache->limit = limit;
    cache->mask = nbuckets - 1;
    ring_init(&cache->idle);
    ring_init(&cache->lent);
    return cache;
}

/* The end of a freed cache, once nothing is lent. */
static void end(el_statements *cache) {
    el_conn *c = cache->conn;
    free(cache);
    el_conn_release(c);
}

void el_statements_clear(el_statements *cache) {
    while (cache->idle.next != &cache->idle) {
        entry *e = cache->idle.next;
        forget(cache, e);
        destroy(e);
    }
    for (entry *e = cache->lent.next; e != &cache->lent; e = e->next) {
        e->keep = false;
    }
}

void el_statements_free(el_statements *cache) {
    if (!cache) {
        return;
    }
    el_statements_clear(cache);
    cache->freed = true;
    if (cache->lent.next == &cache->lent) {
        end(cache);
    }
}

static entry *prepare(el_statements *cache, const char *sql, size_t len, unsigned flags,
                      uint64_t hash, el_error *err) {
    entry *e = len < SIZE_MAX - sizeof *e ? malloc(sizeof *e + len) : NULL;
    if (!e) {
        el_fail(err, EL_ERR_NOMEM, 0, "not enough memory for a statement of %zu bytes",
                len);
        return NULL;
    }
    el_query q = {.sql = sql, .len = len, .flags = flags};
    if (cache->conn->driver->prepare(&e->stmt, cache->conn, &q, err) != EL_OK) {
        free(e);
        return NULL;
    }
    e->sql = (char *)(e + 1);
    memcpy(e->sql, sql, len);
    e->len = len;
    e->flags = flags;
    e->hash = hash;
    return e;
}

int el_statements_get(el_stmt **out, el_statements *cache, const char *sql, size_t len,
                      unsigned flags, el_error *err) {
    entry *e = take_latest(cache, sql, len, flags);
    if (!e) {
        uint64_t hash = hash_text(sql, len, flags);
        e = take_idle(cache, sql, len, flags, hash);
        if (!e && !(e = prepare(cache, sql, len, flags, hash, err))) {
            return EL_FAIL;
        }
    }
    e->keep = !cache->freed && cache->limit > 0 && !(flags & EL_STMT_ONCE);
    e->held = false;
    ring_push(&cache->lent, e);
    *out = e->stmt;
    return EL_OK;
}

/* Takes back a lent statement; the latest one lent is nearly always the one. */
static entry *take_lent(el_statements *cache, const el_stmt *s) {
    for (entry *e = cache->lent.next; e != &cache->lent; e = e->next) {
        if (e->stmt == s) {
            ring_remove(e);
            return e;
        }
    }
    return NULL;
}

static void take_back(el_statements *cache, el_stmt *s, bool good) {
    entry *e = take_lent(cache, s);
    if (!e) {
        return;
    }
    if (good && e->keep) {
        s->conn->driver->reset(s);
        keep_idle(cache, e);
    } else {
        destroy(e);
    }
    if (cache->freed && cache->lent.next == &cache->lent) {
        end(cache);
    }
}

void el_statements_release(el_statements *cache, el_stmt *s) {
    take_back(cache, s, true);
}

/*
** States after which a statement has to be prepared anew, whatever its engine: the
** server forgot it (26000), its result has other columns now (0A000), an object it was
** prepared for is gone or was replaced (42xxx, and XX000 from a stale plan); and after
** a lost link nothing is worth keeping.
*/
static bool is_stale(const el_error *why) {
    if (why->kind == EL_ERR_LOST || why->kind == EL_ERR_CONNECT ||
        why->kind == EL_ERR_SYNTAX) {
        return true;
    }
    return strcmp(why->sqlstate, "26000") == 0 || strcmp(why->sqlstate, "0A000") == 0 ||
           strcmp(why->sqlstate, "XX000") == 0;
}

void el_statements_failed(el_statements *cache, el_stmt *s, const el_error *why) {
    take_back(cache, s, !is_stale(why));
}

el_conn *el_statements_connection(const el_statements *cache) {
    return cache->conn;
}

void el_statements_hold(el_statements *cache, el_stmt *s) {
    for (entry *e = cache->lent.next; e != &cache->lent; e = e->next) {
        if (e->stmt == s) {
            e->held = true;
            return;
        }
    }
}

void el_statements_reclaim(el_statements *cache) {
    entry *next;
    for (entry *e = cache->lent.next; e != &cache->lent; e = next) {
        next = e->next;
        if (!e->held) {
            ring_remove(e);
            destroy(e);
        }
    }
    if (cache->freed && cache->lent.next == &cache->lent) {
        end(cache);
    }
}

size_t el_statements_idle(const el_statements *cache) {
    return cache->nidle;
}

/* }====== */
