/* SPDX-License-Identifier: MIT
**
** names.h - an index from names to numbers, for scanners that meet the same name again.
** It lends the bytes of the names and owns only its slots.
*/
#ifndef EL_NAMES_H
#define EL_NAMES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct el_name {
    const char *bytes; /* NULL: free */
    size_t len, number;
} el_name;

typedef struct el_names {
    el_name *slots;
    size_t size, used; /* size is zero or a power of two, at most 3/4 of it used */
} el_names;

static inline void el_names_release(el_names *names) {
    free(names->slots);
    *names = (el_names){0};
}

/* The slot of a name, or the free one where it belongs; size is not zero. */
static inline el_name *el_names_slot(el_name *slots, size_t size, const char *bytes,
                                     size_t len) {
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ (unsigned char)bytes[i]) * 1099511628211u;
    }
    size_t i = (size_t)(hash ^ (hash >> 32)) & (size - 1);
    while (slots[i].bytes &&
           (slots[i].len != len || memcmp(slots[i].bytes, bytes, len) != 0)) {
        i = (i + 1) & (size - 1);
    }
    return &slots[i];
}

/* The entry of a name, or NULL. */
static inline el_name *el_names_find(const el_names *names, const char *bytes,
                                     size_t len) {
    if (names->size == 0) {
        return NULL;
    }
    el_name *slot = el_names_slot(names->slots, names->size, bytes, len);
    return slot->bytes ? slot : NULL;
}

static inline bool el_names_grow(el_names *names) {
    size_t size = names->size ? names->size * 2 : 16;
    el_name *slots = size > names->size ? calloc(size, sizeof *slots) : NULL;
    if (!slots) {
        return false;
    }
    for (size_t i = 0; i < names->size; i++) {
        const el_name *old = &names->slots[i];
        if (old->bytes) {
            *el_names_slot(slots, size, old->bytes, old->len) = *old;
        }
    }
    free(names->slots);
    names->slots = slots;
    names->size = size;
    return true;
}

/* The entry of a name, made with `number` when it is new; NULL: out of memory. */
static inline el_name *el_names_put(el_names *names, const char *bytes, size_t len,
                                    size_t number) {
    if (names->used >= names->size / 4 * 3 && !el_names_grow(names)) {
        return NULL;
    }
    el_name *slot = el_names_slot(names->slots, names->size, bytes, len);
    if (!slot->bytes) {
        *slot = (el_name){bytes, len, number};
        names->used++;
    }
    return slot;
}

#endif
