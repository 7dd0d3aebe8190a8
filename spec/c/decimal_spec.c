/* SPDX-License-Identifier: MIT
**
** decimal_spec.c - exact decimals: reading, printing, order, arithmetic, limits, memory.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decimal.h"

/* {====== What the tests share ====== */

static el_decimal read_text(const char *text) {
    el_decimal d;
    el_error err;
    el_error_clear(&err);
    if (el_decimal_parse(&d, text, strlen(text), &err) != EL_OK) {
        fail_msg("%s: %s", text, err.message);
    }
    return d;
}

static void assert_prints(const el_decimal *d, const char *expected) {
    size_t n = el_decimal_length(d);
    char *text = malloc(n + 1);
    assert_non_null(text);
    el_decimal_write(text, d);
    text[n] = '\0';
    assert_string_equal(text, expected);
    free(text);
}

typedef int operation(el_decimal *out, const el_decimal *a, const el_decimal *b,
                      el_workspace *w, el_error *err);

static void assert_result(operation *op, const char *a, const char *b,
                          const char *expected) {
    el_decimal x = read_text(a), y = read_text(b), result;
    el_workspace w;
    el_error err;
    el_error_clear(&err);
    el_workspace_init(&w, NULL, NULL);
    if (op(&result, &x, &y, &w, &err) != EL_OK) {
        fail_msg("%s, %s: %s", a, b, err.message);
    }
    assert_prints(&result, expected);
    el_workspace_release(&w);
}

static void assert_quotient(const char *a, const char *b, int scale, el_rounding rounding,
                            const char *expected) {
    el_decimal x = read_text(a), y = read_text(b), result;
    el_workspace w;
    el_error err;
    el_error_clear(&err);
    el_workspace_init(&w, NULL, NULL);
    assert_int_equal(el_decimal_div(&result, &x, &y, scale, rounding, &w, &err), EL_OK);
    assert_prints(&result, expected);
    el_workspace_release(&w);
}

/* A text of `n` times c; the caller frees it. */
static char *repeat(char c, size_t n) {
    char *text = malloc(n + 1);
    assert_non_null(text);
    memset(text, c, n);
    text[n] = '\0';
    return text;
}

/* }====== */

static void reads_and_prints(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"12.30", "12.30"},
        {"-12.30", "-12.30"},
        {"+1", "1"},
        {".5", "0.5"},
        {"-.5", "-0.5"},
        {"5.", "5"},
        {"0", "0"},
        {"-0", "0"},
        {"-0.00", "0.00"},
        {"000.0010", "0.0010"},
        {"007", "7"},
        {"1e5", "100000"},
        {"1E+5", "100000"},
        {"1.5E-3", "0.0015"},
        {"1.50e1", "15.0"},
        {"1.50e5", "150000"},
        {"0e10", "0"},
        {"0e-3", "0.000"},
        {"0.000e2", "0.0"},
        {"12345678901234567890.1234567890", "12345678901234567890.1234567890"},
        {"18446744073709551615", "18446744073709551615"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        el_decimal d = read_text(cases[i][0]);
        assert_prints(&d, cases[i][1]);
    }
}

static void refuses_what_is_no_number(void **state) {
    (void)state;
    static const char *const cases[] = {"",    "+",     "-",   ".",     "e5",   "1e",
                                        "1e+", "12abc", " 1",  "1 ",    "1,5",  "--1",
                                        "NaN", "inf",   "0x1", "1.2.3", "1e1.5"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        el_decimal d;
        el_error err;
        el_error_clear(&err);
        assert_false(el_decimal_scan(&d, cases[i], strlen(cases[i])));
        assert_int_equal(el_decimal_parse(&d, cases[i], strlen(cases[i]), &err), EL_FAIL);
        assert_int_equal(err.kind, EL_ERR_VALUE);
    }
    el_decimal d;
    assert_false(el_decimal_scan(&d, "1\0002", 3));
}

