/* SPDX-License-Identifier: MIT
**
** blocks_spec.c - short blocks of memory: none overlaps another, each keeps what was
** written to it through every change of its size, and a lack of memory loses nothing.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "blocks.h"
#include "failing_malloc.h"

enum { SLOTS = 500, STEPS = 60000, LONGEST = 1200 };

typedef struct slot {
    unsigned char *p;
    size_t size;
    unsigned char mark;
} slot;

static bool is_whole(const slot *s, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (s->p[i] != s->mark) {
            return false;
        }
    }
    return true;
}

static unsigned next_random(uint32_t *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void keeps_every_byte(void **state) {
    (void)state;
    static el_blocks blocks;
    static slot slots[SLOTS];
    uint32_t seed = 7;
    for (int i = 0; i < STEPS; i++) {
        slot *s = &slots[next_random(&seed) % SLOTS];
        size_t size = 1 + next_random(&seed) % LONGEST;
        if (!s->p) {
            s->p = el_blocks_get(&blocks, size);
        } else if (next_random(&seed) % 2) {
            assert_true(is_whole(s, s->size));
            s->p = el_blocks_resize(&blocks, s->p, s->size, size);
            assert_true(is_whole(s, s->size < size ? s->size : size));
        } else {
            assert_true(is_whole(s, s->size));
            el_blocks_put(&blocks, s->p, s->size);
            s->p = NULL;
            continue;
        }
        assert_non_null(s->p);
        assert_true((uintptr_t)s->p % 16 == 0);
        s->size = size;
        s->mark = (unsigned char)i;
        memset(s->p, s->mark, size);
    }
    for (size_t i = 0; i < SLOTS; i++) {
        if (slots[i].p) {
            assert_true(is_whole(&slots[i], slots[i].size));
            el_blocks_put(&blocks, slots[i].p, slots[i].size);
        }
    }
    el_blocks_put(&blocks, NULL, 0);
}

#ifndef EL_SANITIZED /* where each block is a new one */
static void uses_a_block_again(void **state) {
    (void)state;
    static el_blocks blocks;
    void *p = el_blocks_get(&blocks, 100);
    el_blocks_put(&blocks, p, 100);
    assert_ptr_equal(el_blocks_get(&blocks, 112), p); /* of the same length */
    assert_ptr_equal(el_blocks_resize(&blocks, p, 112, 97), p);
}
#endif

static void a_lack_of_memory_loses_nothing(void **state) {
    (void)state;
    static el_blocks blocks;
    unsigned char *p = el_blocks_get(&blocks, 40);
    memset(p, 1, 40);
    unsigned char *kept[4096];
    size_t n = 0;
    starve_after(0);
    while (n < 4096 && (kept[n] = el_blocks_get(&blocks, 40)) != NULL) {
        n++; /* what is left of the chunk */
    }
    assert_in_range(n, 0, 4095);
    assert_null(el_blocks_resize(&blocks, p, 40, 400));
    assert_null(el_blocks_resize(&blocks, p, 40, 4000));
    assert_null(el_blocks_get(&blocks, 4000));
    feed();
    for (int i = 0; i < 40; i++) {
        assert_int_equal(p[i], 1);
    }
    p = el_blocks_resize(&blocks, p, 40, 400);
    assert_non_null(p);
    assert_int_equal(p[39], 1);
    el_blocks_put(&blocks, p, 400);
    while (n > 0) {
        el_blocks_put(&blocks, kept[--n], 40);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_every_byte),
#ifndef EL_SANITIZED
        cmocka_unit_test(uses_a_block_again),
#endif
        cmocka_unit_test(a_lack_of_memory_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
