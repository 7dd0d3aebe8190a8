/* SPDX-License-Identifier: MIT
**
** mysql_error.c - turns the errors of server and client library into el_error.  Kinds
** come from numbers; texts of the server are only read for names, because many of them
** quote the value that was refused.
*/
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mysql_driver.h"

/* {====== What the numbers mean ====== */

typedef enum my_style { /* where the text of the server has names; what we say */
                        STYLE_PLAIN,       /* the words of the table below */
                        STYLE_KEY,         /* ... for key 'name' */
                        STYLE_FOREIGN_KEY, /* (`db`.`table`, CONSTRAINT `name` FOREIGN KEY
                                              (`column`) ... */
                        STYLE_COLUMN,      /* 'column' is the first name */
                        STYLE_LAST_COLUMN, /* ... for column 'column' at row n */
                        STYLE_TABLE,       /* 'db.table' */
                        STYLE_CHECK, /* 'name', or CONSTRAINT `name` ... for `db`.`table`
                                      */
                        STYLE_NEAR,  /* ... near 'text' at line n */
                        STYLE_TEXT,  /* the server's own words, which have no values */
                        STYLE_LINK   /* about the connection: target and reason */
} my_style;

typedef struct my_meaning {
    unsigned code;
    el_errkind kind;
    my_style style;
    const char *sqlstate; /* the standard one where MySQL's differs, or NULL */
    const char *words;
} my_meaning;

#define UNKNOWN_TABLE EL_ERR_SYNTAX, STYLE_TABLE, "42P01"
#define WRONG_VALUE EL_ERR_VALUE, STYLE_LAST_COLUMN, NULL
#define REFUSED EL_ERR_AUTH, STYLE_LINK, NULL
#define UNREACHABLE EL_ERR_CONNECT, STYLE_LINK, NULL
#define BROKEN EL_ERR_LOST, STYLE_LINK, NULL

