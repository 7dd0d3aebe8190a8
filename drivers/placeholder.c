/* SPDX-License-Identifier: MIT
**
** placeholder.c - one pass over SQL text that knows just enough of each dialect to tell
** placeholders from everything else.  It does not check the SQL.
*/
#include "placeholder.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"

typedef struct scan {
    const char *begin, *end;
    const char *p;      /* what is next */
    const char *copied; /* the text before it is in `out` */
    const char *fresh;  /* end of the last block comment: no token touches what follows */
    const char *hint;   /* begin of an open MySQL comment whose text is run, or NULL */
    size_t brackets;    /* open [ of PostgreSQL */
    el_dialect dialect;
    el_placeholders *out;
    size_t sqlmax, ordermax; /* allocated */
    size_t highest;          /* number of the highest $n */
    el_names names;          /* name -> n, where it is written $n */
    el_error *err;
} scan;

/* {====== Characters ====== */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Bytes of UTF-8 sequences count as letters in all dialects. */
static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (unsigned char)c >= 0x80;
}

static bool is_word(char c) {
    return is_letter(c) || is_digit(c);
}

/* Names of placeholders are plain, so that they can be keys of Lua tables. */
static bool is_name(char c, bool first) {
    return (unsigned char)c < 0x80 && (first ? is_letter(c) : is_word(c));
}

static bool is_operator(char c) {
    return c != '\0' && strchr("+-*/<>=~!@#%^&|`?", c) != NULL;
}

/* The byte at p + n, or NUL past the end; the text itself has no NUL. */
static char peek(const scan *s, size_t n) {
    return (size_t)(s->end - s->p) > n ? s->p[n] : '\0';
}

/* The byte that the current one touches, NUL at the start and after a comment. */
static char previous(const scan *s) {
    return s->p > s->begin && s->p != s->fresh ? s->p[-1] : '\0';
}

/* }====== */

/* {====== Failing and writing ====== */

static int fail_at(const scan *s, el_errkind kind, const char *where, const char *what,
                   const char *advice) {
    size_t line = 1, column = 1;
    for (const char *q = s->begin; q < where; q++) {
        if (*q == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)*q & 0xC0) != 0x80) {
            column++;
        }
    }
    return el_fail(s->err, kind, 0, "%s at line %zu, column %zu of the SQL: %s", what,
                   line, column, advice);
}

static int no_memory(const scan *s) {
    return el_fail(s->err, EL_ERR_NOMEM, 0, "not enough memory to scan SQL of %zu bytes",
                   (size_t)(s->end - s->begin));
}

static int put(scan *s, const char *bytes, size_t n) {
    el_placeholders *out = s->out;
    if (n >= s->sqlmax - out->len) { /* one byte is kept for the NUL */
        if (n > SIZE_MAX / 4 || s->sqlmax > SIZE_MAX / 4) {
            return no_memory(s);
        }
        size_t size = s->sqlmax + s->sqlmax / 2 + n + 64;
        char *sql = realloc(out->sql, size);
        if (!sql) {
            return no_memory(s);
        }
        out->sql = sql;
        s->sqlmax = size;
    }
    if (n > 0) { /* `bytes` may be NULL for an empty text */
        memcpy(out->sql + out->len, bytes, n);
    }
    out->len += n;
    out->sql[out->len] = '\0';
    return EL_OK;
}

static int add_order(scan *s, const char *name, size_t namelen, size_t position) {
    el_placeholders *out = s->out;
    if (out->count == s->ordermax) {
        size_t max = s->ordermax ? s->ordermax * 2 : 8;
        if (max > SIZE_MAX / sizeof *out->order) {
            return no_memory(s);
        }
        el_placeholder *order = realloc(out->order, max * sizeof *order);
        if (!order) {
            return no_memory(s);
        }
        out->order = order;
        s->ordermax = max;
    }
    out->order[out->count++] = (el_placeholder){name, namelen, position};
    return EL_OK;
}

/* Writes `text` instead of `len` bytes at p. */
static int put_instead(scan *s, const char *text, size_t len) {
    if (put(s, s->copied, (size_t)(s->p - s->copied)) != EL_OK ||
        put(s, text, strlen(text)) != EL_OK) {
        return EL_FAIL;
    }
    s->p += len;
    s->copied = s->p;
    return EL_OK;
}

