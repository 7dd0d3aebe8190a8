/* SPDX-License-Identifier: MIT
**
** resolver_spec.c - from variables to connections: selectors, names, precedence, roles,
** twins that never reach the app's database, refusals that name the variable.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "resolver.h"
#include "target.h"

/* {====== An environment ====== */

enum { VARIABLES = 32 };

static char variables[VARIABLES][2][256];
static size_t count;

static const char *get(void *ud, const char *key) {
    (void)ud;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(variables[i][0], key) == 0) {
            return variables[i][1];
        }
    }
    return NULL;
}

static const el_resolver resolver = {el_builtin_definitions, get, NULL};

/* The environment is exactly "A=1 B=two": pairs apart by one blank. */
static void set(const char *pairs) {
    count = 0;
    while (*pairs) {
        size_t n = strcspn(pairs, " "), key = strcspn(pairs, "=");
        assert_true(count < VARIABLES && key < n && n < 256);
        snprintf(variables[count][0], 256, "%.*s", (int)key, pairs);
        snprintf(variables[count++][1], 256, "%.*s", (int)(n - key - 1), pairs + key + 1);
        pairs += n + (pairs[n] == ' ');
    }
}

static void set_one(const char *key, const char *value) {
    count = 1;
    snprintf(variables[0][0], 256, "%s", key);
    snprintf(variables[0][1], 256, "%s", value);
}

/* }====== */

/* {====== Checks ====== */

static const char *option(const el_resolved *c, const char *key) {
    for (size_t i = 0; i < c->count; i++) {
        if (strcmp(c->options[i].key, key) == 0) {
            return c->options[i].value;
        }
    }
    return "";
}

static const char *source(const el_resolved *c, const char *key) {
    for (size_t i = 0; i < c->count; i++) {
        if (strcmp(c->options[i].key, key) == 0) {
            return c->source[i];
        }
    }
    return "";
}

static void resolve(el_resolved *c, const char *name) {
    el_error err = {0};
    if (el_resolver_connection(c, &resolver, name, &err) != EL_OK) {
        fail_msg("%s: %s", name, err.message);
    }
    assert_null(c->options[c->count].key);
}

/* One option of a connection in an environment. */
static void check(const char *pairs, const char *name, const char *key,
                  const char *value) {
    el_resolved c;
    set(pairs);
    resolve(&c, name);
    if (strcmp(option(&c, key), value) != 0) {
        fail_msg("%s: %s.%s is \"%s\"", pairs, name, key, option(&c, key));
    }
    el_resolved_release(&c);
}

static void check_target(const char *pairs, const char *name, const char *target) {
    el_resolved c;
    set(pairs);
    resolve(&c, name);
    assert_string_equal(c.target, target);
    el_resolved_release(&c);
}

static void check_refused(const char *pairs, const char *name, const char *message) {
    el_resolved c;
    el_error err = {0};
    set(pairs);
    if (el_resolver_connection(&c, &resolver, name, &err) == EL_OK) {
        fail_msg("%s: %s resolved to %s", pairs, name, c.target);
    }
    if (!strstr(err.message, message)) {
        fail_msg("%s: %s", pairs, err.message);
    }
    assert_int_equal(err.kind, EL_ERR_MISUSE);
    assert_null(strstr(err.message, "secret"));
    assert_int_equal(c.count, 0);
}

static void check_default(const char *key, const char *value, bool test,
                          const char *name) {
    char found[EL_NAME_SIZE];
    el_error err = {0};
    set_one(key, value);
    if (el_resolver_default(found, &resolver, test, &err) != EL_OK) {
        fail_msg("%s=%s: %s", key, value, err.message);
    }
    assert_string_equal(found, name);
}

static void check_no_default(const char *key, const char *value, bool test,
                             const char *message) {
    char found[EL_NAME_SIZE];
    el_error err = {0};
    set_one(key, value);
    assert_int_equal(el_resolver_default(found, &resolver, test, &err), EL_FAIL);
    if (!strstr(err.message, message)) {
        fail_msg("%s=%s: %s", key, value, err.message);
    }
    assert_null(strstr(err.message, "secret"));
}

/* }====== */

/* {====== Selectors and names ====== */

