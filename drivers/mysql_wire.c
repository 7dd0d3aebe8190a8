/* SPDX-License-Identifier: MIT
**
** mysql_wire.c - cells as they lie in the packet of their row: MariaDB's library
** tells where each begins.  Nothing is read before somebody asks for it.
*/
#include <endian.h>
#include <string.h>

#include "mysql_driver.h"

#if MY_CELLS_IN_PLACE

/* Bytes after a length of 1, 3, 4 or 9 bytes. */
static unsigned long read_length(unsigned char **at) {
    unsigned char *p = *at;
    uint64_t n = *p++;
    if (n > 250) {
        size_t bytes = n == 252 ? 2 : n == 253 ? 3 : 8;
        uint64_t little = 0;
        memcpy(&little, p, bytes);
        n = le64toh(little);
        p += bytes;
    }
    *at = p;
    return (unsigned long)n;
}

static uint64_t read_number(unsigned char **at, size_t bytes) {
    uint64_t little = 0;
    memcpy(&little, *at, bytes);
    *at += bytes;
    return le64toh(little);
}

static void read_integer(my_cell *cell, unsigned char **at, size_t bytes) {
    uint64_t value = read_number(at, bytes);
    unsigned unused = 64 - (unsigned)bytes * 8;
    cell->fixed.i = cell->form == MY_FORM_UNSIGNED
                        ? (long long)value
                        : (long long)(int64_t)(value << unused) >> unused;
}

/* hours, minutes, seconds in a byte each; microseconds where they are not 0 */
static void read_clock(MYSQL_TIME *t, const unsigned char *p, bool fraction) {
    t->hour = p[0];
    t->minute = p[1];
    t->second = p[2];
    if (fraction) {
        uint32_t little;
        memcpy(&little, p + 3, sizeof little);
        t->second_part = le32toh(little);
    }
}

/* What is 0 at the end is left out, up to the whole. */
static void read_moment(my_cell *cell, unsigned char **at) {
    unsigned long n = read_length(at);
    const unsigned char *p = *at;
    MYSQL_TIME *t = &cell->fixed.time;
    memset(t, 0, sizeof *t);
    *at += n;
    if (n >= 4) {
        t->year = p[0] | (unsigned)p[1] << 8;
        t->month = p[2];
        t->day = p[3];
    }
    if (n >= 7) {
        read_clock(t, p + 4, n >= 11);
    }
}

static void read_time(my_cell *cell, unsigned char **at) {
    unsigned long n = read_length(at);
    const unsigned char *p = *at;
    MYSQL_TIME *t = &cell->fixed.time;
    memset(t, 0, sizeof *t);
    *at += n;
    if (n >= 8) {
        uint32_t days;
        memcpy(&days, p + 1, sizeof days);
        t->neg = p[0] != 0;
        t->day = le32toh(days);
        read_clock(t, p + 5, n >= 12);
    }
}

static void read_bytes(my_cell *cell, unsigned char **at) {
    cell->length = read_length(at);
    cell->text = (const char *)*at;
    *at += cell->length;
}

static unsigned char size_of(enum enum_field_types type) {
    switch ((int)type) {
    case MYSQL_TYPE_TINY:
        return 1;
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_YEAR:
        return 2;
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_FLOAT:
        return 4;
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_DOUBLE:
        return 8;
    default:
        return 0; /* in front of its bytes */
    }
}

int el_my_expect_cells(my_stmt *s, el_error *err) {
    for (int i = 0; i < s->base.ncolumns; i++) {
        if (s->handle->fields[i].type != s->cells[i].field_type) {
            return el_fail(err, EL_ERR_OTHER, 0,
                           "column %d of the result is of another type than the server "
                           "had said: run the statement again",
                           i + 1);
        }
        s->cells[i].size = size_of(s->cells[i].field_type);
    }
    return EL_OK;
}

void el_my_cell_arrives(void *statement, unsigned column, unsigned char **at) {
    my_stmt *s = statement;
    my_cell *cell = &s->cells[column];
    cell->at = at ? *at : NULL;
    if (!at) {
        return;
    }
    if (cell->size) {
        *at += cell->size;
    } else {
        unsigned long n = read_length(at);
        *at += n;
    }
    s->row_end = *at;
}

void el_my_load_cell(my_cell *cell, const unsigned char *p) {
    cell->null = p == NULL;
    if (!p) {
        return;
    }
    unsigned char *at = (unsigned char *)(uintptr_t)p; /* only read */
    switch (cell->form) {
    case MY_FORM_BOOL:
    case MY_FORM_INT:
    case MY_FORM_UNSIGNED:
        read_integer(cell, &at, cell->size);
        break;
    case MY_FORM_FLOAT: {
        uint32_t bits = (uint32_t)read_number(&at, 4);
        memcpy(&cell->fixed.f, &bits, sizeof bits);
        break;
    }
    case MY_FORM_DOUBLE: {
        uint64_t bits = read_number(&at, 8);
        memcpy(&cell->fixed.d, &bits, sizeof bits);
        break;
    }
    case MY_FORM_DATE:
    case MY_FORM_DATETIME:
        read_moment(cell, &at);
        break;
    case MY_FORM_TIME:
        read_time(cell, &at);
        break;
    case MY_FORM_BIT:
    case MY_FORM_BYTES:
        read_bytes(cell, &at);
        break;
    }
}

#endif