/* Writes `$n` instead of `len` bytes at p, apart from words that it would join. */
static int put_number(scan *s, size_t number, size_t len) {
    char text[32], before = previous(s), after = peek(s, len);
    snprintf(text, sizeof text, "%s$%zu%s", is_word(before) || before == '$' ? " " : "",
             number, is_word(after) || after == '$' ? " " : "");
    return put_instead(s, text, len);
}

/* }====== */

/* {====== Placeholders ====== */

static int use_style(scan *s, el_placeholder_style style) {
    if (s->out->style == EL_STYLE_NONE) {
        s->out->style = style;
    }
    if (s->out->style != style) {
        return fail_at(s, EL_ERR_MISUSE, s->p, "another kind of placeholder",
                       "keep to ?, or to :name, or to numbered ones in one statement");
    }
    return EL_OK;
}

static int positional(scan *s) {
    if (use_style(s, EL_STYLE_POSITIONAL) != EL_OK ||
        add_order(s, NULL, 0, s->out->count + 1) != EL_OK) {
        return EL_FAIL;
    }
    if (s->dialect == EL_DIALECT_PG) {
        return put_number(s, s->out->count, 1);
    }
    s->p++;
    return EL_OK;
}

static int strange_name(const scan *s) {
    return fail_at(s, EL_ERR_MISUSE, s->p, "a placeholder with a strange name",
                   "names are made of a to z, A to Z, 0 to 9 and _, and begin with no "
                   "digit");
}

/* `:name` at p. */
static int named(scan *s) {
    size_t n = 1;
    while (is_name(peek(s, n), false)) {
        n++;
    }
    if (is_letter(peek(s, n)) || peek(s, n) == '$') { /* the rest would be an alias */
        return strange_name(s);
    }
    const char *name = s->p + 1;
    if (use_style(s, EL_STYLE_NAMED) != EL_OK) {
        return EL_FAIL;
    }
    if (s->dialect != EL_DIALECT_PG) {
        return add_order(s, name, n - 1, 0) == EL_OK ? put_instead(s, "?", n) : EL_FAIL;
    }
    const el_name *entry = el_names_put(&s->names, name, n - 1, s->out->count + 1);
    if (!entry) {
        return no_memory(s);
    }
    if (entry->number > s->out->count && add_order(s, name, n - 1, 0) != EL_OK) {
        return EL_FAIL;
    }
    return put_number(s, entry->number, n);
}

/* `$12` or `?12` at p; stays as it is. */
static int numbered(scan *s) {
    size_t n = 1, number = 0;
    if (use_style(s, EL_STYLE_NUMBERED) != EL_OK) {
        return EL_FAIL;
    }
    for (; is_digit(peek(s, n)); n++) {
        if (number <= EL_PLACEHOLDER_MAX) {
            number = number * 10 + (size_t)(s->p[n] - '0');
        }
    }
    if (number < 1 || number > EL_PLACEHOLDER_MAX) {
        return fail_at(s, EL_ERR_MISUSE, s->p, "a placeholder's number out of range",
                       "numbers go from 1 to 65535");
    }
    if (number > s->highest) {
        s->highest = number;
    }
    s->p += n;
    return EL_OK;
}

static int question(scan *s) {
    bool pg = s->dialect == EL_DIALECT_PG;
    char next = peek(s, 1);
    if (next == '?') {
        return pg ? put_instead(s, "?", 2)
                  : fail_at(s, EL_ERR_MISUSE, s->p, "??",
                            "it stands for the operator ?, which only PostgreSQL has; "
                            "write ? for a value");
    }
    if (pg && (next == '|' || next == '&') && peek(s, 2) != next &&
        !is_operator(previous(s))) {
        s->p += 2;
        return EL_OK;
    }
    if (is_digit(next)) {
        return s->dialect == EL_DIALECT_SQLITE
                   ? numbered(s)
                   : fail_at(s, EL_ERR_MISUSE, s->p, "a number after ?",
                             pg ? "numbered placeholders of PostgreSQL are $1, $2"
                                : "this database has no numbered placeholders; write ? "
                                  "or :name");
    }
    return positional(s);
}

static int colon(scan *s) {
    char next = peek(s, 1), before = previous(s);
    if (next == ':' || next == '=') { /* a cast, an assignment */
        s->p += 2;
        return EL_OK;
    }
    /* `a[i:j]`: what touches the end of an expression inside [ ] is a slice. */
    bool slice = s->brackets > 0 && before != '\0' &&
                 (is_word(before) || strchr(")]'\"?", before) != NULL);
    bool digits = is_digit(next) || next == '$'; /* SQLite takes these for names */
    if (!slice &&
        ((unsigned char)next >= 0x80 || (digits && s->dialect == EL_DIALECT_SQLITE))) {
        return strange_name(s);
    }
    if (slice || !is_name(next, true)) {
        s->p++;
        return EL_OK;
    }
    return named(s);
}