static void finds_the_default(void **state) {
    (void)state;
    check_default("X", "", false, "sqlite");
    check_default("X", "", true, "sqlite_test");
    check_default("DB_CONNECTION", "", false, "sqlite");
    check_default("DB_CONNECTION", "  ", false, "sqlite");
    check_default("DB_CONNECTION", "pg", false, "pg");
    check_default("DB_CONNECTION", " mongo\r\n", false, "mongo");
    check_default("DB_CONNECTION", "mysql", true, "mysql_test");
    check_default("DB_CONNECTION", "pg_test", true, "pg_test");
    check_default("DB_TEST_CONNECTION", "pg_test", true, "pg_test");
    check_default("DB_TEST_CONNECTION", "pg_test", false, "sqlite");
    check_default("DB_MYSQL_CONNECTION", "mysql", false, "sqlite");
}

static void refuses_a_bad_default(void **state) {
    (void)state;
    check_no_default(
        "DB_CONNECTION", "mysql,pg", false,
        "DB_CONNECTION is \"mysql,pg\"; it takes ONE name, the default "
        "connection. Keep one of them, and pin a model to another one in its "
        "definition: connectionName = \"pg\"");
    check_no_default("DB_CONNECTION", "mysql, pg", true, "it takes ONE name");
    check_no_default("DB_CONNECTION", "mysql pg", false, "it takes ONE name");
    check_no_default("DB_CONNECTION", "mysql;pg", false, "it takes ONE name");
    check_no_default("DB_CONNECTION", "mysql,", false, "it takes ONE name");
    check_no_default("DB_CONNECTION", "postgres", false,
                     "DB_CONNECTION: there is no connection \"postgres\"; did you mean "
                     "'pg'? Known: mysql, pg, sqlite, mongo, mysql_test, pg_test, "
                     "sqlite_test, mongo_test");
    check_no_default("DB_CONNECTION", "oracle", false,
                     "DB_CONNECTION: there is no connection \"oracle\". Known: mysql");
    check_no_default("DB_CONNECTION", "MySQL", false, "\"MySQL\"; did you mean 'mysql'?");
    check_no_default("DB_CONNECTION", "postgres://me:secret@host/db", false,
                     "DB_CONNECTION holds a URL");
    check_no_default("DB_CONNECTION", "secret\"'\\", false,
                     "there is no connection \"(not shown)\"");
    check_no_default(
        "DB_CONNECTION",
        "secret567890123456789012345678901234567890123456789012345678901234567", false,
        "there is no connection \"(not shown)\"");
    check_no_default(
        "DB_TEST_CONNECTION", "mysql", true,
        "DB_TEST_CONNECTION is \"mysql\", a connection of the app; tests run on "
        "mysql_test only");
    check_no_default(
        "DB_TEST_CONNECTION", "pg_tst", true,
        "DB_TEST_CONNECTION: there is no connection \"pg_tst\"; did you mean "
        "'pg_test'?");
}

static void guesses_names(void **state) {
    (void)state;
    static const char *const list[][2] = {
        {"postgres", "pg"},
        {"PostgreSQL", "pg"},
        {"pgsql", "pg"},
        {"psql", "pg"},
        {"pq", "pg"},
        {"mariadb", "mysql"},
        {"postgres_test", "pg_test"},
        {"mysqll", "mysql"},
        {"myslq", "mysql"},
        {"sqlite3", "sqlite"},
        {"sqllite", "sqlite"},
        {"sqlite3_test", "sqlite_test"},
        {"mongodb", "mongo"},
        {"mogno", "mongo"},
        {"mysql-test", "mysql_test"},
        {"oracle", NULL},
        {"", NULL},
        {"default", NULL},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        char name[EL_NAME_SIZE] = "";
        bool found = el_resolver_nearest(name, &resolver, list[i][0]);
        if (found != (list[i][1] != NULL) || (found && strcmp(name, list[i][1]) != 0)) {
            fail_msg("%s: %s", list[i][0], found ? name : "nothing");
        }
    }
}

static void knows_names_and_twins(void **state) {
    (void)state;
    static const char *const names[] = {"mysql",       "pg",         "sqlite",
                                        "mongo",       "mysql_test", "pg_test",
                                        "sqlite_test", "mongo_test"};
    char name[EL_NAME_SIZE];
    el_error err = {0};
    for (size_t i = 0; i < 8; i++) {
        assert_true(el_resolver_name(name, &resolver, i));
        assert_string_equal(name, names[i]);
        assert_int_equal(el_resolver_twin(name, &resolver, names[i], &err), EL_OK);
        assert_string_equal(name, names[4 + i % 4]);
    }
    assert_false(el_resolver_name(name, &resolver, 8));
    static const char *const unknown[] = {"",  "p", "pgx", "pg_", "_test", "pg_test_test",
                                          "PG"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        err = (el_error){0};
        assert_int_equal(el_resolver_twin(name, &resolver, unknown[i], &err), EL_FAIL);
        assert_non_null(strstr(err.message, "there is no connection \""));
        check_refused("", unknown[i], "there is no connection \"");
    }
}

