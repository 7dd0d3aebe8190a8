/* SPDX-License-Identifier: MIT
**
** sqlite_errors.c - what SQLite's result codes mean.  The kind comes from the code alone;
** SQLite's English is read only for details that exist nowhere else (names, SQLSTATE).
*/
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "sqlite.h"

/* {====== Reading SQL text ====== */

const char *el_sqlite_skip(const char *sql, const char *end) {
    while (sql < end) {
        if (*sql == ' ' || (*sql >= '\t' && *sql <= '\r')) {
            sql++;
        } else if (end - sql >= 2 && sql[0] == '-' && sql[1] == '-') {
            const char *line = memchr(sql, '\n', (size_t)(end - sql));
            sql = line ? line + 1 : end;
        } else if (end - sql >= 2 && sql[0] == '/' && sql[1] == '*') {
            const char *close = memmem(sql + 2, (size_t)(end - sql - 2), "*/", 2);
            sql = close ? close + 2 : end;
        } else {
            break;
        }
    }
    return sql;
}

static bool is_word_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

const char *el_sqlite_word(const char *sql, const char *end, char *out, size_t size) {
    sql = el_sqlite_skip(sql, end);
    size_t n = 0;
    if (sql < end && strchr("\"`[", *sql)) {
        char close = *sql == '[' ? ']' : *sql;
        for (sql++; sql < end; sql++) {
            if (*sql == close) {
                if (close == ']' || sql + 1 == end || sql[1] != close) {
                    sql++;
                    break;
                }
                sql++; /* a doubled quote is one */
            }
            if (n + 1 < size) {
                out[n++] = *sql;
            }
        }
    } else {
        for (; sql < end && is_word_char(*sql); sql++) {
            if (n + 1 < size) {
                out[n++] = *sql;
            }
        }
    }
    out[n] = '\0';
    return sql;
}

/* A name, perhaps behind the name of its database and a point. */
static const char *qualified_name(const char *sql, const char *end, char *out,
                                  size_t size) {
    sql = el_sqlite_word(sql, end, out, size);
    const char *point = el_sqlite_skip(sql, end);
    return point < end && *point == '.' ? el_sqlite_word(point + 1, end, out, size) : sql;
}

typedef enum verb {
    VERB_OTHER,
    VERB_INSERT,
    VERB_UPDATE,
    VERB_DELETE,
    VERB_READ, /* and WITH, whatever it does */
    VERB_SCHEMA,
    VERB_TRANSACTION
} verb;

static verb verb_of(const char *word) {
    static const struct {
        const char *word;
        verb verb;
    } verbs[] = {
        {"INSERT", VERB_INSERT},         {"REPLACE", VERB_INSERT},
        {"UPDATE", VERB_UPDATE},         {"DELETE", VERB_DELETE},
        {"SELECT", VERB_READ},           {"WITH", VERB_READ},
        {"VALUES", VERB_READ},           {"CREATE", VERB_SCHEMA},
        {"ALTER", VERB_SCHEMA},          {"DROP", VERB_SCHEMA},
        {"BEGIN", VERB_TRANSACTION},     {"COMMIT", VERB_TRANSACTION},
        {"END", VERB_TRANSACTION},       {"ROLLBACK", VERB_TRANSACTION},
        {"SAVEPOINT", VERB_TRANSACTION}, {"RELEASE", VERB_TRANSACTION},
    };
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcasecmp(word, verbs[i].word) == 0) {
            return verbs[i].verb;
        }
    }
    return VERB_OTHER;
}

/* What a statement does; for the three that write, to which table ("" otherwise). */
static verb read_statement(const char *sql, char *table, size_t size) {
    char word[32];
    *table = '\0';
    if (!sql) {
        return VERB_OTHER;
    }
    const char *end = sql + strlen(sql);
    const char *p = el_sqlite_word(sql, end, word, sizeof word);
    verb v = verb_of(word);
    if (v != VERB_INSERT && v != VERB_UPDATE && v != VERB_DELETE) {
        return v;
    }
    const char *next = el_sqlite_word(p, end, word, sizeof word);
    if (strcasecmp(word, "OR") == 0) { /* OR IGNORE, OR REPLACE .. */
        p = el_sqlite_word(next, end, word, sizeof word);
        next = el_sqlite_word(p, end, word, sizeof word);
    }
    if (v != VERB_UPDATE) {
        p = next; /* behind INTO or FROM */
    }
    qualified_name(p, end, table, size);
    return v;
}

