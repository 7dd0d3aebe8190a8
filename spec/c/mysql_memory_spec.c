/* SPDX-License-Identifier: MIT
**
** mysql_memory_spec.c - the MySQL driver when memory runs out: sql_memory.h.
*/
#define SPEC_DRIVER "mysql"
#define SPEC_PREFIX "EL_SPEC_MYSQL_"
#define SPEC_KEYS "host", "port", "user", "password", "name"
#define SELECT                                                                           \
    "SELECT id, name, at, price FROM memory_c WHERE id <> ? AND name <> ? AND at <> ? "  \
    "AND price <> ?"
#define INSERT "INSERT INTO memory_c (id, name, at, price) VALUES (?, ?, ?, ?)"

#include "sql_memory.h"