static const my_meaning meanings[] = {
    {1062, EL_ERR_UNIQUE, STYLE_KEY, "23505", ""},
    {1586, EL_ERR_UNIQUE, STYLE_KEY, "23505", ""},
    {1022, EL_ERR_UNIQUE, STYLE_PLAIN, "23505", "another row has the same key"},
    {1859, EL_ERR_UNIQUE, STYLE_KEY, "23505", ""},
    {1451, EL_ERR_FOREIGN_KEY, STYLE_FOREIGN_KEY, "23503",
     "other rows still refer to this row"},
    {1217, EL_ERR_FOREIGN_KEY, STYLE_PLAIN, "23503",
     "other rows still refer to this row"},
    {1452, EL_ERR_FOREIGN_KEY, STYLE_FOREIGN_KEY, "23503",
     "the row that it refers to does not exist"},
    {1216, EL_ERR_FOREIGN_KEY, STYLE_PLAIN, "23503",
     "the row that it refers to does not exist"},
    {1048, EL_ERR_NOT_NULL, STYLE_COLUMN, "23502", "needs a value, NULL was given"},
    {1263, EL_ERR_NOT_NULL, STYLE_LAST_COLUMN, "23502",
     "NULL was given where a value is "
     "needed"},
    {1364, EL_ERR_NOT_NULL, STYLE_COLUMN, "23502", "needs a value, none was given"},
    {3819, EL_ERR_CHECK, STYLE_CHECK, "23514", ""},
    {4025, EL_ERR_CHECK, STYLE_CHECK, "23514", ""},
    {1213, EL_ERR_CONFLICT, STYLE_PLAIN, "40001",
     "deadlock: the server rolled this transaction back, run it again"},
    {1614, EL_ERR_CONFLICT, STYLE_PLAIN, "40001",
     "deadlock: the server rolled this transaction back, run it again"},
    {1020, EL_ERR_CONFLICT, STYLE_PLAIN, "40001",
     "another transaction changed the row since it was read, run this one again"},
    {1205, EL_ERR_BUSY, STYLE_PLAIN, NULL,
     "another transaction holds a lock for too long (innodb_lock_wait_timeout); this "
     "statement was undone, the transaction still stands"},
    {3572, EL_ERR_BUSY, STYLE_PLAIN, NULL, "another transaction holds the lock"},
    {1317, EL_ERR_CANCELED, STYLE_PLAIN, NULL, "the statement was canceled"},
    {1028, EL_ERR_CANCELED, STYLE_PLAIN, NULL, "the statement was canceled"},
    {3024, EL_ERR_CANCELED, STYLE_PLAIN, NULL,
     "the statement ran longer than max_execution_time allows"},
    {1969, EL_ERR_CANCELED, STYLE_PLAIN, NULL,
     "the statement ran longer than max_statement_time allows"},
    {1064, EL_ERR_SYNTAX, STYLE_NEAR, "42601", ""},
    {1065, EL_ERR_SYNTAX, STYLE_PLAIN, "42601", "the statement is empty"},
    {1054, EL_ERR_SYNTAX, STYLE_COLUMN, "42703", "does not exist"},
    {1146, UNKNOWN_TABLE, "does not exist"},
    {1051, UNKNOWN_TABLE, "does not exist"},
    {1109, UNKNOWN_TABLE, "is not part of the statement"},
    {1050, EL_ERR_SYNTAX, STYLE_TABLE, "42P07", "exists already"},
    {1305, EL_ERR_SYNTAX, STYLE_TEXT, NULL, ""},
    {1136, EL_ERR_SYNTAX, STYLE_PLAIN, "42601",
     "the number of values is not the number of columns"},
    {1406, WRONG_VALUE, "the value is too long"},
    {1264, WRONG_VALUE, "the value is out of range"},
    {1265, WRONG_VALUE, "the value does not fit the type"},
    {1292, WRONG_VALUE, "the value has a wrong form"},
    {1366, WRONG_VALUE, "the value has a wrong form"},
    {1300, EL_ERR_VALUE, STYLE_PLAIN, "22021", "a text is not valid UTF-8"},
    {1365, EL_ERR_VALUE, STYLE_PLAIN, NULL, "division by zero"},
    {1690, EL_ERR_VALUE, STYLE_PLAIN, NULL, "a result is out of range"},
    {1411, EL_ERR_VALUE, STYLE_PLAIN, NULL, "a value has a wrong form for a function"},
    {1153, EL_ERR_VALUE, STYLE_PLAIN, NULL,
     "the statement is larger than the server takes (max_allowed_packet)"},
    {2020, EL_ERR_VALUE, STYLE_PLAIN, NULL,
     "the statement is larger than the server takes (max_allowed_packet)"},
    {3140, EL_ERR_VALUE, STYLE_PLAIN, NULL, "a value is not valid JSON"},
    {1390, EL_ERR_MISUSE, STYLE_PLAIN, NULL,
     "the statement has more than the 65535 placeholders that MySQL takes"},
    {1235, EL_ERR_UNSUPPORTED, STYLE_TEXT, NULL, ""},
    {1295, EL_ERR_UNSUPPORTED, STYLE_PLAIN, NULL,
     "the server does not take placeholders in this statement"},
    {1045, REFUSED, "the user name or the password is wrong"},
    {1698, REFUSED, "the user name or the password is wrong"},
    {1044, REFUSED, "the user may not use this database"},
    {1130, REFUSED, "the server takes no connections from this machine"},
    {1820, REFUSED, "the password has expired"},
    {1862, REFUSED, "the password has expired"},
    {3118, REFUSED, "the account is locked"},
    {4151, REFUSED, "the account is locked"},
    {3159, REFUSED, "the server takes encrypted connections only: set ssl_mode"},
    {1142, EL_ERR_AUTH, STYLE_TEXT, NULL, ""},
    {1143, EL_ERR_AUTH, STYLE_TEXT, NULL, ""},
    {1227, EL_ERR_AUTH, STYLE_TEXT, NULL, ""},
    {1049, EL_ERR_NOT_FOUND, STYLE_LINK, NULL, "the database does not exist there"},
    {1251, EL_ERR_UNSUPPORTED, STYLE_LINK, NULL,
     "the client library does not know the login method of this user"},
    {2059, EL_ERR_UNSUPPORTED, STYLE_LINK, NULL, ""},
    {2061, EL_ERR_UNSUPPORTED, STYLE_LINK, NULL, ""},
    {2002, UNREACHABLE, ""},
    {2003, UNREACHABLE, ""},
    {2004, UNREACHABLE, ""},
    {2005, UNREACHABLE, "the host name is unknown"},
    {2009, UNREACHABLE, "no MySQL server answers there"},
    {2012, UNREACHABLE, "the connection broke while it was made"},
    {2026, UNREACHABLE, ""},
    {1040, UNREACHABLE, "the server has too many connections"},
    {1203, UNREACHABLE, "this user has too many connections"},
    {1226, UNREACHABLE, "this user has reached a limit of the server"},
    {1129, UNREACHABLE, "the server blocks this machine after too many failures"},
    {2006, UNREACHABLE, "the connection was closed before the statement left"},
    {4031, UNREACHABLE, "the server closed the connection because it was idle"},
    {2013, BROKEN,
     "the connection broke while a statement ran; it may have taken effect"},
    {2055, BROKEN,
     "the connection broke while a statement ran; it may have taken effect"},
    {2027, BROKEN, "the answer of the server is damaged"},
    {1927, BROKEN, "the connection was killed; the statement may have taken effect"},
    {1053, BROKEN, "the server is shutting down"},
    {1158, BROKEN,
     "the connection broke while a statement ran; it may have taken effect"},
    {1159, BROKEN,
     "the connection broke while a statement ran; it may have taken effect"},
    {1160, BROKEN,
     "the connection broke while a statement ran; it may have taken effect"},
    {1161, BROKEN,
     "the connection broke while a statement ran; it may have taken effect"},
    {2008, EL_ERR_NOMEM, STYLE_PLAIN, NULL, "no memory"},
    {2014, EL_ERR_MISUSE, STYLE_PLAIN, NULL,
     "another result of this connection is not read to its end"},
    {1421, EL_ERR_OTHER, STYLE_PLAIN, NULL,
     "the server closed the stream of rows before its end"},
};