/* }====== */

/* {====== Details from SQLite's text ====== */

static void set_field(char *field, size_t size, const char *text, size_t n) {
    el_error_copy(field, (unsigned)size, text, (unsigned)(n < size ? n : size));
}

#define SET_FIELD(err, name, text, n) set_field((err)->name, sizeof(err)->name, text, n)

static void set_state(el_error *err, const char *sqlstate) {
    SET_FIELD(err, sqlstate, sqlstate, strlen(sqlstate));
}

/* What stands behind `prefix`; NULL when the text begins with something else. */
static const char *after(const char *text, const char *prefix) {
    size_t n = strlen(prefix);
    return strncmp(text, prefix, n) == 0 ? text + n : NULL;
}

/* "users.first, users.last" into the table and "first, last". */
static void set_table_column(el_error *err, const char *detail) {
    const char *point = strchr(detail, '.');
    if (!point) {
        return;
    }
    size_t table = (size_t)(point - detail), n = 0;
    SET_FIELD(err, table, detail, table);
    char names[sizeof err->column * 2];
    for (const char *p = point + 1; *p && n + 1 < sizeof names; p++) {
        names[n++] = *p;
        if (p[0] == ',' && p[1] == ' ' && strncmp(p + 2, detail, table + 1) == 0) {
            p += 1 + table + 1; /* the next column's table, left out */
            if (n + 1 < sizeof names) {
                names[n++] = ' ';
            }
        }
    }
    SET_FIELD(err, column, names, n);
}

/* First row of a query about the schema; the caller finalizes, NULL when there is none.
 */
static sqlite3_stmt *ask_schema(sq_conn *c, const char *sql, const char *table,
                                const char *detail) {
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(c->db, sql, -1, &st, NULL) != SQLITE_OK) {
        return NULL;
    }
    sqlite3_bind_text(st, 1, table, -1, SQLITE_STATIC);
    if (detail) {
        sqlite3_bind_text(st, 2, detail, -1, SQLITE_STATIC);
    }
    if (sqlite3_step(st) != SQLITE_ROW) {
        sqlite3_finalize(st);
        return NULL;
    }
    return st;
}

static const char *text_column(sqlite3_stmt *st, int i) {
    const char *text = (const char *)sqlite3_column_text(st, i);
    return text ? text : "";
}

/* The unique index over the columns that "t.a, t.b" lists. */
static void set_unique_index(sq_conn *c, el_error *err, const char *detail) {
    sqlite3_stmt *st = ask_schema(
        c,
        "SELECT l.name FROM pragma_index_list(?1) l WHERE l.\"unique\" AND ?2 = "
        "(SELECT group_concat(?1 || '.' || i.name, ', ') FROM "
        "(SELECT name FROM pragma_index_info(l.name) ORDER BY seqno) i)",
        err->table, detail);
    if (st) {
        const char *name = text_column(st, 0);
        SET_FIELD(err, constraint, name, strlen(name));
        sqlite3_finalize(st);
    }
}

static int fail_unique(sq_conn *c, int code, const char *text, el_error *err) {
    const char *detail = after(text, "UNIQUE constraint failed: ");
    const char *index = detail ? after(detail, "index '") : NULL;
    if (index) {
        SET_FIELD(err, constraint, index, strcspn(index, "'"));
    } else if (detail) {
        set_table_column(err, detail);
        set_unique_index(c, err, detail);
        if (!*err->constraint && code != SQLITE_CONSTRAINT_UNIQUE) {
            SET_FIELD(err, constraint, "PRIMARY", 7);
        }
    }
    return el_fail(err, EL_ERR_UNIQUE, code,
                   "%s must be unique, and another row has the same value%s",
                   detail ? detail : "a key", detail && strchr(detail, ',') ? "s" : "");
}

