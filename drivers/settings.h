/* SPDX-License-Identifier: MIT
**
** settings.h - which variables the options of each driver come from, and their defaults.
** Only tables; looking them up is resolver.c.
*/
#ifndef EL_SETTINGS_H
#define EL_SETTINGS_H

#include <stdbool.h>

typedef enum el_check {
    EL_CHECK_NONE,
    EL_CHECK_PORT,
    EL_CHECK_PORTS, /* one for each host, with commas */
    EL_CHECK_URI
} el_check;

typedef struct el_setting {
    const char *option; /* the driver's word; NULL ends a list */
    const char *key;    /* end of the variable's name */
    const char *alias;  /* another key, looked at second */
    const char *fallback;
    el_check check;
    unsigned max; /* bytes that a value may have, 0: any */
    bool own;     /* names the database: never taken over from the app */
    bool secret;
} el_setting;

typedef struct el_settings {
    const char *driver;
    const el_setting *list;
    bool documents;                   /* a document store: takes no SQL */
    bool fold_case;                   /* database names that differ in case may be one */
    const char *const (*mistaken)[2]; /* keys that are not read, and what to write */
} el_settings;

/* NULL for an unknown driver. */
const el_settings *el_settings_find(const char *driver);

#endif
