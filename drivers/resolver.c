/* SPDX-License-Identifier: MIT
**
** resolver.c - selects connections and gathers their options from variables.  What an
** option means, and which values it takes, is its driver's to say; here only what
** decides which database is reached is checked.
*/
#include "resolver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nearest.h"
#include "settings.h"
#include "target.h"

const el_definition el_builtin_definitions[] = {{"mysql", "mysql", "DB"},
                                                {"pg", "pg", "PG"},
                                                {"sqlite", "sqlite", "SQLITE"},
                                                {"mongo", "mongo", "MONGO"},
                                                {NULL, NULL, NULL}};

static const char twin_suffix[] = "_test";

/* {====== Variables ====== */

/* The variable's value, NULL when it is unset or empty. */
static const char *variable(const el_resolver *r, const char *name) {
    const char *value = r->get(r->ud, name);
    return value && *value ? value : NULL;
}

/* Copies without the blanks around; false when it does not fit. */
static bool copy_trimmed(char *out, size_t size, const char *text) {
    static const char blanks[] = " \t\r\n";
    text += strspn(text, blanks);
    size_t n = strlen(text);
    while (n > 0 && strchr(blanks, text[n - 1])) {
        n--;
    }
    if (n >= size) {
        return false;
    }
    memcpy(out, text, n);
    out[n] = '\0';
    return true;
}

/*
** A selector's value as messages show it: plain words only, because a URL with a
** password could stand there by mistake.
*/
static const char *shown(const char *value) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789_.-,; ";
    return strlen(value) < EL_NAME_SIZE && value[strspn(value, plain)] == '\0'
               ? value
               : "(not shown)";
}

/* The word of a list, NULL ends, that a variable holds; its number, 0 when it is unset.
 */
static int choose(size_t *out, const el_resolver *r, const char *name,
                  const char *const *words, el_error *err) {
    const char *value = variable(r, name);
    char word[EL_NAME_SIZE] = "", all[128] = "";
    size_t n = 0;
    bool fits = !value || copy_trimmed(word, sizeof word, value);
    *out = 0;
    if (fits && !*word) {
        return EL_OK;
    }
    for (size_t i = 0; words[i]; i++) {
        if (fits && strcasecmp(words[i], word) == 0) {
            *out = i;
            return EL_OK;
        }
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", i > 0 ? ", " : "",
                              words[i]);
    }
    return el_fail(err, EL_ERR_MISUSE, 0,
                   "%s is \"%s\"; it takes one of: %s. Correct it, or remove it for %s",
                   name, shown(value), all, words[0]);
}

static const char *const role_words[] = {"runtime", "migration", NULL};

int el_resolver_role(el_role *out, const el_resolver *r, el_error *err) {
    size_t i;
    int rc = choose(&i, r, "ELOQUENT_DB_ROLE", role_words, err);
    *out = i == 1 ? EL_ROLE_MIGRATION : EL_ROLE_RUNTIME;
    return rc;
}

const char *el_role_name(el_role role) {
    return role_words[role];
}

int el_resolver_app_env(const char **out, const el_resolver *r, el_error *err) {
    static const char *const words[] = {"development", "staging", "production", NULL};
    size_t i;
    int rc = choose(&i, r, "APP_ENV", words, err);
    *out = words[i];
    return rc;
}

const char *el_resolver_ignored(const el_resolver *r, size_t i) {
    static const char *const names[] = {"DB_MYSQL_CONNECTION", "DB_PG_CONNECTION",
                                        "DB_SQLITE_CONNECTION", "DB_MONGO_CONNECTION"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        if (variable(r, names[k]) && i-- == 0) {
            return names[k];
        }
    }
    return NULL;
}

/* The i-th variable of a setting, with each of its keys; *i is left over past the last.
 */
static bool setting_variable(char out[EL_SOURCE_SIZE], const el_definition *d,
                             const el_setting *s, size_t *i) {
    static const char *const parts[] = {"", "RUNTIME_", "MIGRATION_"};
    for (size_t k = 0; k < 12; k++) {
        const char *key = k < 6 ? s->key : s->alias;
        if (key && (*i)-- == 0) {
            snprintf(out, EL_SOURCE_SIZE, "%s%s_%s%s", d->prefix, k % 2 ? "_TEST" : "",
                     parts[k / 2 % 3], key);
            return true;
        }
    }
    return false;
}

