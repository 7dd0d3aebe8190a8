/* SPDX-License-Identifier: MIT
**
** memory.c - where the interpreter's memory comes from.
*/
#include "memory.h"

void *el_memory_alloc(void *ud, void *p, size_t old, size_t size) {
    el_memory *m = ud;
    if (size == 0) {
        if (!m->ending) {
            el_blocks_put(&m->blocks, p, old);
        }
        return NULL;
    }
    /* Without a block `old` says what kind of object it is going to be. */
    return p ? el_blocks_resize(&m->blocks, p, old, size)
             : el_blocks_get(&m->blocks, size);
}