/* The only foreign key of a table fills the column; `parent` gets the table it names. */
static bool only_foreign_key(sq_conn *c, el_error *err, char *parent, size_t size) {
    sqlite3_stmt *st = ask_schema(
        c, "SELECT count(*), \"from\", \"table\" FROM pragma_foreign_key_list(?1)",
        err->table, NULL);
    bool one = st && sqlite3_column_int(st, 0) == 1;
    if (one) {
        const char *from = text_column(st, 1);
        SET_FIELD(err, column, from, strlen(from));
        const char *table = text_column(st, 2);
        set_field(parent, size, table, strlen(table));
    }
    sqlite3_finalize(st);
    return one;
}

/* Finds a row that keeps the open transaction from its commit: a search through all that
** refers to others, for this error only. */
static bool missing_parent(sq_conn *c, el_error *err, char *parent, size_t size) {
    sqlite3_stmt *st = ask_schema(
        c,
        "SELECT v.\"table\", v.parent, group_concat(k.\"from\", ', ') "
        "FROM (SELECT * FROM pragma_foreign_key_check LIMIT 1) v "
        "JOIN pragma_foreign_key_list(v.\"table\") k ON k.id = v.fkid GROUP BY 1, 2",
        NULL, NULL);
    if (st) {
        const char *table = text_column(st, 0);
        SET_FIELD(err, table, table, strlen(table));
        const char *name = text_column(st, 1);
        set_field(parent, size, name, strlen(name));
        const char *from = text_column(st, 2);
        SET_FIELD(err, column, from, strlen(from));
    }
    sqlite3_finalize(st);
    return st != NULL;
}

static int fail_foreign_key(sq_conn *c, int code, const sq_failure *what, el_error *err) {
    char parent[128];
    verb v = read_statement(what->sql, err->table, sizeof err->table);
    if (v == VERB_TRANSACTION && missing_parent(c, err, parent, sizeof parent)) {
        return el_fail(err, EL_ERR_FOREIGN_KEY, code,
                       "the transaction can't be committed: %s.%s refers to a row of %s "
                       "that does not exist",
                       err->table, err->column, parent);
    }
    if (v == VERB_INSERT && only_foreign_key(c, err, parent, sizeof parent)) {
        return el_fail(err, EL_ERR_FOREIGN_KEY, code,
                       "%s.%s refers to a row of %s that does not exist", err->table,
                       err->column, parent);
    }
    if (v == VERB_INSERT) {
        return el_fail(err, EL_ERR_FOREIGN_KEY, code,
                       "a foreign key of %s refers to a row that does not exist",
                       err->table);
    }
    if (v == VERB_DELETE) {
        return el_fail(err, EL_ERR_FOREIGN_KEY, code,
                       "a row of %s can't be deleted while other rows refer to it by a "
                       "foreign key",
                       err->table);
    }
    return el_fail(
        err, EL_ERR_FOREIGN_KEY, code,
        "%s%s would leave a foreign key that refers to a row that does not exist",
        v == VERB_TRANSACTION ? "the commit" : "the change of ",
        v == VERB_TRANSACTION ? ""
        : *err->table         ? err->table
                              : "the rows");
}

static int fail_not_null(int code, const char *text, el_error *err) {
    const char *detail = after(text, "NOT NULL constraint failed: ");
    if (detail) {
        set_table_column(err, detail);
    }
    return el_fail(err, EL_ERR_NOT_NULL, code, "%s can't be NULL: give it a value",
                   detail ? detail : "a column");
}

static int fail_check(int code, const char *text, const sq_failure *what, el_error *err) {
    const char *detail = after(text, "CHECK constraint failed: ");
    read_statement(what->sql, err->table, sizeof err->table);
    if (detail) {
        SET_FIELD(err, constraint, detail, strlen(detail));
    }
    return el_fail(err, EL_ERR_CHECK, code, "the row breaks the check %s%s%s",
                   *err->constraint ? err->constraint : "constraint",
                   *err->table ? " of " : "", err->table);
}