bool el_resolver_variable(char out[EL_SOURCE_SIZE], const el_resolver *r, size_t i) {
    static const char *const selectors[] = {"DB_CONNECTION", "DB_TEST_CONNECTION"};
    if (i < sizeof selectors / sizeof *selectors) {
        snprintf(out, EL_SOURCE_SIZE, "%s", selectors[i]);
        return true;
    }
    i -= sizeof selectors / sizeof *selectors;
    for (const el_definition *d = r->definitions; d->name; d++) {
        const el_settings *kind = el_settings_find(d->driver);
        for (const el_setting *s = kind ? kind->list : NULL; s && s->option; s++) {
            if (setting_variable(out, d, s, &i)) {
                return true;
            }
        }
    }
    return false;
}

/* }====== */

/* {====== Names ====== */

static bool is_twin(const char *name) {
    size_t n = strlen(name), suffix = sizeof twin_suffix - 1;
    return n > suffix && strcmp(name + n - suffix, twin_suffix) == 0;
}

/* The definition of a name or of its twin, or NULL. */
static const el_definition *find(const el_resolver *r, const char *name, bool *test) {
    for (const el_definition *d = r->definitions; d->name; d++) {
        size_t n = strlen(d->name);
        *test = strcmp(name + strnlen(name, n), twin_suffix) == 0;
        if (strncmp(name, d->name, n) == 0 && (*test || name[n] == '\0')) {
            return d;
        }
    }
    return NULL;
}

static void write_name(char out[EL_NAME_SIZE], const el_definition *d, bool test) {
    snprintf(out, EL_NAME_SIZE, "%s%s", d->name, test ? twin_suffix : "");
}

bool el_resolver_name(char out[EL_NAME_SIZE], const el_resolver *r, size_t i) {
    size_t count = 0;
    while (r->definitions[count].name) {
        count++;
    }
    if (i >= 2 * count) {
        return false;
    }
    bool test = i >= count;
    write_name(out, &r->definitions[test ? i - count : i], test);
    return true;
}

/* What people call these databases elsewhere. */
static bool synonym(char out[EL_NAME_SIZE], const el_resolver *r, const char *name) {
    static const char *const known[][2] = {
        {"postgres", "pg"},   {"postgresql", "pg"}, {"pgsql", "pg"},      {"psql", "pg"},
        {"mariadb", "mysql"}, {"mongodb", "mongo"}, {"sqlite3", "sqlite"}};
    bool ignored;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t n = strlen(known[i][0]);
        bool test = strncasecmp(name, known[i][0], n) == 0 &&
                    strcasecmp(name + n, twin_suffix) == 0;
        if (test || strcasecmp(name, known[i][0]) == 0) {
            const el_definition *d = find(r, known[i][1], &ignored);
            if (d) {
                write_name(out, d, test);
            }
            return d != NULL;
        }
    }
    return false;
}

bool el_resolver_nearest(char out[EL_NAME_SIZE], const el_resolver *r, const char *name) {
    char candidate[EL_NAME_SIZE];
    size_t best = 3;
    if (strlen(name) >= EL_NAME_SIZE) {
        return false;
    }
    if (synonym(out, r, name)) {
        return true;
    }
    for (size_t i = 0; el_resolver_name(candidate, r, i); i++) {
        size_t d = el_distance(name, candidate);
        size_t limit = strlen(candidate) <= 3 ? 2 : 3;
        if (d < limit && d < best) {
            best = d;
            snprintf(out, EL_NAME_SIZE, "%s", candidate);
        }
    }
    return best < 3;
}

