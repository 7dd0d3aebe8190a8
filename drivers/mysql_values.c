/* SPDX-License-Identifier: MIT
**
** mysql_values.c - values on their way through prepared statements: parameters bound,
** result columns described once and decoded per row.  It never runs a statement.
*/
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mysql_driver.h"

enum {
    LONG_DATA = 1 << 20,   /* values from here on are sent in pieces of this size */
    ASK_LIMIT = 1 << 19,   /* statements from here on are held against max_packet */
    CELL_START = 256,      /* first buffer of a column */
    CELL_KEEP = 64 * 1024, /* larger buffers are given back by reset */
    BINARY_CHARSET = 63,
    TYPE_VECTOR = 242, /* MySQL 9 */
    TYPE_JSON = 245
};

/* {====== Parameters ====== */

static int refuse_value(int i, const char *what, el_error *err) {
    return el_fail(err, EL_ERR_VALUE, 0, "value %d: %s", i + 1, what);
}

static int bind_timestamp(my_slot *slot, int i, int64_t micros, el_error *err) {
    el_civil t;
    el_civil_from_micros(&t, micros);
    if (t.year < EL_YEAR_MIN || t.year > EL_YEAR_MAX) {
        return refuse_value(i, "the timestamp is outside the years 1 to 9999", err);
    }
    slot->time = (MYSQL_TIME){.year = (unsigned)t.year,
                              .month = (unsigned)t.month,
                              .day = (unsigned)t.day,
                              .hour = (unsigned)t.hour,
                              .minute = (unsigned)t.minute,
                              .second = (unsigned)t.second,
                              .second_part = (unsigned long)t.micro,
                              .time_type = MYSQL_TIMESTAMP_DATETIME};
    return EL_OK;
}

static void bind_bytes(MYSQL_BIND *b, enum enum_field_types type, const el_value *v) {
    b->buffer_type = type;
    b->buffer = (void *)(uintptr_t)v->u.s.p; /* only read */
    b->buffer_length = (unsigned long)v->u.s.n;
    b->length_value = b->buffer_length;
    b->length = &b->length_value;
    if (v->u.s.n >= LONG_DATA) { /* el_my_send_long sends the bytes */
        b->buffer_length = b->length_value = 0;
    }
}

int el_my_bind_value(MYSQL_BIND *b, my_slot *slot, int i, const el_value *v,
                     el_error *err) {
    b->buffer = slot;
    switch (v->type) {
    case EL_NULL:
        b->buffer_type = MYSQL_TYPE_NULL;
        return EL_OK;
    case EL_BOOL:
        b->buffer_type = MYSQL_TYPE_TINY;
        slot->b = v->u.b;
        return EL_OK;
    case EL_INT:
        b->buffer_type = MYSQL_TYPE_LONGLONG;
        slot->i = v->u.i;
        return EL_OK;
    case EL_FLOAT:
        if (!isfinite(v->u.d)) {
            return refuse_value(i, "MySQL has no NaN and no infinity", err);
        }
        b->buffer_type = MYSQL_TYPE_DOUBLE;
        slot->d = v->u.d;
        return EL_OK;
    case EL_TIMESTAMP:
        b->buffer_type = MYSQL_TYPE_DATETIME;
        return bind_timestamp(slot, i, v->u.i, err);
    case EL_BYTES:
        bind_bytes(b, MYSQL_TYPE_BLOB, v);
        return EL_OK;
    case EL_DECIMAL:
        bind_bytes(b, MYSQL_TYPE_NEWDECIMAL, v);
        return EL_OK;
    case EL_TEXT:
    case EL_DATE:
    case EL_TIME:
    case EL_JSON:
    case EL_UUID:
    case EL_OBJECT_ID:
    case EL_SPECIAL:
        bind_bytes(b, MYSQL_TYPE_STRING, v);
        return EL_OK;
    case EL_LIST:
    case EL_DOC:
        break;
    }
    return el_fail(err, EL_ERR_VALUE, 0, "value %d: MySQL takes no %s; send it as JSON",
                   i + 1, el_type_name(v->type));
}

