/* SPDX-License-Identifier: MIT
**
** decimal.c - reading, comparing, printing and calculating with exact decimals.  What
** SQL and Lua make of them is in sqlite_functions.c and in the bindings.
*/
#include "decimal.h"

#include <gmp.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(GMP_NUMB_BITS == 64, "written for GMP limbs of 64 bits without nails");

/* {====== Reading ====== */

typedef enum scan_result { SCAN_OK, SCAN_NO_NUMBER, SCAN_TOO_LONG } scan_result;

/* An exponent that makes any number too long, so that reading one cannot overflow. */
enum { MAX_EXPONENT = 1000000 };

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static const char *skip_digits(const char *p, const char *end) {
    while (p < end && is_digit(*p)) {
        p++;
    }
    return p;
}

/* Reads what follows the `e`; NULL when it is no exponent, else its end. */
static const char *scan_exponent(int64_t *out, const char *p, const char *end) {
    bool negative = false;
    if (p < end && (*p == '+' || *p == '-')) {
        negative = *p++ == '-';
    }
    if (p == end || !is_digit(*p)) {
        return NULL;
    }
    int64_t e = 0;
    for (; p < end && is_digit(*p); p++) {
        if (e < MAX_EXPONENT) {
            e = e * 10 + (*p - '0');
        }
    }
    *out = negative ? -e : e;
    return p;
}

/* Drops zeros in front, moving the point along; a number of zeros only becomes zero. */
static void strip_zeros(el_decimal *d) {
    for (int i = 0; i < 2; i++) {
        while (d->len[i] > 0 && *d->digits[i] == '0') {
            d->digits[i]++;
            d->len[i]--;
            d->point--;
        }
        if (d->len[i] > 0) {
            return;
        }
    }
    d->point = 0;
    d->negative = false;
}

static scan_result scan(el_decimal *out, const char *text, size_t n) {
    const char *p = text, *end = text + n;
    out->negative = false;
    if (p < end && (*p == '+' || *p == '-')) {
        out->negative = *p++ == '-';
    }
    out->digits[0] = p;
    p = skip_digits(p, end);
    out->len[0] = (size_t)(p - out->digits[0]);
    if (p < end && *p == '.') {
        p++;
    }
    out->digits[1] = p;
    p = skip_digits(p, end);
    out->len[1] = (size_t)(p - out->digits[1]);
    if (out->len[0] + out->len[1] == 0) {
        return SCAN_NO_NUMBER;
    }
    int64_t exponent = 0;
    if (p < end && (*p == 'e' || *p == 'E')) {
        p = scan_exponent(&exponent, p + 1, end);
    }
    if (p != end) {
        return SCAN_NO_NUMBER;
    }
    int64_t scale = (int64_t)out->len[1] - exponent;
    out->point = (int64_t)out->len[0] + exponent;
    strip_zeros(out);
    if (scale > EL_DECIMAL_MAX_SCALE || out->point > EL_DECIMAL_MAX_INTEGER) {
        return SCAN_TOO_LONG;
    }
    out->scale = scale > 0 ? (int)scale : 0;
    return SCAN_OK;
}

bool el_decimal_scan(el_decimal *out, const char *text, size_t n) {
    return scan(out, text, n) == SCAN_OK;
}

int el_decimal_parse(el_decimal *out, const char *text, size_t n, el_error *err) {
    switch (scan(out, text, n)) {
    case SCAN_OK:
        return EL_OK;
    case SCAN_TOO_LONG:
        return el_fail(
            err, EL_ERR_VALUE, 0,
            "number too long for a decimal, which has at most %d digits before "
            "the point and %d after it",
            EL_DECIMAL_MAX_INTEGER, EL_DECIMAL_MAX_SCALE);
    default:
        return el_fail(err, EL_ERR_VALUE, 0,
                       "text of %zu bytes is no decimal number; write it as 12.30 or 1e5",
                       n);
    }
}

/* }====== */

/* {====== Digits ====== */

