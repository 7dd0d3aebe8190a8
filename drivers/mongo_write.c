/* SPDX-License-Identifier: MIT
**
** mongo_write.c - values as BSON, into memory of ours: libbson ends the process when
** there is none.  JSON texts are mongo_json.c.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decimal.h"
#include "mongo_driver.h"

/* {====== Bytes ====== */

void el_mg_buf_release(mg_buf *b) {
    free(b->p);
    *b = (mg_buf){0};
}

unsigned char *el_mg_more(mg_buf *b, size_t n, el_error *err) {
    if (n > b->max - b->n) {
        size_t max = b->max ? b->max : 256;
        while (n > max - b->n && max <= SIZE_MAX / 2) {
            max *= 2;
        }
        unsigned char *p = n <= max - b->n ? realloc(b->p, max) : NULL;
        if (!p) {
            el_fail(err, EL_ERR_NOMEM, 0, "no memory for a document of %zu bytes",
                    b->n + n);
            return NULL;
        }
        b->p = p;
        b->max = max;
    }
    b->n += n;
    return b->p + b->n - n;
}

int el_mg_put(mg_buf *b, const void *p, size_t n, el_error *err) {
    if (n > 0) {
        unsigned char *to = el_mg_more(b, n, err);
        if (!to) {
            return EL_FAIL;
        }
        memcpy(to, p, n);
    }
    return EL_OK;
}

static void set_int32(unsigned char *p, uint32_t i) {
    for (int k = 0; k < 4; k++) {
        p[k] = (unsigned char)(i >> (8 * k));
    }
}

static int put_int64(mg_buf *b, uint64_t i, el_error *err) {
    unsigned char p[8];
    for (int k = 0; k < 8; k++) {
        p[k] = (unsigned char)(i >> (8 * k));
    }
    return el_mg_put(b, p, sizeof p, err);
}

static int put_int32(mg_buf *b, uint32_t i, el_error *err) {
    unsigned char p[4];
    set_int32(p, i);
    return el_mg_put(b, p, sizeof p, err);
}

const char *el_mg_arg_name(char out[32], const mg_buf *b) {
    if (b->arg == 0) {
        return "a value";
    }
    snprintf(out, 32, "value %d", b->arg);
    return out;
}

size_t el_mg_index(char out[MG_INDEX_SIZE], size_t i) {
    char digits[MG_INDEX_SIZE];
    size_t n = 0, len;
    do {
        digits[n++] = (char)('0' + i % 10);
        i /= 10;
    } while (i > 0);
    for (len = 0; n > 0; len++) {
        out[len] = digits[--n];
    }
    out[len] = '\0';
    return len;
}

/* }====== */

/* {====== Parts of documents ====== */

int el_mg_put_key(mg_buf *b, unsigned type, const char *key, size_t n, el_error *err) {
    char name[32];
    if (n > 0 && (memchr(key, '\0', n) || !el_utf8_valid(key, n))) {
        return el_fail(err, EL_ERR_VALUE, 0,
                       "%s has a key that is not UTF-8 or has a zero byte, which MongoDB "
                       "can't store",
                       el_mg_arg_name(name, b));
    }
    unsigned char *to = n < SIZE_MAX - 2 ? el_mg_more(b, n + 2, err) : NULL;
    if (!to) {
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for a key of %zu bytes", n);
    }
    to[0] = (unsigned char)type;
    if (n > 0) {
        memcpy(to + 1, key, n);
    }
    to[n + 1] = '\0';
    return EL_OK;
}

int el_mg_open_doc(mg_buf *b, size_t *at, el_error *err) {
    *at = b->n;
    return put_int32(b, 0, err);
}

int el_mg_close_doc(mg_buf *b, size_t at, size_t max, el_error *err) {
    char name[32];
    if (el_mg_put(b, "", 1, err) != EL_OK) {
        return EL_FAIL;
    }
    if (b->n - at > max) {
        return el_fail(err, EL_ERR_VALUE, MG_TOO_LARGE,
                       "%s is or makes a document of %zu bytes; MongoDB takes %zu at the "
                       "most: split it, or keep large data in GridFS",
                       el_mg_arg_name(name, b), b->n - at, max);
    }
    set_int32(b->p + at, (uint32_t)(b->n - at));
    return EL_OK;
}