static void takes_other_definitions(void **state) {
    (void)state;
    static const el_definition more[] = {
        {"reporting", "pg", "REPORTING"}, {"odd", "dbase", "ODD"}, {NULL, NULL, NULL}};
    el_resolver r = {more, get, NULL};
    el_resolved c;
    el_error err = {0};
    set("REPORTING_HOST=h REPORTING_TEST_HOST=t");
    assert_int_equal(el_resolver_connection(&c, &r, "reporting_test", &err), EL_OK);
    assert_string_equal(c.target, "t:5432/eloquent_app_test");
    assert_string_equal(c.driver, "pg");
    el_resolved_release(&c);
    assert_int_equal(el_resolver_connection(&c, &r, "pg", &err), EL_FAIL);
    err = (el_error){0};
    assert_int_equal(el_resolver_connection(&c, &r, "odd", &err), EL_FAIL);
    assert_non_null(strstr(err.message, "connection odd wants driver \"dbase\""));
}

static void reads_role_and_app_env(void **state) {
    (void)state;
    static const struct {
        const char *value;
        int role; /* -1: refused */
    } roles[] = {{"", 0},          {" ", 0},         {"runtime", 0},
                 {" Runtime ", 0}, {"MIGRATION", 1}, {"migration\r\n", 1},
                 {"migrate", -1},  {"x y", -1}};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        el_role role;
        el_error err = {0};
        set_one("ELOQUENT_DB_ROLE", roles[i].value);
        int rc = el_resolver_role(&role, &resolver, &err);
        assert_int_equal(rc, roles[i].role < 0 ? EL_FAIL : EL_OK);
        if (rc == EL_OK) {
            assert_int_equal(role, roles[i].role);
        } else {
            assert_non_null(strstr(err.message, "it takes one of: runtime, migration"));
        }
    }
    check_refused("ELOQUENT_DB_ROLE=root", "pg", "ELOQUENT_DB_ROLE is \"root\"");
    assert_string_equal(el_role_name(EL_ROLE_MIGRATION), "migration");
    const char *app;
    el_error err = {0};
    set("");
    assert_int_equal(el_resolver_app_env(&app, &resolver, &err), EL_OK);
    assert_string_equal(app, "development");
    set("APP_ENV=Production");
    assert_int_equal(el_resolver_app_env(&app, &resolver, &err), EL_OK);
    assert_string_equal(app, "production");
    set("APP_ENV=prod");
    assert_int_equal(el_resolver_app_env(&app, &resolver, &err), EL_FAIL);
    assert_non_null(strstr(err.message,
                           "APP_ENV is \"prod\"; it takes one of: development, "
                           "staging, production"));
}

static void lists_ignored_selectors(void **state) {
    (void)state;
    set("DB_MONGO_CONNECTION=mongo DB_PG_CONNECTION= DB_MYSQL_CONNECTION=mysql");
    assert_string_equal(el_resolver_ignored(&resolver, 0), "DB_MYSQL_CONNECTION");
    assert_string_equal(el_resolver_ignored(&resolver, 1), "DB_MONGO_CONNECTION");
    assert_null(el_resolver_ignored(&resolver, 2));
    set("DB_CONNECTION=pg");
    assert_null(el_resolver_ignored(&resolver, 0));
}

/* }====== */

/* {====== Options ====== */

static void has_defaults(void **state) {
    (void)state;
    check_target("", "mysql", "127.0.0.1:3306/eloquent_app");
    check_target("", "pg", "127.0.0.1:5432/eloquent_app");
    check_target("", "sqlite", "./storage/app.sqlite");
    check_target("", "mongo", "127.0.0.1:27017/eloquent_app");
    check_target("", "mysql_test", "127.0.0.1:3306/eloquent_app_test");
    check_target("", "pg_test", "127.0.0.1:5432/eloquent_app_test");
    check_target("", "sqlite_test", "./storage/app_test.sqlite");
    check_target("", "mongo_test", "127.0.0.1:27017/eloquent_app_test");
    check("", "mysql", "user", "root");
    check("", "pg", "user", "postgres");
    check("", "pg", "password", "");
    check("", "mysql", "socket", "");
    check("", "sqlite", "journal_mode", "wal");
    check("", "sqlite", "synchronous", "normal");
    check("", "sqlite", "busy_timeout", "5");
    check("", "sqlite", "foreign_keys", "on");
}

