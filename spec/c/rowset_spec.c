/* SPDX-License-Identifier: MIT
**
** rowset_spec.c - packed rows give back what went in, whatever the allocator does.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rowset.h"

/* {====== An allocator that can fail, and frees everything at the end ====== */

typedef struct block {
    struct block *next;
    max_align_t bytes[];
} block;

typedef struct arena {
    block *blocks;
    size_t count, bytes, largest;
    size_t fail_at; /* this allocation fails, 1 first; 0: none */
} arena;

static void *arena_alloc(void *ud, size_t n) {
    arena *a = ud;
    if (++a->count == a->fail_at) {
        return NULL;
    }
    block *b = malloc(sizeof *b + n);
    assert_non_null(b);
    memset(b->bytes, 0xA5, n);
    b->next = a->blocks;
    a->blocks = b;
    a->bytes += n;
    a->largest = n > a->largest ? n : a->largest;
    return b->bytes;
}

static void arena_release(arena *a) {
    while (a->blocks) {
        block *b = a->blocks;
        a->blocks = b->next;
        free(b);
    }
}

/* }====== */

static el_value text_value(el_type type, const char *p, size_t n) {
    return (el_value){.type = type, .u.s = {p, n}};
}

static void assert_value(const el_value *got, const el_value *want) {
    assert_int_equal(got->type, want->type);
    switch (want->type) {
    case EL_NULL:
        break;
    case EL_BOOL:
        assert_int_equal(got->u.b, want->u.b);
        break;
    case EL_INT:
    case EL_TIMESTAMP:
        assert_true(got->u.i == want->u.i);
        break;
    case EL_FLOAT:
        assert_memory_equal(&got->u.d, &want->u.d, sizeof got->u.d);
        break;
    default:
        assert_int_equal(got->u.s.n, want->u.s.n);
        assert_memory_equal(got->u.s.p, want->u.s.p, want->u.s.n);
        assert_int_equal(got->u.s.p[got->u.s.n], '\0');
    }
}

static void every_type_comes_back(void **state) {
    (void)state;
    el_value values[] = {
        {.type = EL_NULL},
        {.type = EL_BOOL, .u.b = true},
        {.type = EL_BOOL, .u.b = false},
        {.type = EL_INT, .u.i = INT64_MIN},
        {.type = EL_INT, .u.i = INT64_MAX},
        {.type = EL_FLOAT, .u.d = -0.0},
        {.type = EL_FLOAT, .u.d = 1e308},
        text_value(EL_TEXT, "", 0),
        text_value(EL_TEXT, "abc", 3),
        text_value(EL_BYTES, "a\0b\0", 4),
        text_value(EL_DECIMAL, "12345678901234567890.50", 23),
        {.type = EL_TIMESTAMP, .u.i = -1},
        text_value(EL_DATE, "2024-02-29", 10),
        text_value(EL_TIME, "12:00:00", 8),
        text_value(EL_JSON, "{}", 2),
        text_value(EL_UUID, "00000000-0000-0000-0000-000000000001", 36),
        text_value(EL_OBJECT_ID, "0123456789abcdef01234567", 24),
    };
    int n = sizeof values / sizeof *values;
    arena a = {0};
    el_rowset rs;
    el_error e = {0};
    el_rowset_init(&rs, n, arena_alloc, &a);
    assert_int_equal(a.count, 0);
    assert_int_equal(el_rowset_append(&rs, values, &e), EL_OK);
    assert_int_equal(rs.nrows, 1);
    const unsigned char *row = el_rowset_row(&rs, 0);
    assert_int_equal((uintptr_t)row % 8, 0);
    for (int i = 0; i < n; i++) {
        el_value got;
        el_row_cell(row, n, i, &got);
        assert_value(&got, &values[i]);
    }
    arena_release(&a);
}

/* Row i: its number, and a text whose length wanders from 0 to beyond a block. */
static void make_row(el_value *row, size_t i, const char *text, size_t limit) {
    row[0] = (el_value){.type = EL_INT, .u.i = (int64_t)i};
    row[1] = text_value(EL_TEXT, text + i % 7, i * 7919 % limit);
    row[2] = (el_value){.type = EL_NULL};
}