static int at_sign(scan *s) {
    if (s->dialect == EL_DIALECT_SQLITE) {
        return fail_at(s, EL_ERR_MISUSE, s->p, "a placeholder with @", "write it :name");
    }
    bool exists = s->dialect == EL_DIALECT_PG && peek(s, 1) == '?' && peek(s, 2) != '?' &&
                  !is_operator(previous(s));
    s->p += exists ? 2 : 1;
    return EL_OK;
}

/* }====== */

/* {====== Text that is left alone ====== */

/* Past `quote` ... `quote` at p; the quote is doubled inside, or escaped by \. */
static int quoted(scan *s, char quote, bool backslash) {
    const char *start = s->p++;
    while (s->p < s->end) {
        char c = *s->p++;
        if (c == '\\' && backslash && s->p < s->end) {
            s->p++;
        } else if (c == quote) {
            if (peek(s, 0) != quote) {
                return EL_OK;
            }
            s->p++;
        }
    }
    const char *what = quote == '\''  ? "a ' that is not closed"
                       : quote == '"' ? "a \" that is not closed"
                                      : "a ` that is not closed";
    return fail_at(s, EL_ERR_SYNTAX, start, what, "close it, or write it twice inside");
}

/*
** Past `'...'` of PostgreSQL with backslash escapes, p at the quote.  A string that goes
** on after a line break keeps its escapes.
*/
static int escape_string(scan *s) {
    for (;;) {
        if (quoted(s, '\'', true) != EL_OK) {
            return EL_FAIL;
        }
        bool newline = false;
        size_t n = 0;
        for (char c; (c = peek(s, n)) != '\0'; n++) {
            if (c == '\n' || c == '\r') {
                newline = true;
            } else if (c == '-' && peek(s, n + 1) == '-') {
                while (peek(s, n + 1) != '\0' && peek(s, n + 1) != '\n' &&
                       peek(s, n + 1) != '\r') {
                    n++;
                }
            } else if (c != ' ' && c != '\t' && c != '\f' && c != '\v') {
                break;
            }
        }
        if (!newline || peek(s, n) != '\'') {
            return EL_OK;
        }
        s->p += n;
    }
}

static int bracketed(scan *s) {
    const char *start = s->p;
    const char *close = memchr(s->p, ']', (size_t)(s->end - s->p));
    if (!close) {
        return fail_at(s, EL_ERR_SYNTAX, start, "a [ that is not closed",
                       "in SQLite [ ] quotes an identifier");
    }
    s->p = close + 1;
    return EL_OK;
}

static int line_comment(scan *s) {
    while (s->p < s->end && *s->p != '\n' &&
           !(*s->p == '\r' && s->dialect == EL_DIALECT_PG)) {
        s->p++;
    }
    return EL_OK;
}

static int block_comment(scan *s) {
    const char *start = s->p;
    size_t depth = 1;
    /* MySQL and MariaDB run what stands in these. */
    if (s->dialect == EL_DIALECT_MYSQL && !s->hint &&
        (peek(s, 2) == '!' || (peek(s, 2) == 'M' && peek(s, 3) == '!'))) {
        s->hint = start;
        s->p += peek(s, 2) == '!' ? 3 : 4;
        s->fresh = s->p;
        return EL_OK;
    }
    s->p += 2;
    while (s->p < s->end) {
        char c = *s->p++;
        if (c == '*' && peek(s, 0) == '/') {
            s->p++;
            if (--depth == 0) {
                s->fresh = s->p;
                return EL_OK;
            }
        } else if (c == '/' && peek(s, 0) == '*' && s->dialect == EL_DIALECT_PG) {
            s->p++;
            depth++;
        }
    }
    return fail_at(s, EL_ERR_SYNTAX, start, "a comment that is not closed",
                   "close it with */");
}

/* Past a `$tag$ ... $tag$` at p, or `$1`, of PostgreSQL. */
static int dollar(scan *s) {
    if (is_digit(peek(s, 1))) {
        return numbered(s);
    }
    size_t n = 1;
    while (n == 1 ? is_letter(peek(s, n)) : is_word(peek(s, n))) {
        n++;
    }
    if (peek(s, n++) != '$') {
        s->p++;
        return EL_OK;
    }
    const char *tag = s->p, *q = s->p + n;
    const char *close = memmem(q, (size_t)(s->end - q), tag, n);
    if (!close) {
        return fail_at(s, EL_ERR_SYNTAX, tag, "a dollar quote that is not closed",
                       "end the text with the same $tag$");
    }
    s->p = close + n;
    return EL_OK;
}