int el_mg_put_text(mg_buf *b, const char *p, size_t n, el_error *err) {
    char name[32];
    if (n >= INT32_MAX) {
        return el_fail(err, EL_ERR_VALUE, 0,
                       "%s has %zu bytes; MongoDB takes documents of 16 MiB",
                       el_mg_arg_name(name, b), n);
    }
    if (put_int32(b, (uint32_t)n + 1, err) != EL_OK || el_mg_put(b, p, n, err) != EL_OK) {
        return EL_FAIL;
    }
    return el_mg_put(b, "", 1, err);
}

int el_mg_put_int(mg_buf *b, const char *key, size_t n, int64_t i, el_error *err) {
    bool small = i >= INT32_MIN && i <= INT32_MAX;
    if (el_mg_put_key(b, small ? MG_INT32 : MG_INT64, key, n, err) != EL_OK) {
        return EL_FAIL;
    }
    return small ? put_int32(b, (uint32_t)i, err) : put_int64(b, (uint64_t)i, err);
}

int el_mg_put_long(mg_buf *b, const char *key, size_t n, int64_t i, el_error *err) {
    if (el_mg_put_key(b, MG_INT64, key, n, err) != EL_OK) {
        return EL_FAIL;
    }
    return put_int64(b, (uint64_t)i, err);
}

int el_mg_put_double(mg_buf *b, const char *key, size_t n, double d, el_error *err) {
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    if (el_mg_put_key(b, MG_DOUBLE, key, n, err) != EL_OK) {
        return EL_FAIL;
    }
    return put_int64(b, bits, err);
}

/* }====== */

/* {====== Decimals ====== */

enum { DIGITS = 34, EXPONENT_MAX = 6111, EXPONENT_MIN = -6176 };

/* The number as DDDE<exponent> with at most 34 digits; false when it has more. */
static bool decimal_text(char out[DIGITS + 16], const el_decimal *d) {
    size_t n = d->len[0] + d->len[1];
    char digits[DIGITS];
    /* zeros that the scale asks for are digits too, as long as there is room */
    int64_t exponent = d->point - (int64_t)n;
    size_t used = 0, zeros = 0;
    for (size_t i = 0; i < n; i++) {
        char c = i < d->len[0] ? d->digits[0][i] : d->digits[1][i - d->len[0]];
        if (c == '0') {
            zeros++;
            continue;
        }
        if (used + zeros >= DIGITS) {
            return false;
        }
        memset(digits + used, '0', zeros);
        used += zeros;
        zeros = 0;
        digits[used++] = c;
    }
    exponent += (int64_t)zeros;
    while (used < DIGITS && used > 0 && exponent > -(int64_t)d->scale) {
        digits[used++] = '0';
        exponent--;
    }
    if (used == 0) {
        digits[used++] = '0';
        exponent = -(int64_t)d->scale;
    }
    if (exponent > EXPONENT_MAX || exponent < EXPONENT_MIN) {
        return false;
    }
    snprintf(out, DIGITS + 16, "%s%.*sE%d", d->negative ? "-" : "", (int)used, digits,
             (int)exponent);
    return true;
}

int el_mg_put_decimal(mg_buf *b, const char *key, size_t n, const char *text, size_t len,
                      el_error *err) {
    char name[32], plain[DIGITS + 16];
    el_decimal d;
    bson_decimal128_t number;
    if (!el_decimal_scan(&d, text, len)) {
        return el_fail(err, EL_ERR_VALUE, 0, "%s is no decimal number",
                       el_mg_arg_name(name, b));
    }
    if (!decimal_text(plain, &d) || !bson_decimal128_from_string(plain, &number)) {
        return el_fail(err, EL_ERR_VALUE, 0,
                       "%s is a decimal of %d digits with %d of them after the point; "
                       "MongoDB keeps 34 digits: round it first, or store it as text",
                       el_mg_arg_name(name, b), el_decimal_precision(&d), d.scale);
    }
    if (el_mg_put_key(b, MG_DECIMAL, key, n, err) != EL_OK ||
        put_int64(b, number.low, err) != EL_OK) {
        return EL_FAIL;
    }
    return put_int64(b, number.high, err);
}

/* }====== */

/* {====== Other types ====== */

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Hexadecimal digits, hyphens left out, as exactly n bytes. */
static bool parse_hex(unsigned char *out, size_t n, const char *text, size_t len) {
    size_t got = 0;
    for (size_t i = 0; i < len; i++) {
        int digit = hex_digit(text[i]);
        if (digit < 0 && text[i] == '-') {
            continue;
        }
        if (digit < 0 || got == 2 * n) {
            return false;
        }
        out[got / 2] = (unsigned char)(got % 2 ? out[got / 2] | digit : digit << 4);
        got++;
    }
    return got == 2 * n;
}

