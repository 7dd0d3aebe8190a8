/* SPDX-License-Identifier: MIT
**
** mysql_support.h - what the specs of the MySQL/MariaDB driver share: the server named
** by EL_SPEC_MYSQL_*, and short ways to run a statement and look at what comes back.
*/
#ifndef EL_MYSQL_SUPPORT_H
#define EL_MYSQL_SUPPORT_H

#include <unistd.h>

#define SPEC_DRIVER "mysql"
#define SPEC_PREFIX "EL_SPEC_MYSQL_"
#define SPEC_KEYS "host", "port", "user", "password", "name"
#include "server_support.h"

/* The only cell of a query. */
static inline void assert_cell(el_conn *c, const char *sql, el_value expected) {
    el_stmt *s = prepare(c, sql, EL_STMT_ONCE);
    el_value v[MAX_VALUES];
    execute(s, NOARGS);
    assert_true(next_row(s, v));
    assert_value(&v[0], &expected, sql);
    assert_false(next_row(s, v));
    finalize(s);
}

static inline bool in_transaction(const el_conn *c) {
    return c->driver->txstate(c) == EL_TX_ACTIVE;
}

/* MariaDB tells Connector/C that a text is JSON or UUID, and libmysqlclient nothing. */
static inline bool knows_declared_types(const el_conn *c) {
    char line[500];
    bool found = strcmp(c->product, "mysql") == 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && !found && fgets(line, sizeof line, maps) != NULL) {
        found = strstr(line, "libmariadb") != NULL;
    }
    if (maps != NULL) {
        fclose(maps);
    }
    return found;
}

/* Ends the server's side of a connection and waits until it is gone. */
static inline void kill_link(int64_t id) {
    el_conn *admin = open_conn();
    char sql[160];
    snprintf(sql, sizeof sql, "KILL %lld", (long long)id);
    run(admin, sql, NOARGS);
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM information_schema.processlist WHERE id = %lld",
             (long long)id);
    for (int i = 0; i < 500 && scalar(admin, sql) > 0; i++) {
        usleep(10000);
    }
    assert_int_equal(scalar(admin, sql), 0);
    el_conn_release(admin);
}

/* Resident memory of this process, in KiB; 0 where the sanitizer keeps what is freed. */
static inline long resident(void) {
#if defined(__SANITIZE_ADDRESS__)
    return 0;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
    return 0;
#endif
#endif
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL || fscanf(f, "%*s %ld", &pages) != 1) {
        pages = 0;
    }
    if (f != NULL) {
        fclose(f);
    }
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

#endif
