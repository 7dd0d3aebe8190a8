/* SPDX-License-Identifier: MIT
**
** sqlite_functions.c - the SQL functions of sqlite_functions.h on top of decimal.c.
*/
#include "sqlite_functions.h"

#include <stdlib.h>
#include <string.h>

#include "decimal.h"

/* {====== Arguments and results ====== */

/* Reports the error to SQLite; the message begins with the function's name. */
static void report(sqlite3_context *ctx, const char *name, const el_error *err) {
    if (err->kind == EL_ERR_NOMEM) {
        sqlite3_result_error_nomem(ctx);
        return;
    }
    char *message = sqlite3_mprintf("%s: %s", name, err->message);
    if (message) {
        sqlite3_result_error(ctx, message, -1);
        sqlite3_free(message);
    } else {
        sqlite3_result_error_nomem(ctx);
    }
}

/* Reads an argument; its digits are lent by the value, or by `digits` (20 bytes). */
static int read_value(el_decimal *out, sqlite3_value *v, char *digits, el_error *err) {
    switch (sqlite3_value_type(v)) {
    case SQLITE_INTEGER:
        el_decimal_from_int(out, sqlite3_value_int64(v), digits);
        return EL_OK;
    case SQLITE_TEXT: {
        const char *text = (const char *)sqlite3_value_text(v);
        if (!text) {
            return el_fail(err, EL_ERR_NOMEM, 0, "not enough memory");
        }
        return el_decimal_parse(out, text, (size_t)sqlite3_value_bytes(v), err);
    }
    case SQLITE_FLOAT:
        return el_fail(err, EL_ERR_VALUE, 0,
                       "a real number is not exact; write it as text, '0.1'");
    default:
        return el_fail(err, EL_ERR_VALUE, 0,
                       "a decimal is text or an integer, got a blob");
    }
}

static void give(sqlite3_context *ctx, const el_decimal *d) {
    size_t n = el_decimal_length(d);
    char *text = sqlite3_malloc64(n + 1);
    if (!text) {
        sqlite3_result_error_nomem(ctx);
        return;
    }
    el_decimal_write(text, d);
    text[n] = '\0';
    sqlite3_result_text64(ctx, text, n, sqlite3_free, SQLITE_UTF8);
}

static bool any_null(int argc, sqlite3_value **argv) {
    for (int i = 0; i < argc; i++) {
        if (sqlite3_value_type(argv[i]) == SQLITE_NULL) {
            return true;
        }
    }
    return false;
}

/* }====== */

/* {====== Functions of a row ====== */

typedef enum operation { OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_ROUND, OP_CMP } operation;

static const char *const names[] = {"decimal_add", "decimal_sub",   "decimal_mul",
                                    "decimal_div", "decimal_round", "decimal_cmp"};
static const int argument_counts[] = {2, 2, 2, 3, 2, 2};

static const operation operations[] = {OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_ROUND, OP_CMP};

static int read_scale(int *out, sqlite3_value *v, el_error *err) {
    if (sqlite3_value_type(v) != SQLITE_INTEGER) {
        return el_fail(err, EL_ERR_VALUE, 0, "the scale must be an integer");
    }
    sqlite3_int64 scale = sqlite3_value_int64(v);
    *out = scale < 0 || scale > EL_DECIMAL_MAX_SCALE ? -1 : (int)scale;
    return EL_OK;
}

static int calculate(el_decimal *out, operation op, sqlite3_value **argv,
                     char digits[][20], el_workspace *w, el_error *err) {
    el_decimal a, b;
    int scale = 0;
    if (read_value(&a, argv[0], digits[0], err) != EL_OK) {
        return EL_FAIL;
    }
    if (op == OP_ROUND) {
        return read_scale(&scale, argv[1], err) == EL_OK
                   ? el_decimal_round(out, &a, scale, EL_ROUND_HALF_UP, w, err)
                   : EL_FAIL;
    }
    if (read_value(&b, argv[1], digits[1], err) != EL_OK) {
        return EL_FAIL;
    }
    switch (op) {
    case OP_ADD:
        return el_decimal_add(out, &a, &b, w, err);
    case OP_SUB:
        return el_decimal_sub(out, &a, &b, w, err);
    case OP_MUL:
        return el_decimal_mul(out, &a, &b, w, err);
    case OP_DIV:
        return read_scale(&scale, argv[2], err) == EL_OK
                   ? el_decimal_div(out, &a, &b, scale, EL_ROUND_HALF_UP, w, err)
                   : EL_FAIL;
    default: {
        int order = el_decimal_compare(&a, &b);
        el_decimal_from_int(out, (order > 0) - (order < 0), digits[2]);
        return EL_OK;
    }
    }
}

