/* SPDX-License-Identifier: MIT
**
** pg_bind.c - values on their way to the server.  Where the server has named the type of
** a placeholder, numbers, moments and long texts go in binary and uncopied; the rest
** goes as text, which the server reads as the type it wants.
*/
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg.h"

/* {====== Arena: memory of one execution ====== */

enum { BLOCK_SIZE = 4000 };

typedef struct pg_block {
    struct pg_block *next;
    size_t size, used;
    max_align_t bytes[];
} pg_block;

static void *arena_alloc(pg_args *a, size_t n, el_error *err) {
    pg_block *b = a->arena;
    n = (n + 15) & ~(size_t)15;
    if (b == NULL || b->size - b->used < n) {
        size_t size = n > BLOCK_SIZE ? n : BLOCK_SIZE;
        b = malloc(sizeof *b + size);
        if (b == NULL) {
            el_fail(err, EL_ERR_NOMEM, 0, "out of memory for a value of %zu bytes", n);
            return NULL;
        }
        b->next = a->arena;
        b->size = size;
        b->used = 0;
        a->arena = b;
    }
    void *p = (char *)b->bytes + b->used;
    b->used += n;
    return p;
}

/* Keeps one block of the usual size. */
static void arena_reset(pg_args *a) {
    pg_block *kept = NULL;
    while (a->arena != NULL) {
        pg_block *b = a->arena;
        a->arena = b->next;
        if (kept == NULL && b->size == BLOCK_SIZE) {
            kept = b;
            kept->next = NULL;
            kept->used = 0;
        } else {
            free(b);
        }
    }
    a->arena = kept;
}

/* }====== */

/* {====== Numbers as text ====== */

int el_pg_format_int(char out[PG_NUMBER_SIZE], int64_t i) {
    char digits[PG_NUMBER_SIZE];
    uint64_t rest = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    int n = 0, o = 0;
    do {
        digits[n++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (i < 0) {
        out[o++] = '-';
    }
    while (n > 0) {
        out[o++] = digits[--n];
    }
    out[o] = '\0';
    return o;
}

/*
** Numbers of few digits, as most are: counted out, many times faster than printing and
** reading back.  A quotient of two exact numbers is rounded as the decimal that it spells
** would be, so they are the same double.  0 when d is no such number.
*/
static int format_short(char out[PG_NUMBER_SIZE], double d) {
    static const int64_t powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000};
    const double exact = 1e15; /* any 15 digits read back as they were */
    double size = fabs(d);
    for (int k = 0; k <= 6 && size != 0 && size * (double)powers[k] < exact; k++) {
        int64_t i = llrint(size * (double)powers[k]);
        if ((double)i / (double)powers[k] != size) {
            continue;
        }
        int n = el_pg_format_int(out, d < 0 ? -(i / powers[k]) : i / powers[k]);
        if (d < 0 && out[0] != '-') { /* -0.5 */
            memmove(out + 1, out, (size_t)n + 1);
            out[0] = '-';
            n++;
        }
        if (k > 0) {
            out[n] = '.';
            for (int at = k; at > 0; at--, i /= 10) {
                out[n + at] = (char)('0' + i % 10);
            }
            n += k + 1;
            out[n] = '\0';
        }
        return n;
    }
    return 0;
}

/* The shortest text that reads back the same, whatever the script's locale. */
int el_pg_format_double(char out[PG_NUMBER_SIZE], double d) {
    if (isnan(d)) {
        return snprintf(out, PG_NUMBER_SIZE, "NaN");
    }
    if (isinf(d)) {
        return snprintf(out, PG_NUMBER_SIZE, d > 0 ? "Infinity" : "-Infinity");
    }
    int n = format_short(out, d);
    if (n > 0) {
        return n;
    }
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    locale_t old = plain != (locale_t)0 ? uselocale(plain) : (locale_t)0;
    for (int digits = 15; digits <= 17; digits++) {
        n = snprintf(out, PG_NUMBER_SIZE, "%.*g", digits, d);
        if (strtod(out, NULL) == d) {
            break;
        }
    }
    if (plain != (locale_t)0) {
        uselocale(old);
        freelocale(plain);
    }
    return n;
}

int el_pg_format_timestamp(char out[PG_NUMBER_SIZE], int64_t micros) {
    size_t n = el_timestamp_format(out, micros, ' ');
    memcpy(out + n, "+00", 4);
    return (int)n + 3;
}

/* }====== */

/* {====== Lists as array literals ====== */

/* Counts while `p` is NULL, then writes what it counted. */
typedef struct writer {
    char *p;
    size_t n;
} writer;

static void put(writer *w, const char *text, size_t n) {
    if (w->p != NULL) {
        memcpy(w->p + w->n, text, n);
    }
    w->n += n;
}

static void put_quoted(writer *w, const char *text, size_t n) {
    size_t from = 0;
    put(w, "\"", 1);
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '"' || text[i] == '\\') {
            put(w, text + from, i - from);
            put(w, "\\", 1);
            from = i;
        }
    }
    put(w, text + from, n - from);
    put(w, "\"", 1);
}

