/* SPDX-License-Identifier: MIT
**
** mysql_sql.c - reads just enough of a statement to know its verb, its table and
** whether it has placeholders.  It does not check SQL: the server does.
*/
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "mysql_driver.h"

typedef struct my_scan {
    const char *p, *end;
    bool hint; /* inside a comment whose text the server runs */
} my_scan;

typedef struct my_token {
    const char *p;
    size_t n;
    char
        kind; /* 'w' word, '`' quoted name, '\'' string, or the character itself; 0 end */
} my_token;

/* MySQL wants one of these after the dashes of a comment. */
static bool is_blank(unsigned char c) {
    return c <= ' ' || c == 0x7F;
}

static bool word_char(unsigned char c) {
    return isalnum(c) || c == '_' || c == '$' || c >= 0x80;
}

/* Skips blanks and comments; what stands in a comment for the server to run is text. */
static void skip_blanks(my_scan *s) {
    for (;;) {
        size_t left = (size_t)(s->end - s->p);
        if (left && isspace((unsigned char)*s->p)) {
            s->p++;
        } else if (left &&
                   (*s->p == '#' || (left > 2 && s->p[0] == '-' && s->p[1] == '-' &&
                                     is_blank((unsigned char)s->p[2])))) {
            const char *line = memchr(s->p, '\n', left);
            s->p = line ? line + 1 : s->end;
        } else if (left > 3 && s->p[0] == '/' && s->p[1] == '*' &&
                   (s->hint || (s->p[2] != '!' && !(s->p[2] == 'M' && s->p[3] == '!')))) {
            const char *close = memmem(s->p + 2, left - 2, "*/", 2);
            s->p = close ? close + 2 : s->end;
        } else {
            return;
        }
    }
}

/* Past the closing quote; a doubled quote is none, nor one after a backslash. */
static const char *skip_quoted(const char *p, const char *end, char quote) {
    for (; p < end; p++) {
        if (*p == '\\' && quote != '`' && p + 1 < end) {
            p++;
        } else if (*p == quote) {
            if (p + 1 == end || p[1] != quote) {
                return p + 1;
            }
            p++;
        }
    }
    return end;
}

/* Bytes of the sign at p; the comments that are left are those whose text is run. */
static size_t edge_of_hint(my_scan *s) {
    size_t left = (size_t)(s->end - s->p);
    if (left > 1 && s->p[0] == (s->hint ? '*' : '/') &&
        s->p[1] == (s->hint ? '/' : '*')) {
        s->hint = !s->hint;
        return 2;
    }
    return 1;
}

static my_token next_token(my_scan *s) {
    skip_blanks(s);
    my_token t = {s->p, 0, 0};
    if (s->p == s->end) {
        return t;
    }
    unsigned char c = (unsigned char)*s->p;
    if (word_char(c)) {
        while (s->p < s->end && word_char((unsigned char)*s->p)) {
            s->p++;
        }
        t.kind = 'w';
    } else if (c == '`' || c == '\'' || c == '"') {
        s->p = skip_quoted(s->p + 1, s->end, (char)c);
        t.kind = c == '"' ? '\'' : (char)c;
    } else {
        s->p += edge_of_hint(s);
        t.kind = (char)c;
    }
    t.n = (size_t)(s->p - t.p);
    return t;
}

static bool is_word(const my_token *t, const char *word) {
    return t->kind == 'w' && strlen(word) == t->n && strncasecmp(t->p, word, t->n) == 0;
}

static bool is_one_of(const my_token *t, const char *const *words) {
    for (; *words; words++) {
        if (is_word(t, *words)) {
            return true;
        }
    }
    return false;
}

static const char *const query_verbs[] = {"SELECT", "WITH", "VALUES", "TABLE", NULL};
static const char *const write_verbs[] = {"INSERT", "REPLACE", "UPDATE", "DELETE", NULL};

my_verb el_my_verb(const char *sql, size_t len) {
    my_scan s = {.p = sql, .end = sql + len};
    my_token t = next_token(&s);
    if (t.kind == '(' || is_one_of(&t, query_verbs)) {
        return MY_VERB_QUERY;
    }
    if (is_one_of(&t, write_verbs)) {
        return MY_VERB_WRITE;
    }
    return is_word(&t, "CALL") ? MY_VERB_CALL : MY_VERB_OTHER;
}

bool el_my_has_placeholder(const char *sql, size_t len) {
    if (!memchr(sql, '?', len)) {
        return false;
    }
    my_scan s = {.p = sql, .end = sql + len};
    for (;;) {
        my_token t = next_token(&s);
        if (t.kind == '?') {
            return true;
        }
        if (!t.kind) {
            return false;
        }
    }
}

/* A name without its backticks; "" when it does not fit. */
static void copy_name(char *out, size_t size, const my_token *t) {
    size_t n = 0;
    const char *p = t->p, *end = t->p + t->n;
    if (t->kind == '`') {
        p++;
        end--;
    }
    for (; p < end && n + 1 < size; p++) {
        out[n++] = *p;
        if (*p == '`' && p + 1 < end) {
            p++;
        }
    }
    out[p < end ? 0 : n] = '\0';
}

void el_my_table(const char *sql, size_t len, char *schema, char *table, size_t size) {
    static const char *const modifiers[] = {"LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY",
                                            "QUICK",        "IGNORE",  "INTO",
                                            "FROM",         NULL};
    *schema = *table = '\0';
    if (!sql) {
        return;
    }
    my_scan s = {.p = sql, .end = sql + len};
    my_token t = next_token(&s);
    bool update = is_word(&t, "UPDATE");
    if (!is_one_of(&t, write_verbs)) {
        return;
    }
    do {
        t = next_token(&s);
    } while (is_one_of(&t, modifiers));
    if (t.kind != 'w' && t.kind != '`') {
        return;
    }
    copy_name(table, size, &t);
    t = next_token(&s);
    if (t.kind == '.') {
        memcpy(schema, table, strlen(table) + 1);
        t = next_token(&s);
        copy_name(table, size, &t);
        t = next_token(&s);
    }
    for (; update && t.kind && !is_word(&t, "SET"); t = next_token(&s)) {
        if (t.kind == ',' || is_word(&t, "JOIN") || is_word(&t, "STRAIGHT_JOIN")) {
            *schema = *table = '\0'; /* several tables: which one is not known */
            return;
        }
    }
}