/* For the thousand others: what their SQLSTATE says. */
static my_meaning meaning_of_state(unsigned code, const char *state) {
    static const struct {
        char prefix[3];
        el_errkind kind;
        my_style style;
    } classes[] = {
        {"42", EL_ERR_SYNTAX, STYLE_TEXT}, {"22", EL_ERR_VALUE, STYLE_PLAIN},
        {"23", EL_ERR_CHECK, STYLE_PLAIN}, {"40", EL_ERR_CONFLICT, STYLE_PLAIN},
        {"28", EL_ERR_AUTH, STYLE_PLAIN},  {"08", EL_ERR_LOST, STYLE_LINK},
        {"45", EL_ERR_OTHER, STYLE_TEXT}, /* SIGNAL: the author's words */
    };
    my_meaning m = {code, EL_ERR_OTHER, STYLE_PLAIN, NULL, NULL};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (strncmp(state, classes[i].prefix, 2) == 0) {
            m.kind = classes[i].kind;
            m.style = classes[i].style;
        }
    }
    return m;
}

static my_meaning meaning_of(unsigned code, const char *state) {
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        if (meanings[i].code == code) {
            return meanings[i];
        }
    }
    return meaning_of_state(code, state);
}

/* }====== */

/* {====== Names in texts ====== */

typedef struct my_span {
    const char *p;
    size_t n;
} my_span;