static void describes_a_connection(void **state) {
    (void)state;
    el_resolved c;
    set("MONGO_DB=x PG_PASSWORD=secret PG_PORT=1 PG_TEST_USER=u");
    resolve(&c, "mongo");
    assert_string_equal(c.name, "mongo");
    assert_string_equal(c.driver, "mongo");
    assert_true(c.documents);
    assert_false(c.test);
    assert_true(c.secret[0]);
    el_resolved_release(&c);
    assert_int_equal(c.count, 0);
    resolve(&c, "pg_test");
    assert_string_equal(c.name, "pg_test");
    assert_string_equal(c.driver, "pg");
    assert_false(c.documents);
    assert_true(c.test);
    assert_string_equal(source(&c, "host"), "default");
    assert_string_equal(source(&c, "port"), "PG_PORT");
    assert_string_equal(source(&c, "user"), "PG_TEST_USER");
    assert_string_equal(source(&c, "password"), "PG_PASSWORD");
    assert_string_equal(source(&c, "name"), "default with _test");
    for (size_t i = 0; i < c.count; i++) {
        assert_int_equal(c.secret[i], strcmp(c.options[i].key, "password") == 0);
    }
    el_resolved_release(&c);
}

static void reads_every_setting(void **state) {
    (void)state;
    static const char *const list[][3] = {
        {"mysql", "DB_HOST", "host"},
        {"mysql", "DB_USER", "user"},
        {"mysql", "DB_PASSWORD", "password"},
        {"mysql", "DB_NAME", "name"},
        {"mysql", "DB_SOCKET", "socket"},
        {"mysql", "DB_CONNECT_TIMEOUT", "connect_timeout"},
        {"mysql", "DB_SSL_MODE", "ssl_mode"},
        {"mysql", "DB_SSL_CA", "ssl_ca"},
        {"mysql", "DB_SSL_CAPATH", "ssl_capath"},
        {"mysql", "DB_SSL_CERT", "ssl_cert"},
        {"mysql", "DB_SSL_KEY", "ssl_key"},
        {"mysql", "DB_SSL_CIPHER", "ssl_cipher"},
        {"mysql_test", "DB_TEST_SSL_MODE", "ssl_mode"},
        {"mysql_test", "DB_SSL_CA", "ssl_ca"},
        {"mysql", "DB_RUNTIME_SSL_KEY", "ssl_key"},
        {"pg", "PG_HOST", "host"},
        {"pg", "PG_USER", "user"},
        {"pg", "PG_PASSWORD", "password"},
        {"pg", "PG_NAME", "name"},
        {"pg", "PG_DB_NAME", "name"},
        {"pg", "PG_RUNTIME_DB_NAME", "name"},
        {"pg_test", "PG_TEST_DB_NAME", "name"},
        {"pg", "PG_CONNECT_TIMEOUT", "connect_timeout"},
        {"pg", "PG_SSLMODE", "sslmode"},
        {"pg", "PG_SSLROOTCERT", "sslrootcert"},
        {"pg", "PG_SSLCERT", "sslcert"},
        {"pg", "PG_SSLKEY", "sslkey"},
        {"pg", "PG_SSLPASSWORD", "sslpassword"},
        {"pg", "PG_SSLCRL", "sslcrl"},
        {"pg", "PG_SSL_MIN_PROTOCOL_VERSION", "ssl_min_protocol_version"},
        {"pg", "PG_CHANNEL_BINDING", "channel_binding"},
        {"pg", "PG_TARGET_SESSION_ATTRS", "target_session_attrs"},
        {"pg_test", "PG_TEST_SSLMODE", "sslmode"},
        {"pg_test", "PG_SSLMODE", "sslmode"},
        {"sqlite", "SQLITE_PATH", "path"},
        {"sqlite", "SQLITE_RUNTIME_PATH", "path"},
        {"sqlite", "SQLITE_JOURNAL_MODE", "journal_mode"},
        {"sqlite", "SQLITE_SYNCHRONOUS", "synchronous"},
        {"sqlite", "SQLITE_BUSY_TIMEOUT", "busy_timeout"},
        {"sqlite", "SQLITE_FOREIGN_KEYS", "foreign_keys"},
        {"sqlite_test", "SQLITE_JOURNAL_MODE", "journal_mode"},
        {"sqlite_test", "SQLITE_TEST_PATH", "path"},
        {"mongo", "MONGO_DB", "db"},
        {"mongo", "MONGO_DB_NAME", "db"},
        {"mongo_test", "MONGO_TEST_DB", "db"},
        {"mongo_test", "MONGO_TEST_DB_NAME", "db"},
        {"mongo", "MONGO_CONNECT_TIMEOUT", "connect_timeout"},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        char pair[128];
        snprintf(pair, sizeof pair, "%s=value", list[i][1]);
        check(pair, list[i][0], list[i][2], "value");
    }
    check("DB_PORT=1", "mysql", "port", "1");
    check("PG_PORT=65535", "pg", "port", "65535");
    check("MONGO_URI=mongodb://h", "mongo", "uri", "mongodb://h");
    check("MONGO_DB=a MONGO_DB_NAME=b", "mongo", "db", "a");
}