static int fail_constraint(sq_conn *c, int code, const char *text, const sq_failure *what,
                           el_error *err) {
    switch (code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
        set_state(err, "23505");
        return fail_unique(c, code, text, err);
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        set_state(err, "23503");
        return fail_foreign_key(c, code, what, err);
    case SQLITE_CONSTRAINT_NOTNULL:
        set_state(err, "23502");
        return fail_not_null(code, text, err);
    case SQLITE_CONSTRAINT_CHECK:
        set_state(err, "23514");
        return fail_check(code, text, what, err);
    case SQLITE_CONSTRAINT_TRIGGER:
        /* RESTRICT is a trigger inside of SQLite; its words are all that tells so */
        if (strcmp(text, "FOREIGN KEY constraint failed") == 0) {
            set_state(err, "23503");
            return fail_foreign_key(c, code, what, err);
        }
        set_state(err, "45000");
        read_statement(what->sql, err->table, sizeof err->table);
        return el_fail(err, EL_ERR_CHECK, code, "a trigger refused it: %s", text);
    case SQLITE_CONSTRAINT_DATATYPE: {
        set_state(err, "22018");
        const char *column = strstr(text, "column ");
        if (column) {
            set_table_column(err, column + strlen("column "));
        }
        return el_fail(err, EL_ERR_VALUE, code, "%s (the table is STRICT)", text);
    }
    default:
        set_state(err, "23000");
        return el_fail(err, EL_ERR_OTHER, code, "%s", text);
    }
}

/* }====== */

/* {====== SQL that is wrong ====== */

/* The last part of a name like `main.users`, up to `stop`, without quotes around it. */
static void set_name(char *field, size_t size, const char *name, const char *stop) {
    size_t n = strcspn(name, stop);
    const char *point = memrchr(name, '.', n);
    if (point) {
        n -= (size_t)(point + 1 - name);
        name = point + 1;
    }
    if (n >= 2 && *name == '"' && name[n - 1] == '"') {
        name++;
        n -= 2;
    }
    set_field(field, size, name, n);
}

#define SET_NAME(err, field, name, stop)                                                 \
    set_name((err)->field, sizeof(err)->field, name, stop)

/* SQLSTATE and the name in question, as far as the text tells. */
static void set_syntax_details(el_error *err, const char *text) {
    const char *name, *more;
    if ((name = after(text, "no such column: "))) {
        set_state(err, "42703");
        SET_NAME(err, column, name, " ");
    } else if ((name = after(text, "table ")) &&
               (more = strstr(name, " has no column named "))) {
        set_state(err, "42703");
        SET_FIELD(err, table, name, (size_t)(more - name));
        SET_NAME(err, column, more + strlen(" has no column named "), "");
    } else if ((name = after(text, "no such table: "))) {
        set_state(err, "42P01");
        SET_NAME(err, table, name, "");
    } else if ((name = after(text, "table ")) &&
               (more = strstr(name, " already exists"))) {
        set_state(err, "42P07");
        SET_FIELD(err, table, name, (size_t)(more - name));
    } else if ((name = after(text, "ambiguous column name: "))) {
        set_state(err, "42702");
        SET_NAME(err, column, name, "");
    } else if (after(text, "no such function: ") || after(text, "wrong number of arg")) {
        set_state(err, "42883");
    } else {
        set_state(err, "42601");
    }
}

static int fail_syntax(int code, int offset, const char *text, const sq_failure *what,
                       el_error *err) {
    set_syntax_details(err, text);
    if (!what->sql || offset < 0 || (size_t)offset > strlen(what->sql)) {
        return el_fail(err, EL_ERR_SYNTAX, code, "%s", text);
    }
    int line = 1;
    const char *start = what->sql;
    for (const char *p = what->sql; p < what->sql + offset; p++) {
        if (*p == '\n') {
            line++;
            start = p + 1;
        }
    }
    int column = (int)(what->sql + offset - start) + 1;
    return el_fail(err, EL_ERR_SYNTAX, code, "%s, at line %d, column %d of the SQL", text,
                   line, column);
}