static void put_hex(writer *w, const char *bytes, size_t n) {
    static const char digits[] = "0123456789abcdef";
    put(w, "\"\\\\x", 4);
    for (size_t i = 0; i < n; i++) {
        char pair[2] = {digits[(unsigned char)bytes[i] >> 4], digits[bytes[i] & 15]};
        put(w, pair, 2);
    }
    put(w, "\"", 1);
}

static int put_list(writer *w, const el_iter *list, int depth, el_error *err);

static int put_element(writer *w, const el_value *v, int depth, el_error *err) {
    char number[PG_NUMBER_SIZE];
    switch (v->type) {
    case EL_NULL:
        put(w, "NULL", 4);
        return EL_OK;
    case EL_BOOL:
        put(w, v->u.b ? "t" : "f", 1);
        return EL_OK;
    case EL_INT:
        put(w, number, (size_t)el_pg_format_int(number, v->u.i));
        return EL_OK;
    case EL_FLOAT:
        put(w, number, (size_t)el_pg_format_double(number, v->u.d));
        return EL_OK;
    case EL_TIMESTAMP:
        put_quoted(w, number, (size_t)el_pg_format_timestamp(number, v->u.i));
        return EL_OK;
    case EL_BYTES:
        put_hex(w, v->u.s.p, v->u.s.n);
        return EL_OK;
    case EL_LIST:
        return put_list(w, v->u.nested, depth + 1, err);
    case EL_DOC:
        return el_fail(err, EL_ERR_UNSUPPORTED, 0,
                       "a PostgreSQL array can't hold documents; send JSON text");
    default:
        if (v->u.s.n > 0 && memchr(v->u.s.p, '\0', v->u.s.n) != NULL) {
            return el_fail(err, EL_ERR_VALUE, 0,
                           "PostgreSQL text can't hold a zero byte; use a binary column");
        }
        put_quoted(w, v->u.s.p, v->u.s.n);
        return EL_OK;
    }
}

static int put_list(writer *w, const el_iter *list, int depth, el_error *err) {
    enum { MAX_DEPTH = 6 }; /* the server's own limit */
    el_iter it = *list, room;
    el_value v;
    const char *key;
    size_t keylen;
    if (depth > MAX_DEPTH) {
        return el_fail(err, EL_ERR_VALUE, 0,
                       "a PostgreSQL array has at most %d dimensions", MAX_DEPTH);
    }
    put(w, "{", 1);
    for (bool first = true; it.next(&it, &key, &keylen, &v, &room); first = false) {
        if (!first) {
            put(w, ",", 1);
        }
        if (put_element(w, &v, depth, err) != EL_OK) {
            return EL_FAIL;
        }
    }
    put(w, "}", 1);
    return EL_OK;
}

static int bind_list(pg_args *a, int i, const el_iter *list, el_error *err) {
    writer w = {0};
    if (put_list(&w, list, 1, err) != EL_OK) {
        return EL_FAIL;
    }
    char *text = arena_alloc(a, w.n + 1, err);
    if (text == NULL) {
        return EL_FAIL;
    }
    w = (writer){text, 0};
    if (put_list(&w, list, 1, err) != EL_OK) {
        return EL_FAIL;
    }
    text[w.n] = '\0';
    a->values[i] = text;
    return EL_OK;
}

/* }====== */

/* {====== One value ====== */

static void set_binary(pg_args *a, int i, const char *p, size_t n) {
    a->values[i] = p;
    a->lengths[i] = (int)n;
    a->formats[i] = PG_BINARY;
}

static int bind_big_endian(pg_args *a, int i, uint64_t value, size_t size,
                           el_error *err) {
    unsigned char *p = arena_alloc(a, size, err);
    if (p == NULL) {
        return EL_FAIL;
    }
    for (size_t k = size; k-- > 0; value >>= 8) {
        p[k] = (unsigned char)value;
    }
    set_binary(a, i, (const char *)p, size);
    return EL_OK;
}

static int bind_copy(pg_args *a, int i, const char *p, size_t n, el_error *err) {
    char *text = arena_alloc(a, n + 1, err);
    if (text == NULL) {
        return EL_FAIL;
    }
    if (n > 0) {
        memcpy(text, p, n);
    }
    text[n] = '\0';
    a->values[i] = text;
    return EL_OK;
}

