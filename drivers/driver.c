/* SPDX-License-Identifier: MIT
**
** driver.c - the drivers this program knows, finding and loading their modules, options
** and the count of references to a connection.  What a driver does is its own file.
*/
#include "driver.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef EL_MODULE_DIR
#define EL_MODULE_DIR "/usr/local/lib/eloquent"
#endif

#ifndef EL_MYSQL_PACKAGE
#define EL_MYSQL_PACKAGE "libmariadb3"
#endif

#ifndef EL_MONGO_PACKAGE
#define EL_MONGO_PACKAGE "libmongoc-1.0-0"
#endif

/* Where a module exports its driver: `const el_driver *const el_driver_module`. */
#define MODULE_SYMBOL "el_driver_module"

extern const el_driver el_sqlite_driver;

/*
** Names and values.  No file for libmongoc's counters, about whose failure it would print
** a warning; none of the plugins that Kerberos needs, which mongo_sasl.c loads for it.
*/
static const char *const mongo_environment[] = {"MONGOC_DISABLE_SHM", "1", "SASL_PATH",
                                                "/nonexistent", NULL};

static const struct known_driver {
    const char *name;
    const el_driver *driver; /* built in, or NULL */
    const char *module;
    const char *package;            /* Debian package of the client library */
    const char *build;              /* and of what it takes to build with it */
    const char *const *environment; /* what it finds there while it is loaded, or NULL */
} known_drivers[] = {
    {"sqlite", &el_sqlite_driver, NULL, NULL, NULL, NULL},
    {"pg", NULL, "eloquent_pg.so", "libpq5", "libpq-dev", NULL},
    {"mysql", NULL, "eloquent_mysql.so", EL_MYSQL_PACKAGE, "libmariadb-dev", NULL},
    {"mongo", NULL, "eloquent_mongo.so", EL_MONGO_PACKAGE, "libmongoc-dev",
     mongo_environment},
};

enum { KNOWN_DRIVERS = sizeof known_drivers / sizeof *known_drivers };

/* {====== Loading ====== */

const char *el_driver_name(size_t i) {
    return i < KNOWN_DRIVERS ? known_drivers[i].name : NULL;
}

/* Folder of the running program, without a slash at its end; false when unknown. */
static bool program_folder(char *out, size_t size) {
    ssize_t n = readlink("/proc/self/exe", out, size - 1);
    if (n <= 0 || (size_t)n >= size - 1) {
        return false;
    }
    out[n] = '\0';
    char *slash = strrchr(out, '/');
    if (!slash) {
        return false;
    }
    *slash = '\0';
    return true;
}

/* Path of the module in the first folder that has it; false when none does. */
static bool find_module(char *out, size_t size, const char *file) {
    char folder[PATH_MAX];
    if (program_folder(folder, sizeof folder)) {
        static const char *const places[] = {"", "/../lib/eloquent"};
        for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
            int n = snprintf(out, size, "%s%s/%s", folder, places[i], file);
            if (n > 0 && (size_t)n < size && access(out, F_OK) == 0) {
                return true;
            }
        }
    }
    int n = snprintf(out, size, "%s/%s", EL_MODULE_DIR, file);
    return n > 0 && (size_t)n < size && access(out, F_OK) == 0;
}

/* A script and the programs that it starts see the environment as it was. */
static void *open_module(const char *path, const struct known_driver *known) {
    enum { MOST = 4 };
    const char *set[MOST];
    size_t n = 0;
    for (const char *const *e = known->environment; e && *e && n < MOST; e += 2) {
        if (!getenv(e[0]) && setenv(e[0], e[1], 0) == 0) {
            set[n++] = e[0];
        }
    }
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    while (n > 0) {
        unsetenv(set[--n]);
    }
    return module;
}