/* True when the text is wrong by now: something it names was dropped or renamed. */
static bool no_longer_compiles(sq_conn *c, const char *sql) {
    sqlite3_stmt *st = NULL;
    bool good = sqlite3_prepare_v2(c->db, sql, -1, &st, NULL) == SQLITE_OK;
    sqlite3_finalize(st);
    return !good;
}

/* Functions may quote their arguments in an error; what was bound must not be shown. */
static bool shows_value(const char *text, const sq_failure *what) {
    for (int i = 0; i < what->nargs; i++) {
        const el_value *v = &what->args[i];
        if (el_type_has_bytes(v->type) && v->u.s.n >= 3 &&
            memmem(text, strlen(text), v->u.s.p, v->u.s.n)) {
            return true;
        }
    }
    return false;
}

/* SQLITE_ERROR, which SQLite uses for whatever has no code of its own. */
static int fail_error(sq_conn *c, int code, int offset, const char *text,
                      const sq_failure *what, el_error *err) {
    char unused[4];
    verb v = read_statement(what->sql, unused, sizeof unused);
    if (!what->running || v == VERB_SCHEMA ||
        (what->sql && no_longer_compiles(c, what->sql))) {
        return fail_syntax(code, what->running ? -1 : offset, text, what, err);
    }
    if (v == VERB_TRANSACTION) {
        set_state(err, "25000");
        return el_fail(err, EL_ERR_MISUSE, code, "%s", text);
    }
    if (shows_value(text, what)) {
        text = "a function refused one of the bound values";
    }
    set_state(err, v == VERB_OTHER ? "HY000" : "22000");
    return el_fail(err, v == VERB_OTHER ? EL_ERR_OTHER : EL_ERR_VALUE, code, "%s", text);
}

/* }====== */

/* {====== Everything else ====== */

/* Codes with one meaning; an extended code before the primary code it belongs to. */
static const struct meaning {
    int code;
    el_errkind kind;
    char sqlstate[6];
    bool path; /* the message begins with the file's path */
    const char *message;
} meanings[] = {
    {SQLITE_BUSY_SNAPSHOT, EL_ERR_CONFLICT, "40001", true,
     "another connection wrote since this transaction began to read, so it can't write; "
     "run the transaction again"},
    {SQLITE_LOCKED, EL_ERR_BUSY, "55P03", true,
     "another statement of this program still uses that table; finish or close its "
     "cursor "
     "first"},
    {SQLITE_PROTOCOL, EL_ERR_BUSY, "55P03", true,
     "the locks of the write-ahead log could not be had; try again"},
    {SQLITE_INTERRUPT, EL_ERR_CANCELED, "57014", false, "the statement was canceled"},
    {SQLITE_ABORT, EL_ERR_MISUSE, "24000", false,
     "the rows can't be read further: the transaction was rolled back under them"},
    {SQLITE_TOOBIG, EL_ERR_VALUE, "54000", false,
     "a value or the SQL text is longer than SQLite allows (1,000,000,000 bytes as "
     "built)"},
    {SQLITE_MISMATCH, EL_ERR_VALUE, "22018", false,
     "a value has the wrong type: an INTEGER PRIMARY KEY takes integers only"},
    {SQLITE_RANGE, EL_ERR_VALUE, "07009", false,
     "a value was bound to a placeholder that the statement does not have"},
    {SQLITE_READONLY_DBMOVED, EL_ERR_OTHER, "58030", true,
     "the file was moved or deleted while it was open; open it again"},
    {SQLITE_READONLY_DIRECTORY, EL_ERR_OTHER, "58030", true,
     "the folder of the file can't be written, and SQLite keeps its journal there; make "
     "the folder writable"},
    {SQLITE_READONLY, EL_ERR_OTHER, "25006", true,
     "the file can't be written; give this user write permission on the file and its "
     "folder"},
    {SQLITE_FULL, EL_ERR_OTHER, "53100", true,
     "the disk is full; free space and try again"},
    {SQLITE_CORRUPT, EL_ERR_OTHER, "XX001", true,
     "the file is damaged; restore a backup, or save what can be read with sqlite3's "
     ".recover"},
    {SQLITE_NOTADB, EL_ERR_OTHER, "XX001", true,
     "the file is not an SQLite database (or it is encrypted); check the path"},
    {SQLITE_PERM, EL_ERR_OTHER, "42501", true, "access to the file was refused"},
    {SQLITE_AUTH, EL_ERR_OTHER, "42501", false, "the statement is not authorized"},
    {SQLITE_SCHEMA, EL_ERR_CONFLICT, "40001", false,
     "the schema kept changing while the statement ran; run it again"},
    {SQLITE_NOMEM, EL_ERR_NOMEM, "53200", false, "SQLite has not enough memory"},
    {SQLITE_MISUSE, EL_ERR_MISUSE, "HY010", false,
     "the statement or connection was used in a wrong order"},
};

