/* SPDX-License-Identifier: MIT
**
** mongo_json.c - JSON text as BSON, key by key in its order.  It reads plain JSON: what
** extended JSON has more is bound as values.  Command texts are mongo_text.c.
*/
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decimal.h"
#include "mongo_driver.h"

/* {====== Characters ====== */

int el_mg_json_fail(const mg_json *j, const char *what, el_error *err) {
    char name[32];
    size_t at = (size_t)(j->p - j->start) + 1;
    if (j->hole) {
        return el_fail(err, EL_ERR_SYNTAX, 0, "the command is no JSON at byte %zu: %s",
                       at, what);
    }
    return el_fail(err, EL_ERR_VALUE, 0, "%s is no JSON at byte %zu: %s",
                   el_mg_arg_name(name, j->out), at, what);
}

int el_mg_json_peek(mg_json *j) {
    while (j->p < j->end && *j->p && strchr(" \t\r\n", *j->p)) {
        j->p++;
    }
    return j->p < j->end ? (unsigned char)*j->p : -1;
}

int el_mg_json_expect(mg_json *j, char c, el_error *err) {
    if (el_mg_json_peek(j) != c) {
        char what[40];
        snprintf(what, sizeof what, "'%c' is missing", c);
        return el_mg_json_fail(j, what, err);
    }
    j->p++;
    return EL_OK;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four digits after \u; -1 when they are none. */
static int32_t read_unit(mg_json *j) {
    int32_t unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = j->p < j->end ? hex_digit(*j->p) : -1;
        if (digit < 0) {
            return -1;
        }
        unit = unit * 16 + digit;
        j->p++;
    }
    return unit;
}

static int put_code_point(mg_buf *out, uint32_t c, el_error *err) {
    char s[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char heads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = n; --i > 0; c >>= 6) {
        s[i] = (char)(0x80 | (c & 0x3F));
    }
    s[0] = (char)(heads[n] | c);
    return el_mg_put(out, s, n, err);
}

/* After a backslash. */
static int read_escape(mg_json *j, mg_buf *out, el_error *err) {
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    char c = j->p < j->end ? *j->p : '\0';
    const char *at = c ? strchr(letters, c) : NULL;
    if (at) {
        j->p++;
        return el_mg_put(out, &meant[at - letters], 1, err);
    }
    if (c != 'u') {
        return el_mg_json_fail(j, "unknown escape", err);
    }
    j->p++;
    int32_t unit = read_unit(j);
    if (unit >= 0xD800 && unit < 0xDC00 && j->end - j->p >= 6 && j->p[0] == '\\' &&
        j->p[1] == 'u') {
        j->p += 2;
        int32_t low = read_unit(j);
        if (low < 0xDC00 || low > 0xDFFF) {
            return el_mg_json_fail(j, "half of a surrogate pair", err);
        }
        unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    }
    if (unit < 0 || (unit >= 0xD800 && unit <= 0xDFFF)) {
        return el_mg_json_fail(j, "\\u needs four digits of a character", err);
    }
    return put_code_point(out, (uint32_t)unit, err);
}

int el_mg_json_string(mg_json *j, mg_buf *out, el_error *err) {
    if (el_mg_json_expect(j, '"', err) != EL_OK) {
        return EL_FAIL;
    }
    for (;;) {
        const char *from = j->p;
        while (j->p < j->end && *j->p != '"' && *j->p != '\\' &&
               (unsigned char)*j->p >= 0x20) {
            j->p++;
        }
        size_t n = (size_t)(j->p - from);
        if (!el_utf8_valid(from, n)) {
            j->p = from;
            return el_mg_json_fail(j, "a string is no UTF-8", err);
        }
        if (el_mg_put(out, from, n, err) != EL_OK) {
            return EL_FAIL;
        }
        if (j->p == j->end || (unsigned char)*j->p < 0x20) {
            return el_mg_json_fail(j, "a string has no end", err);
        }
        if (*j->p++ == '"') {
            return EL_OK;
        }
        if (read_escape(j, out, err) != EL_OK) {
            return EL_FAIL;
        }
    }
}

/* }====== */

/* {====== Numbers ====== */

static const char *skip_digits(const char *p, const char *end) {
    while (p < end && *p >= '0' && *p <= '9') {
        p++;
    }
    return p;
}