static void put(char *field, unsigned size, my_span s) {
    el_error_copy(field, size, s.p, s.n < 0xFFFF ? (unsigned)s.n : 0xFFFFu);
}
#define PUT(field, span) put((field), sizeof(field), (span))

/* The name that starts at a quote, ' or `; empty when there is none. */
static my_span quoted(const char *p) {
    my_span none = {"", 0};
    if (!p || (*p != '\'' && *p != '`')) {
        return none;
    }
    const char *end = strchr(p + 1, *p);
    return end ? (my_span){p + 1, (size_t)(end - p - 1)} : none;
}

/* `a`.`b`.`c`: the last part, and *before is the one in front of it. */
static my_span last_part(const char *p, my_span *before) {
    my_span s = quoted(p);
    *before = (my_span){"", 0};
    while (s.n && s.p[s.n] == '`' && s.p[s.n + 1] == '.' && s.p[s.n + 2] == '`') {
        *before = s;
        s = quoted(s.p + s.n + 2);
    }
    return s;
}

/* "db.table" and "users.name": what follows the last dot. */
static my_span after_dot(my_span s) {
    const char *dot = memrchr(s.p, '.', s.n);
    return dot ? (my_span){dot + 1, s.n - (size_t)(dot + 1 - s.p)} : s;
}

static const char *last_match(const char *text, const char *what) {
    const char *found = NULL;
    for (const char *p = strstr(text, what); p; p = strstr(p + 1, what)) {
        found = p;
    }
    return found ? found + strlen(what) : NULL;
}

/* The value comes before the key, so the last " for key '" is the one meant. */
static void read_key(const char *text, el_error *err) {
    const char *start = last_match(text, "for key '");
    const char *end = start ? strrchr(start, '\'') : NULL;
    if (!end) {
        return;
    }
    my_span key = {start, (size_t)(end - start)};
    const char *dot = memchr(key.p, '.', key.n);
    size_t n = dot ? (size_t)(dot - key.p) : 0;
    if (dot && (!err->table[0] ||
                (strlen(err->table) == n && memcmp(key.p, err->table, n) == 0))) {
        /* MySQL 8.0.19 and later: table.key */
        PUT(err->table, ((my_span){key.p, n}));
        key = (my_span){dot + 1, key.n - n - 1};
    }
    PUT(err->constraint, key);
}

static void read_foreign_key(const char *text, el_error *err) {
    my_span schema;
    const char *p = strchr(text, '`');
    if (p) {
        PUT(err->table, last_part(p, &schema));
    }
    p = strstr(text, "CONSTRAINT `");
    if (p) {
        PUT(err->constraint, quoted(p + sizeof "CONSTRAINT"));
    }
    p = strstr(text, "FOREIGN KEY (`");
    if (p) {
        PUT(err->column, quoted(p + sizeof "FOREIGN KEY (" - 1));
    }
}

static void read_last_column(const char *text, el_error *err) {
    my_span table, column = {"", 0};
    const char *p = last_match(text, "column ");
    if (p && *p == '`') { /* MariaDB: `db`.`table`.`column` */
        column = last_part(p, &table);
        if (table.n) {
            PUT(err->table, table);
        }
    } else {
        column = quoted(p);
    }
    if (column.n) {
        PUT(err->column, column);
    }
}

static void read_check(const char *text, el_error *err) {
    my_span schema;
    const char *p = strstr(text, "CONSTRAINT `");
    if (!p) { /* MySQL: Check constraint 'name' is violated. */
        PUT(err->constraint, quoted(strchr(text, '\'')));
        return;
    }
    my_span table, name = last_part(p + sizeof "CONSTRAINT", &table);
    PUT(err->constraint, name);
    p = last_match(text, " for ");
    if (p && *p == '`') {
        PUT(err->table, last_part(p, &schema));
    }
    if (table.n) { /* `table`.`column`: the check of one column, named like it */
        PUT(err->column, name);
    }
}

