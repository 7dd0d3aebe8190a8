/* SPDX-License-Identifier: MIT
**
** pg_error.c - from what libpq reports to el_error.  Kinds come from SQLSTATE; messages
** never show bound values, so DETAIL and the server's words about values stay out.
*/
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "pg.h"

enum { TEXT_SIZE = 400 };

static const struct pg_kind {
    char code[6]; /* a whole SQLSTATE, or its class */
    el_errkind kind;
} kinds[] = {
    {"0A000", EL_ERR_UNSUPPORTED}, {"23502", EL_ERR_NOT_NULL},
    {"23503", EL_ERR_FOREIGN_KEY}, {"23001", EL_ERR_FOREIGN_KEY},
    {"23505", EL_ERR_UNIQUE},      {"25006", EL_ERR_UNSUPPORTED},
    {"26000", EL_ERR_CONFLICT},    {"3D000", EL_ERR_NOT_FOUND},
    {"3F000", EL_ERR_SYNTAX},      {"40003", EL_ERR_OTHER},
    {"42501", EL_ERR_AUTH},        {"42P05", EL_ERR_CONFLICT},
    {"44000", EL_ERR_CHECK},       {"53300", EL_ERR_CONNECT},
    {"55P03", EL_ERR_BUSY},        {"55006", EL_ERR_BUSY},
    {"57014", EL_ERR_CANCELED},    {"57P01", EL_ERR_LOST},
    {"57P02", EL_ERR_LOST},        {"57P03", EL_ERR_CONNECT},
    {"57P05", EL_ERR_LOST},        {"08P01", EL_ERR_MISUSE},
    {"08", EL_ERR_LOST},           {"22", EL_ERR_VALUE},
    {"23", EL_ERR_CHECK},          {"24", EL_ERR_MISUSE},
    {"25", EL_ERR_MISUSE},         {"28", EL_ERR_AUTH},
    {"2D", EL_ERR_MISUSE},         {"34", EL_ERR_MISUSE},
    {"3B", EL_ERR_MISUSE},         {"40", EL_ERR_CONFLICT},
    {"42", EL_ERR_SYNTAX},
};

/* The server's own words on these hold values; ours don't. */
static const struct pg_words {
    char code[6];
    const char *text;
} value_words[] = {
    {"22003", "a number is out of range for its type"},
    {"22007", "a value is no valid date or time"},
    {"22008", "a date or time is out of range"},
    {"22009", "a time zone offset is out of range"},
    {"22021", "a text is not valid UTF-8"},
    {"22023", "an argument of a function or a setting is not accepted"},
    {"22P02", "a value can't be read as its type"},
    {"22P03", "a value has not the size of its type"},
    {"2201B", "a regular expression is not valid"},
    {"22026", "a bit string has not the length of its type"},
};

static el_errkind kind_of(const char *state) {
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strncmp(state, kinds[i].code, strlen(kinds[i].code)) == 0) {
            return kinds[i].kind;
        }
    }
    return EL_ERR_OTHER;
}

/* One line: white space and control characters become one blank. */
static void copy_line(char out[TEXT_SIZE], const char *text, size_t n) {
    size_t o = 0;
    for (size_t i = 0; i < n && o + 1 < TEXT_SIZE; i++) {
        bool blank = (unsigned char)text[i] <= ' ' || text[i] == 0x7f;
        if (!blank) {
            out[o++] = text[i];
        } else if (o > 0 && out[o - 1] != ' ') {
            out[o++] = ' ';
        }
    }
    while (o > 0 && out[o - 1] == ' ') {
        o--;
    }
    /* el_error_copy doesn't cut a character in two. */
    char whole[TEXT_SIZE];
    el_error_copy(whole, sizeof whole, out, (unsigned)o);
    memcpy(out, whole, sizeof whole);
}

static void set_field(char *field, unsigned size, const PGresult *result, int code) {
    const char *text = PQresultErrorField(result, code);
    if (text != NULL) {
        el_error_copy(field, size, text, (unsigned)strlen(text));
    }
}

/*
** The name in `column "a" ...`, `column t.a ...` or `relation "a" ...`: what the server
** found to be unknown has no field of its own.  Other languages quote with the same signs
** or leave the field empty.
*/
static void set_unknown_name(el_error *err, const PGresult *result) {
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    bool column = strcmp(err->sqlstate, "42703") == 0;
    if (!text || (!column && strcmp(err->sqlstate, "42P01") != 0)) {
        return;
    }
    const char *from = strchr(text, '"'), *to = from ? strchr(from + 1, '"') : NULL;
    const char *dot = strchr(text, '.');
    if (to) {
        from++;
    } else if (column && dot) { /* column t.a does not exist */
        from = dot + 1;
        to = from + strcspn(from, " ");
    } else {
        return;
    }
    const char *inner = !column ? memchr(from, '.', (size_t)(to - from)) : NULL;
    from = inner ? inner + 1 : from;
    el_error_copy(column ? err->column : err->table,
                  column ? sizeof err->column : sizeof err->table, from,
                  (unsigned)(to - from));
}