static void keeps_the_limits(void **state) {
    (void)state;
    el_decimal d;
    char *nines = repeat('9', EL_DECIMAL_MAX_INTEGER + 1);
    assert_true(el_decimal_scan(&d, nines, EL_DECIMAL_MAX_INTEGER));
    assert_false(el_decimal_scan(&d, nines, EL_DECIMAL_MAX_INTEGER + 1));
    assert_true(el_decimal_scan(&d, "1e131071", 8));
    assert_false(el_decimal_scan(&d, "1e131072", 8));
    assert_true(el_decimal_scan(&d, "1e-16383", 8));
    assert_false(el_decimal_scan(&d, "1e-16384", 8));
    assert_false(el_decimal_scan(&d, "1e99999999999999999999", 22));
    assert_false(el_decimal_scan(&d, "1e-99999999999999999999", 23));
    assert_true(el_decimal_scan(&d, "0e99999999999999999999", 22));

    el_workspace w;
    el_error err;
    el_error_clear(&err);
    el_workspace_init(&w, NULL, NULL);
    el_decimal most = {.scale = 0}, one = read_text("1"), result;
    assert_true(el_decimal_scan(&most, nines, EL_DECIMAL_MAX_INTEGER));
    assert_int_equal(el_decimal_add(&result, &most, &one, &w, &err), EL_FAIL);
    assert_int_equal(err.kind, EL_ERR_VALUE);
    el_error_clear(&err);
    assert_int_equal(el_decimal_sub(&result, &most, &one, &w, &err), EL_OK);
    nines[EL_DECIMAL_MAX_INTEGER - 1] = '8';
    nines[EL_DECIMAL_MAX_INTEGER] = '\0';
    assert_prints(&result, nines);
    el_error_clear(&err);
    assert_int_equal(el_decimal_mul(&result, &most, &most, &w, &err), EL_FAIL);
    assert_int_equal(err.kind, EL_ERR_VALUE);
    el_error_clear(&err);
    el_decimal tiny = read_text("1e-10000");
    assert_int_equal(el_decimal_mul(&result, &tiny, &tiny, &w, &err), EL_FAIL);
    assert_int_equal(err.kind, EL_ERR_VALUE);
    el_workspace_release(&w);
    free(nines);
}

static void orders_by_value(void **state) {
    (void)state;
    /* every line is below the next; on a line all are equal */
    static const char *const lines[][4] = {
        {"-1e30", "-1000000000000000000000000000000.0", NULL},
        {"-10.25", "-10.250", NULL},
        {"-9.5", "-09.5", "-95e-1", NULL},
        {"-0.001", "-1e-3", NULL},
        {"0", "-0", "0.000", NULL},
        {"0.0009", ".0009", NULL},
        {"0.001", "1e-3", "0.00100", NULL},
        {"9.5", "9.50", NULL},
        {"10.25", "1025e-2", NULL},
        {"10.2500000000000000000001", NULL},
        {"10.3", NULL},
        {"12345678901234567890.1234567890", "12345678901234567890.123456789", NULL},
        {"12345678901234567890.1234567891", NULL},
    };
    size_t n = sizeof lines / sizeof *lines;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            for (int k = 0; lines[i][k]; k++) {
                for (int m = 0; lines[j][m]; m++) {
                    el_decimal a = read_text(lines[i][k]), b = read_text(lines[j][m]);
                    int order = el_decimal_compare(&a, &b);
                    int expected = i < j ? -1 : i > j;
                    assert_int_equal((order > 0) - (order < 0), expected);
                }
            }
        }
    }
}

static void adds_subtracts_multiplies(void **state) {
    (void)state;
    assert_result(el_decimal_add, "12.30", "0.7", "13.00");
    assert_result(el_decimal_add, "0.1", "0.2", "0.3");
    assert_result(el_decimal_add, "-5", "5.00", "0.00");
    assert_result(el_decimal_add, "0", "0.00", "0.00");
    assert_result(el_decimal_add, "0", "-7", "-7");
    assert_result(el_decimal_add, "18446744073709551615", "1", "18446744073709551616");
    assert_result(el_decimal_add, "99999999999999999999999999999999999999.9", "0.1",
                  "100000000000000000000000000000000000000.0");
    assert_result(el_decimal_sub, "1", "0.0000000000000000000000000000000001",
                  "0.9999999999999999999999999999999999");
    assert_result(el_decimal_sub, "3", "12.30", "-9.30");
    assert_result(el_decimal_sub, "0", "1", "-1");
    assert_result(el_decimal_mul, "1.10", "-2.5", "-2.750");
    assert_result(el_decimal_mul, "-3", "0.00", "0.00");
    assert_result(el_decimal_mul, "12345678901234567890.12", "98765432109876543210.98",
                  "1219326311370217952261414418287658588617.5176");
}