static void read_names(const my_meaning *m, const char *text, el_error *err) {
    switch (m->style) {
    case STYLE_KEY:
        read_key(text, err);
        break;
    case STYLE_FOREIGN_KEY:
        read_foreign_key(text, err);
        break;
    case STYLE_COLUMN:
        PUT(err->column, after_dot(quoted(strchr(text, '\''))));
        break;
    case STYLE_LAST_COLUMN:
        read_last_column(text, err);
        break;
    case STYLE_TABLE:
        PUT(err->table, after_dot(quoted(strchr(text, '\''))));
        break;
    case STYLE_CHECK:
        read_check(text, err);
        break;
    case STYLE_PLAIN:
    case STYLE_NEAR:
    case STYLE_TEXT:
    case STYLE_LINK:
        break;
    }
}

/* }====== */

/* {====== Messages ====== */

typedef struct my_message {
    char text[sizeof((el_error *)0)->message];
    size_t n;
} my_message;

static void add(my_message *m, const char *fmt, ...) EL_PRINTF(2, 3);

static void add(my_message *m, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(m->text + m->n, sizeof m->text - m->n, fmt, args);
    va_end(args);
    m->n += n > 0 ? (size_t)n : 0;
    if (m->n >= sizeof m->text) {
        m->n = sizeof m->text - 1;
    }
}

/* " (column a of table t, key k)" of what is known. */
static void add_names(my_message *m, const el_error *err, const char *what) {
    const char *open = " (", *next = ", ";
    if (err->column[0]) {
        add(m, "%scolumn %s", open, err->column);
        open = next;
    }
    if (err->table[0]) {
        add(m, "%stable %s", open, err->table);
        open = next;
    }
    if (err->constraint[0]) {
        add(m, "%s%s %s", open, what, err->constraint);
        open = next;
    }
    add(m, "%s", open == next ? ")" : "");
}

/* The server's text without what stands between its first and last quote. */
static void add_redacted(my_message *m, const char *text) {
    const char *first = strpbrk(text, "'\"");
    if (!first) {
        add(m, "%s", text);
        return;
    }
    const char *last = text + strlen(text);
    while (last > first && *last != '\'' && *last != '"') {
        last--;
    }
    add(m, "%.*s'...'%s", (int)(first - text), text,
        last + (last > first ? 1 : strlen(last)));
}

/* The text at which the parser stopped: placeholders stand in it, not their values. */
static void add_near(my_message *m, const char *text) {
    const char *near = strstr(text, " near '");
    const char *line = near ? last_match(near, "' at line ") : NULL;
    if (!line) {
        add(m, "syntax error");
        return;
    }
    near += sizeof " near '" - 1;
    size_t n = (size_t)(line - near) - (sizeof "' at line " - 1);
    if (n == 0) {
        add(m, "syntax error at the end of the statement");
    } else {
        add(m, "syntax error at line %ld near '%.*s%s'", strtol(line, NULL, 10),
            n > 60 ? 60 : (int)n, near, n > 60 ? "..." : "");
    }
}

/* "Can't connect to server on 'host' (111)": what the number means.  Connector/C looks
** too early and finds EINPROGRESS, so that the reason is lost. */
static const char *system_reason(const char *text) {
    const char *open = strrchr(text, '(');
    int code =
        open && isdigit((unsigned char)open[1]) ? (int)strtol(open + 1, NULL, 10) : 0;
    if (code == EINPROGRESS) {
        return "connection refused, or host not reachable";
    }
    return code ? strerror(code) : "no answer";
}

