/* SPDX-License-Identifier: MIT
**
** placeholder_fuzz.c - the scanner of placeholders, in all dialects.  What it says is
** held against what it says of its own output, and against two that count on their own:
** SQLite's parser and the PostgreSQL driver's count.  First byte: the dialect.
*/
#include "fuzz.h"

#include <sqlite3.h>

#include "pg.h"
#include "placeholder.h"

/* Nothing runs: not even the pragmas that run while they are compiled. */
static int only_reads(void *ud, int action, const char *a, const char *b, const char *c,
                      const char *d) {
    (void)ud, (void)a, (void)b, (void)c, (void)d;
    return action == SQLITE_SELECT || action == SQLITE_READ || action == SQLITE_FUNCTION
               ? SQLITE_OK
               : SQLITE_DENY;
}

static sqlite3 *database(void) {
    static sqlite3 *db;
    if (!db) {
        REQUIRE(sqlite3_open(":memory:", &db) == SQLITE_OK);
        REQUIRE(sqlite3_exec(db, "CREATE TABLE t(a, b)", NULL, NULL, NULL) == SQLITE_OK);
        sqlite3_set_authorizer(db, only_reads, NULL);
        sqlite3_limit(db, SQLITE_LIMIT_VARIABLE_NUMBER, EL_PLACEHOLDER_MAX);
    }
    return db;
}

/* Where SQLite understands the text, it sees as many placeholders. */
static void ask_sqlite(const el_placeholders *out) {
    sqlite3_stmt *stmt = NULL;
    const char *tail = NULL;
    sqlite3 *db = database();
    if (sqlite3_prepare_v2(db, out->sql, (int)out->len + 1, &stmt, &tail) == SQLITE_OK &&
        stmt && tail == out->sql + out->len) {
        REQUIRE((size_t)sqlite3_bind_parameter_count(stmt) == out->count);
    }
    sqlite3_finalize(stmt);
}

static void check_order(const el_placeholders *out, const char *sql, size_t n) {
    for (size_t i = 0; i < out->count; i++) {
        const el_placeholder *p = &out->order[i];
        if (out->style == EL_STYLE_NAMED) {
            REQUIRE(p->name > sql && p->name + p->namelen <= sql + n);
            REQUIRE(p->namelen > 0 && p->name[-1] == ':' && p->position == 0);
        } else {
            REQUIRE(!p->name && p->position == i + 1);
        }
    }
    REQUIRE((out->style == EL_STYLE_NONE) == (out->count == 0));
}

static void check_native(const el_placeholders *out, el_dialect dialect) {
    el_placeholders again;
    el_error err = {0};
    REQUIRE(el_placeholder_scan(&again, out->sql, out->len, dialect, &err) == EL_OK);
    REQUIRE(again.count == out->count && again.style != EL_STYLE_NAMED);
    REQUIRE(again.len == out->len && memcmp(again.sql, out->sql, out->len) == 0);
    el_placeholder_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const el_dialect dialects[] = {EL_DIALECT_SQLITE, EL_DIALECT_PG,
                                          EL_DIALECT_MYSQL};
    fuzz_input in = {data, data + size};
    el_dialect dialect = dialects[fuzz_byte(&in) % 3];
    size_t n = fuzz_left(&in);
    char *sql = fuzz_bytes(&in, &n);
    el_placeholders out;
    el_error err = {0};
    if (el_placeholder_scan(&out, sql, n, dialect, &err) == EL_OK) {
        REQUIRE(err.kind == EL_ERR_NONE && out.sql[out.len] == '\0');
        REQUIRE(strlen(out.sql) == out.len);
        check_order(&out, sql, n);
        /* `??` becomes the operator `?`, which a second scan takes for a value; and two
           names that touch become `??` */
        bool doubled = dialect == EL_DIALECT_PG ? memmem(sql, n, "??", 2) != NULL
                                                : strstr(out.sql, "??") != NULL;
        if (out.count == 0 && !doubled) {
            REQUIRE(out.len == n && (n == 0 || memcmp(out.sql, sql, n) == 0));
        }
        if (!doubled) {
            check_native(&out, dialect);
        }
        if (dialect == EL_DIALECT_PG) {
            REQUIRE((size_t)el_pg_count_params(out.sql) == out.count);
        } else if (dialect == EL_DIALECT_SQLITE) {
            ask_sqlite(&out);
        }
    } else {
        REQUIRE(err.kind == EL_ERR_SYNTAX || err.kind == EL_ERR_MISUSE);
        REQUIRE(!out.sql && !out.order && out.count == 0);
        REQUIRE(err.message[0] != '\0' && !strchr(err.message, '\n'));
    }
    el_placeholder_release(&out);
    free(sql);
    return 0;
}
