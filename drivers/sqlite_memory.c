/* SPDX-License-Identifier: MIT
**
** sqlite_memory.c - where SQLite's memory comes from: it takes and gives back a few short
** blocks with every statement, and counts all of them behind a lock unless told not to.
*/
#include "blocks.h"
#include "sqlite.h"

#include <stdint.h>
#include <string.h>

#ifndef EL_SANITIZED

/* SQLite asks how long a block is, so each has its length in front. */
enum { HEADER = 8 };

/* Any thread may use SQLite; a block may go back in another one than it came from. */
static _Thread_local el_blocks blocks;

static void *given(void *block, size_t size) {
    uint64_t length = size;
    if (!block) {
        return NULL;
    }
    memcpy(block, &length, sizeof length);
    return (char *)block + HEADER;
}

static int mem_size(void *p) {
    uint64_t length = 0;
    if (p) {
        memcpy(&length, (char *)p - HEADER, sizeof length);
    }
    return (int)length;
}

static void *mem_malloc(int n) {
    return given(el_blocks_get(&blocks, (size_t)n + HEADER), (size_t)n);
}

static void mem_free(void *p) {
    if (p) {
        el_blocks_put(&blocks, (char *)p - HEADER, (size_t)mem_size(p) + HEADER);
    }
}

static void *mem_realloc(void *p, int n) {
    if (!p) {
        return mem_malloc(n);
    }
    return given(el_blocks_resize(&blocks, (char *)p - HEADER,
                                  (size_t)mem_size(p) + HEADER, (size_t)n + HEADER),
                 (size_t)n);
}

static int mem_roundup(int n) {
    return (n + 7) & ~7;
}

static int mem_init(void *unused) {
    (void)unused;
    return SQLITE_OK;
}

static void mem_shutdown(void *unused) {
    (void)unused;
}

void el_sqlite_configure(void) {
    static const sqlite3_mem_methods methods = {mem_malloc,  mem_free, mem_realloc,
                                                mem_size,    mem_roundup, mem_init,
                                                mem_shutdown, NULL};
    /* Both are refused, and not needed, once SQLite has begun. */
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    (void)sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
}

#else

void el_sqlite_configure(void) {
}

#endif