/* `selector` is the variable that holds the name, NULL when it is none's. */
static int unknown(const el_resolver *r, const char *selector, const char *name,
                   el_error *err) {
    char known[EL_NAME_SIZE], all[256] = "", near[EL_NAME_SIZE];
    size_t n = 0;
    for (size_t i = 0; n < sizeof all && el_resolver_name(known, r, i); i++) {
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", i > 0 ? ", " : "", known);
    }
    bool hint = el_resolver_nearest(near, r, name);
    return el_fail(
        err, EL_ERR_MISUSE, 0, "%s%sthere is no connection \"%s\"%s%s%s Known: %s",
        selector ? selector : "", selector ? ": " : "", shown(name),
        hint ? "; did you mean '" : "", hint ? near : "", hint ? "'?" : ".", all);
}

int el_resolver_twin(char out[EL_NAME_SIZE], const el_resolver *r, const char *name,
                     el_error *err) {
    bool test;
    const el_definition *d = find(r, name, &test);
    if (!d) {
        return unknown(r, NULL, name, err);
    }
    write_name(out, d, true);
    return EL_OK;
}

/* The one name that a selector holds; empty when it is unset. */
static int selected(char out[EL_NAME_SIZE], const el_resolver *r, const char *selector,
                    el_error *err) {
    const char *value = variable(r, selector);
    bool test;
    out[0] = '\0';
    if (!value) {
        return EL_OK;
    }
    if (strstr(value, "://")) {
        return el_fail(
            err, EL_ERR_MISUSE, 0,
            "%s holds a URL; it takes the name of a connection, such as pg. Put "
            "host, user, password and name of the database in variables of "
            "their own (DB_HOST, PG_HOST, SQLITE_PATH, MONGO_URI)",
            selector);
    }
    bool fits = copy_trimmed(out, EL_NAME_SIZE, value);
    if (strpbrk(fits ? out : value, ",; \t")) {
        return el_fail(
            err, EL_ERR_MISUSE, 0,
            "%s is \"%s\"; it takes ONE name, the default connection. Keep one "
            "of them, and pin a model to another one in its definition: "
            "connectionName = \"pg\"",
            selector, shown(value));
    }
    if (fits && (!*out || find(r, out, &test))) {
        return EL_OK;
    }
    return unknown(r, selector, fits ? out : value, err);
}

int el_resolver_default(char out[EL_NAME_SIZE], const el_resolver *r, bool test,
                        el_error *err) {
    if (test) {
        if (selected(out, r, "DB_TEST_CONNECTION", err) != EL_OK) {
            return EL_FAIL;
        }
        if (*out && !is_twin(out)) {
            return el_fail(err, EL_ERR_MISUSE, 0,
                           "DB_TEST_CONNECTION is \"%s\", a connection of the app; tests "
                           "run on %s_test only",
                           out, out);
        }
        if (*out) {
            return EL_OK;
        }
    }
    char name[EL_NAME_SIZE];
    if (selected(name, r, "DB_CONNECTION", err) != EL_OK) {
        return EL_FAIL;
    }
    if (!*name) {
        strcpy(name, "sqlite");
    }
    if (test) {
        return el_resolver_twin(out, r, name, err);
    }
    snprintf(out, EL_NAME_SIZE, "%s", name);
    return EL_OK;
}

/* }====== */

/* {====== Gathering ====== */

/* Where a value was found: the lower, the nearer to what was asked for. */
enum { RANK_TWIN_ROLE, RANK_TWIN, RANK_ROLE, RANK_PLAIN, RANK_FALLBACK, RANK_NONE };

typedef struct found {
    const char *value; /* lent by the environment, the table, or `owned` */
    char *owned;
    int rank;
    char source[EL_SOURCE_SIZE];
} found;

typedef struct draft {
    const el_definition *definition;
    const el_settings *kind;
    bool test;
    found found[EL_SETTINGS_MAX]; /* as kind->list */
} draft;

static void draft_release(draft *d) {
    for (size_t i = 0; i < EL_SETTINGS_MAX; i++) {
        if (d->found[i].owned) {
            explicit_bzero(d->found[i].owned, strlen(d->found[i].owned));
            free(d->found[i].owned);
        }
    }
}

/* The entry of an option; NULL when this kind has none. */
static found *entry(draft *d, const char *option) {
    for (size_t i = 0; d->kind->list[i].option; i++) {
        if (strcmp(d->kind->list[i].option, option) == 0) {
            return &d->found[i];
        }
    }
    return NULL;
}

