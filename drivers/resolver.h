/* SPDX-License-Identifier: MIT
**
** resolver.h - from environment variables to connections: which one is meant, and with
** which options its driver is to be opened.  It opens nothing.
**
** Each definition has a twin for tests: `pg` has `pg_test`.  An option comes from the
** first of these that is not empty: <PREFIX>_<ROLE>_<KEY>, <PREFIX>_<KEY>, default.  The
** twin looks under <PREFIX>_TEST first, then takes over what the app has, but never the
** database's name, path or URI.
*/
#ifndef EL_RESOLVER_H
#define EL_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>

#include "driver.h"
#include "env.h"

enum {
    EL_NAME_SIZE = 64, /* of a connection's name with NUL */
    EL_SOURCE_SIZE = 96,
    EL_SETTINGS_MAX = 20
};

typedef enum el_role { EL_ROLE_RUNTIME, EL_ROLE_MIGRATION } el_role;

typedef struct el_definition {
    const char *name;   /* at most 48 bytes */
    const char *driver; /* mysql, pg, sqlite or mongo */
    const char *prefix; /* of its variables: "PG" */
} el_definition;

/* mysql, pg, sqlite and mongo. */
extern const el_definition el_builtin_definitions[];

typedef struct el_resolver {
    const el_definition *definitions; /* name NULL ends */
    el_env_get get;
    void *ud;
} el_resolver;

/* One connection, ready for the `open` of its driver. */
typedef struct el_resolved {
    char name[EL_NAME_SIZE];
    const char *driver;
    bool documents; /* a document store: takes no SQL */
    bool test;
    char target[320]; /* "host:port/name" or a path, for messages; no password in it */
    size_t count;
    el_option options[EL_SETTINGS_MAX + 1];       /* key NULL ends; values are owned */
    bool secret[EL_SETTINGS_MAX];                 /* not to be shown */
    char source[EL_SETTINGS_MAX][EL_SOURCE_SIZE]; /* the variable, or "default" */
} el_resolved;

/* {====== Selectors ====== */

/* ELOQUENT_DB_ROLE: which credentials come first. */
int el_resolver_role(el_role *out, const el_resolver *r, el_error *err);

/* "runtime" or "migration". */
const char *el_role_name(el_role role);

/* APP_ENV: "development", "staging" or "production". */
int el_resolver_app_env(const char **out, const el_resolver *r, el_error *err);

/*
** Name of the default connection: DB_CONNECTION, else "sqlite"; in test mode
** DB_TEST_CONNECTION, else the twin of the default.
*/
int el_resolver_default(char out[EL_NAME_SIZE], const el_resolver *r, bool test,
                        el_error *err);

/* }====== */

/* {====== Names ====== */

/* The i-th known name, 0 first: all definitions, then their twins.  False past the end.
 */
bool el_resolver_name(char out[EL_NAME_SIZE], const el_resolver *r, size_t i);

/* What `name` means in test mode: "mysql_test" for "mysql" and for itself. */
int el_resolver_twin(char out[EL_NAME_SIZE], const el_resolver *r, const char *name,
                     el_error *err);

/* The known name that was probably meant: "pg" for "postgres".  False: none. */
bool el_resolver_nearest(char out[EL_NAME_SIZE], const el_resolver *r, const char *name);

/*
** The i-th variable that means something for the connections, set or not, 0 first.  False
** past the end.
*/
bool el_resolver_variable(char out[EL_SOURCE_SIZE], const el_resolver *r, size_t i);

/* The i-th variable that is set, looks like a selector and is ignored, or NULL. */
const char *el_resolver_ignored(const el_resolver *r, size_t i);

/* }====== */

/*
** Resolves a name; release `out`.  EL_ERR_MISUSE for an unknown name (with the nearest),
** for a value that can't be right, and for a twin that is the app's own database.
*/
int el_resolver_connection(el_resolved *out, const el_resolver *r, const char *name,
                           el_error *err);

/* Wipes and frees the values and makes `out` empty. */
void el_resolved_release(el_resolved *out);

#endif