/* Writes `n` digits, the first of them number `from` of d; beyond d's there are zeros. */
static void copy_digits(char *out, const el_decimal *d, int64_t from, int64_t n) {
    int64_t done = 0;
    if (from < 0) {
        done = -from < n ? -from : n;
        memset(out, '0', (size_t)done);
    }
    int64_t start = 0; /* number of the run's first digit */
    for (int i = 0; i < 2; i++) {
        int64_t len = (int64_t)d->len[i], at = from + done - start;
        if (done < n && at >= 0 && at < len) {
            int64_t m = len - at < n - done ? len - at : n - done;
            memcpy(out + done, d->digits[i] + at, (size_t)m);
            done += m;
        }
        start += len;
    }
    memset(out + done, '0', (size_t)(n - done));
}

/* Points at the digits from number `i` on that stand together, and says how many. */
static int64_t run_at(const char **p, const el_decimal *d, int64_t i) {
    int64_t first = (int64_t)d->len[0];
    if (i < first) {
        *p = d->digits[0] + i;
        return first - i;
    }
    *p = d->digits[1] + (i - first);
    return (int64_t)d->len[1] - (i - first);
}

static bool zeros_from(const el_decimal *d, int64_t i) {
    const char *p;
    for (int64_t n; (n = run_at(&p, d, i)) > 0; i += n) {
        for (int64_t k = 0; k < n; k++) {
            if (p[k] != '0') {
                return false;
            }
        }
    }
    return true;
}

static int compare_magnitude(const el_decimal *a, const el_decimal *b) {
    if (a->point != b->point) {
        return a->point < b->point ? -1 : 1;
    }
    int64_t i = 0;
    for (;;) {
        const char *pa, *pb;
        int64_t na = run_at(&pa, a, i), nb = run_at(&pb, b, i);
        if (na <= 0 || nb <= 0) {
            break;
        }
        int64_t n = na < nb ? na : nb;
        int order = memcmp(pa, pb, (size_t)n);
        if (order != 0) {
            return order;
        }
        i += n;
    }
    if (!zeros_from(a, i)) {
        return 1;
    }
    return zeros_from(b, i) ? 0 : -1;
}

int el_decimal_compare(const el_decimal *a, const el_decimal *b) {
    if (a->negative != b->negative) {
        return a->negative ? -1 : 1;
    }
    bool za = el_decimal_is_zero(a), zb = el_decimal_is_zero(b);
    if (za || zb) {
        return (int)zb - (int)za; /* the sign of the other is plus */
    }
    int order = compare_magnitude(a, b);
    return a->negative ? -order : order;
}

int el_decimal_collate(const char *a, size_t na, const char *b, size_t nb) {
    el_decimal x, y;
    bool is_x = el_decimal_scan(&x, a, na), is_y = el_decimal_scan(&y, b, nb);
    if (is_x && is_y) {
        return el_decimal_compare(&x, &y);
    }
    if (is_x != is_y) {
        return is_x ? -1 : 1;
    }
    size_t n = na < nb ? na : nb;
    int order = n > 0 ? memcmp(a, b, n) : 0;
    return order != 0 ? order : (na > nb) - (na < nb);
}

int el_decimal_precision(const el_decimal *d) {
    int n = (d->point > 0 ? (int)d->point : 0) + d->scale;
    return n > 0 ? n : 1;
}

size_t el_decimal_length(const el_decimal *d) {
    size_t n = d->negative + (d->point > 0 ? (size_t)d->point : 1);
    return d->scale > 0 ? n + 1 + (size_t)d->scale : n;
}

void el_decimal_write(char *out, const el_decimal *d) {
    if (d->negative) {
        *out++ = '-';
    }
    if (d->point > 0) {
        copy_digits(out, d, 0, d->point);
        out += d->point;
    } else {
        *out++ = '0';
    }
    if (d->scale > 0) {
        *out++ = '.';
        copy_digits(out, d, d->point, d->scale);
    }
}

/* }====== */

/* {====== Whole numbers ====== */

/* Makes `out` of digits that end at `end`; returns their first. */
static char *write_u64(char *end, uint64_t u) {
    for (; u > 0; u /= 10) {
        *--end = (char)('0' + u % 10);
    }
    return end;
}

void el_decimal_from_int(el_decimal *out, int64_t i, char *digits) {
    uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    char *end = digits + 20, *p = write_u64(end, u);
    *out = (el_decimal){.digits = {p, end},
                        .len = {(size_t)(end - p), 0},
                        .point = end - p,
                        .negative = i < 0};
}