static const char *value_of(draft *d, const char *option) {
    const found *f = entry(d, option);
    return f ? f->value : NULL;
}

/* Fills `f` from the first variable that is not empty, else with the default. */
static void look(found *f, const el_resolver *r, const draft *d, const el_setting *s,
                 el_role role) {
    const char *part = role == EL_ROLE_MIGRATION ? "MIGRATION_" : "RUNTIME_";
    int last = d->test && s->own ? RANK_TWIN : RANK_PLAIN;
    for (int rank = d->test ? RANK_TWIN_ROLE : RANK_ROLE; rank <= last; rank++) {
        bool twin = rank <= RANK_TWIN,
             special = rank == RANK_TWIN_ROLE || rank == RANK_ROLE;
        for (int k = 0; k < (s->alias ? 2 : 1); k++) {
            snprintf(f->source, sizeof f->source, "%s%s_%s%s", d->definition->prefix,
                     twin ? "_TEST" : "", special ? part : "", k ? s->alias : s->key);
            f->value = variable(r, f->source);
            if (f->value) {
                f->rank = rank;
                return;
            }
        }
    }
    f->value = s->fallback;
    f->rank = s->fallback ? RANK_FALLBACK : RANK_NONE;
    strcpy(f->source, "default");
}

/* Sets `f` to a text that joins three parts; false: out of memory. */
static bool set_joined(found *f, const char *a, size_t an, const char *b, const char *c) {
    size_t bn = strlen(b), cn = strlen(c);
    char *text = malloc(an + bn + cn + 1);
    if (!text) {
        return false;
    }
    memcpy(text, a, an);
    memcpy(text + an, b, bn);
    memcpy(text + an + bn, c, cn);
    text[an + bn + cn] = '\0';
    f->owned = text;
    f->value = text;
    return true;
}

static int no_memory(el_error *err) {
    return el_fail(err, EL_ERR_NOMEM, 0, "not enough memory to resolve a connection");
}

/* storage/app.sqlite -> storage/app_test.sqlite; a database in memory stays one. */
static bool set_twin_path(found *f, const char *path) {
    if (strcmp(path, ":memory:") == 0) {
        f->value = path;
        return true;
    }
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const char *dot = strrchr(base, '.');
    const char *end = dot && dot > base ? dot : path + strlen(path);
    return set_joined(f, path, (size_t)(end - path), twin_suffix, end);
}

/* A URI may name the database too. */
static bool set_name_from_uri(draft *d, found *name) {
    const found *uri = entry(d, "uri");
    if (name->rank < RANK_FALLBACK || !uri || uri->rank >= RANK_FALLBACK ||
        el_target_check_uri(uri->value)) {
        return true;
    }
    size_t n;
    const char *begin = el_target_uri_name(uri->value, &n);
    if (!begin) {
        return true;
    }
    memcpy(name->source, uri->source, sizeof name->source);
    name->rank = uri->rank;
    return set_joined(name, begin, n, "", "");
}

/* Gives a twin without a database of its own the one named after the app's. */
static int name_twin(draft *d, draft *app, const char *option, el_error *err) {
    found *own = entry(d, option), *theirs = entry(app, option);
    if (!own || own->rank < RANK_FALLBACK) {
        return EL_OK;
    }
    bool ok =
        strcmp(option, "path") == 0
            ? set_twin_path(own, theirs->value)
            : set_joined(own, theirs->value, strlen(theirs->value), twin_suffix, "");
    snprintf(own->source, sizeof own->source, "%.60s with _test", theirs->source);
    return ok ? EL_OK : no_memory(err);
}

/* A socket stands for host and port; the one that is set more closely counts. */
static void choose_socket(draft *d) {
    found *host = entry(d, "host"), *port = entry(d, "port"),
          *socket = entry(d, "socket");
    if (!socket || !socket->value) {
        return;
    }
    if (host->rank < socket->rank || port->rank < socket->rank) {
        socket->value = NULL;
    } else {
        host->value = port->value = NULL;
    }
}