/* Too much for one packet would cost the connection, so it is refused here. */
static int check_packet(my_stmt *s, const el_value *args, uint64_t together,
                        uint64_t longest, el_error *err) {
    my_conn *c = (my_conn *)s->base.conn;
    if (together < ASK_LIMIT && longest < ASK_LIMIT) {
        return EL_OK;
    }
    if (!c->max_packet && el_my_ask_limits(c, err) != EL_OK) {
        return EL_FAIL;
    }
    if (longest > c->max_packet) {
        int i = 0;
        while (!el_type_has_bytes(args[i].type) || args[i].u.s.n != longest) {
            i++;
        }
        return el_fail(err, EL_ERR_VALUE, 0,
                       "value %d has %" PRIu64 " bytes, more than the %" PRIu64
                       " that the server takes (max_allowed_packet)",
                       i + 1, longest, c->max_packet);
    }
    if (together > c->max_packet) {
        return el_fail(err, EL_ERR_VALUE, 0,
                       "the values have %" PRIu64
                       " bytes together, more than the %" PRIu64
                       " that the server takes in one statement (max_allowed_packet): "
                       "send fewer rows at once",
                       together, c->max_packet);
    }
    return EL_OK;
}

int el_my_bind(my_stmt *s, const el_value *args, el_error *err) {
    uint64_t together = 64, longest = 0;
    for (int i = 0; i < s->base.nparams; i++) {
        MYSQL_BIND *b = &s->params[i];
        memset(b, 0, sizeof *b);
        if (el_my_bind_value(b, &s->slots[i], i, &args[i], err) != EL_OK) {
            return EL_FAIL;
        }
        together += 12;
        if (el_type_has_bytes(args[i].type)) {
            together += b->buffer_length;
            longest = args[i].u.s.n > longest ? args[i].u.s.n : longest;
        }
    }
    if (check_packet(s, args, together, longest, err) != EL_OK) {
        return EL_FAIL;
    }
    if (s->base.nparams && mysql_stmt_bind_param(s->handle, s->params)) {
        return el_my_fail_stmt(s, err);
    }
    return EL_OK;
}

int el_my_send_long(my_stmt *s, const el_value *args, el_error *err) {
    for (int i = 0; i < s->base.nparams; i++) {
        if (!el_type_has_bytes(args[i].type) || args[i].u.s.n < LONG_DATA) {
            continue;
        }
        const char *p = args[i].u.s.p;
        for (size_t left = args[i].u.s.n; left;) {
            size_t n = left < LONG_DATA ? left : LONG_DATA;
            if (mysql_stmt_send_long_data(s->handle, (unsigned)i, p, (unsigned long)n)) {
                return el_my_fail_stmt(s, err);
            }
            p += n;
            left -= n;
        }
    }
    return EL_OK;
}

/* }====== */

/* {====== Columns ====== */

/* MariaDB 10.5 and later tell what a text column was declared as. */
static bool is_declared(const MYSQL_FIELD *f, bool format, const char *name) {
#ifdef MARIADB_FIELD_ATTR_LAST
    MARIADB_CONST_STRING s = {NULL, 0};
    return !mariadb_field_attr(&s, f,
                               format ? MARIADB_FIELD_ATTR_FORMAT_NAME
                                      : MARIADB_FIELD_ATTR_DATA_TYPE_NAME) &&
           s.length == strlen(name) && memcmp(s.str, name, s.length) == 0;
#else
    (void)f, (void)format, (void)name;
    return false;
#endif
}

static el_type type_of_bytes(const MYSQL_FIELD *f) {
    switch ((int)f->type) {
    case MYSQL_TYPE_NULL:
        return EL_NULL;
    case MYSQL_TYPE_DECIMAL:
    case MYSQL_TYPE_NEWDECIMAL:
        return EL_DECIMAL;
    case TYPE_JSON:
        return EL_JSON;
    case MYSQL_TYPE_BIT:
    case MYSQL_TYPE_GEOMETRY:
    case TYPE_VECTOR:
        return EL_BYTES;
    default:
        if (is_declared(f, true, "json")) {
            return EL_JSON;
        }
        if (is_declared(f, false, "uuid")) {
            return EL_UUID;
        }
        return f->charsetnr == BINARY_CHARSET && !(f->flags & (ENUM_FLAG | SET_FLAG))
                   ? EL_BYTES
                   : EL_TEXT;
    }
}