static int bind_int(pg_args *a, int i, int64_t value, el_error *err) {
    char text[PG_NUMBER_SIZE];
    switch (a->types[i]) {
    case PG_OID_INT8:
        return bind_big_endian(a, i, (uint64_t)value, 8, err);
    case PG_OID_INT4:
        if (value >= INT32_MIN && value <= INT32_MAX) {
            return bind_big_endian(a, i, (uint64_t)value, 4, err);
        }
        break; /* in text the server says that it is out of range */
    case PG_OID_INT2:
        if (value >= INT16_MIN && value <= INT16_MAX) {
            return bind_big_endian(a, i, (uint64_t)value, 2, err);
        }
        break;
    default:
        break;
    }
    return bind_copy(a, i, text, (size_t)el_pg_format_int(text, value), err);
}

#define TWO_TO_63 9223372036854775808.0

/*
** A whole number goes as one, because only so an integer column reads it; -0 has no
** such form.
*/
static int bind_float(pg_args *a, int i, double value, el_error *err) {
    char text[PG_NUMBER_SIZE];
    if (a->types[i] == PG_OID_FLOAT8) {
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        return bind_big_endian(a, i, bits, 8, err);
    }
    if (value >= -TWO_TO_63 && value < TWO_TO_63 && value == trunc(value) &&
        (value != 0 || !signbit(value))) {
        return bind_int(a, i, (int64_t)value, err);
    }
    return bind_copy(a, i, text, (size_t)el_pg_format_double(text, value), err);
}

static int bind_timestamp(pg_args *a, int i, int64_t micros, el_error *err) {
    char text[PG_NUMBER_SIZE];
    if (a->types[i] == PG_OID_TIMESTAMP || a->types[i] == PG_OID_TIMESTAMPTZ) {
        return bind_big_endian(a, i, (uint64_t)(micros - PG_EPOCH_MICROS), 8, err);
    }
    return bind_copy(a, i, text, (size_t)el_pg_format_timestamp(text, micros), err);
}

/* In binary these types are their text: no copy, and no NUL at the end is needed. */
static bool is_text_type(Oid type) {
    return type == PG_OID_TEXT || type == PG_OID_VARCHAR || type == PG_OID_BPCHAR ||
           type == PG_OID_JSON || type == PG_OID_NAME || type == PG_OID_UNKNOWN;
}

static int bind_text(pg_args *a, int i, const char *p, size_t n, el_error *err) {
    if (n == 0) {
        p = ""; /* NULL would be the value NULL */
    }
    if (n > INT32_MAX) {
        return el_fail(err, EL_ERR_VALUE, 0,
                       "the value for $%d has %zu bytes, PostgreSQL takes 1 GB", i + 1,
                       n);
    }
    if (a->types[i] == PG_OID_BYTEA) {
        set_binary(a, i, p, n);
        return EL_OK;
    }
    if (memchr(p, '\0', n) != NULL) {
        return el_fail(err, EL_ERR_VALUE, 0,
                       "the text for $%d holds a zero byte, which PostgreSQL text can't; "
                       "use a binary column",
                       i + 1);
    }
    if (is_text_type(a->types[i])) {
        set_binary(a, i, p, n);
        return EL_OK;
    }
    return bind_copy(a, i, p, n, err);
}

static int bind_bytes(pg_args *a, int i, const char *p, size_t n, el_error *err) {
    if (!a->described) {
        a->types[i] = PG_OID_BYTEA;
    }
    return bind_text(a, i, p, n, err);
}

static int bind_one(pg_args *a, int i, const el_value *v, el_error *err) {
    switch (v->type) {
    case EL_NULL:
        a->values[i] = NULL;
        return EL_OK;
    case EL_BOOL:
        a->values[i] = v->u.b ? "true" : "false";
        return EL_OK;
    case EL_INT:
        return bind_int(a, i, v->u.i, err);
    case EL_FLOAT:
        return bind_float(a, i, v->u.d, err);
    case EL_TIMESTAMP:
        return bind_timestamp(a, i, v->u.i, err);
    case EL_BYTES:
        return bind_bytes(a, i, v->u.s.p, v->u.s.n, err);
    case EL_LIST:
        return bind_list(a, i, v->u.nested, err);
    case EL_DOC:
        return el_fail(err, EL_ERR_UNSUPPORTED, 0,
                       "PostgreSQL takes no documents for $%d; send JSON text", i + 1);
    default:
        return bind_text(a, i, v->u.s.p, v->u.s.n, err);
    }
}

/* }====== */

/* {====== All values of a statement ====== */