static int put_binary(mg_buf *b, const char *key, size_t n, unsigned subtype,
                      const void *p, size_t len, el_error *err) {
    char name[32];
    unsigned char kind = (unsigned char)subtype;
    if (len >= INT32_MAX) {
        return el_fail(err, EL_ERR_VALUE, 0,
                       "%s has %zu bytes; MongoDB takes documents of 16 MiB",
                       el_mg_arg_name(name, b), len);
    }
    if (el_mg_put_key(b, MG_BINARY, key, n, err) != EL_OK ||
        put_int32(b, (uint32_t)len, err) != EL_OK ||
        el_mg_put(b, &kind, 1, err) != EL_OK) {
        return EL_FAIL;
    }
    return el_mg_put(b, p, len, err);
}

static int put_hex(mg_buf *b, const char *key, size_t n, const el_value *v,
                   el_error *err) {
    char name[32];
    unsigned char bytes[16];
    size_t size = v->type == EL_UUID ? 16 : 12;
    if (!parse_hex(bytes, size, v->u.s.p, v->u.s.n)) {
        return el_fail(
            err, EL_ERR_VALUE, 0, "%s is no %s: it takes %zu hexadecimal digits",
            el_mg_arg_name(name, b), v->type == EL_UUID ? "UUID" : "object id", 2 * size);
    }
    if (v->type == EL_UUID) {
        return put_binary(b, key, n, BSON_SUBTYPE_UUID, bytes, size, err);
    }
    if (el_mg_put_key(b, MG_OBJECT_ID, key, n, err) != EL_OK) {
        return EL_FAIL;
    }
    return el_mg_put(b, bytes, size, err);
}

static int put_timestamp(mg_buf *b, const char *key, size_t n, int64_t micros,
                         el_error *err) {
    char name[32];
    if (micros % 1000 != 0) {
        return el_fail(
            err, EL_ERR_VALUE, 0,
            "%s is a moment with microseconds, MongoDB keeps milliseconds; cut "
            "it by :startOf(\"millisecond\")",
            el_mg_arg_name(name, b));
    }
    if (el_mg_put_key(b, MG_DATE, key, n, err) != EL_OK) {
        return EL_FAIL;
    }
    return put_int64(b, (uint64_t)(micros / 1000), err);
}

/* Extended JSON of one value, as libbson reads it. */
static int put_special(mg_buf *b, const char *key, size_t n, const el_value *v,
                       el_error *err) {
    static const char head[] = "{\"v\":";
    char name[32];
    mg_buf text = {0};
    bson_t *doc = NULL;
    bson_error_t why;
    mg_element e;
    size_t at = 4;
    int rc = EL_FAIL;
    if (el_mg_put(&text, head, sizeof head - 1, err) != EL_OK ||
        el_mg_put(&text, v->u.s.p, v->u.s.n, err) != EL_OK ||
        el_mg_put(&text, "}", 1, err) != EL_OK) {
        goto out;
    }
    doc = bson_new_from_json(text.p, (ssize_t)text.n, &why);
    bool one = doc && el_mg_next(bson_get_data(doc), doc->len, &at, &e) &&
               e.type != MG_DOC && e.type != MG_ARRAY && at + 1 == doc->len;
    if (!one) {
        el_fail(err, EL_ERR_VALUE, 0,
                "%s is no extended JSON of one BSON value, such as {\"$minKey\":1}",
                el_mg_arg_name(name, b));
        goto out;
    }
    rc = el_mg_put_key(b, e.type, key, n, err);
    rc = rc == EL_OK ? el_mg_put(b, e.value, e.size, err) : rc;
out:
    bson_destroy(doc);
    el_mg_buf_release(&text);
    return rc;
}

/* }====== */

/* {====== Where a value stands that can't be written ====== */

int el_mg_failed_at(const char *key, size_t n, el_error *err) {
    if (err && err->kind == EL_ERR_VALUE) {
        char name[sizeof err->column], path[2 * sizeof err->column];
        el_error_copy(name, sizeof name, key,
                      (unsigned)(n < sizeof name ? n : sizeof name));
        snprintf(path, sizeof path, "%s%s%s", name, err->column[0] ? "." : "",
                 err->column);
        el_error_copy(err->column, sizeof err->column, path, (unsigned)strlen(path));
    }
    return EL_FAIL;
}

/* After "value 3", which says nothing where the column is known. */
static const char *after_number(const char *message) {
    static const char word[] = "value ";
    const char *p = message;
    if (strncmp(p, word, sizeof word - 1) == 0) {
        p += sizeof word - 1;
        p += strspn(p, "0123456789");
    }
    return p;
}