/* The loader counts references, so loading a module again costs a look-up. */
static int load_module(const el_driver **out, const struct known_driver *known,
                       el_error *err) {
    char path[PATH_MAX];
    if (!find_module(path, sizeof path, known->module)) {
        return el_fail(
            err, EL_ERR_UNSUPPORTED, 0,
            "driver %s is not installed: %s is neither beside the program, nor "
            "in ../lib/eloquent, nor in %s; build eloquent with its client library "
            "(Debian: apt-get install %s), or install its module there",
            known->name, known->module, EL_MODULE_DIR, known->build);
    }
    void *module = open_module(path, known);
    if (!module) {
        const char *why = dlerror();
        return el_fail(err, EL_ERR_UNSUPPORTED, 0,
                       "driver %s can't be loaded: %s; its client library comes with the "
                       "Debian package %s: apt-get install %s",
                       known->name, why ? why : path, known->package, known->package);
    }
    const el_driver *const *symbol =
        (const el_driver *const *)dlsym(module, MODULE_SYMBOL);
    if (!symbol || !*symbol || (*symbol)->abi != EL_DRIVER_ABI) {
        unsigned abi = symbol && *symbol ? (*symbol)->abi : 0;
        dlclose(module);
        return el_fail(
            err, EL_ERR_UNSUPPORTED, 0,
            "driver %s: %s belongs to another version of eloquent (it speaks "
            "driver contract %u, this program %u); install both from one build",
            known->name, path, abi, EL_DRIVER_ABI);
    }
    *out = *symbol;
    return EL_OK;
}

int el_driver_load(const el_driver **out, const char *name, el_error *err) {
    for (size_t i = 0; i < KNOWN_DRIVERS; i++) {
        const struct known_driver *known = &known_drivers[i];
        if (strcmp(known->name, name) == 0) {
            if (known->driver) {
                *out = known->driver;
                return EL_OK;
            }
            return load_module(out, known, err);
        }
    }
    char names[128] = "";
    size_t n = 0;
    for (size_t i = 0; i < KNOWN_DRIVERS && n < sizeof names; i++) {
        n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", i ? ", " : "",
                              known_drivers[i].name);
    }
    return el_fail(err, EL_ERR_UNSUPPORTED, 0, "no driver named '%s'; there are %s", name,
                   names);
}

/* }====== */

/* {====== Options ====== */

int el_driver_check_options(const el_driver *d, const el_option *opts, el_error *err) {
    for (const el_option *o = opts; o && o->key; o++) {
        const char *const *key = d->options;
        while (*key && strcmp(*key, o->key) != 0) {
            key++;
        }
        if (*key) {
            continue;
        }
        char keys[256] = "";
        size_t n = 0;
        for (key = d->options; *key && n < sizeof keys; key++) {
            n += (size_t)snprintf(keys + n, sizeof keys - n, "%s%s", n ? ", " : "", *key);
        }
        return el_fail(err, EL_ERR_MISUSE, 0, "driver %s has no option '%s'; it has %s",
                       d->name, o->key, keys);
    }
    return EL_OK;
}

const char *el_option_get(const el_option *opts, const char *key) {
    for (const el_option *o = opts; o && o->key; o++) {
        if (strcmp(o->key, key) == 0) {
            return o->value && *o->value ? o->value : NULL;
        }
    }
    return NULL;
}

int el_option_int(int *out, const el_option *opts, const char *key, int min, int max,
                  int fallback, el_error *err) {
    const char *text = el_option_get(opts, key);
    if (!text) {
        *out = fallback;
        return EL_OK;
    }
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    bool digits = (*text >= '0' && *text <= '9') || *text == '-';
    if (!digits || end == text || *end || errno || value < min || value > max) {
        return el_fail(err, EL_ERR_MISUSE, 0,
                       "option %s is '%s'; it takes a whole number from %d to %d", key,
                       text, min, max);
    }
    *out = (int)value;
    return EL_OK;
}

/* }====== */

/* {====== References ====== */

void el_conn_retain(el_conn *c) {
    c->refs++;
}

void el_conn_release(el_conn *c) {
    if (--c->refs == 0) {
        c->driver->close(c);
    }
}

/* }====== */
