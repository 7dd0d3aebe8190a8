/* SPDX-License-Identifier: MIT
**
** mongo_values.c - BSON as values, read where it stands.  What a server sends is checked
** once, before anything else walks it.  Writing is mongo_write.c.
*/
#include <stdlib.h>
#include <string.h>

#include "mongo_driver.h"

/* {====== Walking ====== */

static uint32_t get32(const unsigned char *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

static uint64_t get64(const unsigned char *p) {
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

size_t el_mg_doc_size(const unsigned char *p, size_t left) {
    size_t n = left >= 5 ? get32(p) : 0;
    return n >= 5 && n <= left && p[n - 1] == '\0' ? n : 0;
}

/* Bytes of a length and a text with NUL; 0 when it is none. */
static size_t text_size(const unsigned char *p, size_t left) {
    size_t n = left >= 5 ? get32(p) : 0;
    return n >= 1 && n <= left - 4 && p[3 + n] == '\0' ? n + 4 : 0;
}

static size_t regex_size(const unsigned char *p, size_t left) {
    const unsigned char *one = memchr(p, '\0', left);
    size_t n = one ? (size_t)(one - p) + 1 : left;
    const unsigned char *two = n < left ? memchr(p + n, '\0', left - n) : NULL;
    return two ? (size_t)(two - p) + 1 : 0;
}

static size_t scope_size(const unsigned char *p, size_t left) {
    size_t n = left >= 14 ? get32(p) : 0;
    if (n < 14 || n > left) {
        return 0;
    }
    size_t code = text_size(p + 4, n - 4);
    return code && el_mg_doc_size(p + 4 + code, n - 4 - code) == n - 4 - code ? n : 0;
}

/* Bytes that a value of this type takes; false when it is cut off or wrong. */
static bool value_size(unsigned type, const unsigned char *p, size_t left, size_t *out) {
    size_t n;
    switch (type) {
    case MG_NULL:
    case MG_UNDEFINED:
    case MG_MIN_KEY:
    case MG_MAX_KEY:
        *out = 0;
        return true;
    case MG_BOOL:
        n = 1;
        break;
    case MG_INT32:
        n = 4;
        break;
    case MG_DOUBLE:
    case MG_DATE:
    case MG_TIMESTAMP:
    case MG_INT64:
        n = 8;
        break;
    case MG_OBJECT_ID:
        n = 12;
        break;
    case MG_DECIMAL:
        n = 16;
        break;
    case MG_STRING:
    case MG_CODE:
    case MG_SYMBOL:
    case MG_SPECIAL:
        n = text_size(p, left);
        break;
    case MG_DOC:
    case MG_ARRAY:
        n = el_mg_doc_size(p, left);
        break;
    case MG_BINARY:
        n = left >= 5 && get32(p) <= left - 5 ? 5 + (size_t)get32(p) : 0;
        break;
    case MG_REGEX:
        n = regex_size(p, left);
        break;
    case MG_DBPOINTER:
        n = text_size(p, left);
        n = n ? n + 12 : 0;
        break;
    case MG_CODE_SCOPE:
        n = scope_size(p, left);
        break;
    default:
        n = 0;
    }
    *out = n;
    return n > 0 && n <= left;
}

bool el_mg_next(const unsigned char *doc, size_t size, size_t *at, mg_element *out) {
    if (*at + 1 >= size) {
        return false;
    }
    const unsigned char *key = doc + *at + 1, *end = doc + size - 1;
    const unsigned char *nul = memchr(key, '\0', (size_t)(end - key));
    if (!nul) {
        return false;
    }
    out->type = doc[*at];
    out->key = (const char *)key;
    out->keylen = (size_t)(nul - key);
    out->value = nul + 1;
    if (!value_size(out->type, nul + 1, (size_t)(end - nul - 1), &out->size)) {
        return false;
    }
    *at = (size_t)(nul + 1 - doc) + out->size;
    return true;
}

bool el_mg_find(const unsigned char *doc, size_t size, const mg_field *f,
                mg_element *out) {
    const char *name = f->path, *end = f->path + f->len;
    for (;;) {
        const char *dot = f->dotted ? memchr(name, '.', (size_t)(end - name)) : NULL;
        size_t n = (size_t)((dot ? dot : end) - name), at = 4;
        do {
            if (!el_mg_next(doc, size, &at, out)) {
                return false;
            }
        } while (out->keylen != n || memcmp(out->key, name, n) != 0);
        if (!dot) {
            return true;
        }
        if (out->type != MG_DOC && out->type != MG_ARRAY) {
            return false;
        }
        doc = out->value;
        size = out->size;
        name = dot + 1;
    }
}

/* }====== */

/* {====== Values that need more than an el_value has ====== */

static const int64_t ms_min = -62135596800000, ms_max = 253402300799999;

/* NaN, infinities and a zero with a minus are no exact numbers. */
static bool is_plain_decimal(const unsigned char *p) {
    uint64_t high = get64(p + 8), low = get64(p);
    bool special = (high >> 58 & 0x1F) >= 0x1E;
    bool zero = low == 0 && (high & 0x1FFFFFFFFFFFF) == 0;
    bool large = (high >> 61 & 3) == 3; /* a coefficient beyond 34 digits means zero */
    return !special && !((zero || large) && high >> 63);
}

static bool is_special(const mg_element *e) {
    switch (e->type) {
    case MG_BINARY:
        return e->value[4] != BSON_SUBTYPE_BINARY &&
               !(e->value[4] == BSON_SUBTYPE_UUID && e->size == 21);
    case MG_DATE: {
        int64_t ms = (int64_t)get64(e->value);
        return ms < ms_min || ms > ms_max;
    }
    case MG_DECIMAL:
        return !is_plain_decimal(e->value);
    case MG_REGEX:
    case MG_DBPOINTER:
    case MG_CODE:
    case MG_SYMBOL:
    case MG_CODE_SCOPE:
    case MG_TIMESTAMP:
    case MG_MAX_KEY:
    case MG_MIN_KEY:
        return true;
    default:
        return false;
    }
}

static int check(const unsigned char *doc, size_t size, int depth, bool *special,
                 el_error *err);

/* Of a value whose size is right. */
static int check_value(const mg_element *e, int depth, bool *special, el_error *err) {
    if (e->type == MG_DOC || e->type == MG_ARRAY) {
        return check(e->value, e->size, depth + 1, special, err);
    }
    if (!special) {
        return EL_OK;
    }
    *special |= is_special(e);
    return e->type != MG_SPECIAL ? EL_OK : EL_FAIL;
}

/* Says where a document is malformed, unless it was said what is wrong. */
static int fail_at(const unsigned char *doc, size_t size, const unsigned char *p,
                   el_error *err) {
    return el_fail(err, EL_ERR_OTHER, 0,
                   "the server sent a document that is malformed at byte %zu of %zu",
                   (size_t)(p - doc), size);
}

static int check(const unsigned char *doc, size_t size, int depth, bool *special,
                 el_error *err) {
    mg_element e;
    size_t at = 4, from = at;
    if (depth > MG_MAX_READ_DEPTH) {
        return el_fail(err, EL_ERR_VALUE, 0,
                       "a document of the server is nested deeper than %d levels",
                       MG_MAX_READ_DEPTH);
    }
    for (; el_mg_next(doc, size, &at, &e); from = at) {
        if (check_value(&e, depth, special, err) != EL_OK) {
            return fail_at(doc, size, doc + from, err);
        }
    }
    return at + 1 == size ? EL_OK : fail_at(doc, size, doc + at, err);
}

static bool has_key(const mg_field *f, const unsigned char *key, size_t left) {
    uint64_t head;
    if (f->len >= left || left < sizeof head) {
        return false;
    }
    memcpy(&head, key, sizeof head);
    return (head & f->mask) == f->head &&
           (f->len < sizeof head || memcmp(key, f->path, f->len + 1) == 0);
}

/* The field of that name; *next is the place in the order after it.  -1: none. */
static int find_field(mg_spots *s, int *next, const unsigned char *key, size_t len) {
    for (int k = 0; k < s->known; k++) {
        int place = *next + k < s->known ? *next + k : *next + k - s->known;
        int i = s->order[place];
        if (s->fields[i].len != len || memcmp(s->fields[i].path, key, len) != 0) {
            continue;
        }
        if (s->learns && place > *next) {
            memmove(s->order + *next + 1, s->order + *next,
                    (size_t)(place - *next) * sizeof *s->order);
            s->order[*next] = (uint16_t)i;
            place = *next;
        }
        *next = place + 1;
        return i;
    }
    return -1;
}

/* Bytes of a plain value, which is one of the common types; 0: it is another. */
static size_t plain_size(unsigned type, const unsigned char *p, size_t left) {
    static const unsigned char fixed[] = {[MG_DOUBLE] = 8,
                                          [MG_OBJECT_ID] = 12,
                                          [MG_BOOL] = 1,
                                          [MG_INT32] = 4,
                                          [MG_INT64] = 8};
    if (type == MG_STRING) {
        return text_size(p, left);
    }
    size_t n = type < sizeof fixed ? fixed[type] : 0;
    return n <= left ? n : 0;
}

static int check_fields(const unsigned char *doc, size_t size, mg_spots *s, bool *special,
                        el_error *err) {
    const unsigned char *end = doc + size - 1, *p = doc + 4;
    const mg_field *fields = s->fields;
    uint16_t *spots = s->at;
    for (int next = 0; p < end;) {
        const unsigned char *key = p + 1;
        int i = next < s->known ? s->order[next] : -1;
        if (i >= 0 && has_key(&fields[i], key, (size_t)(end - key))) {
            key += fields[i].len; /* mostly so: documents are alike */
            next++;
        } else {
            const unsigned char *nul = memchr(key, '\0', (size_t)(end - key));
            if (!nul) {
                return fail_at(doc, size, p, err);
            }
            i = find_field(s, &next, key, (size_t)(nul - key));
            key = nul;
        }
        const unsigned char *value = key + 1;
        size_t n = plain_size(*p, value, (size_t)(end - value));
        if (n == 0) {
            mg_element e = {.type = *p, .value = value};
            if (!value_size(*p, value, (size_t)(end - value), &e.size) ||
                check_value(&e, 1, special, err) != EL_OK) {
                return fail_at(doc, size, p, err);
            }
            n = e.size;
        }
        if (i >= 0) {
            size_t spot = (size_t)(value - doc);
            spots[i] = spot < MG_FAR ? (uint16_t)spot : MG_FAR;
        }
        p = value + n;
    }
    return EL_OK;
}

int el_mg_check(const unsigned char *doc, size_t size, mg_spots *spots, bool *special,
                el_error *err) {
    if (special) {
        *special = false;
    }
    if (size < 5 || el_mg_doc_size(doc, size) != size) {
        return el_fail(err, EL_ERR_OTHER, 0, "the server sent a malformed document");
    }
    if (!spots) {
        return check(doc, size, 1, special, err);
    }
    memset(spots->at, 0, (size_t)spots->n * sizeof *spots->at);
    for (int i = spots->known; i < spots->n; i++) {
        spots->at[spots->order[i]] = MG_FAR;
    }
    return check_fields(doc, size, spots, special, err);
}

void el_mg_at(const unsigned char *doc, size_t size, size_t spot, size_t keylen,
              mg_element *out) {
    out->type = doc[spot - keylen - 2];
    out->value = doc + spot;
    value_size(out->type, out->value, size - spot - 1, &out->size);
}

/* The element as extended JSON text. */
static int put_exposed(mg_buf *out, const mg_element *e, el_error *err) {
    mg_buf one = {0};
    size_t at, n = 0;
    int rc = EL_FAIL;
    bson_t doc;
    char *json = NULL;
    if (el_mg_open_doc(&one, &at, err) != EL_OK ||
        el_mg_put_key(&one, e->type, "v", 1, err) != EL_OK ||
        el_mg_put(&one, e->value, e->size, err) != EL_OK ||
        el_mg_close_doc(&one, at, SIZE_MAX, err) != EL_OK) {
        goto out;
    }
    if (bson_init_static(&doc, one.p, one.n)) {
        json = bson_as_canonical_extended_json(&doc, &n);
    }
    const char *from = json ? strchr(json, ':') : NULL; /* { "v" : VALUE } */
    const char *to = json ? json + n : NULL;
    if (!from || to - from < 3 || to[-1] != '}') {
        el_fail(err, EL_ERR_VALUE, 0,
                "a BSON value of type %u can't be written as extended JSON", e->type);
        goto out;
    }
    for (from++; *from == ' '; from++) {
    }
    for (to--; to > from && to[-1] == ' '; to--) {
    }
    rc = el_mg_put_key(out, MG_SPECIAL, e->key, e->keylen, err);
    rc = rc == EL_OK ? el_mg_put_text(out, from, (size_t)(to - from), err) : rc;
out:
    bson_free(json);
    el_mg_buf_release(&one);
    return rc;
}

/* `size` was checked: the recursion ends. */
static int expose(mg_buf *out, const unsigned char *doc, size_t size, el_error *err) {
    mg_element e;
    size_t at = 4, start;
    if (el_mg_open_doc(out, &start, err) != EL_OK) {
        return EL_FAIL;
    }
    for (size_t from = at; el_mg_next(doc, size, &at, &e); from = at) {
        int rc;
        if (e.type == MG_DOC || e.type == MG_ARRAY) {
            rc = el_mg_put(out, doc + from, (size_t)(e.value - doc) - from, err);
            rc = rc == EL_OK ? expose(out, e.value, e.size, err) : rc;
        } else if (is_special(&e)) {
            rc = put_exposed(out, &e, err);
        } else {
            rc = el_mg_put(out, doc + from, at - from, err);
        }
        if (rc != EL_OK) {
            return EL_FAIL;
        }
    }
    return el_mg_close_doc(out, start, INT32_MAX, err);
}

int el_mg_expose(mg_buf *out, const unsigned char *doc, size_t size, el_error *err) {
    return expose(out, doc, size, err);
}

/* }====== */

/* {====== Decoding ====== */

_Static_assert(MG_SCRATCH >= BSON_DECIMAL128_STRING, "a decimal fits");

static void set_text(el_value *out, el_type type, const char *p, size_t n) {
    out->type = type;
    out->u.s.p = p;
    out->u.s.n = n;
}

static void decode_hex(el_value *out, el_type type, const unsigned char *p, size_t size,
                       char *scratch) {
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        if (type == EL_UUID && (i == 4 || i == 6 || i == 8 || i == 10)) {
            scratch[n++] = '-';
        }
        scratch[n++] = digits[p[i] >> 4];
        scratch[n++] = digits[p[i] & 15];
    }
    set_text(out, type, scratch, n);
}

static void decode_decimal(el_value *out, const unsigned char *p, char *scratch) {
    bson_decimal128_t number = {.low = get64(p), .high = get64(p + 8)};
    bson_decimal128_to_string(&number, scratch);
    set_text(out, EL_DECIMAL, scratch, strlen(scratch));
}

static void decode_double(el_value *out, const unsigned char *p) {
    uint64_t bits = get64(p);
    out->type = EL_FLOAT;
    memcpy(&out->u.d, &bits, sizeof bits);
}

static void decode_binary(const mg_element *e, el_value *out, char *scratch) {
    if (e->value[4] == BSON_SUBTYPE_UUID) {
        decode_hex(out, EL_UUID, e->value + 5, 16, scratch);
    } else {
        set_text(out, EL_BYTES, (const char *)e->value + 5, e->size - 5);
    }
}

static void decode_int(el_value *out, el_type type, int64_t i) {
    out->type = type;
    out->u.i = i;
}

void el_mg_decode(const mg_element *e, el_value *out, char *scratch, el_iter *room) {
    switch (e->type) {
    case MG_DOUBLE:
        decode_double(out, e->value);
        break;
    case MG_STRING:
    case MG_SPECIAL:
        set_text(out, e->type == MG_STRING ? EL_TEXT : EL_SPECIAL,
                 (const char *)e->value + 4, e->size - 5);
        break;
    case MG_DOC:
    case MG_ARRAY:
        el_mg_iter(room, e->value, e->size, e->type == MG_ARRAY);
        out->type = e->type == MG_ARRAY ? EL_LIST : EL_DOC;
        out->u.nested = room;
        break;
    case MG_BINARY:
        decode_binary(e, out, scratch);
        break;
    case MG_OBJECT_ID:
        decode_hex(out, EL_OBJECT_ID, e->value, 12, scratch);
        break;
    case MG_BOOL:
        out->type = EL_BOOL;
        out->u.b = e->value[0] != 0;
        break;
    case MG_DATE:
        decode_int(out, EL_TIMESTAMP, (int64_t)get64(e->value) * 1000);
        break;
    case MG_INT32:
        decode_int(out, EL_INT, (int32_t)get32(e->value));
        break;
    case MG_INT64:
        decode_int(out, EL_INT, (int64_t)get64(e->value));
        break;
    case MG_DECIMAL:
        decode_decimal(out, e->value, scratch);
        break;
    default: /* null and undefined; others are MG_SPECIAL by now */
        out->type = EL_NULL;
    }
}

typedef struct walk {
    size_t at;
    bool list;
    char scratch[MG_SCRATCH];
} walk;
_Static_assert(sizeof(walk) <= sizeof((el_iter *)0)->state, "walks fit in iterators");

static bool next_value(el_iter *it, const char **key, size_t *keylen, el_value *out,
                       el_iter *room) {
    walk *w = (walk *)(void *)it->state.bytes;
    mg_element e;
    if (!el_mg_next(it->block, it->size, &w->at, &e)) {
        return false;
    }
    *key = w->list ? NULL : e.key;
    *keylen = w->list ? 0 : e.keylen;
    el_mg_decode(&e, out, w->scratch, room);
    return true;
}

void el_mg_iter(el_iter *out, const unsigned char *doc, size_t size, bool list) {
    walk *w = (walk *)(void *)out->state.bytes;
    out->next = next_value;
    out->block = doc;
    out->size = size;
    w->at = 4;
    w->list = list;
}

/* }====== */

/* {====== Fields of replies ====== */

bool el_mg_field(const unsigned char *doc, size_t size, const char *name, unsigned type,
                 mg_element *out) {
    mg_field f = {.path = name, .len = strlen(name)};
    return el_mg_find(doc, size, &f, out) && out->type == type;
}

bool el_mg_as_number(const mg_element *e, int64_t *out) {
    el_value v;
    if (e->type == MG_INT32) {
        *out = (int32_t)get32(e->value);
    } else if (e->type == MG_INT64) {
        *out = (int64_t)get64(e->value);
    } else if (e->type == MG_DOUBLE) {
        decode_double(&v, e->value);
        if (!(v.u.d > -9e18 && v.u.d < 9e18)) {
            return false;
        }
        *out = (int64_t)v.u.d;
    } else {
        return false;
    }
    return true;
}

bool el_mg_number(const unsigned char *doc, size_t size, const char *name, int64_t *out) {
    mg_field f = {.path = name, .len = strlen(name)};
    mg_element e;
    return el_mg_find(doc, size, &f, &e) && el_mg_as_number(&e, out);
}

/* }====== */
