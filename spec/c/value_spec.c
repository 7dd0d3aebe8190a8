/* SPDX-License-Identifier: MIT
**
** value_spec.c - timestamps as text and as fields, UTF-8, names of types.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "value.h"

#define SECOND INT64_C(1000000)
#define YEAR_1 (INT64_C(-62135596800) * SECOND)
#define YEAR_10000 (INT64_C(253402300800) * SECOND)

static void parses_every_form(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t micros;
    } cases[] = {
        {"1970-01-01", 0},
        {"1970-01-01 00:00", 0},
        {"1970-01-01 00:01", 60 * SECOND},
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01 00:00:00.1", 100000},
        {"1970-01-01 00:00:00.123456", 123456},
        {"1970-01-01 00:00:00.123456000", 123456},
        {"1970-01-01 00:00:00.000001Z", 1},
        {"1969-12-31 23:59:59.999999", -1},
        {"2000-02-29 12:00:00", INT64_C(951825600) * SECOND},
        {"2024-02-29", INT64_C(1709164800) * SECOND},
        {"1970-01-01 02:00:00+02", 0},
        {"1970-01-01 02:30:00+02:30", 0},
        {"1970-01-01 02:30:00+0230", 0},
        {"1969-12-31 19:00-05:00", 0},
        {"1970-01-01 00:19:32.5+00:19:32", 500000},
        {"1970-01-01 15:59:59+15:59:59", 0},
        {"0001-01-01 00:00:00", YEAR_1},
        {"9999-12-31 23:59:59.999999", YEAR_10000 - 1},
        {"2038-01-19 03:14:08", INT64_C(2147483648) * SECOND},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t micros = 42;
        if (!el_timestamp_parse(&micros, cases[i].text, strlen(cases[i].text))) {
            fail_msg("%s was refused", cases[i].text);
        }
        assert_int_equal(micros, cases[i].micros);
    }
}

static void refuses_what_is_no_moment(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "1",
        "1970",
        "1970-01",
        "1970-1-1",
        "1970-01-01 ",
        "1970-01-01T",
        "1970-01-01x00:00",
        "1970-01-01 00",
        "1970-01-01 00:",
        "1970-01-01 0:00",
        "1970-01-01 00:00:",
        "1970-01-01 00:00:0",
        "1970-01-01 00:00:00.",
        "1970-01-01 00:00:00.1234567",
        "1970-01-01 00:00:00.0000000000",
        "1970-01-01 00:00:00 ",
        "1970-01-01 00:00:00ZZ",
        "1970-01-01 00:00:00Z+01",
        "1970-01-01 00:00:00+",
        "1970-01-01 00:00:00+1",
        "1970-01-01 00:00:00+01:",
        "1970-01-01 00:00:00+01:0",
        "1970-01-01 00:00:00+16",
        "1970-01-01 00:00:00+01:60",
        "1970-01-01 00:00:00+01:00:60",
        "1970-01-01 24:00:00",
        "1970-01-01 23:60",
        "1970-01-01 23:59:60",
        "1970-13-01",
        "1970-00-01",
        "1970-02-29",
        "1900-02-29",
        "2100-02-29",
        "1970-04-31",
        "1970-01-00",
        "1970-01-32",
        "0000-01-01",
        "10000-01-01",
        "-001-01-01",
        "0001-01-01 00:00:00+00:01",
        "9999-12-31 23:59:59-00:01",
        "1970-01-01Z",
        "1970-01-01+01",
        "now",
        "infinity",
        "1970-01-01 00:00:00\n",
        "\xD9\xA1\xD9\xA9-01-01",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int64_t micros = 42;
        if (el_timestamp_parse(&micros, texts[i], strlen(texts[i]))) {
            fail_msg("'%s' was accepted", texts[i]);
        }
        assert_int_equal(micros, 42);
    }
    int64_t micros = 42;
    assert_false(el_timestamp_parse(&micros, "1970-01-01\0", 11));
}

static void parse_reads_only_its_bytes(void **state) {
    (void)state;
    int64_t micros;
    assert_true(el_timestamp_parse(&micros, "1970-01-02 23:00", 10));
    assert_int_equal(micros, 86400 * SECOND);
}

static void formats_sort_like_time(void **state) {
    (void)state;
    static const struct {
        int64_t micros;
        const char *text;
    } cases[] = {
        {YEAR_1, "0001-01-01 00:00:00.000000"},
        {-1, "1969-12-31 23:59:59.999999"},
        {0, "1970-01-01 00:00:00.000000"},
        {1, "1970-01-01 00:00:00.000001"},
        {INT64_C(951782400) * SECOND, "2000-02-29 00:00:00.000000"},
        {YEAR_10000 - 1, "9999-12-31 23:59:59.999999"},
    };
    char last[EL_TIMESTAMP_SIZE] = "", text[EL_TIMESTAMP_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(el_timestamp_format(text, cases[i].micros, ' '), 26);
        assert_string_equal(text, cases[i].text);
        assert_true(strcmp(last, text) < 0);
        memcpy(last, text, sizeof last);
        el_timestamp_format(text, cases[i].micros, 'T');
        assert_int_equal(text[10], 'T');
    }
    /* beyond the range it still fits and stays told apart */
    assert_true(el_timestamp_format(text, INT64_MAX, ' ') < EL_TIMESTAMP_SIZE);
    assert_string_equal(text, "+294247-01-10 04:00:54.775807");
    assert_true(el_timestamp_format(text, INT64_MIN, ' ') < EL_TIMESTAMP_SIZE);
    assert_string_equal(text, "-290308-12-21 19:59:05.224192");
}