static void the_first_that_is_not_empty_wins(void **state) {
    (void)state;
    static const char all[] =
        "DB_TEST_MIGRATION_USER=1 DB_TEST_USER=2 DB_MIGRATION_USER=3 "
        "DB_USER=4 ELOQUENT_DB_ROLE=migration";
    check(all, "mysql_test", "user", "1");
    check(all, "mysql", "user", "3");
    check("DB_TEST_MIGRATION_USER=1 DB_TEST_USER=2", "mysql_test", "user", "2");
    check("DB_TEST_RUNTIME_USER=1 DB_TEST_USER=2", "mysql_test", "user", "1");
    check("DB_TEST_USER= DB_RUNTIME_USER=3 DB_USER=4", "mysql_test", "user", "3");
    check("DB_RUNTIME_USER= DB_USER=4", "mysql_test", "user", "4");
    check("DB_RUNTIME_USER= DB_USER=", "mysql", "user", "root");
    check("DB_MIGRATION_USER=3 DB_USER=4", "mysql", "user", "4");
    check("PG_MIGRATION_PASSWORD=p ELOQUENT_DB_ROLE=migration", "pg", "password", "p");
    check("SQLITE_RUNTIME_PATH=r SQLITE_PATH=p", "sqlite", "path", "r");
    check("MONGO_MIGRATION_URI=mongodb://m ELOQUENT_DB_ROLE=Migration", "mongo", "uri",
          "mongodb://m");
}

static void twins_never_inherit_the_database(void **state) {
    (void)state;
    check("DB_NAME=shop", "mysql_test", "name", "shop_test");
    check("DB_RUNTIME_NAME=shop", "mysql_test", "name", "shop_test");
    check("PG_DB_NAME=shop", "pg_test", "name", "shop_test");
    check("DB_NAME=shop DB_TEST_NAME=other", "mysql_test", "name", "other");
    check("SQLITE_PATH=/data/shop.db", "sqlite_test", "path", "/data/shop_test.db");
    check("SQLITE_PATH=shop", "sqlite_test", "path", "shop_test");
    check("SQLITE_PATH=a.b/shop", "sqlite_test", "path", "a.b/shop_test");
    check("SQLITE_PATH=a/.hidden", "sqlite_test", "path", "a/.hidden_test");
    check("SQLITE_PATH=a/x.y.sqlite", "sqlite_test", "path", "a/x.y_test.sqlite");
    check("SQLITE_PATH=:memory:", "sqlite_test", "path", ":memory:");
    check("MONGO_URI=mongodb://far", "mongo_test", "uri", "mongodb://127.0.0.1:27017");
    check("MONGO_DB=shop", "mongo_test", "db", "shop_test");
    check("MONGO_URI=mongodb://far/shop", "mongo", "db", "shop");
    check("MONGO_URI=mongodb://far/shop?x=1", "mongo_test", "db", "shop_test");
    check("MONGO_URI=mongodb://far/a MONGO_DB=b", "mongo", "db", "b");
    check("MONGO_URI=mongodb://h/a MONGO_TEST_URI=mongodb://h/t", "mongo_test", "db",
          "t");
    el_resolved c;
    set("DB_NAME=shop");
    resolve(&c, "mysql_test");
    assert_string_equal(source(&c, "name"), "DB_NAME with _test");
    el_resolved_release(&c);
}

