/* SPDX-License-Identifier: MIT
**
** error.c - fills the error struct.  The first failure wins, and a text that is too long
** is cut between characters.
*/
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_names[] = {
    [EL_ERR_NONE] = "",
    [EL_ERR_CONNECT] = "connect",
    [EL_ERR_LOST] = "lost",
    [EL_ERR_AUTH] = "auth",
    [EL_ERR_SYNTAX] = "syntax",
    [EL_ERR_UNIQUE] = "unique",
    [EL_ERR_FOREIGN_KEY] = "foreignKey",
    [EL_ERR_NOT_NULL] = "notNull",
    [EL_ERR_CHECK] = "check",
    [EL_ERR_CONFLICT] = "conflict",
    [EL_ERR_BUSY] = "busy",
    [EL_ERR_CANCELED] = "canceled",
    [EL_ERR_VALUE] = "value",
    [EL_ERR_UNSUPPORTED] = "unsupported",
    [EL_ERR_MISUSE] = "misuse",
    [EL_ERR_NOT_FOUND] = "notFound",
    [EL_ERR_NOMEM] = "noMemory",
    [EL_ERR_OTHER] = "other",
};

/* Length of text[0..n) without a UTF-8 sequence that is cut off at its end. */
static unsigned whole_length(const char *text, unsigned n) {
    unsigned start = n;
    while (start > 0 && n - start < 4) {
        unsigned char c = (unsigned char)text[--start];
        if (c < 0x80) {
            return n;
        }
        if (c >= 0xC0) {
            unsigned need = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
            return n - start < need ? start : n;
        }
    }
    return n;
}

/* One line: control characters become blanks. */
static void flatten(char *text) {
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7F) {
            *text = ' ';
        }
    }
}

#undef el_fail
int el_fail(el_error *err, el_errkind kind, int code, const char *fmt, ...) {
    if (!err || err->kind != EL_ERR_NONE) {
        return EL_FAIL;
    }
    err->kind = kind;
    err->code = code;
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(err->message, sizeof err->message, fmt, args);
    va_end(args);
    if (n < 0) {
        err->message[0] = '\0';
    } else if ((size_t)n >= sizeof err->message) {
        err->message[whole_length(err->message, sizeof err->message - 1)] = '\0';
    }
    flatten(err->message);
    return EL_FAIL;
}

void el_error_clear(el_error *err) {
    err->kind = EL_ERR_NONE;
    err->code = 0;
    err->sqlstate[0] = err->table[0] = err->column[0] = err->constraint[0] = '\0';
    err->message[0] = '\0';
    err->number = 0;
}

const char *el_errkind_name(el_errkind kind) {
    size_t i = (size_t)kind;
    return i < sizeof kind_names / sizeof *kind_names ? kind_names[i] : "other";
}

void el_error_copy(char *field, unsigned size, const char *text, unsigned n) {
    if (n >= size) {
        n = whole_length(text, size - 1);
    }
    if (n) {
        memcpy(field, text, n);
    }
    field[n] = '\0';
}