/* End of the number at j->p, or NULL; *whole when it has no fraction or exponent. */
static const char *scan_number(const mg_json *j, bool *whole) {
    const char *p = j->p + (j->p < j->end && *j->p == '-'), *digits = p;
    p = skip_digits(p, j->end);
    if (p == digits || (*digits == '0' && p > digits + 1)) {
        return NULL;
    }
    *whole = true;
    if (p < j->end && *p == '.') {
        *whole = false;
        digits = ++p;
        if ((p = skip_digits(p, j->end)) == digits) {
            return NULL;
        }
    }
    if (p < j->end && (*p | 0x20) == 'e') {
        *whole = false;
        p++;
        p += p < j->end && (*p == '+' || *p == '-');
        digits = p;
        if ((p = skip_digits(p, j->end)) == digits) {
            return NULL;
        }
    }
    return p;
}

/* The script may have set a locale in which 1.5 is no number. */
static bool read_double(const char *text, double *out) {
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (plain == (locale_t)0) {
        return false;
    }
    *out = strtod_l(text, NULL, plain);
    freelocale(plain);
    return true;
}

/* True when the double, written with as many digits as it keeps, is the number itself. */
static bool is_exact(double d, const el_decimal *number) {
    char text[32];
    el_decimal back;
    if (!(d - d == 0)) {
        return false;
    }
    for (int digits = 15; digits <= 17; digits++) {
        int n = snprintf(text, sizeof text, "%.*e", digits - 1, d);
        char *comma = strchr(text, ',');
        if (comma) {
            *comma = '.';
        }
        if (n > 0 && el_decimal_scan(&back, text, (size_t)n) &&
            el_decimal_compare(&back, number) == 0) {
            return true;
        }
    }
    return false;
}

static int put_number(mg_json *j, const char *key, size_t n, const char *end, bool whole,
                      el_error *err) {
    enum { LONGEST = 400 };
    el_decimal number;
    int64_t i;
    double d;
    char copy[LONGEST];
    size_t len = (size_t)(end - j->p);
    if (!el_decimal_scan(&number, j->p, len)) {
        return el_mg_json_fail(j, "a number that no type can hold", err);
    }
    bool minus_zero = *j->p == '-' && el_decimal_is_zero(&number);
    if (whole && !minus_zero && el_decimal_to_int(&i, &number)) {
        return el_mg_put_int(j->out, key, n, i, err);
    }
    if (len < LONGEST && (!whole || minus_zero)) {
        memcpy(copy, j->p, len);
        copy[len] = '\0';
        if (!read_double(copy, &d)) {
            return el_fail(err, EL_ERR_NOMEM, 0, "no memory to read a number");
        }
        if (is_exact(d, &number)) {
            return el_mg_put_double(j->out, key, n, d, err);
        }
    }
    if (j->hole) {
        return el_mg_json_fail(
            j, "an integer beyond 64 bits, or a float with more digits than it keeps",
            err);
    }
    return el_mg_put_decimal(j->out, key, n, j->p, len, err);
}

/* }====== */

/* {====== Values ====== */

static int put_string(mg_json *j, const char *key, size_t n, el_error *err) {
    size_t at, len;
    if (el_mg_put_key(j->out, MG_STRING, key, n, err) != EL_OK ||
        el_mg_open_doc(j->out, &at, err) != EL_OK ||
        el_mg_json_string(j, j->out, err) != EL_OK ||
        el_mg_put(j->out, "", 1, err) != EL_OK) {
        return EL_FAIL;
    }
    len = j->out->n - at - 4;
    if (len > INT32_MAX) {
        return el_mg_json_fail(j, "a string of 2 GiB", err);
    }
    for (int k = 0; k < 4; k++) {
        j->out->p[at + (size_t)k] = (unsigned char)(len >> (8 * k));
    }
    return EL_OK;
}

/* The key of a member, in j->keys from `at` on. */
static int read_key(mg_json *j, size_t at, el_error *err) {
    j->keys.n = at;
    if (el_mg_json_string(j, &j->keys, err) != EL_OK) {
        return EL_FAIL;
    }
    if (memchr(j->keys.p ? j->keys.p + at : (unsigned char *)"", '\0', j->keys.n - at)) {
        return el_mg_json_fail(j, "a key with a zero byte", err);
    }
    return el_mg_json_expect(j, ':', err);
}