bool el_decimal_to_int(int64_t *out, const el_decimal *d) {
    if (d->point > 19 || d->point < 0 || !zeros_from(d, d->point)) {
        return false;
    }
    char digits[19];
    copy_digits(digits, d, 0, d->point);
    uint64_t u = 0; /* 19 digits fit */
    for (int64_t k = 0; k < d->point; k++) {
        u = u * 10 + (uint64_t)(digits[k] - '0');
    }
    uint64_t limit = (uint64_t)INT64_MAX + (d->negative ? 1 : 0);
    if (u > limit) {
        return false;
    }
    *out = d->negative ? (int64_t)(0 - u) : (int64_t)u;
    return true;
}

/* }====== */

/* {====== Workspace ====== */

typedef struct block {
    struct block *next;
    uint64_t space[];
} block;

static void *more_from_malloc(void *ud, size_t n) {
    el_workspace *w = ud;
    block *b = n <= SIZE_MAX - sizeof *b ? malloc(sizeof *b + n) : NULL;
    if (!b) {
        return NULL;
    }
    b->next = w->blocks;
    w->blocks = b;
    return b->space;
}

void el_workspace_init(el_workspace *w, void *(*more)(void *ud, size_t n), void *ud) {
    w->more = more ? more : more_from_malloc;
    w->ud = more ? ud : w;
    w->blocks = NULL;
    w->used = 0;
}