/* Every day from year 1 to 9999, counted by hand. */
static void calendar_is_right_on_every_day(void **state) {
    (void)state;
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t day = YEAR_1;
    for (int year = 1; year <= 9999; year++) {
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        for (int month = 1; month <= 12; month++) {
            int length = lengths[month - 1] + (month == 2 && leap);
            for (int mday = 1; mday <= length; mday++, day += 86400 * SECOND) {
                el_civil c;
                el_civil_from_micros(&c, day);
                if (c.year != year || c.month != month || c.day != mday || c.hour ||
                    c.minute || c.second || c.micro) {
                    fail_msg("%d-%d-%d read as %d-%d-%d", year, month, mday, c.year,
                             c.month, c.day);
                }
                int64_t back;
                if (!el_civil_to_micros(&back, &c) || back != day) {
                    fail_msg("%d-%d-%d does not come back", year, month, mday);
                }
            }
            el_civil beyond = {.year = year, .month = month, .day = length + 1};
            int64_t unused;
            assert_false(el_civil_to_micros(&unused, &beyond));
        }
    }
    assert_true(day == YEAR_10000);
}

static void agrees_with_the_system_library(void **state) {
    (void)state;
    uint64_t seed = 1;
    for (int i = 0; i < 20000; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1;
        int64_t micros = YEAR_1 + (int64_t)(seed >> 1) % (YEAR_10000 - YEAR_1);
        el_civil c;
        el_civil_from_micros(&c, micros);
        time_t seconds = (time_t)(micros / SECOND - (micros % SECOND < 0));
        struct tm tm;
        assert_non_null(gmtime_r(&seconds, &tm));
        assert_int_equal(c.year, tm.tm_year + 1900);
        assert_int_equal(c.month, tm.tm_mon + 1);
        assert_int_equal(c.day, tm.tm_mday);
        assert_int_equal(c.hour, tm.tm_hour);
        assert_int_equal(c.minute, tm.tm_min);
        assert_int_equal(c.second, tm.tm_sec);
        char text[EL_TIMESTAMP_SIZE];
        size_t n = el_timestamp_format(text, micros, 'T');
        int64_t back;
        assert_true(el_timestamp_parse(&back, text, n));
        assert_true(back == micros);
    }
}