static void a_socket_stands_for_host_and_port(void **state) {
    (void)state;
    check_target("DB_SOCKET=/run/s DB_HOST=h DB_PORT=1", "mysql", "/run/s/eloquent_app");
    check("DB_SOCKET=/run/s DB_HOST=h", "mysql", "host", "");
    check("DB_SOCKET=/run/s DB_HOST=h", "mysql", "port", "");
    check("DB_SOCKET=/run/s", "mysql_test", "socket", "/run/s");
    check("DB_SOCKET=/run/s DB_TEST_HOST=h", "mysql_test", "socket", "");
    check_target("DB_SOCKET=/s DB_TEST_PORT=2", "mysql_test",
                 "127.0.0.1:2/eloquent_app_test");
    check_target("DB_HOST=h DB_TEST_SOCKET=/t", "mysql_test", "/t/eloquent_app_test");
    check("DB_SOCKET=/run/s DB_RUNTIME_HOST=h", "mysql", "socket", "");
}

static void names_targets(void **state) {
    (void)state;
    check_target("PG_HOST=/run/postgresql PG_NAME=a", "pg", "/run/postgresql:5432/a");
    check_target("PG_HOST=a,b,c PG_PORT=1,2,3", "pg", "a:1,b:2,c:3/eloquent_app");
    check_target("PG_HOST=a,b", "pg", "a:5432,b:5432/eloquent_app");
    check_target("DB_HOST=::1", "mysql", "[::1]:3306/eloquent_app");
    check_target("MONGO_URI=mongodb://me:secret@h1:1,h2/db?w=1", "mongo",
                 "h1:1,h2:27017/db");
    check_target("MONGO_URI=mongodb+srv://me:secret@x.net", "mongo",
                 "x.net:27017/eloquent_app");
    check_target("MONGO_URI=mongodb://[::1]:9,[::2]", "mongo",
                 "[::1]:9,[::2]:27017/eloquent_app");
}

static void refuses_bad_values(void **state) {
    (void)state;
    check_refused("DB_PORT=x1", "mysql",
                  "DB_PORT is \"x1\"; a port is a whole number from 1 "
                  "to 65535");
    check_refused("DB_PORT=0", "mysql", "DB_PORT is \"0\"");
    check_refused("DB_PORT=65536", "mysql", "DB_PORT is \"65536\"");
    check_refused("DB_PORT=000000001", "mysql", "DB_PORT is");
    check_refused("DB_PORT=-1", "mysql", "DB_PORT is");
    check_refused("DB_PORT=1,2", "mysql", "DB_PORT is");
    check_refused("DB_RUNTIME_PORT=3306x DB_PORT=1", "mysql", "DB_RUNTIME_PORT is");
    check_refused("PG_PORT=http://secret", "pg", "PG_PORT is \"(not shown)\"");
    check_refused("PG_PORT=x", "pg_test", "PG_PORT is \"x\"");
    check_refused("PG_TEST_PORT=1,", "pg_test", "PG_TEST_PORT is \"1,\"");
    check_refused("PG_HOST=a,b PG_PORT=1,2,3", "pg",
                  "PG_PORT lists 3 ports and PG_HOST lists 2 hosts");
    check_refused("PG_TEST_HOST=a PG_HOST=a,b PG_PORT=1,2", "pg_test",
                  "PG_PORT lists 2 ports and PG_TEST_HOST lists 1 hosts");
    check_refused("MONGO_URI=http://me:secret@h", "mongo",
                  "MONGO_URI is no URI of MongoDB: it must begin with mongodb://");
    check_refused("MONGO_URI=mongodb://", "mongo", "a host is missing");
    check_refused("MONGO_URI=mongodb://a,,b", "mongo", "a host is missing");
    check_refused("MONGO_URI=mongodb://me:secret/x@h", "mongo", "write %40 for @");
    check_refused("MONGO_URI=mongodb://me:se@cret@h/", "mongo", "write %40 for @");
    check_refused("MONGO_URI=mongodb://me:1@2/secret@h", "mongo", "write %40 for @");
    check_refused("MONGO_URI=mongodb://me:secret", "mongo", "write %40 for @");
    check_refused(
        "PG_NAME=a23456789012345678901234567890123456789012345678901234567890123",
        "pg_test", "Set PG_TEST_NAME to a shorter one");
    check_refused(
        "PG_NAME=a234567890123456789012345678901234567890123456789012345678901234", "pg",
        "the database's name from PG_NAME has 64 bytes; pg allows 63");
    check_refused(
        "PG_SSL_MODE=verify-full", "pg",
        "PG_SSL_MODE is not read; for connection pg the variable is PG_SSLMODE");
    check_refused("PG_TEST_SSL_CA=x", "pg_test", "PG_TEST_SSL_CA is not read");
    check_refused("DB_SSLMODE=require", "mysql_test", "DB_SSLMODE is not read");
    check("DB_SSLMODE=require", "pg", "host", "127.0.0.1");
}