static int gather(draft *out, const el_resolver *r, const el_definition *definition,
                  bool test, el_role role, el_error *err) {
    *out = (draft){.definition = definition, .test = test};
    out->kind = el_settings_find(definition->driver);
    if (!out->kind) {
        return el_fail(
            err, EL_ERR_MISUSE, 0,
            "connection %s wants driver \"%s\"; there are mysql, pg, sqlite and "
            "mongo",
            definition->name, definition->driver);
    }
    for (size_t i = 0; out->kind->list[i].option; i++) {
        look(&out->found[i], r, out, &out->kind->list[i], role);
    }
    found *db = entry(out, "db");
    if (db && !set_name_from_uri(out, db)) {
        return no_memory(err);
    }
    choose_socket(out);
    return EL_OK;
}

/* }====== */

/* {====== Checking ====== */

static bool is_port(const char *text, size_t n) {
    unsigned port = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9' || i == 5) {
            return false;
        }
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    return port >= 1 && port <= 65535;
}

static int check_ports(draft *d, const found *f, bool several, el_error *err) {
    for (const char *p = f->value;; p++) {
        size_t n = several ? strcspn(p, ",") : strlen(p);
        if (!is_port(p, n)) {
            return el_fail(err, EL_ERR_MISUSE, 0,
                           "%s is \"%s\"; a port is a whole number from 1 to 65535%s",
                           f->source, shown(f->value),
                           several ? ", or a list of them, one for each host" : "");
        }
        p += n;
        if (!*p) {
            break;
        }
    }
    const found *host = entry(d, "host");
    size_t ports = el_target_list_length(f->value);
    size_t hosts = host && host->value ? el_target_list_length(host->value) : 1;
    if (several && ports > 1 && ports != hosts) {
        return el_fail(
            err, EL_ERR_MISUSE, 0,
            "%s lists %zu ports and %s lists %zu hosts; give one port for all, "
            "or one for each host",
            f->source, ports, host->source, hosts);
    }
    return EL_OK;
}

static int check_mistaken(const el_resolver *r, const draft *d, el_error *err) {
    for (size_t i = 0; d->kind->mistaken[i][0]; i++) {
        for (int twin = 0; twin < (d->test ? 2 : 1); twin++) {
            char name[EL_SOURCE_SIZE];
            const char *test = twin ? "_TEST" : "", *prefix = d->definition->prefix;
            snprintf(name, sizeof name, "%s%s_%s", prefix, test, d->kind->mistaken[i][0]);
            if (variable(r, name)) {
                return el_fail(
                    err, EL_ERR_MISUSE, 0,
                    "%s is not read; for connection %s the variable is %s%s_%s", name,
                    d->definition->name, prefix, test, d->kind->mistaken[i][1]);
            }
        }
    }
    return EL_OK;
}

static int check_draft(draft *d, el_error *err) {
    for (size_t i = 0; d->kind->list[i].option; i++) {
        const el_setting *s = &d->kind->list[i];
        const found *f = &d->found[i];
        if (!f->value) {
            continue;
        }
        if ((s->check == EL_CHECK_PORT || s->check == EL_CHECK_PORTS) &&
            check_ports(d, f, s->check == EL_CHECK_PORTS, err) != EL_OK) {
            return EL_FAIL;
        }
        const char *wrong =
            s->check == EL_CHECK_URI ? el_target_check_uri(f->value) : NULL;
        if (wrong) {
            return el_fail(err, EL_ERR_MISUSE, 0, "%s is no URI of MongoDB: %s",
                           f->source, wrong);
        }
        if (s->max > 0 && strlen(f->value) > s->max) {
            return el_fail(err, EL_ERR_MISUSE, 0,
                           "the database's name from %s has %zu bytes; %s allows %u. Set "
                           "%s%s_%s to a shorter one",
                           f->source, strlen(f->value), d->kind->driver, s->max,
                           d->definition->prefix, d->test ? "_TEST" : "", s->key);
        }
    }
    return EL_OK;
}

static el_target target_of(draft *d) {
    const char *db = value_of(d, "db");
    return (el_target){.host = value_of(d, "host"),
                       .port = value_of(d, "port"),
                       .socket = value_of(d, "socket"),
                       .uri = value_of(d, "uri"),
                       .name = db ? db : value_of(d, "name"),
                       .path = value_of(d, "path"),
                       .fold_case = d->kind->fold_case};
}