/*
** The columns of `Key (a, b)=(1, 2) ...`, in any language, never the values.  When a
** parent row can't go because of its children, the detail names the parent's columns
** and the table field the child: then the column stays unknown.
*/
static void set_key_columns(el_error *err, const PGresult *result) {
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    const char *from = detail != NULL ? strchr(detail, '(') : NULL;
    const char *to = from != NULL ? strstr(from, ")=(") : NULL;
    if (to == NULL || err->column[0] != '\0') {
        return;
    }
    const char *rest = strrchr(to, ')');
    if (err->kind == EL_ERR_FOREIGN_KEY && err->table[0] != '\0' &&
        strstr(rest, err->table) != NULL) {
        return;
    }
    from++;
    if (*from == '"' && to[-1] == '"' &&
        memchr(from + 1, '"', (size_t)(to - from - 2)) == NULL) {
        from++;
        to--;
    }
    el_error_copy(err->column, sizeof err->column, from, (unsigned)(to - from));
}

/* Number of the parameter that the server complains about, 0 when it doesn't say. */
static int parameter_of(const PGresult *result) {
    const char *context = PQresultErrorField(result, PG_DIAG_CONTEXT);
    const char *dollar = context != NULL ? strchr(context, '$') : NULL;
    if (dollar == NULL || memchr(context, '\'', (size_t)(dollar - context)) != NULL) {
        return 0;
    }
    long number = strtol(dollar + 1, NULL, 10);
    return number > 0 && number <= PG_MAX_PARAMS ? (int)number : 0;
}

static int value_error(el_error *err, const char *state, const PGresult *result) {
    const char *text = "the server refused a value";
    for (size_t i = 0; i < sizeof value_words / sizeof value_words[0]; i++) {
        if (strcmp(state, value_words[i].code) == 0) {
            text = value_words[i].text;
        }
    }
    int number = parameter_of(result);
    if (number > 0) {
        return el_fail(err, EL_ERR_VALUE, 0, "%s (placeholder $%d, SQLSTATE %s)", text,
                       number, state);
    }
    return el_fail(err, EL_ERR_VALUE, 0, "%s (SQLSTATE %s)", text, state);
}

/* Class 22 messages mostly quote the value; these three never do. */
static bool shows_values(const char *state) {
    return strncmp(state, "22", 2) == 0 && strcmp(state, "22001") != 0 &&
           strcmp(state, "22012") != 0 && strcmp(state, "22004") != 0;
}

static int server_error(el_error *err, el_errkind kind, const char *state,
                        const PGresult *result) {
    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    char text[TEXT_SIZE];
    copy_line(text, primary != NULL ? primary : "",
              primary != NULL ? strlen(primary) : 0);
    if (strcmp(state, "25P02") == 0) {
        return el_fail(
            err, kind, 0,
            "an earlier statement of this transaction failed: roll it back, or "
            "back to a savepoint, before the next one");
    }
    if (strncmp(state, "42", 2) != 0) {
        return el_fail(err, kind, 0, "%s", text);
    }
    const char *position = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
    const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
    char advice[TEXT_SIZE];
    copy_line(advice, hint != NULL ? hint : "", hint != NULL ? strlen(hint) : 0);
    return el_fail(err, kind, 0, "%s%s%s%s%.160s", text,
                   position != NULL ? " at character " : "",
                   position != NULL ? position : "", hint != NULL ? ". " : "", advice);
}

int el_pg_error(el_error *err, const pg_conn *c, const PGresult *result) {
    if (err->kind != EL_ERR_NONE) {
        return EL_FAIL;
    }
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (state == NULL) { /* libpq's own: memory, or an answer it can't read */
        char text[TEXT_SIZE];
        const char *message = PQresultErrorMessage(result);
        copy_line(text, message, strlen(message));
        return el_fail(err, EL_ERR_OTHER, 0, "%s: %s", c->where,
                       text[0] != '\0' ? text : "out of memory in the client library");
    }
    el_errkind kind = kind_of(state);
    const char *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
    if (strcmp(state, "0A000") == 0 && function != NULL &&
        strcmp(function, "RevalidateCachedQuery") == 0) {
        kind = EL_ERR_CONFLICT;
        el_fail(err, kind, 0,
                "a table changed since the statement was prepared: run the "
                "transaction again");
    } else if (kind == EL_ERR_VALUE && shows_values(state)) {
        value_error(err, state, result);
    } else {
        server_error(err, kind, state, result);
    }
    el_error_copy(err->sqlstate, sizeof err->sqlstate, state, 5);
    set_field(err->table, sizeof err->table, result, PG_DIAG_TABLE_NAME);
    set_field(err->column, sizeof err->column, result, PG_DIAG_COLUMN_NAME);
    set_unknown_name(err, result);
    set_field(err->constraint, sizeof err->constraint, result, PG_DIAG_CONSTRAINT_NAME);
    if (kind == EL_ERR_UNIQUE || kind == EL_ERR_FOREIGN_KEY) {
        set_key_columns(err, result);
    }
    return EL_FAIL;
}

