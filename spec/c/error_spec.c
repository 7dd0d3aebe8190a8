/* SPDX-License-Identifier: MIT
**
** error_spec.c - the error struct: first failure wins, cut texts stay whole characters.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "error.h"
#include "value.h"

static void first_failure_wins(void **state) {
    (void)state;
    el_error e = {0};
    assert_int_equal(el_fail(&e, EL_ERR_UNIQUE, 19, "first %d", 1), EL_FAIL);
    assert_int_equal(el_fail(&e, EL_ERR_OTHER, 1, "second"), EL_FAIL);
    assert_int_equal(e.kind, EL_ERR_UNIQUE);
    assert_int_equal(e.code, 19);
    assert_string_equal(e.message, "first 1");
    assert_int_equal(el_fail(NULL, EL_ERR_OTHER, 1, "nobody listens"), EL_FAIL);
}

static void clear_empties_every_field(void **state) {
    (void)state;
    el_error e;
    memset(&e, 'x', sizeof e);
    el_error_clear(&e);
    assert_int_equal(e.kind, EL_ERR_NONE);
    assert_int_equal(e.code, 0);
    assert_string_equal(e.sqlstate, "");
    assert_string_equal(e.table, "");
    assert_string_equal(e.column, "");
    assert_string_equal(e.constraint, "");
    assert_string_equal(e.message, "");
}

static void message_is_one_line(void **state) {
    (void)state;
    el_error e = {0};
    el_fail(&e, EL_ERR_OTHER, 0, "a\nb\tc\rd\x7f");
    assert_string_equal(e.message, "a b c d ");
}

static void long_message_is_cut_between_characters(void **state) {
    (void)state;
    for (size_t before = 500; before < 520; before++) {
        char text[600];
        memset(text, 'a', before);
        for (size_t i = before; i + 4 < sizeof text; i += 4) {
            memcpy(text + i, "\xF0\x9F\x98\x80", 4);
        }
        text[sizeof text - 4] = '\0';
        el_error e = {0};
        el_fail(&e, EL_ERR_OTHER, 0, "%s", text);
        size_t n = strlen(e.message);
        assert_true(n <= sizeof e.message - 1 && n > sizeof e.message - 5);
        assert_true(el_utf8_valid(e.message, n));
    }
}

static void copy_cuts_between_characters(void **state) {
    (void)state;
    static const struct {
        const char *text;
        unsigned size;
        const char *expected;
    } cases[] = {
        {"abc", 4, "abc"},
        {"abcd", 4, "abc"},
        {"ab\xC3\xA9", 4, "ab"},
        {"a\xC3\xA9z", 4, "a\xC3\xA9"},
        {"\xE2\x82\xAC"
         "x",
         4, "\xE2\x82\xAC"},
        {"\xE2\x82\xAC", 3, ""},
        {"\xF0\x9F\x98\x80", 4, ""},
        {"\xF0\x9F\x98\x80", 5, "\xF0\x9F\x98\x80"},
        {"", 4, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char field[8];
        memset(field, 'x', sizeof field);
        el_error_copy(field, cases[i].size, cases[i].text,
                      (unsigned)strlen(cases[i].text));
        assert_string_equal(field, cases[i].expected);
    }
}

static void copy_takes_bytes_without_end(void **state) {
    (void)state;
    char field[8];
    el_error_copy(field, sizeof field, "abcdef", 3);
    assert_string_equal(field, "abc");
    el_error_copy(field, sizeof field, NULL, 0);
    assert_string_equal(field, "");
}

static void every_kind_has_a_name_of_its_own(void **state) {
    (void)state;
    assert_string_equal(el_errkind_name(EL_ERR_NONE), "");
    assert_string_equal(el_errkind_name(EL_ERR_FOREIGN_KEY), "foreignKey");
    assert_string_equal(el_errkind_name(EL_ERR_NOT_NULL), "notNull");
    for (int i = EL_ERR_CONNECT; i <= EL_ERR_OTHER; i++) {
        assert_true(*el_errkind_name((el_errkind)i));
        for (int j = EL_ERR_NONE; j < i; j++) {
            assert_string_not_equal(el_errkind_name((el_errkind)i),
                                    el_errkind_name((el_errkind)j));
        }
    }
    assert_string_equal(el_errkind_name((el_errkind)1000), "other");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_failure_wins),
        cmocka_unit_test(clear_empties_every_field),
        cmocka_unit_test(message_is_one_line),
        cmocka_unit_test(long_message_is_cut_between_characters),
        cmocka_unit_test(copy_cuts_between_characters),
        cmocka_unit_test(copy_takes_bytes_without_end),
        cmocka_unit_test(every_kind_has_a_name_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