static void row_function(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
    operation op = *(const operation *)sqlite3_user_data(ctx);
    if (any_null(argc, argv)) {
        return;
    }
    char digits[3][20];
    el_decimal result;
    el_workspace w;
    el_error err;
    el_error_clear(&err);
    el_workspace_init(&w, NULL, NULL);
    if (calculate(&result, op, argv, digits, &w, &err) != EL_OK) {
        report(ctx, names[op], &err);
    } else if (op == OP_CMP) {
        int64_t order = 0;
        el_decimal_to_int(&order, &result);
        sqlite3_result_int64(ctx, order);
    } else {
        give(ctx, &result);
    }
    el_workspace_release(&w);
}

/* }====== */

/* {====== Sums ====== */

/*
** A running sum is `small` / 10^scale plus the number in `text`.  Short numbers go to
** `small`, which costs no memory; it is moved to `text` when it would overflow.
*/
typedef struct sum {
    int64_t count; /* of values that were not NULL */
    int64_t small;
    int scale;     /* of small; the largest that a value had, where small can have it */
    int max_scale; /* the largest that a value had */
    char *text;    /* NULL: 0 */
    size_t n, size;
    bool failed;
} sum;

enum { SMALL_SCALE = 18 };

/* d * 10^scale; false when it is beyond 64 bits or has more digits behind the point. */
static bool to_small(int64_t *out, const el_decimal *d, int scale) {
    el_decimal shifted = *d;
    if (d->scale > scale) {
        return false;
    }
    if (!el_decimal_is_zero(d)) {
        shifted.point += scale;
    }
    return el_decimal_to_int(out, &shifted);
}

/* Adds d to the text. */
static int add_to_text(sum *s, const el_decimal *d, el_error *err) {
    el_decimal total, result;
    el_workspace w;
    int rc = EL_FAIL;
    el_workspace_init(&w, NULL, NULL);
    if (el_decimal_parse(&total, s->n ? s->text : "0", s->n ? s->n : 1, err) != EL_OK ||
        el_decimal_add(&result, &total, d, &w, err) != EL_OK) {
        goto out;
    }
    size_t n = el_decimal_length(&result);
    if (n > s->size) {
        char *larger = realloc(s->text, n * 2);
        if (!larger) {
            el_fail(err, EL_ERR_NOMEM, 0, "not enough memory");
            goto out;
        }
        s->text = larger;
        s->size = n * 2;
    }
    el_decimal_write(s->text, &result); /* the result's digits are the workspace's */
    s->n = n;
    rc = EL_OK;
out:
    el_workspace_release(&w);
    return rc;
}

static void small_view(el_decimal *out, const sum *s, char *digits) {
    el_decimal_from_int(out, s->small, digits);
    if (s->small != 0) {
        out->point -= s->scale;
    }
    out->scale = s->scale;
}

static int flush_small(sum *s, el_error *err) {
    char digits[20];
    el_decimal view;
    small_view(&view, s, digits);
    if (s->small != 0 && add_to_text(s, &view, err) != EL_OK) {
        return EL_FAIL;
    }
    s->small = 0;
    return EL_OK;
}

static int add_value(sum *s, const el_decimal *d, el_error *err) {
    int64_t small;
    if (d->scale > s->max_scale) {
        s->max_scale = d->scale;
    }
    if (d->scale > s->scale && d->scale <= SMALL_SCALE) {
        if (flush_small(s, err) != EL_OK) {
            return EL_FAIL;
        }
        s->scale = d->scale;
    }
    if (!to_small(&small, d, s->scale)) {
        return add_to_text(s, d, err);
    }
    if (__builtin_add_overflow(s->small, small, &small)) {
        return flush_small(s, err) == EL_OK ? add_value(s, d, err) : EL_FAIL;
    }
    s->small = small;
    return EL_OK;
}

