/* SPDX-License-Identifier: MIT
**
** decimal_fuzz.c - decimals against the fractions of GMP: reading, printing, comparing,
** and all operations with every rounding.  First bytes: a scale and a rounding; then two
** numbers with a blank between them.
*/
#include "fuzz.h"

#include <gmp.h>
#include <regex.h>

#include "decimal.h"

/* Longer ones take GMP's fractions too long. */
enum { LONGEST = 1500 };

static int sign(int i) {
    return (i > 0) - (i < 0);
}

/* q * 10^e */
static void scale_by(mpq_t q, long e) {
    mpz_t power;
    mpz_init(power);
    mpz_ui_pow_ui(power, 10, (unsigned long)labs(e));
    mpz_mul(e < 0 ? mpq_denref(q) : mpq_numref(q), e < 0 ? mpq_denref(q) : mpq_numref(q),
            power);
    mpq_canonicalize(q);
    mpz_clear(power);
}

/* The fraction that a well-formed number means. */
static void read_fraction(mpq_t q, const char *text) {
    char *digits = malloc(strlen(text) + 2);
    size_t n = 0;
    long exponent = 0;
    bool point = false;
    REQUIRE(digits);
    for (const char *p = text; *p; p++) {
        if (*p == '.') {
            point = true;
        } else if (*p == 'e' || *p == 'E') {
            exponent += strtol(p + 1, NULL, 10);
            break;
        } else if (*p != '+') {
            digits[n++] = *p;
            exponent -= point && *p != '-';
        }
    }
    digits[n] = '\0';
    REQUIRE(mpq_set_str(q, digits, 10) == 0);
    if (mpq_sgn(q) != 0) {
        scale_by(q, exponent);
    }
    free(digits);
}

static char *plain(const el_decimal *d) {
    size_t n = el_decimal_length(d);
    char *text = malloc(n + 1);
    REQUIRE(text);
    el_decimal_write(text, d);
    text[n] = '\0';
    REQUIRE(strlen(text) == n);
    return text;
}

/* Printed, the decimal is this fraction with this scale. */
static void check_is(const el_decimal *d, const mpq_t q, int scale) {
    mpq_t own;
    el_decimal again;
    char *text = plain(d);
    const char *point = strchr(text, '.');
    mpq_init(own);
    read_fraction(own, text);
    REQUIRE(mpq_equal(own, q));
    REQUIRE(d->scale == scale && (point ? (int)strlen(point + 1) : 0) == scale);
    REQUIRE(el_decimal_scan(&again, text, strlen(text)));
    REQUIRE(again.scale == scale && el_decimal_compare(&again, d) == 0);
    REQUIRE(text[0] != '-' || mpq_sgn(q) < 0); /* no -0 */
    mpq_clear(own);
    free(text);
}

/* q rounded to `scale` digits after the point. */
static void round_fraction(mpq_t q, int scale, el_rounding rounding) {
    mpz_t whole, rest;
    mpz_inits(whole, rest, NULL);
    scale_by(q, scale);
    mpz_tdiv_qr(whole, rest, mpq_numref(q), mpq_denref(q));
    mpz_mul_2exp(rest, rest, 1);
    int half = mpz_cmpabs(rest, mpq_denref(q));
    bool away =
        rounding != EL_ROUND_DOWN &&
        (half > 0 || (half == 0 && (rounding == EL_ROUND_HALF_UP || mpz_odd_p(whole))));
    if (away && mpq_sgn(q) < 0) {
        mpz_sub_ui(whole, whole, 1);
    } else if (away) {
        mpz_add_ui(whole, whole, 1);
    }
    mpq_set_z(q, whole);
    scale_by(q, -scale);
    mpz_clears(whole, rest, NULL);
}

static bool is_number(const char *text) {
    static regex_t shape;
    static bool ready;
    if (!ready) {
        ready = regcomp(&shape, "^[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?$",
                        REG_EXTENDED | REG_NOSUB) == 0;
        REQUIRE(ready);
    }
    return regexec(&shape, text, 0, NULL, 0) == 0;
}