void el_workspace_release(el_workspace *w) {
    for (block *b = w->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    w->blocks = NULL;
    w->used = 0;
}

/* n words of 8 bytes, or NULL with the error set; what is asked for is bounded. */
static void *take(el_workspace *w, size_t words, el_error *err) {
    if (words <= sizeof w->space / sizeof *w->space - w->used) {
        void *p = w->space + w->used;
        w->used += words;
        return p;
    }
    void *p = w->more(w->ud, words * sizeof(uint64_t));
    if (!p) {
        el_fail(err, EL_ERR_NOMEM, 0, "not enough memory to calculate with a decimal");
    }
    return p;
}

static char *take_bytes(el_workspace *w, int64_t n, el_error *err) {
    return take(w, (size_t)n / 8 + 1, err);
}

/* }====== */

/* {====== Arithmetic ====== */

/* A whole number without sign; the highest limb is not 0. */
typedef struct natural {
    mp_limb_t *limb;
    mp_size_t n; /* 0: zero */
} natural;

static mp_size_t significant(const mp_limb_t *p, mp_size_t n) {
    while (n > 0 && p[n - 1] == 0) {
        n--;
    }
    return n;
}

static int take_limbs(natural *out, mp_size_t n, el_workspace *w, el_error *err) {
    out->n = n;
    out->limb = take(w, (size_t)n, err);
    return out->limb ? EL_OK : EL_FAIL;
}

/* d * 10^scale without its sign; scale is not below d's own. */
static int to_natural(natural *out, const el_decimal *d, int64_t scale, el_workspace *w,
                      el_error *err) {
    int64_t n = el_decimal_is_zero(d) ? 0 : d->point + scale;
    if (take_limbs(out, (mp_size_t)(n / 19 + 2), w, err) != EL_OK) {
        return EL_FAIL;
    }
    if (n <= 19) {
        char digits[19];
        copy_digits(digits, d, 0, n);
        mp_limb_t u = 0;
        for (int64_t i = 0; i < n; i++) {
            u = u * 10 + (mp_limb_t)(digits[i] - '0');
        }
        out->limb[0] = u;
        out->n = u != 0;
        return EL_OK;
    }
    char *digits = take_bytes(w, n, err);
    if (!digits) {
        return EL_FAIL;
    }
    copy_digits(digits, d, 0, n);
    for (int64_t i = 0; i < n; i++) {
        digits[i] = (char)(digits[i] - '0');
    }
    out->n = mpn_set_str(out->limb, (const unsigned char *)digits, (size_t)n, 10);
    out->n = significant(out->limb, out->n);
    return EL_OK;
}

/* Makes the decimal natural / 10^scale; the natural's limbs are used up. */
static int from_natural(el_decimal *out, natural x, bool negative, int scale,
                        el_workspace *w, el_error *err) {
    x.n = significant(x.limb, x.n);
    int64_t room = (int64_t)x.n * 20 + 2; /* 64 bits are 19.3 digits */
    char *digits = take_bytes(w, room, err), *end;
    if (!digits) {
        return EL_FAIL;
    }
    if (x.n <= 1) {
        end = digits + room;
        digits = write_u64(end, x.n ? x.limb[0] : 0);
    } else {
        size_t n = mpn_get_str((unsigned char *)digits, 10, x.limb, x.n);
        end = digits + n;
        for (char *p = digits; p < end; p++) {
            *p = (char)(*p + '0');
        }
    }
    *out = (el_decimal){.digits = {digits, end},
                        .len = {(size_t)(end - digits), 0},
                        .point = end - digits - scale,
                        .scale = scale,
                        .negative = negative};
    strip_zeros(out);
    if (out->point > EL_DECIMAL_MAX_INTEGER) {
        return el_fail(err, EL_ERR_VALUE, 0,
                       "the result has more than %d digits before the point",
                       EL_DECIMAL_MAX_INTEGER);
    }
    return EL_OK;
}

static int compare_naturals(natural a, natural b) {
    return a.n != b.n ? (a.n < b.n ? -1 : 1) : mpn_cmp(a.limb, b.limb, a.n);
}

int el_decimal_add(el_decimal *out, const el_decimal *a, const el_decimal *b,
                   el_workspace *w, el_error *err) {
    int scale = a->scale > b->scale ? a->scale : b->scale;
    bool negative = a->negative, opposite = a->negative != b->negative;
    natural x, y, sum;
    if (to_natural(&x, a, scale, w, err) != EL_OK ||
        to_natural(&y, b, scale, w, err) != EL_OK) {
        return EL_FAIL;
    }
    if (compare_naturals(x, y) < 0) {
        natural swap = x;
        x = y;
        y = swap;
        negative = b->negative;
    }
    if (take_limbs(&sum, x.n + 1, w, err) != EL_OK) {
        return EL_FAIL;
    }
    sum.limb[x.n] = 0;
    if (y.n == 0) {
        if (x.n > 0) {
            mpn_copyi(sum.limb, x.limb, x.n);
        }
    } else if (opposite) {
        mpn_sub(sum.limb, x.limb, x.n, y.limb, y.n);
    } else {
        sum.limb[x.n] = mpn_add(sum.limb, x.limb, x.n, y.limb, y.n);
    }
    return from_natural(out, sum, negative, scale, w, err);
}

int el_decimal_sub(el_decimal *out, const el_decimal *a, const el_decimal *b,
                   el_workspace *w, el_error *err) {
    el_decimal minus_b = *b;
    el_decimal_negate(&minus_b);
    return el_decimal_add(out, a, &minus_b, w, err);
}

int el_decimal_mul(el_decimal *out, const el_decimal *a, const el_decimal *b,
                   el_workspace *w, el_error *err) {
    int scale = a->scale + b->scale;
    if (scale > EL_DECIMAL_MAX_SCALE) {
        return el_fail(err, EL_ERR_VALUE, 0,
                       "the product has more than %d digits after the point; round the "
                       "factors first",
                       EL_DECIMAL_MAX_SCALE);
    }
    natural x, y, product;
    if (to_natural(&x, a, a->scale, w, err) != EL_OK ||
        to_natural(&y, b, b->scale, w, err) != EL_OK ||
        take_limbs(&product, x.n + y.n, w, err) != EL_OK) {
        return EL_FAIL;
    }
    if (x.n == 0 || y.n == 0) {
        product.n = 0;
    } else if (x.n >= y.n) {
        mpn_mul(product.limb, x.limb, x.n, y.limb, y.n);
    } else {
        mpn_mul(product.limb, y.limb, y.n, x.limb, x.n);
    }
    return from_natural(out, product, a->negative != b->negative, scale, w, err);
}

/*
** Whether a quotient goes up by one: `rest` of the division by `y` has y.n limbs, and
** `scratch` too.
*/
static bool rounds_up(const mp_limb_t *rest, natural y, mp_limb_t *scratch, bool odd,
                      bool negative, el_rounding rounding) {
    bool away = rounding == EL_ROUND_UP ||
                rounding == (negative ? EL_ROUND_FLOOR : EL_ROUND_CEILING);
    if (away || rounding == EL_ROUND_DOWN || rounding >= EL_ROUND_FLOOR) {
        return away && !mpn_zero_p(rest, y.n);
    }
    mpn_sub_n(scratch, y.limb, rest, y.n); /* rest is below y */
    int half = mpn_cmp(rest, scratch, y.n);
    return half > 0 || (half == 0 && (rounding == EL_ROUND_HALF_UP || odd));
}

static int check_scale(int scale, el_error *err) {
    if (scale < 0 || scale > EL_DECIMAL_MAX_SCALE) {
        return el_fail(err, EL_ERR_VALUE, 0, "the scale must be from 0 to %d, got %d",
                       EL_DECIMAL_MAX_SCALE, scale);
    }
    return EL_OK;
}

int el_decimal_div(el_decimal *out, const el_decimal *a, const el_decimal *b, int scale,
                   el_rounding rounding, el_workspace *w, el_error *err) {
    if (check_scale(scale, err) != EL_OK) {
        return EL_FAIL;
    }
    if (el_decimal_is_zero(b)) {
        return el_fail(err, EL_ERR_VALUE, 0, "division by zero");
    }
    /* a / b = (a * 10^common) / (b * 10^(common - scale)) / 10^scale */
    int64_t common = (int64_t)scale + b->scale;
    if (common < a->scale) {
        common = a->scale;
    }
    natural x, y, quotient, rest, scratch;
    if (to_natural(&x, a, common, w, err) != EL_OK ||
        to_natural(&y, b, common - scale, w, err) != EL_OK) {
        return EL_FAIL;
    }
    mp_size_t nq = x.n >= y.n ? x.n - y.n + 1 : 0;
    if (take_limbs(&quotient, nq + 1, w, err) != EL_OK ||
        take_limbs(&rest, y.n, w, err) != EL_OK ||
        take_limbs(&scratch, y.n, w, err) != EL_OK) {
        return EL_FAIL;
    }
    quotient.limb[nq] = 0;
    if (nq > 0) {
        mpn_tdiv_qr(quotient.limb, rest.limb, 0, x.limb, x.n, y.limb, y.n);
    } else {
        mpn_zero(rest.limb, y.n);
        if (x.n > 0) {
            mpn_copyi(rest.limb, x.limb, x.n);
        }
    }
    bool negative = a->negative != b->negative;
    if (rounds_up(rest.limb, y, scratch.limb, quotient.limb[0] & 1, negative, rounding)) {
        mpn_add_1(quotient.limb, quotient.limb, quotient.n, 1);
    }
    return from_natural(out, quotient, negative, scale, w, err);
}

int el_decimal_mod(el_decimal *out, const el_decimal *a, const el_decimal *b,
                   el_workspace *w, el_error *err) {
    el_decimal times, part;
    if (el_decimal_div(&times, a, b, 0, EL_ROUND_FLOOR, w, err) != EL_OK ||
        el_decimal_mul(&part, &times, b, w, err) != EL_OK) {
        return EL_FAIL;
    }
    return el_decimal_sub(out, a, &part, w, err);
}

int el_decimal_pow(el_decimal *out, const el_decimal *a, int64_t exponent,
                   el_workspace *w, el_error *err) {
    static const char one[] = "1";
    el_decimal square = *a, result = {{one, one + 1}, {1, 0}, 1, 0, false};
    if (exponent < 0) {
        return el_fail(err, EL_ERR_VALUE, 0,
                       "the exponent must be 0 or above, got %lld; divide 1 by the power",
                       (long long)exponent);
    }
    for (; exponent > 0; exponent /= 2) {
        if (exponent % 2 && el_decimal_mul(&result, &result, &square, w, err) != EL_OK) {
            return EL_FAIL;
        }
        if (exponent > 1 && el_decimal_mul(&square, &square, &square, w, err) != EL_OK) {
            return EL_FAIL;
        }
    }
    *out = result;
    return EL_OK;
}

int el_decimal_round(el_decimal *out, const el_decimal *a, int scale,
                     el_rounding rounding, el_workspace *w, el_error *err) {
    if (check_scale(scale, err) != EL_OK) {
        return EL_FAIL;
    }
    if (scale >= a->scale) {
        *out = *a;
        out->scale = scale;
        return EL_OK;
    }
    char digits[20];
    el_decimal one;
    el_decimal_from_int(&one, 1, digits);
    return el_decimal_div(out, a, &one, scale, rounding, w, err);
}

void el_decimal_negate(el_decimal *d) {
    d->negative = !d->negative && !el_decimal_is_zero(d);
}

/* }====== */
