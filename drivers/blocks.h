/* SPDX-License-Identifier: MIT
**
** blocks.h - short blocks of memory for who knows their length when they go back, so
** that they need no header and no search.  One el_blocks belongs to one thread at a time.
*/
#ifndef EL_BLOCKS_H
#define EL_BLOCKS_H

#include <stddef.h>

/* Blocks up to the limit come from chunks, in steps of this many bytes. */
enum { EL_SHORT_STEP = 16, EL_SHORT_LIMIT = 512 };

/* Zeroed is ready.  Its chunks go back with the process. */
typedef struct el_blocks {
    void *kept[EL_SHORT_LIMIT / EL_SHORT_STEP + 1]; /* by length, linked by the first word */
    char *next, *end;                               /* rest of the latest chunk */
    size_t chunk;                                   /* length of the next one */
} el_blocks;

/* A block of `size` bytes, 16 or more of them aligned as malloc's; NULL without memory. */
void *el_blocks_get(el_blocks *b, size_t size);

/* Takes back a block of that size; `p` may be NULL. */
void el_blocks_put(el_blocks *b, void *p, size_t size);

/* A longer or shorter block with what the old one has; NULL, and the old one is as ever. */
void *el_blocks_resize(el_blocks *b, void *p, size_t old, size_t size);

#endif