/* A run of letters and digits; `$` belongs to identifiers, after their first byte. */
static int word(scan *s) {
    const char *start = s->p++;
    bool number = is_digit(*start);
    while (s->p < s->end && (is_word(*s->p) || (*s->p == '$' && !number))) {
        s->p++;
    }
    bool escape = s->p - start == 1 && (*start == 'e' || *start == 'E');
    if (escape && peek(s, 0) == '\'' && s->dialect == EL_DIALECT_PG) {
        return escape_string(s);
    }
    return EL_OK;
}

/* }====== */

/* Does a comment of two characters begin at p? */
static bool begins_dashes(const scan *s) {
    if (peek(s, 1) != '-') {
        return false;
    }
    unsigned char after = (unsigned char)peek(s, 2); /* MySQL wants a blank here */
    return s->dialect != EL_DIALECT_MYSQL || after <= ' ' || after == 0x7F;
}

static int skip(scan *s) {
    s->p++;
    return EL_OK;
}

static int step(scan *s) {
    bool pg = s->dialect == EL_DIALECT_PG, my = s->dialect == EL_DIALECT_MYSQL;
    char c = *s->p;
    switch (c) {
    case '\'':
    case '"':
        return quoted(s, c, my);
    case '`':
        return pg ? skip(s) : quoted(s, c, false);
    case '[':
        if (s->dialect == EL_DIALECT_SQLITE) {
            return bracketed(s);
        }
        s->brackets += pg;
        return skip(s);
    case ']':
        s->brackets -= s->brackets > 0;
        return skip(s);
    case '-':
        return begins_dashes(s) ? line_comment(s) : skip(s);
    case '#':
        if (s->dialect == EL_DIALECT_SQLITE) {
            return fail_at(s, EL_ERR_MISUSE, s->p, "a placeholder with #",
                           "write it :name");
        }
        return my ? line_comment(s) : skip(s);
    case '/':
        return peek(s, 1) == '*' ? block_comment(s) : skip(s);
    case '*':
        if (s->hint && peek(s, 1) == '/') {
            s->hint = NULL;
            s->fresh = s->p += 2;
            return EL_OK;
        }
        return skip(s);
    case '$':
        if (s->dialect == EL_DIALECT_SQLITE) {
            return fail_at(s, EL_ERR_MISUSE, s->p, "a placeholder with $",
                           "write it :name");
        }
        return pg ? dollar(s) : word(s);
    case '?':
        return question(s);
    case ':':
        return colon(s);
    case '@':
        return at_sign(s);
    default:
        return is_word(c) ? word(s) : skip(s);
    }
}

static int scan_all(scan *s) {
    size_t len = (size_t)(s->end - s->begin);
    const char *nul = len > 0 ? memchr(s->begin, '\0', len) : NULL;
    if (nul) {
        return fail_at(s, EL_ERR_MISUSE, nul, "a NUL byte", "bind such a value instead");
    }
    while (s->p < s->end) {
        if (step(s) != EL_OK) {
            return EL_FAIL;
        }
    }
    if (s->hint) {
        return fail_at(s, EL_ERR_SYNTAX, s->hint, "a comment that is not closed",
                       "close it with */");
    }
    for (size_t i = 1; i <= s->highest; i++) {
        if (add_order(s, NULL, 0, i) != EL_OK) {
            return EL_FAIL;
        }
    }
    return put(s, s->copied, (size_t)(s->end - s->copied));
}

int el_placeholder_scan(el_placeholders *out, const char *sql, size_t len,
                        el_dialect dialect, el_error *err) {
    const char *text = sql ? sql : "";
    scan s = {.begin = text,
              .end = text + len,
              .p = text,
              .copied = text,
              .dialect = dialect,
              .out = out,
              .err = err};
    *out = (el_placeholders){0};
    int rc = scan_all(&s);
    if (rc != EL_OK) {
        el_placeholder_release(out);
    }
    el_names_release(&s.names);
    return rc;
}

void el_placeholder_release(el_placeholders *out) {
    free(out->sql);
    free(out->order);
    *out = (el_placeholders){0};
}
