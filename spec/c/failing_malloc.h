/* SPDX-License-Identifier: MIT
**
** failing_malloc.h - a malloc that runs out when a spec says so: one spec program that
** includes this has its own and the program's calls of malloc, calloc, realloc and
** strdup come here (CMakeLists.txt sees the include); shared libraries keep the system's.
** Included after <cmocka.h>.
*/
#ifndef EL_FAILING_MALLOC_H
#define EL_FAILING_MALLOC_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);

static long allocations_left = -1; /* that still succeed; negative: all of them */
static bool ran_out;               /* an allocation failed since the last starve_...() */
static bool only_one;              /* what comes after the failing one succeeds */

/* The next `n` allocations succeed, and those after them fail. */
static inline void starve_after(long n) {
    allocations_left = n;
    ran_out = only_one = false;
}

/* The same, and only one of them fails. */
static inline void starve_once(long n) {
    starve_after(n);
    only_one = true;
}

/* All succeed again; true when one had failed. */
static inline bool feed(void) {
    allocations_left = -1;
    return ran_out;
}

static inline bool allocation_fails(void) {
    if (allocations_left != 0) {
        allocations_left -= allocations_left > 0;
        return false;
    }
    ran_out = true;
    allocations_left -= only_one;
    return true;
}

void *__wrap_malloc(size_t n) {
    return allocation_fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size) {
    return allocation_fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n) {
    return allocation_fails() ? NULL : __real_realloc(p, n);
}

char *__wrap_strdup(const char *text) {
    return allocation_fails() ? NULL : __real_strdup(text);
}

/* One piece of work, which reports its failure and frees what it made. */
typedef int (*work)(el_error *err);

/*
** Runs the work with the first allocation failing, then the second, until none does;
** `after` (or NULL) looks at what a failed one left.  A library may do without some of
** its memory, so not each is an error, but at the least so many are.
*/
static inline void starve(work f, int least, void (*after)(void)) {
    int errors = 0;
    for (int n = 0;; n++) {
        el_error e = {0};
        starve_after(n);
        int rc = f(&e);
        bool failed = feed();
        if (rc != EL_OK) {
            errors++;
            if (e.kind != EL_ERR_NOMEM) {
                fail_msg("allocation %d: %s: %s", n, el_errkind_name(e.kind), e.message);
            }
            if (after != NULL) {
                after();
            }
        }
        if (!failed) {
            assert_int_equal(rc, EL_OK);
            break;
        }
        assert_true(n < 5000);
    }
    assert_true(errors >= least);
}

#endif