static void add_link(my_message *m, const my_conn *c, const my_meaning *meaning,
                     const char *text) {
    char target[200];
    el_my_target(c, target, sizeof target);
    const char *user = c->settings[MY_USER] ? c->settings[MY_USER] : "";
    switch (meaning->code) {
    case 2002:
    case 2003:
    case 2004:
        add(m, "cannot connect to MySQL at %s: %s; is the server running there?", target,
            system_reason(text));
        return;
    case 2026:
        add(m, "no encrypted connection to MySQL at %s: %s%s", target, text,
            MY_LIBMARIADB && c->tls == MY_TLS_VERIFY_CA
                ? " (with verify-ca this client library checks the host name, too)"
                : "");
        return;
    case 2059:
    case 2061:
        add(m,
            "cannot log in to MySQL at %s: the client library lacks a login plugin (%s); "
            "install the plugins of %s, or set MARIADB_PLUGIN_DIR or LIBMYSQL_PLUGIN_DIR",
            target, text, MY_LIBMARIADB ? "libmariadb3" : "libmysqlclient");
        return;
    case 1049:
        add(m, "MySQL at %s has no database %s: create it, or correct the name", target,
            c->settings[MY_NAME] ? c->settings[MY_NAME] : "of that name");
        return;
    default:
        if (meaning->kind == EL_ERR_AUTH) {
            add(m, "MySQL at %s refused user '%s'%s: %s", target, user,
                c->settings[MY_PASSWORD] ? "" : " (without a password)", meaning->words);
        } else {
            add(m, "MySQL at %s: %s", target, meaning->words ? meaning->words : text);
        }
    }
}

static void compose(my_message *m, const my_conn *c, const my_meaning *meaning,
                    const char *text, const el_error *names) {
    const char *words = meaning->words;
    switch (meaning->style) {
    case STYLE_KEY:
        add(m, "another row has the same value%s in a unique key",
            strchr(names->column, ',') ? "s" : "");
        add_names(m, names, "key");
        break;
    case STYLE_FOREIGN_KEY:
        add(m, "%s", words);
        add_names(m, names, "foreign key");
        break;
    case STYLE_CHECK:
        add(m, "the values do not pass a check");
        add_names(m, names, "check");
        break;
    case STYLE_COLUMN:
        add(m, "column %s%s%s %s", names->column, names->table[0] ? " of " : "",
            names->table, words);
        break;
    case STYLE_TABLE:
        add(m, "table %s %s", names->table, words);
        break;
    case STYLE_LAST_COLUMN:
        add(m, "%s", words);
        add_names(m, names, "");
        break;
    case STYLE_NEAR:
        add_near(m, text);
        break;
    case STYLE_TEXT:
        add(m, "%s", text);
        break;
    case STYLE_LINK:
        add_link(m, c, meaning, text);
        break;
    case STYLE_PLAIN:
        if (words) {
            add(m, "%s", words);
        } else {
            add_redacted(m, text);
        }
        break;
    }
}

/* }====== */

/* {====== Asking the server ====== */

/* The columns of a unique key, "a, b".  A key that the table does not have means that
** the statement writes several tables, and its first is not the one meant. */
static void find_key_columns(MYSQL *link, const char *schema, el_error *err) {
    char name[3][2 * sizeof err->table + 1];
    const char *parts[] = {schema, err->table, err->constraint};
    for (int i = 0; i < 3; i++) {
        mysql_real_escape_string(link, name[i], parts[i],
                                 (unsigned long)strlen(parts[i]));
    }
    char sql[1200];
    int n =
        snprintf(sql, sizeof sql,
                 "SELECT group_concat(column_name ORDER BY seq_in_index SEPARATOR ', ') "
                 "FROM information_schema.statistics WHERE table_schema = %s%s%s "
                 "AND table_name = '%s' AND index_name = '%s'",
                 *schema ? "'" : "", *schema ? name[0] : "database()", *schema ? "'" : "",
                 name[1], name[2]);
    if (n < 0 || (size_t)n >= sizeof sql ||
        mysql_real_query(link, sql, (unsigned long)n) != 0) {
        return;
    }
    MYSQL_RES *result = mysql_store_result(link);
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    if (row && row[0]) {
        PUT(err->column, ((my_span){row[0], strlen(row[0])}));
    } else if (row) {
        err->table[0] = '\0';
    }
    if (result) {
        mysql_free_result(result);
    }
}

