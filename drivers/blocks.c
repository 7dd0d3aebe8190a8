/* SPDX-License-Identifier: MIT
**
** blocks.c - short blocks are cut from chunks and kept in a list for each length; long
** ones are malloc's.  A sanitizer sees every block: there all of them are malloc's.
*/
#include "blocks.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#ifdef EL_SANITIZED
enum { SHORT_LIMIT = 0 };
#else
enum { SHORT_LIMIT = EL_SHORT_LIMIT };
#endif

enum { FIRST_CHUNK = 1 << 14, LAST_CHUNK = 1 << 18 };

/* Index of the list for blocks of that size, which are EL_SHORT_STEP * index long. */
static size_t list_of(size_t size) {
    return (size + EL_SHORT_STEP - 1) / EL_SHORT_STEP;
}

static void keep(el_blocks *b, void *p, size_t list) {
    memcpy(p, &b->kept[list], sizeof(void *));
    b->kept[list] = p;
}

static bool next_chunk(el_blocks *b) {
    size_t size = b->chunk ? b->chunk : FIRST_CHUNK;
    char *chunk = malloc(size);
    if (!chunk) {
        return false;
    }
    if (b->next != b->end) { /* too short for this block, not for others */
        keep(b, b->next, (size_t)(b->end - b->next) / EL_SHORT_STEP);
    }
    b->next = chunk;
    b->end = chunk + size;
    b->chunk = size < LAST_CHUNK ? size * 2 : size;
    return true;
}

void *el_blocks_get(el_blocks *b, size_t size) {
    if (size > SHORT_LIMIT) {
        return malloc(size);
    }
    size_t list = list_of(size);
    void *p = b->kept[list];
    if (p) {
        memcpy(&b->kept[list], p, sizeof(void *));
        return p;
    }
    size = list * EL_SHORT_STEP;
    if ((size_t)(b->end - b->next) < size && !next_chunk(b)) {
        return NULL;
    }
    p = b->next;
    b->next += size;
    return p;
}

void el_blocks_put(el_blocks *b, void *p, size_t size) {
    if (!p) {
        return;
    }
    if (size > SHORT_LIMIT) {
        free(p);
    } else {
        keep(b, p, list_of(size));
    }
}

void *el_blocks_resize(el_blocks *b, void *p, size_t old, size_t size) {
    if (old > SHORT_LIMIT && size > SHORT_LIMIT) {
        return realloc(p, size);
    }
    if (list_of(old) == list_of(size) && size <= SHORT_LIMIT) {
        return p;
    }
    void *other = el_blocks_get(b, size);
    if (other) {
        memcpy(other, p, old < size ? old : size);
        el_blocks_put(b, p, old);
    }
    return other;
}