static my_form integer_form(const MYSQL_FIELD *f) {
    if (f->flags & UNSIGNED_FLAG) {
        return MY_FORM_UNSIGNED;
    }
    /* BOOLEAN is TINYINT(1); the width is the only trace of it */
    return f->type == MYSQL_TYPE_TINY && f->length == 1 ? MY_FORM_BOOL : MY_FORM_INT;
}

static void describe_cell(my_cell *cell, const MYSQL_FIELD *f) {
    switch ((int)f->type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_YEAR:
        cell->form = integer_form(f);
        cell->type = cell->form == MY_FORM_BOOL ? EL_BOOL : EL_INT;
        break;
    case MYSQL_TYPE_FLOAT:
        cell->form = MY_FORM_FLOAT;
        cell->type = EL_FLOAT;
        break;
    case MYSQL_TYPE_DOUBLE:
        cell->form = MY_FORM_DOUBLE;
        cell->type = EL_FLOAT;
        break;
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_NEWDATE:
        cell->form = MY_FORM_DATE;
        cell->type = EL_DATE;
        break;
    case MYSQL_TYPE_TIME:
        cell->form = MY_FORM_TIME;
        cell->type = EL_TIME;
        break;
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_TIMESTAMP:
        cell->form = MY_FORM_DATETIME;
        cell->type = EL_TIMESTAMP;
        break;
    default:
        cell->form = MY_FORM_BYTES;
        cell->type = type_of_bytes(f);
        if (f->type == MYSQL_TYPE_BIT && f->length < 64) {
            cell->form = MY_FORM_BIT;
            cell->type = EL_INT;
        }
    }
    cell->field_type = f->type;
    cell->field_flags = f->flags;
    cell->charset = f->charsetnr;
    cell->width = f->length;
}

static int bind_cell(my_cell *cell, MYSQL_BIND *b, el_error *err) {
    static const enum enum_field_types types[] = {
        [MY_FORM_BOOL] = MYSQL_TYPE_LONGLONG,
        [MY_FORM_INT] = MYSQL_TYPE_LONGLONG,
        [MY_FORM_UNSIGNED] = MYSQL_TYPE_LONGLONG,
        [MY_FORM_FLOAT] = MYSQL_TYPE_FLOAT,
        [MY_FORM_DOUBLE] = MYSQL_TYPE_DOUBLE,
        [MY_FORM_DATE] = MYSQL_TYPE_DATE,
        [MY_FORM_TIME] = MYSQL_TYPE_TIME,
        [MY_FORM_DATETIME] = MYSQL_TYPE_DATETIME,
        [MY_FORM_BIT] = MYSQL_TYPE_STRING,
        [MY_FORM_BYTES] = MYSQL_TYPE_STRING};
    b->buffer_type = types[cell->form];
    b->is_unsigned = cell->form == MY_FORM_UNSIGNED;
    b->is_null = &cell->null;
    b->error = &cell->error;
    b->length = &cell->length;
    b->buffer = &cell->fixed;
    b->buffer_length = sizeof cell->fixed;
    if (MY_CELLS_IN_PLACE || cell->form < MY_FORM_BIT) {
        return EL_OK;
    }
    unsigned long first = cell->width < CELL_START ? cell->width + 1 : CELL_START;
    cell->buffer = malloc(first);
    if (!cell->buffer) {
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for a column of the result");
    }
    cell->capacity = first;
    b->buffer = cell->buffer;
    b->buffer_length = first;
    return EL_OK;
}