/* Adds the argument to the sum, or takes it away; `count` is 1 or -1. */
static void change(sqlite3_context *ctx, sqlite3_value *v, int count) {
    sum *s = sqlite3_aggregate_context(ctx, sizeof *s);
    if (!s) {
        sqlite3_result_error_nomem(ctx);
        return;
    }
    if (s->failed || sqlite3_value_type(v) == SQLITE_NULL) {
        return;
    }
    char digits[20];
    el_decimal d;
    el_error err;
    el_error_clear(&err);
    if (read_value(&d, v, digits, &err) == EL_OK) {
        if (count < 0) {
            el_decimal_negate(&d);
        }
        if (add_value(s, &d, &err) == EL_OK) {
            s->count += count;
            return;
        }
    }
    s->failed = true;
    report(ctx, "a decimal aggregate", &err);
}

static void sum_step(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
    (void)argc;
    change(ctx, argv[0], 1);
}

static void sum_inverse(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
    (void)argc;
    change(ctx, argv[0], -1);
}

/* Gives the sum, or the average when the function's user data is set. */
static void sum_value(sqlite3_context *ctx) {
    sum *s = sqlite3_aggregate_context(ctx, 0);
    if (!s || s->count <= 0 || s->failed) {
        return;
    }
    char digits[2][20];
    el_decimal small, total, count;
    el_workspace w;
    el_error err;
    el_error_clear(&err);
    el_workspace_init(&w, NULL, NULL);
    small_view(&small, s, digits[0]);
    int rc = el_decimal_parse(&total, s->n ? s->text : "0", s->n ? s->n : 1, &err);
    if (rc == EL_OK) {
        rc = el_decimal_add(&total, &total, &small, &w, &err);
    }
    if (rc == EL_OK) {
        rc = el_decimal_round(&total, &total, s->max_scale, EL_ROUND_DOWN, &w, &err);
    }
    if (rc == EL_OK && sqlite3_user_data(ctx)) {
        int scale = s->max_scale + 4 < EL_DECIMAL_MAX_SCALE ? s->max_scale + 4
                                                            : EL_DECIMAL_MAX_SCALE;
        el_decimal_from_int(&count, s->count, digits[1]);
        rc = el_decimal_div(&total, &total, &count, scale, EL_ROUND_HALF_UP, &w, &err);
    }
    if (rc == EL_OK) {
        give(ctx, &total);
    } else {
        report(ctx, "a decimal aggregate", &err);
    }
    el_workspace_release(&w);
}

static void sum_final(sqlite3_context *ctx) {
    sum_value(ctx);
    sum *s = sqlite3_aggregate_context(ctx, 0);
    if (s) {
        free(s->text);
        s->text = NULL;
    }
}

/* }====== */

static int collate(void *ud, int na, const void *a, int nb, const void *b) {
    (void)ud;
    return el_decimal_collate(a, (size_t)na, b, (size_t)nb);
}

int el_sqlite_functions(sqlite3 *db) {
    enum { FLAGS = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS };
    static const char average = 0;
    int rc = sqlite3_create_collation_v2(db, "decimal", SQLITE_UTF8, NULL, collate, NULL);
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof operations / sizeof *operations;
         i++) {
        rc = sqlite3_create_function_v2(db, names[i], argument_counts[i], FLAGS,
                                        (void *)(uintptr_t)&operations[i], row_function,
                                        NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_create_window_function(db, "decimal_sum", 1, FLAGS, NULL, sum_step,
                                            sum_final, sum_value, sum_inverse, NULL);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_create_window_function(db, "decimal_avg", 1, FLAGS,
                                            (void *)(uintptr_t)&average, sum_step,
                                            sum_final, sum_value, sum_inverse, NULL);
    }
    return rc;
}