bool el_pg_is_stale(const el_error *err) {
    return err->kind == EL_ERR_CONFLICT &&
           (strcmp(err->sqlstate, "0A000") == 0 || strcmp(err->sqlstate, "26000") == 0 ||
            strcmp(err->sqlstate, "42P05") == 0);
}

int el_pg_lost(el_error *err, const pg_conn *c, const PGresult *result, bool sent) {
    const char *state = NULL;
    char text[TEXT_SIZE] = "the server closed the connection";
    if (err->kind != EL_ERR_NONE) {
        return EL_FAIL;
    }
    if (result != NULL &&
        (state = PQresultErrorField(result, PG_DIAG_SQLSTATE)) != NULL) {
        const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
        copy_line(text, primary != NULL ? primary : "",
                  primary != NULL ? strlen(primary) : 0);
    }
    if (sent) {
        el_fail(
            err, EL_ERR_LOST, 0,
            "lost the connection to %s while a statement was running: %s. It may have "
            "been carried out; connect again and look",
            c->where, text);
    } else {
        el_fail(err, EL_ERR_CONNECT, 0,
                "the connection to %s is gone: %s. The statement was not sent; connect "
                "again",
                c->where, text);
    }
    if (state != NULL) {
        el_error_copy(err->sqlstate, sizeof err->sqlstate, state, 5);
    }
    return EL_FAIL;
}

/*
** libpq keeps no SQLSTATE for a connection that failed, but with verbose errors its
** message has it: `...:  28P01: text`, in every language.  `*rest` is the text after it.
*/
static bool find_state(char state[6], const char **rest, const char *message) {
    for (const char *p = message; (p = strstr(p, ":  ")) != NULL; p++) {
        size_t n = 0;
        while (n < 5 &&
               (isdigit((unsigned char)p[3 + n]) || isupper((unsigned char)p[3 + n]))) {
            n++;
        }
        if (n == 5 && p[8] == ':' && p[9] == ' ') {
            memcpy(state, p + 3, 5);
            state[5] = '\0';
            *rest = p + 10;
            return true;
        }
    }
    return false;
}

/*
** The line of libpq's message that says why.  Where it failed, which libpq says first,
** c->where says for us; of several hosts everything is told.
*/
static void copy_reason(char line[TEXT_SIZE], const char *message) {
    static const char prefix[] = "connection to server ", failed[] = " failed: ";
    const char *why = strstr(message, failed), *end = strchr(message, '\n');
    size_t n = strlen(message);
    if (strncmp(message, prefix, sizeof prefix - 1) == 0 && why != NULL && end != NULL &&
        why < end && strstr(end, prefix) == NULL) {
        message = why + sizeof failed - 1;
        n = (size_t)(end - message);
    }
    copy_line(line, message, n);
}

int el_pg_connect_error(el_error *err, const pg_conn *c, const PGconn *pg) {
    const char *message = PQerrorMessage(pg), *text = message;
    char line[TEXT_SIZE], state[6];
    if (find_state(state, &text, message)) {
        const char *end = strchr(text, '\n');
        copy_line(line, text, end != NULL ? (size_t)(end - text) : strlen(text));
        el_errkind kind = kind_of(state);
        const char *advice = "";
        if (strcmp(state, "08P01") == 0 && PQconnectionUsedPassword(pg)) {
            kind = EL_ERR_AUTH; /* PgBouncer's only code; here it had the password */
        }
        if (kind == EL_ERR_NOT_FOUND) {
            advice = "; create the database or correct its name";
        } else if (kind == EL_ERR_AUTH) {
            advice = "; check user, password and what the server's pg_hba.conf allows";
        } else if (kind != EL_ERR_UNSUPPORTED) {
            kind = EL_ERR_CONNECT; /* nothing has run on it yet */
        }
        if (el_fail(err, kind, 0, "%s refused the connection: %s%s", c->where, line,
                    advice) == EL_FAIL) {
            el_error_copy(err->sqlstate, sizeof err->sqlstate, state, 5);
        }
        return EL_FAIL;
    }
    if (PQconnectionNeedsPassword(pg)) {
        return el_fail(err, EL_ERR_AUTH, 0,
                       "%s asks for a password and none is set; set it and try again",
                       c->where);
    }
    copy_reason(line, message);
    return el_fail(err, EL_ERR_CONNECT, 0,
                   "cannot connect to %s: %s. Check that it runs and that host, port and "
                   "TLS settings are right",
                   c->where, line);
}