/* The variable that decides which database it is. */
static const char *own_key(const draft *d) {
    const char *key = "";
    for (size_t i = 0; d->kind->list[i].option; i++) {
        if (d->kind->list[i].own) {
            key = d->kind->list[i].key;
        }
    }
    return key;
}

static int check_apart(draft *d, draft *app, el_error *err) {
    const char *uri = value_of(app, "uri");
    if (uri && el_target_check_uri(uri)) {
        return EL_OK; /* leads nowhere */
    }
    el_target own = target_of(d), theirs = target_of(app);
    if (!el_target_same(&own, &theirs)) {
        return EL_OK;
    }
    char text[160];
    el_target_text(text, sizeof text, &own);
    return el_fail(
        err, EL_ERR_MISUSE, 0,
        "refused: %s_test is the app's own database (%s), and tests would change "
        "its data. Set %s_TEST_%s to another one",
        d->definition->name, text, d->definition->prefix, own_key(d));
}

/* }====== */

/* {====== Result ====== */

static int fill(el_resolved *out, draft *d, el_error *err) {
    *out = (el_resolved){
        .driver = d->kind->driver, .documents = d->kind->documents, .test = d->test};
    write_name(out->name, d->definition, d->test);
    el_target target = target_of(d);
    el_target_text(out->target, sizeof out->target, &target);
    for (size_t i = 0; d->kind->list[i].option; i++) {
        const found *f = &d->found[i];
        if (!f->value) {
            continue;
        }
        size_t size = strlen(f->value) + 1;
        char *value = malloc(size);
        if (!value) {
            el_resolved_release(out);
            return no_memory(err);
        }
        memcpy(value, f->value, size);
        size_t n = out->count++;
        out->options[n] = (el_option){d->kind->list[i].option, value};
        out->secret[n] = d->kind->list[i].secret;
        memcpy(out->source[n], f->source, sizeof f->source);
    }
    return EL_OK;
}

/* Names the twin's database and makes sure that it is not the app's, in any role. */
static int resolve_twin(draft *d, const el_resolver *r, el_role role, el_error *err) {
    el_role other = role == EL_ROLE_RUNTIME ? EL_ROLE_MIGRATION : EL_ROLE_RUNTIME;
    int rc = EL_OK;
    for (int i = 0; rc == EL_OK && i < 2; i++) {
        draft app;
        rc = gather(&app, r, d->definition, false, i == 0 ? role : other, err);
        if (rc == EL_OK && i == 0) {
            rc = name_twin(d, &app, "name", err) == EL_OK &&
                         name_twin(d, &app, "db", err) == EL_OK
                     ? name_twin(d, &app, "path", err)
                     : EL_FAIL;
            rc = rc == EL_OK ? check_draft(d, err) : rc;
        }
        rc = rc == EL_OK ? check_apart(d, &app, err) : rc;
        draft_release(&app);
    }
    return rc;
}

int el_resolver_connection(el_resolved *out, const el_resolver *r, const char *name,
                           el_error *err) {
    bool test;
    el_role role;
    const el_definition *definition = find(r, name, &test);
    *out = (el_resolved){0};
    if (!definition) {
        return unknown(r, NULL, name, err);
    }
    if (el_resolver_role(&role, r, err) != EL_OK) {
        return EL_FAIL;
    }
    draft d;
    int rc = gather(&d, r, definition, test, role, err);
    rc = rc == EL_OK ? check_mistaken(r, &d, err) : rc;
    if (rc == EL_OK) {
        rc = test ? resolve_twin(&d, r, role, err) : check_draft(&d, err);
    }
    rc = rc == EL_OK ? fill(out, &d, err) : rc;
    draft_release(&d);
    return rc;
}

void el_resolved_release(el_resolved *out) {
    for (size_t i = 0; i < out->count; i++) {
        char *value = (char *)out->options[i].value;
        explicit_bzero(value, strlen(value));
        free(value);
    }
    *out = (el_resolved){0};
}

/* }====== */