/* }====== */

/* {====== Twins apart from the app ====== */

static void refuses_the_apps_database(void **state) {
    (void)state;
    static const char *const list[][2] = {
        {"mysql_test", "DB_NAME=a DB_TEST_NAME=a"},
        {"mysql_test", "DB_NAME=a DB_TEST_NAME=A"},
        {"mysql_test", "DB_TEST_NAME=eloquent_app"},
        {"mysql_test", "DB_HOST=Db.Net DB_TEST_HOST=db.net DB_NAME=a DB_TEST_NAME=a"},
        {"mysql_test",
         "DB_HOST=localhost DB_TEST_HOST=127.0.0.1 DB_NAME=a DB_TEST_NAME=a"},
        {"mysql_test", "DB_HOST=::1 DB_TEST_HOST=127.0.1.1 DB_NAME=a DB_TEST_NAME=a"},
        {"mysql_test",
         "DB_SOCKET=/run/s DB_TEST_HOST=localhost DB_NAME=a DB_TEST_NAME=a"},
        {"mysql_test", "DB_MIGRATION_NAME=a DB_NAME=b DB_TEST_NAME=a"},
        {"mysql_test", "DB_RUNTIME_NAME=a DB_TEST_NAME=a ELOQUENT_DB_ROLE=migration"},
        {"pg_test", "PG_NAME=a PG_TEST_NAME=a"},
        {"pg_test", "PG_HOST=/run/p PG_TEST_HOST=localhost PG_NAME=a PG_TEST_NAME=a"},
        {"pg_test", "PG_HOST=a,b PG_TEST_HOST=b PG_NAME=x PG_TEST_NAME=x"},
        {"pg_test", "PG_HOST=a,b PG_PORT=1,2 PG_TEST_HOST=c,b PG_TEST_PORT=1,2 PG_NAME=x "
                    "PG_TEST_NAME=x"},
        {"mongo_test", "MONGO_DB=a MONGO_TEST_DB=a"},
        {"mongo_test", "MONGO_URI=mongodb://u:p@h/a MONGO_TEST_URI=mongodb://h:27017/a"},
        {"mongo_test", "MONGO_URI=mongodb://x,y/a MONGO_TEST_URI=mongodb://Y/a"},
        {"sqlite_test", "SQLITE_PATH=a.db SQLITE_TEST_PATH=a.db"},
        {"sqlite_test", "SQLITE_PATH=a.db SQLITE_TEST_PATH=./x/../a.db"},
        {"sqlite_test",
         "SQLITE_PATH=/no/such/a.db SQLITE_TEST_PATH=/no//./such/b/../a.db"},
        {"sqlite_test", "SQLITE_TEST_PATH=storage/app.sqlite"},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        check_refused(list[i][1], list[i][0], " is the app's own database (");
    }
    check_refused(
        "PG_NAME=a PG_TEST_NAME=a PG_PASSWORD=secret", "pg_test",
        "refused: pg_test is the app's own database (127.0.0.1:5432/a), and tests "
        "would change its data. Set PG_TEST_NAME to another one");
    check_refused("MONGO_DB=a MONGO_TEST_DB=a", "mongo_test",
                  "Set MONGO_TEST_DB to another");
    check_refused("SQLITE_TEST_PATH=storage/app.sqlite", "sqlite_test",
                  "Set SQLITE_TEST_PATH to another");
}

static void allows_other_databases(void **state) {
    (void)state;
    static const char *const list[][2] = {
        {"mysql_test", "DB_NAME=a DB_TEST_NAME=a DB_TEST_HOST=other"},
        {"mysql_test", "DB_NAME=a DB_TEST_NAME=a DB_TEST_PORT=3307"},
        {"mysql_test", "DB_SOCKET=/run/s DB_TEST_SOCKET=/run/t DB_NAME=a DB_TEST_NAME=a"},
        {"pg_test", "PG_NAME=a PG_TEST_NAME=A"},
        {"pg_test", "PG_HOST=/run/p PG_TEST_HOST=/run/q PG_NAME=a PG_TEST_NAME=a"},
        {"pg_test", "PG_HOST=/run/p PG_TEST_PORT=1 PG_NAME=a PG_TEST_NAME=a"},
        {"mongo_test", "MONGO_URI=mongodb://x/a MONGO_TEST_URI=mongodb://y/a"},
        {"pg_test", "PG_HOST=a,b,c PG_PORT=1,2 PG_TEST_HOST=d PG_TEST_PORT=1"},
        {"mongo_test", "MONGO_URI=nonsense MONGO_TEST_URI=mongodb://y/a"},
        {"sqlite_test", "SQLITE_PATH=:memory: SQLITE_TEST_PATH=:memory:"},
        {"sqlite_test", "SQLITE_PATH=a.db SQLITE_TEST_PATH=x/a.db"},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        el_resolved c;
        set(list[i][1]);
        resolve(&c, list[i][0]);
        el_resolved_release(&c);
    }
}