static void many_rows_keep_their_address(void **state) {
    (void)state;
    enum { ROWS = 5000, TEXT = 3000 };
    static char text[TEXT + 8];
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (char)('a' + i % 26);
    }
    static const unsigned char *rows[ROWS];
    arena a = {0};
    el_rowset rs;
    el_error e = {0};
    el_rowset_init(&rs, 3, arena_alloc, &a);
    for (size_t i = 0; i < ROWS; i++) {
        el_value row[3];
        make_row(row, i, text, TEXT);
        assert_int_equal(el_rowset_append(&rs, row, &e), EL_OK);
        rows[i] = el_rowset_row(&rs, i);
    }
    assert_int_equal(rs.nrows, ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        el_value want[3], got;
        make_row(want, i, text, TEXT);
        assert_ptr_equal(el_rowset_row(&rs, i), rows[i]);
        for (int c = 0; c < 3; c++) {
            el_row_cell(rows[i], 3, c, &got);
            assert_value(&got, &want[c]);
        }
    }
    arena_release(&a);
}

static void pages_are_as_the_header_says(void **state) {
    (void)state;
    arena a = {0};
    el_rowset rs;
    el_error e = {0};
    el_value v = {.type = EL_INT};
    el_rowset_init(&rs, 1, arena_alloc, &a);
    size_t ends[] = {8, 24, 56, 120, 248, 504, 1016, 2040, 3064}, k = 0;
    for (size_t i = 0; i < 3064; i++) {
        assert_int_equal(el_rowset_append(&rs, &v, &e), EL_OK);
        assert_int_equal(rs.npages, k + 1);
        k += i + 1 == ends[k];
    }
    arena_release(&a);
}

static void a_small_result_is_small(void **state) {
    (void)state;
    arena a = {0};
    el_rowset rs;
    el_error e = {0};
    el_value row[2] = {{.type = EL_INT, .u.i = 1}, text_value(EL_TEXT, "hello", 5)};
    el_rowset_init(&rs, 2, arena_alloc, &a);
    assert_int_equal(el_rowset_append(&rs, row, &e), EL_OK);
    assert_true(a.bytes <= 2048);
    arena_release(&a);
}

static void big_text_has_a_block_of_its_own(void **state) {
    (void)state;
    size_t n = 1 << 20;
    char *text = calloc(1, n);
    assert_non_null(text);
    text[n - 1] = 'z';
    arena a = {0};
    el_rowset rs;
    el_error e = {0};
    el_value big = text_value(EL_BYTES, text, n), small = text_value(EL_TEXT, "x", 1),
             got;
    el_rowset_init(&rs, 1, arena_alloc, &a);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(el_rowset_append(&rs, &small, &e), EL_OK);
        assert_int_equal(el_rowset_append(&rs, &big, &e), EL_OK);
    }
    assert_true(a.largest < n + 64);
    for (size_t i = 0; i < 6; i++) {
        el_row_cell(el_rowset_row(&rs, i), 1, 0, &got);
        assert_value(&got, i % 2 ? &big : &small);
    }
    arena_release(&a);
    free(text);
}

static void text_sizes_are_exact(void **state) {
    (void)state;
    for (size_t n = 0; n < 40; n++) {
        char text[40] = "0123456789012345678901234567890123456789";
        el_value v[2] = {text_value(EL_TEXT, text, n), text_value(EL_TEXT, text, 1)};
        volatile size_t size = el_row_text_size(v, 2); /* gcc would take texts for lists */
        unsigned char *row = malloc(el_row_size(2)), *beside = malloc(size);
        assert_non_null(row);
        assert_non_null(beside);
        el_row_pack(row, beside, v, 2); /* writing one byte more is seen by ASan */
        for (int i = 0; i < 2; i++) {
            el_value got;
            el_row_cell(row, 2, i, &got);
            assert_value(&got, &v[i]);
        }
        free(row);
        free(beside);
    }
    assert_int_equal(el_row_size(1), 16);
    assert_int_equal(el_row_size(8), 72);
    assert_int_equal(el_row_size(9), 88);
}

static void no_columns_is_a_row_too(void **state) {
    (void)state;
    arena a = {0};
    el_rowset rs;
    el_error e = {0};
    el_rowset_init(&rs, 0, arena_alloc, &a);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(el_rowset_append(&rs, NULL, &e), EL_OK);
    }
    assert_int_equal(rs.nrows, 20);
    assert_non_null(el_rowset_row(&rs, 19));
    arena_release(&a);
}

/* Walks bytes: each is a number. */
static bool next_byte(el_iter *it, const char **key, size_t *keylen, el_value *out,
                      el_iter *room) {
    (void)room;
    size_t at = (size_t)it->state.i;
    if (at == it->size) {
        return false;
    }
    *key = NULL;
    *keylen = 0;
    *out = (el_value){.type = EL_INT, .u.i = ((const unsigned char *)it->block)[at]};
    it->state.i++;
    return true;
}

