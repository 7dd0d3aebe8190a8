/* SPDX-License-Identifier: MIT
**
** rowset_fuzz.c - rows of any values, packed and read back.  First byte: columns.  Then
** for each cell a byte that says the type, and its bytes.
*/
#include "fuzz.h"

#include "rowset.h"

enum { MAX_COLUMNS = 24, MAX_ROWS = 300, MAX_TEXTS = MAX_COLUMNS * MAX_ROWS };

typedef struct memory {
    void *block[4096];
    size_t n;
} memory;

static void *take(void *ud, size_t n) {
    memory *m = ud;
    if (m->n == sizeof m->block / sizeof *m->block) {
        return NULL;
    }
    return m->block[m->n++] = malloc(n);
}

/* Lists have no block, which a row refuses; documents have one, which it copies. */
static void value(el_value *v, el_iter *nested, fuzz_input *in, char **text) {
    unsigned byte = fuzz_byte(in);
    v->type = (el_type)(byte % (EL_DOC + 1));
    *text = NULL;
    switch (v->type) {
    case EL_NULL:
        break;
    case EL_LIST:
    case EL_DOC:
        memset(nested, 0, sizeof *nested);
        v->u.nested = nested;
        if (v->type == EL_DOC) {
            size_t n = fuzz_byte(in);
            nested->block = *text = fuzz_bytes(in, &n);
            nested->size = n;
        }
        break;
    case EL_BOOL:
        v->u.b = (byte & 0x80) != 0;
        break;
    case EL_INT:
    case EL_TIMESTAMP:
    case EL_FLOAT: {
        uint64_t word = fuzz_word(in);
        memcpy(&v->u, &word, sizeof word);
        break;
    }
    default: {
        size_t n = fuzz_byte(in);
        n = n == 255 ? 5000 : n;
        v->u.s.p = *text = fuzz_bytes(in, &n);
        v->u.s.n = n;
    }
    }
}

static bool same(const el_value *a, const el_value *b) {
    if (a->type != b->type) {
        return false;
    }
    switch (a->type) {
    case EL_NULL:
        return true;
    case EL_BOOL:
        return a->u.b == b->u.b;
    case EL_INT:
    case EL_TIMESTAMP:
        return a->u.i == b->u.i;
    case EL_FLOAT:
        return memcmp(&a->u.d, &b->u.d, sizeof a->u.d) == 0; /* NaN too */
    case EL_DOC:
        return a->u.nested->size == b->u.nested->size &&
               a->u.nested->block != b->u.nested->block &&
               (a->u.nested->size == 0 ||
                memcmp(a->u.nested->block, b->u.nested->block, a->u.nested->size) == 0);
    default:
        return a->u.s.n == b->u.s.n &&
               (a->u.s.n == 0 || memcmp(a->u.s.p, b->u.s.p, a->u.s.n) == 0) &&
               b->u.s.p[b->u.s.n] == '\0';
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static el_value values[MAX_ROWS][MAX_COLUMNS];
    static el_iter iters[MAX_ROWS][MAX_COLUMNS];
    static char *texts[MAX_TEXTS];
    static memory m;
    fuzz_input in = {data, data + size};
    el_rowset rs;
    int ncols = (int)(fuzz_byte(&in) % (MAX_COLUMNS + 1));
    size_t nrows = 0, ntexts = 0;
    m.n = 0;
    el_rowset_init(&rs, ncols, take, &m);
    while (nrows < MAX_ROWS && fuzz_left(&in) > 0 && (ncols > 0 || nrows < 20)) {
        bool nested = false;
        el_error err = {0};
        for (int c = 0; c < ncols; c++) {
            value(&values[nrows][c], &iters[nrows][c], &in, &texts[ntexts++]);
            nested = nested || values[nrows][c].type == EL_LIST;
        }
        int rc = el_rowset_append(&rs, values[nrows], &err);
        REQUIRE((rc == EL_OK) == !nested);
        if (nested) {
            REQUIRE(err.kind == EL_ERR_VALUE);
            break;
        }
        nrows++;
    }
    REQUIRE(rs.nrows == nrows);
    for (size_t i = 0; i < nrows; i++) {
        const unsigned char *row = el_rowset_row(&rs, i);
        REQUIRE((uintptr_t)row % 8 == 0);
        for (int c = 0; c < ncols; c++) {
            el_value cell;
            el_row_cell(row, ncols, c, &cell);
            REQUIRE(same(&values[i][c], &cell));
        }
    }
    while (ntexts > 0) {
        free(texts[--ntexts]);
    }
    while (m.n > 0) {
        free(m.block[--m.n]);
    }
    return 0;
}