static void divides_and_rounds(void **state) {
    (void)state;
    assert_quotient("1", "3", 5, EL_ROUND_HALF_UP, "0.33333");
    assert_quotient("2", "3", 5, EL_ROUND_HALF_UP, "0.66667");
    assert_quotient("-2", "3", 5, EL_ROUND_HALF_UP, "-0.66667");
    assert_quotient("2", "3", 5, EL_ROUND_DOWN, "0.66666");
    assert_quotient("-2", "3", 5, EL_ROUND_DOWN, "-0.66666");
    assert_quotient("1", "8", 2, EL_ROUND_HALF_UP, "0.13");
    assert_quotient("1", "8", 2, EL_ROUND_HALF_EVEN, "0.12");
    assert_quotient("3", "8", 2, EL_ROUND_HALF_EVEN, "0.38");
    assert_quotient("-1", "8", 2, EL_ROUND_HALF_UP, "-0.13");
    assert_quotient("-1", "8", 2, EL_ROUND_HALF_EVEN, "-0.12");
    assert_quotient("1", "1000", 1, EL_ROUND_HALF_UP, "0.0");
    assert_quotient("0", "7", 3, EL_ROUND_HALF_UP, "0.000");
    assert_quotient("12.3456", "0.01", 1, EL_ROUND_HALF_UP, "1234.6");
    assert_quotient("99.5", "1", 0, EL_ROUND_HALF_UP, "100");
    assert_quotient("98.5", "1", 0, EL_ROUND_HALF_EVEN, "98");
    assert_quotient("0.5", "1", 0, EL_ROUND_HALF_UP, "1");
    assert_quotient("0.5", "1", 0, EL_ROUND_HALF_EVEN, "0");
    assert_quotient("1e40", "3", 3, EL_ROUND_HALF_UP,
                    "3333333333333333333333333333333333333333.333");
    assert_quotient("1", "1e40", 40, EL_ROUND_HALF_UP,
                    "0.0000000000000000000000000000000000000001");

    el_workspace w;
    el_error err;
    el_error_clear(&err);
    el_workspace_init(&w, NULL, NULL);
    el_decimal a = read_text("12.3"), zero = read_text("0.00"), result;
    assert_int_equal(el_decimal_round(&result, &a, 3, EL_ROUND_HALF_UP, &w, &err), EL_OK);
    assert_prints(&result, "12.300");
    assert_int_equal(el_decimal_div(&result, &a, &zero, 2, EL_ROUND_DOWN, &w, &err),
                     EL_FAIL);
    assert_int_equal(err.kind, EL_ERR_VALUE);
    el_error_clear(&err);
    assert_int_equal(el_decimal_round(&result, &a, -1, EL_ROUND_DOWN, &w, &err), EL_FAIL);
    assert_int_equal(err.kind, EL_ERR_VALUE);
    el_workspace_release(&w);
}

static void converts_integers(void **state) {
    (void)state;
    static const int64_t cases[] = {0, 1, -1, 9, 10, INT64_MAX, INT64_MIN, 1000000000000};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char digits[20];
        el_decimal d;
        int64_t back = 77;
        el_decimal_from_int(&d, cases[i], digits);
        assert_true(el_decimal_to_int(&back, &d));
        assert_true(back == cases[i]);
    }
    int64_t i = 77;
    el_decimal d = read_text("5.00");
    assert_true(el_decimal_to_int(&i, &d) && i == 5);
    d = read_text("9223372036854775808");
    assert_false(el_decimal_to_int(&i, &d));
    d = read_text("-9223372036854775809");
    assert_false(el_decimal_to_int(&i, &d));
    d = read_text("0.5");
    assert_false(el_decimal_to_int(&i, &d));
    d = read_text("0.005");
    assert_false(el_decimal_to_int(&i, &d));
    assert_true(i == 5);
    d = read_text("12.30");
    assert_int_equal(el_decimal_precision(&d), 4);
    d = read_text("0");
    assert_int_equal(el_decimal_precision(&d), 1);
}