static void compares_files_not_their_names(void **state) {
    (void)state;
    char folder[] = "/tmp/resolver_spec.XXXXXX";
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(mkdir("data", 0700), 0);
    assert_int_equal(symlink("data", "link"), 0);
    check_refused("SQLITE_PATH=data/a.db SQLITE_TEST_PATH=link/a.db", "sqlite_test",
                  "is the app's own database");
    char sockets[160];
    snprintf(sockets, sizeof sockets,
             "PG_HOST=%s/data PG_TEST_HOST=%s/link PG_TEST_NAME=a "
             "PG_NAME=a",
             folder, folder);
    check_refused(sockets, "pg_test", "is the app's own database");
    FILE *f = fopen("data/a.db", "w");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(link("data/a.db", "hard.db"), 0);
    assert_int_equal(symlink("data/a.db", "soft.db"), 0);
    check_refused("SQLITE_PATH=data/a.db SQLITE_TEST_PATH=hard.db", "sqlite_test",
                  "is the app's own database");
    check_refused("SQLITE_PATH=data/a.db SQLITE_TEST_PATH=soft.db", "sqlite_test",
                  "is the app's own database");
    check("SQLITE_PATH=data/a.db SQLITE_TEST_PATH=data/b.db", "sqlite_test", "path",
          "data/b.db");
    assert_int_equal(unlink("data/a.db") + unlink("hard.db") + unlink("soft.db"), 0);
    assert_int_equal(unlink("link") + rmdir("data") + chdir("/") + rmdir(folder), 0);
}

static void long_texts_are_cut(void **state) {
    (void)state;
    char host[600], text[64];
    memset(host, 'h', sizeof host - 1);
    host[sizeof host - 1] = '\0';
    el_target_text(text, sizeof text,
                   &(el_target){.host = host, .port = "1", .name = "n"});
    assert_int_equal(strlen(text), sizeof text - 1);
    el_target_text(text, sizeof text, &(el_target){.path = host});
    assert_int_equal(strlen(text), sizeof text - 1);
    char path[10000];
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_true(el_target_same(&(el_target){.path = path}, &(el_target){.path = path}));
    assert_false(el_target_same(&(el_target){.path = path}, &(el_target){.path = "b"}));
}

/* }====== */

static void survives_a_failing_allocator(void **state) {
    (void)state;
    static const char *const names[] = {"mysql", "pg_test", "sqlite_test", "mongo_test"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int rc = EL_FAIL;
        long n = 0;
        set("DB_HOST=h MONGO_URI=mongodb://h/a MONGO_TEST_URI=mongodb://h/t");
        for (; rc != EL_OK; n++) {
            assert_true(n < 100);
            el_resolved c;
            el_error err = {0};
            starve_after(n);
            rc = el_resolver_connection(&c, &resolver, names[i], &err);
            feed();
            if (rc != EL_OK) {
                assert_int_equal(err.kind, EL_ERR_NOMEM);
                assert_int_equal(c.count, 0);
            }
            el_resolved_release(&c);
        }
        assert_true(n > 3);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_default),
        cmocka_unit_test(refuses_a_bad_default),
        cmocka_unit_test(guesses_names),
        cmocka_unit_test(knows_names_and_twins),
        cmocka_unit_test(takes_other_definitions),
        cmocka_unit_test(reads_role_and_app_env),
        cmocka_unit_test(lists_ignored_selectors),
        cmocka_unit_test(has_defaults),
        cmocka_unit_test(describes_a_connection),
        cmocka_unit_test(reads_every_setting),
        cmocka_unit_test(the_first_that_is_not_empty_wins),
        cmocka_unit_test(twins_never_inherit_the_database),
        cmocka_unit_test(a_socket_stands_for_host_and_port),
        cmocka_unit_test(names_targets),
        cmocka_unit_test(refuses_bad_values),
        cmocka_unit_test(refuses_the_apps_database),
        cmocka_unit_test(allows_other_databases),
        cmocka_unit_test(compares_files_not_their_names),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(survives_a_failing_allocator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