/* The names change with ALTER TABLE, while the type stays. */
static bool same_columns(const my_stmt *s, const MYSQL_FIELD *fields, unsigned n) {
    if ((unsigned)s->base.ncolumns != n) {
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        const my_cell *c = &s->cells[i];
        const MYSQL_FIELD *f = &fields[i];
        if (c->field_type != f->type || c->field_flags != f->flags ||
            c->charset != f->charsetnr || c->width != f->length ||
            s->columns[i].namelen != f->name_length ||
            memcmp(s->columns[i].name, f->name, f->name_length) != 0) {
            return false;
        }
    }
    return true;
}

void el_my_undescribe(my_stmt *s) {
    for (int i = 0; s->cells && i < s->base.ncolumns; i++) {
        free(s->cells[i].buffer);
    }
    free(s->cells);
    free(s->binds);
    free(s->values);
    free(s->columns);
    free(s->names);
    s->cells = NULL;
    s->binds = NULL;
    s->values = NULL;
    s->columns = NULL;
    s->names = NULL;
    s->base.columns = NULL;
    s->base.ncolumns = 0;
    s->bound = false;
}

int el_my_describe(my_stmt *s, const MYSQL_FIELD *fields, unsigned n, el_error *err) {
    if (same_columns(s, fields, n)) {
        return EL_OK;
    }
    el_my_undescribe(s);
    if (n == 0) {
        return EL_OK;
    }
    size_t bytes = 0;
    for (unsigned i = 0; i < n; i++) {
        bytes += fields[i].name_length + 1u;
    }
    s->cells = calloc(n, sizeof *s->cells);
    s->binds = calloc(n, sizeof *s->binds);
    s->values = calloc(n, sizeof *s->values);
    s->columns = calloc(n, sizeof *s->columns);
    s->names = malloc(bytes);
    if (!s->cells || !s->binds || !s->values || !s->columns || !s->names) {
        el_my_undescribe(s);
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for a result of %u columns", n);
    }
    s->base.ncolumns = (int)n;
    s->base.columns = s->columns;
    char *name = s->names;
    for (unsigned i = 0; i < n; i++) {
        memcpy(name, fields[i].name, fields[i].name_length);
        name[fields[i].name_length] = '\0';
        describe_cell(&s->cells[i], &fields[i]);
        s->columns[i] = (el_column){name, fields[i].name_length, s->cells[i].type};
        name += fields[i].name_length + 1u;
        if (bind_cell(&s->cells[i], &s->binds[i], err) != EL_OK) {
            el_my_undescribe(s);
            return EL_FAIL;
        }
    }
    return EL_OK;
}

/* }====== */

/* {====== Rows ====== */

/* Never sized by what the column could hold: a LONGTEXT can be 4 GiB. */
static int grow(my_stmt *s, unsigned column, el_error *err) {
    my_cell *cell = &s->cells[column];
    unsigned long capacity = cell->capacity ? cell->capacity : CELL_START;
    while (capacity < cell->length && capacity < ((unsigned long)1 << 62)) {
        capacity *= 2;
    }
    free(cell->buffer); /* the row is still with the client library */
    cell->capacity = 0;
    cell->buffer = malloc(capacity);
    s->binds[column].buffer = cell->buffer;
    s->binds[column].buffer_length = cell->buffer ? capacity : 0;
    s->bound = false;
    if (!cell->buffer) {
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for a value of %lu bytes",
                       cell->length);
    }
    cell->capacity = capacity;
    MYSQL_BIND again = s->binds[column];
    if (mysql_stmt_fetch_column(s->handle, &again, column, 0)) {
        return el_my_fail_stmt(s, err);
    }
    return EL_OK;
}

int el_my_complete_row(my_stmt *s, el_error *err) {
    for (int i = 0; i < s->base.ncolumns; i++) {
        my_cell *cell = &s->cells[i];
        if (cell->form < MY_FORM_BIT || cell->null) {
            continue;
        }
        if (cell->length > cell->capacity && grow(s, (unsigned)i, err) != EL_OK) {
            return EL_FAIL;
        }
        cell->text = cell->buffer;
    }
    return EL_OK;
}

