/* SPDX-License-Identifier: MIT
**
** resolver_fuzz.c - connections resolved from an environment of any variables, one line
** `NAME=value` each.  No password gets into a message, a test never lands on the app's
** own database, and what is resolved is whole.
*/
#include "fuzz.h"

#include "resolver.h"

enum { MAX_VARIABLES = 24 };

#define PASSWORD "correct-horse-battery"

typedef struct environment {
    char *text; /* its line breaks and first `=` are NUL */
    size_t n;
    struct {
        const char *key, *value;
    } list[MAX_VARIABLES];
} environment;

/* As strcmp, but libFuzzer does not look into it: there are a hundred calls a lookup. */
static bool equal(const char *a, const char *b) {
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

static const char *get(void *ud, const char *key) {
    const environment *e = ud;
    for (size_t i = e->n; i-- > 0;) {
        if (equal(e->list[i].key, key)) {
            return strstr(key, "PASSWORD") ? PASSWORD : e->list[i].value;
        }
    }
    return NULL;
}

static void split(environment *e) {
    for (char *line = e->text; line && e->n < MAX_VARIABLES;) {
        char *end = strchr(line, '\n');
        if (end) {
            *end++ = '\0';
        }
        char *equals = strchr(line, '=');
        if (equals) {
            *equals = '\0';
            e->list[e->n].key = line;
            e->list[e->n++].value = equals + 1;
        }
        line = end;
    }
}

static void check_error(const el_error *err) {
    REQUIRE(err->kind == EL_ERR_MISUSE && err->message[0] != '\0');
    REQUIRE(!strchr(err->message, '\n') && !strstr(err->message, PASSWORD));
}

static void check_resolved(const el_resolved *c) {
    REQUIRE(c->count <= EL_SETTINGS_MAX && !c->options[c->count].key);
    REQUIRE(!strstr(c->target, PASSWORD));
    for (size_t i = 0; i < c->count; i++) {
        REQUIRE(c->options[i].key && c->options[i].value && c->source[i][0] != '\0');
        if (strstr(c->options[i].value, PASSWORD)) {
            REQUIRE(c->secret[i]);
        }
    }
}

/* A connection and its twin are two databases, or one of them is refused. */
static void check_pair(const el_resolver *r, const char *name) {
    char twin[EL_NAME_SIZE];
    el_resolved app, test;
    el_error err = {0};
    bool both = el_resolver_connection(&app, r, name, &err) == EL_OK;
    if (both) {
        check_resolved(&app);
    } else {
        check_error(&err);
    }
    el_error_clear(&err);
    REQUIRE(el_resolver_twin(twin, r, name, &err) == EL_OK);
    if (el_resolver_connection(&test, r, twin, &err) == EL_OK) {
        check_resolved(&test);
        REQUIRE(test.test);
        size_t cut = sizeof app.target - 1;
        if (both && strlen(app.target) < cut && strlen(test.target) < cut) {
            REQUIRE(app.test || strcmp(app.target, ":memory:") == 0 ||
                    strcmp(app.target, test.target) != 0);
        }
    } else {
        check_error(&err);
    }
    if (both) {
        el_resolved_release(&app);
    }
    el_resolved_release(&test);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_input in = {data, data + size};
    size_t n = fuzz_left(&in);
    environment e = {.text = fuzz_text(&in, &n)};
    char name[EL_NAME_SIZE];
    if (strstr(e.text, PASSWORD)) {
        free(e.text);
        return 0;
    }
    split(&e);
    const el_resolver r = {el_builtin_definitions, get, &e};
    el_error err = {0};
    el_role role;
    const char *app_env;
    if (el_resolver_role(&role, &r, &err) != EL_OK) {
        check_error(&err);
        el_error_clear(&err);
    }
    if (el_resolver_app_env(&app_env, &r, &err) != EL_OK) {
        check_error(&err);
        el_error_clear(&err);
    }
    for (int test = 0; test < 2; test++) {
        if (el_resolver_default(name, &r, test != 0, &err) == EL_OK) {
            REQUIRE(strlen(name) < EL_NAME_SIZE);
            REQUIRE(!test || strstr(name, "_test"));
        } else {
            check_error(&err);
            el_error_clear(&err);
        }
    }
    for (size_t i = 0; el_resolver_name(name, &r, i); i++) {
        check_pair(&r, name);
    }
    if (e.n > 0) {
        el_resolver_nearest(name, &r, e.list[0].value);
    }
    for (size_t i = 0; el_resolver_ignored(&r, i); i++) {
    }
    free(e.text);
    return 0;
}
