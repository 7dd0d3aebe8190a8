/* SPDX-License-Identifier: MIT
**
** decimal.h - exact decimal numbers.  A number is a view on the digits of its text, so
** reading, comparing and printing need no memory; arithmetic runs on GMP's mpn layer.
**
** The scale (digits after the point) is part of a number: 12.30 prints as 12.30, and
** compares equal to 12.3.
*/
#ifndef EL_DECIMAL_H
#define EL_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* As PostgreSQL's numeric: digits before and after the point.  More is an error. */
enum { EL_DECIMAL_MAX_INTEGER = 131072, EL_DECIMAL_MAX_SCALE = 16383 };

/* 0.DDD * 10^point, where DDD is the two runs of digits, the first of them not 0. */
typedef struct el_decimal {
    const char *digits[2]; /* lent by the text or the workspace */
    size_t len[2];         /* both 0 for zero */
    int64_t point;         /* 0 for zero */
    int scale;
    bool negative; /* never for zero */
} el_decimal;

/*
** Reads all n bytes: `[+-]digits[.digits][e[+-]digits]`, digits on one side of the point
** at least.  False, and *out undefined, when they are no number or one too long.
*/
bool el_decimal_scan(el_decimal *out, const char *text, size_t n);

/* The same, saying what is wrong: EL_ERR_VALUE. */
int el_decimal_parse(el_decimal *out, const char *text, size_t n, el_error *err);

/* A whole number; its digits are written to `digits` (20 bytes). */
void el_decimal_from_int(el_decimal *out, int64_t i, char *digits);

/* False, and *out untouched, when it has a fraction or is beyond 64 bits. */
bool el_decimal_to_int(int64_t *out, const el_decimal *d);

/* Bytes of the plain form: a sign, digits, a point and `scale` digits; no exponent. */
size_t el_decimal_length(const el_decimal *d);

/* Writes those bytes, no NUL. */
void el_decimal_write(char *out, const el_decimal *d);

/* Below 0, 0 or above 0, by value: 12.30 equals 12.3. */
int el_decimal_compare(const el_decimal *a, const el_decimal *b);

static inline bool el_decimal_is_zero(const el_decimal *d) {
    return d->len[0] + d->len[1] == 0;
}

/* Significant digits: those before the point and the scale; 4 for 12.30. */
int el_decimal_precision(const el_decimal *d);

/*
** The order of the SQLite collation `decimal`, total on any two texts: numbers by value,
** then everything else by its bytes.
*/
int el_decimal_collate(const char *a, size_t na, const char *b, size_t nb);

/* {====== Arithmetic ====== */

/*
** Memory of a calculation.  Results lend their digits from it.  Ordinary numbers need
** no more than what is inside.  GMP itself takes temporary memory for numbers of some
** thousand digits, and ends the process if it gets none.
*/
typedef struct el_workspace {
    void *(*more)(void *ud, size_t n); /* 8-aligned; NULL: no memory; may not return */
    void *ud;
    void *blocks; /* of el_workspace_init's own `more` */
    size_t used;
    uint64_t space[96];
} el_workspace;

/* With `more` NULL, memory is from malloc until el_workspace_release. */
void el_workspace_init(el_workspace *w, void *(*more)(void *ud, size_t n), void *ud);
void el_workspace_release(el_workspace *w);

typedef enum el_rounding {
    EL_ROUND_HALF_UP,   /* ties away from zero, as SQL engines do */
    EL_ROUND_HALF_EVEN, /* ties to the even digit */
    EL_ROUND_DOWN,      /* towards zero */
    EL_ROUND_UP,        /* away from zero */
    EL_ROUND_FLOOR,     /* to the lower number */
    EL_ROUND_CEILING    /* to the higher number */
} el_rounding;

/*
** These fail with EL_ERR_VALUE when the result is beyond the limits, the divisor is zero
** or the scale is not within [0, EL_DECIMAL_MAX_SCALE], and with EL_ERR_NOMEM.  The
** scale of a sum is the larger one, of a product the sum of both.
*/
int el_decimal_add(el_decimal *out, const el_decimal *a, const el_decimal *b,
                   el_workspace *w, el_error *err);
int el_decimal_sub(el_decimal *out, const el_decimal *a, const el_decimal *b,
                   el_workspace *w, el_error *err);
int el_decimal_mul(el_decimal *out, const el_decimal *a, const el_decimal *b,
                   el_workspace *w, el_error *err);
int el_decimal_div(el_decimal *out, const el_decimal *a, const el_decimal *b, int scale,
                   el_rounding rounding, el_workspace *w, el_error *err);

/* a - b * floor(a / b), exact: it has the sign of b, as Lua's `%`. */
int el_decimal_mod(el_decimal *out, const el_decimal *a, const el_decimal *b,
                   el_workspace *w, el_error *err);

/* `exponent` is 0 or above; anything to the power of 0 is 1. */
int el_decimal_pow(el_decimal *out, const el_decimal *a, int64_t exponent,
                   el_workspace *w, el_error *err);
int el_decimal_round(el_decimal *out, const el_decimal *a, int scale,
                     el_rounding rounding, el_workspace *w, el_error *err);

/* Changes the sign. */
void el_decimal_negate(el_decimal *d);

/* }====== */

#endif