/* Sums and products of random numbers against the machine's own integers. */
static void agrees_with_integers(void **state) {
    (void)state;
    uint64_t seed = 20240501;
    for (int i = 0; i < 20000; i++) {
        int64_t v[2];
        char digits[2][20];
        el_decimal d[2], result;
        for (int k = 0; k < 2; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            v[k] = (int64_t)seed >> (33 + seed % 30);
            el_decimal_from_int(&d[k], v[k], digits[k]);
        }
        el_workspace w;
        int64_t got = 0;
        el_workspace_init(&w, NULL, NULL);
        assert_int_equal(el_decimal_add(&result, &d[0], &d[1], &w, NULL), EL_OK);
        assert_true(el_decimal_to_int(&got, &result) && got == v[0] + v[1]);
        assert_int_equal(el_decimal_sub(&result, &d[0], &d[1], &w, NULL), EL_OK);
        assert_true(el_decimal_to_int(&got, &result) && got == v[0] - v[1]);
        assert_int_equal(el_decimal_mul(&result, &d[0], &d[1], &w, NULL), EL_OK);
        assert_true(el_decimal_to_int(&got, &result) && got == v[0] * v[1]);
        if (v[1] != 0) {
            assert_int_equal(
                el_decimal_div(&result, &d[0], &d[1], 0, EL_ROUND_DOWN, &w, NULL), EL_OK);
            assert_true(el_decimal_to_int(&got, &result) && got == v[0] / v[1]);
        }
        el_workspace_release(&w);
    }
}

typedef struct budget {
    int left;
    void *blocks[32];
    int n;
} budget;

static void *more_from_budget(void *ud, size_t n) {
    budget *b = ud;
    if (b->left-- <= 0) {
        return NULL;
    }
    return b->blocks[b->n++] = malloc(n);
}

static void reports_missing_memory(void **state) {
    (void)state;
    char *sevens = repeat('7', 5000);
    int failures = 0;
    for (int allowed = 0;; allowed++) {
        budget b = {.left = allowed};
        el_workspace w;
        el_error err;
        el_decimal a, result;
        assert_true(el_decimal_scan(&a, sevens, 5000));
        el_error_clear(&err);
        el_workspace_init(&w, more_from_budget, &b);
        int rc = el_decimal_div(&result, &a, &a, 3, EL_ROUND_HALF_UP, &w, &err);
        if (rc == EL_OK) {
            assert_prints(&result, "1.000");
        } else {
            assert_int_equal(err.kind, EL_ERR_NOMEM);
            failures++;
        }
        while (b.n > 0) {
            free(b.blocks[--b.n]);
        }
        if (rc == EL_OK) {
            break;
        }
    }
    assert_true(failures > 3);
    free(sevens);
}

static int sign_of_collation(const char *a, const char *b) {
    int order = el_decimal_collate(a, strlen(a), b, strlen(b));
    return (order > 0) - (order < 0);
}

/* A sort may only rely on it when it is total: antisymmetric and transitive. */
static void collates_totally(void **state) {
    (void)state;
    static const char *const texts[] = {"-10",  "-9.5",        "0",          "-0",  "9.5",
                                        "9.50", "10.25",       "1e1",        "10",  "",
                                        " 1",   "1 ",          "12abc",      "abc", "NaN",
                                        "-",    "1e999999999", "2e999999999"};
    size_t n = sizeof texts / sizeof *texts;
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(sign_of_collation(texts[i], texts[i]), 0);
        for (size_t j = 0; j < n; j++) {
            int ij = sign_of_collation(texts[i], texts[j]);
            assert_int_equal(ij, -sign_of_collation(texts[j], texts[i]));
            for (size_t k = 0; k < n; k++) {
                int jk = sign_of_collation(texts[j], texts[k]);
                if (ij <= 0 && jk <= 0) {
                    assert_true(sign_of_collation(texts[i], texts[k]) <= 0);
                }
            }
        }
    }
    assert_int_equal(sign_of_collation("9.5", "10.25"), -1);
    assert_int_equal(sign_of_collation("9.5", "9.50"), 0);
    assert_int_equal(sign_of_collation("999", "abc"), -1);
    assert_int_equal(sign_of_collation("999", ""), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_prints),
        cmocka_unit_test(refuses_what_is_no_number),
        cmocka_unit_test(keeps_the_limits),
        cmocka_unit_test(orders_by_value),
        cmocka_unit_test(adds_subtracts_multiplies),
        cmocka_unit_test(divides_and_rounds),
        cmocka_unit_test(converts_integers),
        cmocka_unit_test(agrees_with_integers),
        cmocka_unit_test(reports_missing_memory),
        cmocka_unit_test(collates_totally),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
