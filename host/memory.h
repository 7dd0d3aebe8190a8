/* SPDX-License-Identifier: MIT
**
** memory.h - the allocator of the Lua state.
*/
#ifndef EL_MEMORY_H
#define EL_MEMORY_H

#include <stdbool.h>

#include "blocks.h"

/* Zeroed is ready.  One for each state, which it outlives. */
typedef struct el_memory {
    el_blocks blocks;
    bool ending; /* the process is about to end: it gives the blocks back, all at once */
} el_memory;

/* A lua_Alloc; `ud` is an el_memory. */
void *el_memory_alloc(void *ud, void *p, size_t old, size_t size);

#endif