static void civil_refuses_fields_out_of_range(void **state) {
    (void)state;
    static const el_civil bad[] = {
        {0, 1, 1, 0, 0, 0, 0},     {10000, 1, 1, 0, 0, 0, 0},
        {2000, 0, 1, 0, 0, 0, 0},  {2000, 13, 1, 0, 0, 0, 0},
        {2000, 1, 0, 0, 0, 0, 0},  {2000, 2, 30, 0, 0, 0, 0},
        {2000, 1, 1, 24, 0, 0, 0}, {2000, 1, 1, -1, 0, 0, 0},
        {2000, 1, 1, 0, 60, 0, 0}, {2000, 1, 1, 0, -1, 0, 0},
        {2000, 1, 1, 0, 0, 60, 0}, {2000, 1, 1, 0, 0, -1, 0},
        {2000, 1, 1, 0, 0, 0, -1}, {2000, 1, 1, 0, 0, 0, 1000000},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t unused;
        assert_false(el_civil_to_micros(&unused, &bad[i]));
    }
}

static void utf8(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t length; /* 0: not valid */
    } cases[] = {
        {"a", 1},
        {"plain ascii, longer than one word", 33},
        {"\x7F", 1},
        {"\xC2\x80", 1},
        {"caf\xC3\xA9", 4},
        {"12345678\xE2\x82\xAC"
         "12345678",
         17},
        {"\xED\x9F\xBF\xEE\x80\x80", 2},
        {"\xF0\x90\x80\x80\xF4\x8F\xBF\xBF", 2},
        {"\x80", 0},
        {"1234567\x80", 0},
        {"\xC0\x80", 0},
        {"\xC1\xBF", 0},
        {"\xC2", 0},
        {"\xC2"
         "a",
         0},
        {"\xE0\x80\x80", 0},
        {"\xE0\x9F\xBF", 0},
        {"\xE2\x82", 0},
        {"\xED\xA0\x80", 0},
        {"\xF0\x80\x80\x80", 0},
        {"\xF0\x8F\xBF\xBF", 0},
        {"\xF0\x9F\x98", 0},
        {"\xF4\x90\x80\x80", 0},
        {"\xF5\x80\x80\x80", 0},
        {"\xFF", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = strlen(cases[i].text);
        if (el_utf8_valid(cases[i].text, n) != (cases[i].length > 0)) {
            fail_msg("case %zu", i);
        }
        if (cases[i].length) {
            assert_int_equal(el_utf8_length(cases[i].text, n), cases[i].length);
        }
    }
    assert_true(el_utf8_valid("", 0));
    assert_true(el_utf8_valid("a\0b", 3));
    assert_int_equal(el_utf8_length("a\0b", 3), 3);
}

static void types(void **state) {
    (void)state;
    for (int t = EL_NULL; t <= EL_DOC; t++) {
        bool bytes = t == EL_TEXT || t == EL_BYTES || t == EL_DECIMAL || t == EL_DATE ||
                     t == EL_TIME || t == EL_JSON || t == EL_UUID || t == EL_OBJECT_ID ||
                     t == EL_SPECIAL;
        assert_int_equal(el_type_has_bytes((el_type)t), bytes);
        assert_string_not_equal(el_type_name((el_type)t), "unknown type");
    }
    assert_string_equal(el_type_name((el_type)99), "unknown type");
    assert_string_equal(el_type_name(EL_INT), "integer");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_every_form),
        cmocka_unit_test(refuses_what_is_no_moment),
        cmocka_unit_test(parse_reads_only_its_bytes),
        cmocka_unit_test(formats_sort_like_time),
        cmocka_unit_test(calendar_is_right_on_every_day),
        cmocka_unit_test(agrees_with_the_system_library),
        cmocka_unit_test(civil_refuses_fields_out_of_range),
        cmocka_unit_test(utf8),
        cmocka_unit_test(types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