/* True when `d` was read and is short enough to calculate with. */
static bool check_read(el_decimal *d, mpq_t q, const char *text, size_t n) {
    el_error err = {0};
    bool good = el_decimal_parse(d, text, n, &err) == EL_OK;
    if (!good) {
        REQUIRE(err.kind == EL_ERR_VALUE);
        REQUIRE(strstr(err.message, "too long") || strlen(text) != n || !is_number(text));
        return false;
    }
    REQUIRE(strlen(text) == n && is_number(text));
    if (d->point > LONGEST || d->scale > LONGEST) {
        return false;
    }
    read_fraction(q, text);
    check_is(d, q, d->scale);
    int64_t i;
    mpz_t *den = (mpz_t *)mpq_denref(q);
    bool fits = mpz_cmp_ui(*den, 1) == 0 && mpz_fits_slong_p(mpq_numref(q));
    REQUIRE(el_decimal_to_int(&i, d) == fits);
    if (fits) {
        char digits[20];
        el_decimal whole;
        REQUIRE(i == mpz_get_si(mpq_numref(q)));
        el_decimal_from_int(&whole, i, digits);
        REQUIRE(el_decimal_compare(&whole, d) == 0);
    }
    return true;
}

static void check_operations(const el_decimal *a, const el_decimal *b, const mpq_t qa,
                             const mpq_t qb, int scale, el_rounding rounding) {
    el_workspace w;
    el_decimal out;
    el_error err = {0};
    mpq_t q;
    mpq_init(q);
    el_workspace_init(&w, NULL, NULL);
    int larger = a->scale > b->scale ? a->scale : b->scale;

    REQUIRE(sign(el_decimal_compare(a, b)) == sign(mpq_cmp(qa, qb)));
    REQUIRE(sign(el_decimal_compare(b, a)) == sign(mpq_cmp(qb, qa)));
    REQUIRE(el_decimal_add(&out, a, b, &w, &err) == EL_OK);
    mpq_add(q, qa, qb);
    check_is(&out, q, larger);
    REQUIRE(el_decimal_sub(&out, a, b, &w, &err) == EL_OK);
    mpq_sub(q, qa, qb);
    check_is(&out, q, larger);
    REQUIRE(el_decimal_mul(&out, a, b, &w, &err) == EL_OK);
    mpq_mul(q, qa, qb);
    check_is(&out, q, a->scale + b->scale);

    REQUIRE(el_decimal_round(&out, a, scale, rounding, &w, &err) == EL_OK);
    mpq_set(q, qa);
    round_fraction(q, scale, rounding);
    check_is(&out, q, scale);
    int rc = el_decimal_div(&out, a, b, scale, rounding, &w, &err);
    REQUIRE((rc == EL_OK) == (mpq_sgn(qb) != 0));
    if (rc == EL_OK) {
        mpq_div(q, qa, qb);
        round_fraction(q, scale, rounding);
        check_is(&out, q, scale);
    }
    el_workspace_release(&w);
    mpq_clear(q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_input in = {data, data + size};
    int scale = (int)(fuzz_byte(&in) % 64);
    el_rounding rounding = (el_rounding)(fuzz_byte(&in) % 3);
    const uint8_t *blank = memchr(in.p, ' ', fuzz_left(&in));
    size_t na = blank ? (size_t)(blank - in.p) : fuzz_left(&in);
    char *a = fuzz_text(&in, &na);
    fuzz_byte(&in);
    size_t nb = fuzz_left(&in);
    char *b = fuzz_text(&in, &nb);
    el_decimal x, y;
    mpq_t qx, qy;
    mpq_inits(qx, qy, NULL);
    bool good = check_read(&x, qx, a, na);
    good = check_read(&y, qy, b, nb) && good;
    if (good) {
        check_operations(&x, &y, qx, qy, scale, rounding);
    }
    REQUIRE(sign(el_decimal_collate(a, na, b, nb)) ==
            -sign(el_decimal_collate(b, nb, a, na)));
    REQUIRE(el_decimal_collate(a, na, a, na) == 0);
    mpq_clears(qx, qy, NULL);
    free(a);
    free(b);
    return 0;
}