/* Nested values are kept with the memory that they walk. */
static void keeps_nested_values(void **state) {
    (void)state;
    arena a = {0};
    el_rowset rs;
    el_error e = {0};
    el_rowset_init(&rs, 3, arena_alloc, &a);
    for (size_t n = 0; n < 40; n++) {
        unsigned char bytes[40];
        memset(bytes, (int)n, sizeof bytes);
        el_iter it = {.next = next_byte, .block = bytes, .size = n};
        el_value row[] = {{.type = EL_TEXT, .u.s = {"text", n % 5}},
                          {.type = EL_LIST, .u.nested = &it},
                          {.type = EL_DOC, .u.nested = &it}};
        assert_int_equal(el_rowset_append(&rs, row, &e), EL_OK);
        memset(bytes, 0xFF, sizeof bytes); /* gone */
    }
    for (size_t n = 0; n < 40; n++) {
        for (int column = 1; column <= 2; column++) {
            el_value v, item;
            const char *key;
            size_t keylen, count = 0;
            el_row_cell(el_rowset_row(&rs, n), 3, column, &v);
            assert_int_equal(v.type, column == 1 ? EL_LIST : EL_DOC);
            el_iter it = *v.u.nested, room;
            for (; it.next(&it, &key, &keylen, &item, &room); count++) {
                assert_int_equal(item.u.i, n);
            }
            assert_int_equal(count, n);
        }
    }
    arena_release(&a);
}

static void refuses_what_does_not_fit(void **state) {
    (void)state;
    arena a = {0};
    el_rowset rs;
    el_value v[2] = {{.type = EL_INT}, {.type = EL_TEXT}};
    el_rowset_init(&rs, 2, arena_alloc, &a);
    el_error e = {0};
    v[1].u.s.p = "";
    v[1].u.s.n = (size_t)UINT32_MAX + 1;
    assert_int_equal(el_row_text_size(v, 2), SIZE_MAX);
    assert_int_equal(el_rowset_append(&rs, v, &e), EL_FAIL);
    assert_int_equal(e.kind, EL_ERR_VALUE);
    el_error_clear(&e);
    el_iter walk = {.next = NULL};
    v[1] = (el_value){.type = EL_DOC, .u.nested = &walk};
    assert_int_equal(el_rowset_append(&rs, v, &e), EL_FAIL);
    assert_int_equal(e.kind, EL_ERR_VALUE);
    assert_non_null(strstr(e.message, "document"));
    assert_int_equal(rs.nrows, 0);
    assert_int_equal(a.count, 0);
    arena_release(&a);
}

/* Each allocation fails once; the rows before are untouched and the next try works. */
static void survives_a_failing_allocator(void **state) {
    (void)state;
    enum { ROWS = 1500 };
    static const char text[600] = "text";
    for (size_t fail_at = 1;; fail_at++) {
        arena a = {.fail_at = fail_at};
        el_rowset rs;
        el_rowset_init(&rs, 3, arena_alloc, &a);
        int failures = 0;
        for (size_t i = 0; i < ROWS; i++) {
            el_value row[3];
            make_row(row, i, text, 500);
            el_error e = {0};
            if (el_rowset_append(&rs, row, &e) != EL_OK) {
                failures++;
                assert_int_equal(e.kind, EL_ERR_NOMEM);
                assert_int_equal(rs.nrows, i);
                el_error_clear(&e);
                assert_int_equal(el_rowset_append(&rs, row, &e), EL_OK);
            }
        }
        for (size_t i = 0; i < ROWS; i++) {
            el_value want[3], got;
            make_row(want, i, text, 500);
            for (int c = 0; c < 3; c++) {
                el_row_cell(el_rowset_row(&rs, i), 3, c, &got);
                assert_value(&got, &want[c]);
            }
        }
        arena_release(&a);
        if (failures == 0) {
            assert_true(fail_at > 10);
            break;
        }
        assert_int_equal(failures, 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_comes_back),
        cmocka_unit_test(many_rows_keep_their_address),
        cmocka_unit_test(pages_are_as_the_header_says),
        cmocka_unit_test(a_small_result_is_small),
        cmocka_unit_test(big_text_has_a_block_of_its_own),
        cmocka_unit_test(text_sizes_are_exact),
        cmocka_unit_test(no_columns_is_a_row_too),
        cmocka_unit_test(keeps_nested_values),
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(survives_a_failing_allocator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