static int fail_busy(sq_conn *c, int code, el_error *err) {
    if (atomic_load_explicit(&c->canceled, memory_order_relaxed)) {
        set_state(err, "57014");
        return el_fail(err, EL_ERR_CANCELED, code, "the statement was canceled");
    }
    set_state(err, "55P03");
    return el_fail(err, EL_ERR_BUSY, code,
                   "%s is locked by another connection, and it was not released in %g s; "
                   "end the other transaction, or raise busy_timeout",
                   c->path, c->busy_ms / 1000.0);
}

/* CANTOPEN and IOERR: the operating system knows more than SQLite's code says. */
static int fail_system(sq_conn *c, int code, int system, el_error *err) {
    bool open = (code & 0xFF) == SQLITE_CANTOPEN;
    set_state(err, c->opening ? "08001" : "58030");
    return el_fail(err, EL_ERR_OTHER, code,
                   "%s %s: %s; check that the file and its folder exist, %sthat this "
                   "user may read and write both",
                   open ? "can't open" : "can't read or write", c->path,
                   system ? strerror(system) : sqlite3_errstr(code),
                   open ? "and " : "that there is room for it, and ");
}

static int fail_by_code(sq_conn *c, int code, const char *text, el_error *err) {
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        const struct meaning *m = &meanings[i];
        if (m->code == code || m->code == (code & 0xFF)) {
            set_state(err, m->sqlstate);
            bool refused = c->read_only && (code & 0xFF) == SQLITE_READONLY;
            if (refused) {
                return el_fail(err, EL_ERR_UNSUPPORTED, code,
                               "%s was opened for reading only (mode=ro)", c->path);
            }
            return el_fail(err, m->kind, code, "%s%s%s", m->path ? c->path : "",
                           m->path ? ": " : "", m->message);
        }
    }
    set_state(err, "HY000");
    return el_fail(err, EL_ERR_OTHER, code, "%s", text);
}

int el_sqlite_fail(sq_conn *c, const sq_failure *what, el_error *err) {
    if (!err || err->kind != EL_ERR_NONE) {
        return EL_FAIL;
    }
    /* what is asked of the connection below replaces its last error */
    int code = sqlite3_extended_errcode(c->db);
    int system = sqlite3_system_errno(c->db);
    int offset = sqlite3_error_offset(c->db);
    char text[sizeof err->message];
    snprintf(text, sizeof text, "%s", sqlite3_errmsg(c->db));
    switch (code & 0xFF) {
    case SQLITE_ERROR:
        fail_error(c, code, offset, text, what, err);
        break;
    case SQLITE_CONSTRAINT:
        fail_constraint(c, code, text, what, err);
        break;
    case SQLITE_BUSY:
        if (code == SQLITE_BUSY_SNAPSHOT) {
            fail_by_code(c, code, text, err);
        } else {
            fail_busy(c, code, err);
        }
        break;
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
        fail_system(c, code, system, err);
        break;
    default:
        fail_by_code(c, code, text, err);
        break;
    }
    if (c->opening && (err->kind == EL_ERR_OTHER || err->kind == EL_ERR_UNSUPPORTED)) {
        err->kind = EL_ERR_CONNECT;
    }
    return EL_FAIL;
}

/* }====== */
