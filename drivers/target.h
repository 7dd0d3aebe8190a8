/* SPDX-License-Identifier: MIT
**
** target.h - which database a set of options leads to, apart from user and password: as
** text for messages, and compared, so that tests never run on the app's own.
*/
#ifndef EL_TARGET_H
#define EL_TARGET_H

#include <stdbool.h>
#include <stddef.h>

/* NULL where a driver has no such option, or it is not set. */
typedef struct el_target {
    const char *host; /* one, or several with commas */
    const char *port; /* one for all, or one for each host */
    const char *socket;
    const char *uri; /* of MongoDB; must have passed el_target_check_uri */
    const char *name;
    const char *path; /* of SQLite */
    bool fold_case;   /* names that differ in case may be one database */
} el_target;

/* What is wrong with a MongoDB URI, or NULL; nothing of the URI stands in it. */
const char *el_target_check_uri(const char *uri);

/* The database named by a URI: its bytes, and NULL when there is none. */
const char *el_target_uri_name(const char *uri, size_t *n);

/* Number of hosts or ports in a list. */
size_t el_target_list_length(const char *list);

/* "host:port/name", "socket/name" or the path; cut to `size`. */
void el_target_text(char *out, size_t size, const el_target *target);

/* True when both may be the same database. */
bool el_target_same(const el_target *a, const el_target *b);

#endif