void el_my_shrink(my_stmt *s) {
    for (int i = 0; i < s->base.ncolumns; i++) {
        my_cell *cell = &s->cells[i];
        char *less =
            cell->capacity > CELL_KEEP ? realloc(cell->buffer, CELL_START) : NULL;
        if (less) {
            cell->buffer = less;
            cell->capacity = CELL_START;
            s->binds[i].buffer = less;
            s->binds[i].buffer_length = CELL_START;
            s->bound = false;
        }
    }
}

/* Three numbers of 1 to 4 digits with `separator` between them; what follows, or NULL. */
static const char *parse_three(unsigned *const out[3], const char *p, char separator) {
    for (int i = 0; i < 3; i++) {
        int digits = 0;
        if (i > 0 && *p++ != separator) {
            return NULL;
        }
        for (*out[i] = 0; *p >= '0' && *p <= '9'; p++) {
            *out[i] = *out[i] * 10 + (unsigned)(*p - '0');
            if (++digits > 4) {
                return NULL;
            }
        }
        if (digits == 0) {
            return NULL;
        }
    }
    return p;
}

/* "hh:mm:ss[.ffffff]" where hours may have three digits. */
static bool parse_clock(MYSQL_TIME *t, const char *p) {
    p = parse_three((unsigned *const[]){&t->hour, &t->minute, &t->second}, p, ':');
    if (p == NULL) {
        return false;
    }
    if (*p == '.') {
        unsigned long scale = 100000;
        for (p++; *p >= '0' && *p <= '9' && scale; p++, scale /= 10) {
            t->second_part += (unsigned long)(*p - '0') * scale;
        }
    }
    return true;
}

static bool parse_time(my_cell *cell, const char *text) {
    MYSQL_TIME *t = &cell->fixed.time;
    memset(t, 0, sizeof *t);
    if (cell->form == MY_FORM_TIME) {
        t->neg = *text == '-';
        return parse_clock(t, text + (t->neg ? 1 : 0));
    }
    text = parse_three((unsigned *const[]){&t->year, &t->month, &t->day}, text, '-');
    if (text == NULL) {
        return false;
    }
    return cell->form == MY_FORM_DATE || (*text && parse_clock(t, text + 1));
}

int el_my_load_text(my_stmt *s, MYSQL_ROW row, const unsigned long *lengths,
                    el_error *err) {
    for (int i = 0; i < s->base.ncolumns; i++) {
        my_cell *cell = &s->cells[i];
        const char *text = row[i];
        bool good = true;
        cell->null = text == NULL;
        if (!text) {
            continue;
        }
        switch (cell->form) {
        case MY_FORM_BOOL:
        case MY_FORM_INT:
            cell->fixed.i = strtoll(text, NULL, 10);
            break;
        case MY_FORM_UNSIGNED:
            cell->fixed.i = (long long)strtoull(text, NULL, 10);
            break;
        case MY_FORM_FLOAT:
            cell->fixed.f = strtof(text, NULL);
            break;
        case MY_FORM_DOUBLE:
            cell->fixed.d = strtod(text, NULL);
            break;
        case MY_FORM_DATE:
        case MY_FORM_TIME:
        case MY_FORM_DATETIME:
            good = parse_time(cell, text);
            break;
        case MY_FORM_BIT:
        case MY_FORM_BYTES:
            cell->text = text;
            cell->length = lengths[i];
            break;
        }
        if (!good) {
            return el_fail(err, EL_ERR_OTHER, 0, "column %d of the result is no time",
                           i + 1);
        }
    }
    return EL_OK;
}

/* The double that reads like the float: 0.1 rather than 0.10000000149011612.  Where that
** is beyond the largest float, the server would not take it back. */
static double widen(float f) {
    char text[32];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)f);
        double d = strtod(text, NULL);
        if ((float)d == f && fabs(d) <= (double)FLT_MAX) {
            return d;
        }
    }
    return (double)f;
}

