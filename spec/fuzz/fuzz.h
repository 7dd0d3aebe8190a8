/* SPDX-License-Identifier: MIT
**
** fuzz.h - what the fuzz targets share: the input taken apart piece by piece, and a
** check that ends the run.  A target is one file, <name>_fuzz.c.
*/
#ifndef EL_FUZZ_H
#define EL_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Says what did not hold; libFuzzer keeps the input. */
#define REQUIRE(condition)                                                               \
    ((condition) ? (void)0 : fuzz_failed(#condition, __FILE__, __LINE__))

static inline void fuzz_failed(const char *what, const char *file, int line) {
    fprintf(stderr, "%s:%d: not true: %s\n", file, line, what);
    abort();
}

typedef struct fuzz_input {
    const uint8_t *p, *end;
} fuzz_input;

/* The next byte, 0 past the end. */
static inline unsigned fuzz_byte(fuzz_input *in) {
    return in->p < in->end ? *in->p++ : 0u;
}

/* A whole number of 8 bytes; missing ones are 0. */
static inline uint64_t fuzz_word(fuzz_input *in) {
    uint64_t word = 0;
    for (int i = 0; i < 8; i++) {
        word = word << 8 | fuzz_byte(in);
    }
    return word;
}

/*
** The next n bytes, or what is left of them, in a block of their own that is not one byte
** longer, so that reading past them is seen; free() it.
*/
static inline char *fuzz_bytes(fuzz_input *in, size_t *n) {
    size_t left = (size_t)(in->end - in->p);
    *n = *n < left ? *n : left;
    char *copy = malloc(*n ? *n : 1);
    REQUIRE(copy);
    if (*n > 0) {
        memcpy(copy, in->p, *n);
    }
    in->p += *n;
    return copy;
}

/* The same with a NUL behind it, as libpq gives cells; n is as it was. */
static inline char *fuzz_text(fuzz_input *in, size_t *n) {
    size_t left = (size_t)(in->end - in->p);
    *n = *n < left ? *n : left;
    char *copy = malloc(*n + 1);
    REQUIRE(copy);
    if (*n > 0) {
        memcpy(copy, in->p, *n);
    }
    copy[*n] = '\0';
    in->p += *n;
    return copy;
}

/* Reads all n bytes, so that one that must not be read is seen. */
static inline void fuzz_touch(const char *p, size_t n) {
    unsigned sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (unsigned char)p[i];
    }
    __asm__ volatile("" : : "r"(sum)); /* no compiler leaves it out */
}

/* Everything that is left. */
static inline size_t fuzz_left(const fuzz_input *in) {
    return (size_t)(in->end - in->p);
}

typedef void fuzz_part(fuzz_input *in);

/* Gives the input to one part of a target, by its first byte: to the first every other.
 */
static inline int fuzz_choose(const uint8_t *data, size_t size, fuzz_part *often,
                              fuzz_part *second, fuzz_part *third) {
    fuzz_part *const parts[] = {often, often, second, third};
    fuzz_input in = {data, data + size};
    parts[fuzz_byte(&in) % 4](&in);
    return 0;
}

#endif