void el_mg_name_value(const char *collection, el_error *err) {
    if (!err || err->kind != EL_ERR_VALUE || !collection) {
        return;
    }
    char text[sizeof err->table + sizeof err->column + sizeof err->message + 16];
    el_error_copy(err->table, sizeof err->table, collection,
                  (unsigned)strlen(collection));
    const char *rest = err->column[0] ? after_number(err->message) : err->message;
    snprintf(text, sizeof text, "%s%s%s: %s%s", err->table, err->column[0] ? "." : "",
             err->column, rest == err->message ? "" : "the value", rest);
    el_error_copy(err->message, sizeof err->message, text, (unsigned)strlen(text));
}

/* }====== */

/* {====== Any value ====== */

static int put_nested(mg_buf *b, const char *key, size_t n, const el_value *v, int depth,
                      el_error *err) {
    char name[32], index[MG_INDEX_SIZE];
    bool list = v->type == EL_LIST;
    size_t start, i = 0;
    if (depth >= MG_MAX_DEPTH) {
        return el_fail(err, EL_ERR_VALUE, 0,
                       "%s is nested deeper than %d levels, or in a circle; MongoDB "
                       "stores no such documents",
                       el_mg_arg_name(name, b), MG_MAX_DEPTH);
    }
    if (el_mg_put_key(b, list ? MG_ARRAY : MG_DOC, key, n, err) != EL_OK ||
        el_mg_open_doc(b, &start, err) != EL_OK) {
        return EL_FAIL;
    }
    /* the document of a command has 16 MiB, what stands around it some more */
    size_t max = depth < 0 || list ? MG_MAX_DOC + MG_COMMAND_EXTRA : MG_MAX_DOC;
    el_iter it = *v->u.nested, room;
    const char *k;
    size_t kn;
    el_value item;
    for (; it.next(&it, &k, &kn, &item, &room); i++) {
        if (list) {
            kn = el_mg_index(index, i);
            k = index;
        }
        if (el_mg_put_value(b, k, kn, &item, depth + 1, err) != EL_OK) {
            return el_mg_failed_at(k, kn, err);
        }
    }
    return el_mg_close_doc(b, start, max, err);
}

static int put_string(mg_buf *b, const char *key, size_t n, const el_value *v,
                      el_error *err) {
    char name[32];
    if (v->type == EL_TEXT && !el_utf8_valid(v->u.s.p, v->u.s.n)) {
        return el_fail(err, EL_ERR_VALUE, 0,
                       "%s is no UTF-8; MongoDB keeps other bytes as binary",
                       el_mg_arg_name(name, b));
    }
    if (el_mg_put_key(b, MG_STRING, key, n, err) != EL_OK) {
        return EL_FAIL;
    }
    return el_mg_put_text(b, v->u.s.p, v->u.s.n, err);
}

int el_mg_put_value(mg_buf *b, const char *key, size_t n, const el_value *v, int depth,
                    el_error *err) {
    unsigned char flag;
    switch (v->type) {
    case EL_NULL:
        return el_mg_put_key(b, MG_NULL, key, n, err);
    case EL_BOOL:
        flag = v->u.b;
        if (el_mg_put_key(b, MG_BOOL, key, n, err) != EL_OK) {
            return EL_FAIL;
        }
        return el_mg_put(b, &flag, 1, err);
    case EL_INT:
        return el_mg_put_int(b, key, n, v->u.i, err);
    case EL_FLOAT:
        return el_mg_put_double(b, key, n, v->u.d, err);
    case EL_TEXT:
    case EL_DATE:
    case EL_TIME:
        return put_string(b, key, n, v, err);
    case EL_BYTES:
        return put_binary(b, key, n, BSON_SUBTYPE_BINARY, v->u.s.p, v->u.s.n, err);
    case EL_DECIMAL:
        return el_mg_put_decimal(b, key, n, v->u.s.p, v->u.s.n, err);
    case EL_TIMESTAMP:
        return put_timestamp(b, key, n, v->u.i, err);
    case EL_JSON:
        return el_mg_put_json(b, key, n, v->u.s.p, v->u.s.n, depth, err);
    case EL_UUID:
    case EL_OBJECT_ID:
        return put_hex(b, key, n, v, err);
    case EL_SPECIAL:
        return put_special(b, key, n, v, err);
    case EL_LIST:
    case EL_DOC:
        return put_nested(b, key, n, v, depth, err);
    }
    return el_fail(err, EL_ERR_VALUE, 0, "value of an unknown type");
}

/* }====== */