/* `n` is what snprintf returned; a time that no server has may not have fitted. */
static void decode_scratch(my_cell *cell, el_type type, int n, el_value *out) {
    const size_t most = sizeof cell->scratch - 1;
    out->type = type;
    out->u.s.p = cell->scratch;
    out->u.s.n = (size_t)n < most ? (size_t)n : most;
}

static void decode_date(my_cell *cell, el_value *out) {
    const MYSQL_TIME *t = &cell->fixed.time;
    int n = snprintf(cell->scratch, sizeof cell->scratch, "%04u-%02u-%02u", t->year,
                     t->month, t->day);
    bool real = t->year && t->month && t->day; /* 0000-00-00 is no date */
    decode_scratch(cell, real ? EL_DATE : EL_TEXT, n, out);
}

static void decode_time(my_cell *cell, el_value *out) {
    const MYSQL_TIME *t = &cell->fixed.time;
    unsigned hours = t->day * 24 + t->hour;
    char *to = cell->scratch;
    int n = snprintf(to, sizeof cell->scratch, "%s%02u:%02u:%02u", t->neg ? "-" : "",
                     hours, t->minute, t->second);
    if (t->second_part) {
        n += snprintf(to + n, sizeof cell->scratch - (size_t)n, ".%06lu", t->second_part);
    }
    decode_scratch(cell, t->neg || hours > 23 ? EL_TEXT : EL_TIME, n, out);
}

static void decode_datetime(my_cell *cell, el_value *out) {
    const MYSQL_TIME *t = &cell->fixed.time;
    el_civil civil = {(int)t->year,   (int)t->month,  (int)t->day,        (int)t->hour,
                      (int)t->minute, (int)t->second, (int)t->second_part};
    if (el_civil_to_micros(&out->u.i, &civil)) {
        out->type = EL_TIMESTAMP;
        return;
    }
    int n = snprintf(cell->scratch, sizeof cell->scratch, "%04u-%02u-%02u %02u:%02u:%02u",
                     t->year, t->month, t->day, t->hour, t->minute, t->second);
    decode_scratch(cell, EL_TEXT, n, out);
}

static void decode_integer(my_cell *cell, el_value *out) {
    long long i = cell->fixed.i;
    if (cell->form == MY_FORM_BOOL && (i == 0 || i == 1)) {
        out->type = EL_BOOL;
        out->u.b = i == 1;
    } else if (cell->form == MY_FORM_UNSIGNED && i < 0) { /* beyond int64 */
        int n =
            snprintf(cell->scratch, sizeof cell->scratch, "%llu", (unsigned long long)i);
        decode_scratch(cell, EL_DECIMAL, n, out);
    } else {
        out->type = EL_INT;
        out->u.i = i;
    }
}

static void decode_bits(const my_cell *cell, el_value *out) {
    uint64_t bits = 0;
    for (unsigned long i = 0; i < cell->length; i++) {
        bits = bits << 8 | (unsigned char)cell->text[i];
    }
    out->type = EL_INT;
    out->u.i = (int64_t)bits;
}

void el_my_decode(my_cell *cell, el_value *out) {
    out->type = EL_NULL;
    if (cell->null) {
        return;
    }
    switch (cell->form) {
    case MY_FORM_BOOL:
    case MY_FORM_INT:
    case MY_FORM_UNSIGNED:
        decode_integer(cell, out);
        return;
    case MY_FORM_FLOAT:
        out->type = EL_FLOAT;
        out->u.d = widen(cell->fixed.f);
        return;
    case MY_FORM_DOUBLE:
        out->type = EL_FLOAT;
        out->u.d = cell->fixed.d;
        return;
    case MY_FORM_DATE:
        decode_date(cell, out);
        return;
    case MY_FORM_TIME:
        decode_time(cell, out);
        return;
    case MY_FORM_DATETIME:
        decode_datetime(cell, out);
        return;
    case MY_FORM_BIT:
        decode_bits(cell, out);
        return;
    case MY_FORM_BYTES:
        out->type = cell->type;
        out->u.s.p = cell->text;
        out->u.s.n = cell->length;
        return;
    }
}

/* }====== */