/* The next of `{a, b}`: EL_ROW when there is one, EL_DONE after `close`. */
static int next_member(mg_json *j, bool first, char close, el_error *err) {
    int c = el_mg_json_peek(j);
    if (c == close) {
        j->p++;
        return EL_DONE;
    }
    if (first) {
        return EL_ROW;
    }
    if (c != ',') {
        return el_mg_json_fail(
            j, close == '}' ? "',' or '}' is missing" : "',' or ']' is missing", err);
    }
    j->p++;
    return EL_ROW;
}

static int put_members(mg_json *j, bool list, el_error *err) {
    size_t base = j->keys.n;
    char index[MG_INDEX_SIZE];
    for (size_t i = 0;; i++) {
        int rc = next_member(j, i == 0, list ? ']' : '}', err);
        if (rc != EL_ROW) {
            j->keys.n = base;
            return rc == EL_DONE ? EL_OK : EL_FAIL;
        }
        const char *key = index;
        size_t n;
        if (list) {
            n = el_mg_index(index, i);
        } else {
            if (read_key(j, base, err) != EL_OK) {
                return EL_FAIL;
            }
            key = j->keys.p ? (const char *)j->keys.p + base : "";
            n = j->keys.n - base;
        }
        if (el_mg_json_value(j, key, n, err) != EL_OK) {
            return EL_FAIL;
        }
    }
}

static int put_nested(mg_json *j, const char *key, size_t n, bool list, el_error *err) {
    size_t at;
    if (j->depth >= MG_MAX_DEPTH) {
        return el_mg_json_fail(j, "more than 100 levels", err);
    }
    if (el_mg_put_key(j->out, list ? MG_ARRAY : MG_DOC, key, n, err) != EL_OK ||
        el_mg_open_doc(j->out, &at, err) != EL_OK ||
        (j->opened && j->opened(j, at, err) != EL_OK)) {
        return EL_FAIL;
    }
    j->p++;
    j->depth++;
    if (put_members(j, list, err) != EL_OK) {
        return EL_FAIL;
    }
    j->depth--;
    return j->closed ? j->closed(j, at, list, err)
                     : el_mg_close_doc(j->out, at, MG_MAX_DOC, err);
}

static int put_word(mg_json *j, const char *key, size_t n, el_error *err) {
    static const struct {
        const char *word;
        unsigned char type, value, size;
    } words[] = {
        {"null", MG_NULL, 0, 0}, {"true", MG_BOOL, 1, 1}, {"false", MG_BOOL, 0, 1}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t len = strlen(words[i].word);
        if ((size_t)(j->end - j->p) >= len && memcmp(j->p, words[i].word, len) == 0) {
            j->p += len;
            if (el_mg_put_key(j->out, words[i].type, key, n, err) != EL_OK) {
                return EL_FAIL;
            }
            return el_mg_put(j->out, &words[i].value, words[i].size, err);
        }
    }
    return el_mg_json_fail(j, "no value begins so", err);
}

int el_mg_json_value(mg_json *j, const char *key, size_t n, el_error *err) {
    int c = el_mg_json_peek(j);
    if (c == '"') {
        return put_string(j, key, n, err);
    }
    if (c == '{' || c == '[') {
        return put_nested(j, key, n, c == '[', err);
    }
    if (c == '?' && j->hole) {
        j->p++;
        return j->hole(j, key, n, err);
    }
    if (c == '-' || (c >= '0' && c <= '9')) {
        bool whole;
        const char *end = scan_number(j, &whole);
        if (!end) {
            return el_mg_json_fail(j, "no number", err);
        }
        int rc = put_number(j, key, n, end, whole, err);
        j->p = end;
        return rc;
    }
    return put_word(j, key, n, err);
}

int el_mg_put_json(mg_buf *b, const char *key, size_t n, const char *text, size_t len,
                   int depth, el_error *err) {
    mg_json j = {.p = text, .start = text, .end = text + len, .out = b, .depth = depth};
    int rc = el_mg_json_value(&j, key, n, err);
    if (rc == EL_OK && el_mg_json_peek(&j) >= 0) {
        rc = el_mg_json_fail(&j, "there is more after the value", err);
    }
    el_mg_buf_release(&j.keys);
    return rc;
}

/* }====== */
