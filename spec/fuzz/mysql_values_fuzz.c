/* SPDX-License-Identifier: MIT
**
** mysql_values_fuzz.c - cells as a MySQL server (or what pretends to be one) sends them,
** as text and as the client library's own structs, and what the driver reads out of the
** text of statements.  First byte: what to do.
*/
#include "fuzz.h"

#include "mysql_driver.h"
#include "placeholder.h"

static const enum enum_field_types types[] = {
    MYSQL_TYPE_TINY,    MYSQL_TYPE_SHORT,      MYSQL_TYPE_INT24,
    MYSQL_TYPE_LONG,    MYSQL_TYPE_LONGLONG,   MYSQL_TYPE_YEAR,
    MYSQL_TYPE_FLOAT,   MYSQL_TYPE_DOUBLE,     MYSQL_TYPE_DATE,
    MYSQL_TYPE_TIME,    MYSQL_TYPE_DATETIME,   MYSQL_TYPE_TIMESTAMP,
    MYSQL_TYPE_BIT,     MYSQL_TYPE_NEWDECIMAL, MYSQL_TYPE_VAR_STRING,
    MYSQL_TYPE_BLOB,    MYSQL_TYPE_ENUM,       MYSQL_TYPE_NULL,
    MYSQL_TYPE_GEOMETRY};
enum { MAX_COLUMNS = 6, MAX_ROWS = 20 };

static void touch(const el_value *v) {
    if (el_type_has_bytes(v->type)) {
        fuzz_touch(v->u.s.p, v->u.s.n);
    }
    REQUIRE(v->type <= EL_OBJECT_ID);
}

static void check_cell(my_cell *cell) {
    el_value v;
    el_my_decode(cell, &v);
    touch(&v);
    if (el_type_has_bytes(v.type) && v.u.s.p == cell->scratch) {
        REQUIRE(v.u.s.n == strnlen(cell->scratch, sizeof cell->scratch));
    }
}

static int describe(my_stmt *s, fuzz_input *in) {
    static char name[] = "column";
    MYSQL_FIELD fields[MAX_COLUMNS] = {0};
    el_error err = {0};
    unsigned n = 1 + fuzz_byte(in) % MAX_COLUMNS;
    for (unsigned i = 0; i < n; i++) {
        unsigned byte = fuzz_byte(in);
        fields[i].name = name;
        fields[i].name_length = (unsigned)strlen(name);
        fields[i].type = types[byte % (sizeof types / sizeof *types)];
        byte = fuzz_byte(in);
        fields[i].flags = byte & 1 ? UNSIGNED_FLAG : 0;
        fields[i].charsetnr = byte & 2 ? 63 : 45;
        fields[i].length = byte >> 2;
    }
    REQUIRE(el_my_describe(s, fields, n, &err) == EL_OK);
    REQUIRE(el_my_describe(s, fields, n, &err) == EL_OK); /* the same once more */
    return (int)n;
}

static void read_text(fuzz_input *in) {
    my_stmt s = {0};
    int n = describe(&s, in);
    for (int r = 0; r < MAX_ROWS && fuzz_left(in) > 0; r++) {
        char *row[MAX_COLUMNS];
        unsigned long lengths[MAX_COLUMNS];
        el_error err = {0};
        for (int i = 0; i < n; i++) {
            size_t length = fuzz_byte(in);
            bool null = length == 255;
            row[i] = fuzz_text(in, &length);
            lengths[i] = (unsigned long)length;
            if (null) {
                free(row[i]);
                row[i] = NULL;
            }
        }
        if (el_my_load_text(&s, row, lengths, &err) == EL_OK) {
            for (int i = 0; i < n; i++) {
                check_cell(&s.cells[i]);
            }
        } else {
            REQUIRE(err.kind == EL_ERR_OTHER);
        }
        for (int i = 0; i < n; i++) {
            free(row[i]);
        }
    }
    el_my_undescribe(&s);
}

/* The cells as mysql_stmt_fetch leaves them, with any bytes in the numbers and times. */
static void read_binary(fuzz_input *in) {
    my_stmt s = {0};
    int n = describe(&s, in);
    for (int r = 0; r < MAX_ROWS && fuzz_left(in) > 0; r++) {
        for (int i = 0; i < n; i++) {
            my_cell *cell = &s.cells[i];
            size_t length = sizeof cell->fixed;
            char *bytes = fuzz_bytes(in, &length);
            cell->null = false;
            memset(&cell->fixed, 0, sizeof cell->fixed);
            memcpy(&cell->fixed, bytes, length);
            if (cell->form >= MY_FORM_DATE && cell->form <= MY_FORM_DATETIME) {
                cell->fixed.time.neg = bytes[0] & 1;
            }
            if (cell->form >= MY_FORM_BIT && !cell->buffer) { /* cells in place */
                cell->length = (unsigned long)length;
                cell->text = bytes;
            } else if (cell->form >= MY_FORM_BIT) {
                cell->length = length < cell->capacity ? length : cell->capacity;
                memcpy(cell->buffer, bytes, cell->length);
                cell->text = cell->buffer;
            }
            check_cell(cell);
            free(bytes);
        }
    }
    el_my_undescribe(&s);
}

static void read_statement(fuzz_input *in) {
    char schema[64], table[64];
    size_t n = fuzz_left(in);
    char *sql = fuzz_bytes(in, &n);
    el_placeholders out;
    el_error err = {0};
    (void)el_my_verb(sql, n);
    el_my_table(sql, n, schema, table, sizeof table);
    REQUIRE(strlen(table) < sizeof table && strlen(schema) < sizeof schema);
    bool any = el_my_has_placeholder(sql, n);
    if (el_placeholder_scan(&out, sql, n, EL_DIALECT_MYSQL, &err) == EL_OK &&
        out.style != EL_STYLE_NAMED) {
        REQUIRE(any == (out.count > 0));
    }
    el_placeholder_release(&out);
    free(sql);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_input in = {data, data + size};
    switch (fuzz_byte(&in) % 3) {
    case 0:
        read_text(&in);
        break;
    case 1:
        read_binary(&in);
        break;
    default:
        read_statement(&in);
    }
    return 0;
}