int el_pg_args_init(pg_args *a, int n, el_error *err) {
    size_t count = n > 0 ? (size_t)n : 1;
    *a = (pg_args){.n = n};
    a->types = calloc(count, sizeof *a->types);
    a->values = calloc(count, sizeof *a->values);
    a->lengths = calloc(count, sizeof *a->lengths);
    a->formats = calloc(count, sizeof *a->formats);
    if (!a->types || !a->values || !a->lengths || !a->formats) {
        el_pg_args_release(a);
        return el_fail(err, EL_ERR_NOMEM, 0, "out of memory for %d placeholders", n);
    }
    return EL_OK;
}

void el_pg_args_release(pg_args *a) {
    while (a->arena != NULL) {
        pg_block *b = a->arena;
        a->arena = b->next;
        free(b);
    }
    free(a->types);
    free(a->values);
    free(a->lengths);
    free(a->formats);
    *a = (pg_args){0};
}

int el_pg_args_bind(pg_args *a, const el_value *values, el_error *err) {
    arena_reset(a);
    for (int i = 0; i < a->n; i++) {
        if (!a->described) {
            a->types[i] = 0;
        }
        a->lengths[i] = 0;
        a->formats[i] = PG_TEXT;
        if (bind_one(a, i, &values[i], err) != EL_OK) {
            return EL_FAIL;
        }
    }
    return EL_OK;
}

/* }====== */

/* {====== Placeholders in a text ====== */

static bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_' || (unsigned char)c >= 0x80;
}

/* Past the closing quote; a doubled one stands for itself. */
static const char *skip_quotes(const char *p, bool backslashes) {
    char quote = *p++;
    while (*p != '\0' && (*p != quote || p[1] == quote)) {
        p += *p == quote || (backslashes && *p == '\\' && p[1] != '\0') ? 2 : 1;
    }
    return p + (*p != '\0');
}

/* The string that ended before p goes on at the quote returned, after a line break. */
static const char *continuation(const char *p) {
    bool newline = false;
    for (;;) {
        if (p[0] == '-' && p[1] == '-') {
            p += strcspn(p, "\r\n");
        } else if (*p != '\0' && strchr(" \t\f\v\r\n", *p) != NULL) {
            newline = newline || *p == '\n' || *p == '\r';
            p++;
        } else {
            return newline && *p == '\'' ? p : NULL;
        }
    }
}

static const char *skip_escape_string(const char *p) {
    const char *more = p;
    while (more != NULL) {
        p = skip_quotes(more, true);
        more = continuation(p);
    }
    return p;
}

/* Past a name, as a$1 is one, a number, or E'...'. */
static const char *skip_word(const char *p) {
    const char *start = p;
    bool number = *p >= '0' && *p <= '9';
    while (is_name_char(*p) || (*p == '$' && !number)) {
        p++;
    }
    bool escapes = p - start == 1 && (*start == 'E' || *start == 'e') && *p == '\'';
    return escapes ? skip_escape_string(p) : p;
}

static const char *skip_comment(const char *p) {
    int depth = 0;
    do { /* they nest */
        if (p[0] == '/' && p[1] == '*') {
            depth++;
            p += 2;
        } else if (p[0] == '*' && p[1] == '/') {
            depth--;
            p += 2;
        } else if (*p != '\0') {
            p++;
        }
    } while (depth > 0 && *p != '\0');
    return p;
}

/* Past `$tag$ ... $tag$`, or past the `$` when that's no dollar quote. */
static const char *skip_dollar_quote(const char *p) {
    const char *tag = p + 1;
    while (is_name_char(*tag)) {
        tag++;
    }
    if (*tag != '$') {
        return p + 1;
    }
    size_t n = (size_t)(tag + 1 - p);
    for (const char *end = tag + 1; (end = strchr(end, '$')) != NULL; end++) {
        if (strncmp(end, p, n) == 0) {
            return end + n;
        }
    }
    return p + strlen(p);
}

int el_pg_count_params(const char *sql) {
    int most = 0;
    const char *p = sql;
    while (*p != '\0') {
        if (*p == '\'' || *p == '"') {
            p = skip_quotes(p, false);
        } else if (p[0] == '-' && p[1] == '-') {
            p += strcspn(p, "\r\n");
        } else if (p[0] == '/' && p[1] == '*') {
            p = skip_comment(p);
        } else if (p[0] == '$' && p[1] >= '0' && p[1] <= '9') {
            long number = strtol(p + 1, NULL, 10);
            most = number > most ? (int)(number < 1000000 ? number : 1000000) : most;
            p += 1 + strspn(p + 1, "0123456789");
        } else if (*p == '$') {
            p = skip_dollar_quote(p);
        } else if (is_name_char(*p)) {
            p = skip_word(p);
        } else {
            p++;
        }
    }
    return most;
}

/* }====== */