/* Some errors roll back, and a failed DDL has committed, but an error carries no word of
** it: a short statement brings the truth for txstate. */
static void refresh_status(MYSQL *link) {
    if (link->server_status & SERVER_STATUS_IN_TRANS) {
        mysql_real_query(link, "DO 0", 4);
    }
}

/* }====== */

static bool ends_link(unsigned code) {
    static const unsigned codes[] = {2006, 2013, 2055, 2027, 1927, 1053,
                                     1153, 4031, 1158, 1159, 1160, 1161};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (codes[i] == code) {
            return true;
        }
    }
    return false;
}

typedef struct my_failure { /* copied: asking the server overwrites it */
    unsigned code;
    char state[6];
    char text[MYSQL_ERRMSG_SIZE];
} my_failure;

static int report(my_conn *c, MYSQL *link, const my_failure *f, const char *sql,
                  size_t len, el_error *err) {
    el_error names = {0};
    my_message m = {"", 0};
    my_meaning meaning = meaning_of(f->code, f->state);
    char schema[sizeof names.table] = "";
    bool lost = ends_link(f->code);
    if (lost && link != c->link) { /* it never was one */
        meaning.kind = EL_ERR_CONNECT;
        meaning.words = "no answer within connect_timeout, or the server closed the "
                        "connection while it was made";
    }
    if (lost && link == c->link) {
        c->base.open = false;
    }
    if (meaning.kind >= EL_ERR_UNIQUE && meaning.kind <= EL_ERR_VALUE) {
        el_my_table(sql, len, schema, names.table, sizeof names.table);
    }
    read_names(&meaning, f->text, &names);
    if (!lost && link == c->link && c->base.open && !c->unread) {
        if (meaning.style == STYLE_KEY && names.table[0] && names.constraint[0]) {
            find_key_columns(link, schema, &names);
        }
        refresh_status(link);
    }
    compose(&m, c, &meaning, f->text, &names);
    bool first = err && err->kind == EL_ERR_NONE;
    el_fail(err, meaning.kind, (int)f->code, "%s", m.text);
    if (first) {
        const char *state = meaning.sqlstate ? meaning.sqlstate : f->state;
        PUT(err->sqlstate, ((my_span){state, strlen(state)}));
        memcpy(err->table, names.table, sizeof err->table);
        memcpy(err->column, names.column, sizeof err->column);
        memcpy(err->constraint, names.constraint, sizeof err->constraint);
    }
    return EL_FAIL;
}

static void keep(my_failure *f, unsigned code, const char *state, const char *text) {
    /* Connector/C reports its own missing plugin with the server's number for a wrong
       password; its texts are never translated */
    bool plugin = MY_LIBMARIADB && code == 1045 && strncmp(text, "Plugin ", 7) == 0;
    f->code = plugin ? 2059 : code;
    snprintf(f->state, sizeof f->state, "%s", state);
    snprintf(f->text, sizeof f->text, "%s", text);
}

/* Connector/C calls it a TLS error when an encrypted link breaks. */
static unsigned broken(const my_conn *c, const MYSQL *link, unsigned code) {
    return code == 2026 && link == c->link ? 2013 : code;
}

int el_my_fail(my_conn *c, MYSQL *link, const char *sql, size_t len, el_error *err) {
    my_failure f;
    keep(&f, broken(c, link, mysql_errno(link)), mysql_sqlstate(link), mysql_error(link));
    return report(c, link, &f, sql, len, err);
}

int el_my_fail_stmt(my_stmt *s, el_error *err) {
    my_failure f;
    my_conn *c = (my_conn *)s->base.conn;
    keep(&f, broken(c, c->link, mysql_stmt_errno(s->handle)),
         mysql_stmt_sqlstate(s->handle), mysql_stmt_error(s->handle));
    return report(c, c->link, &f, s->sql, s->len, err);
}
