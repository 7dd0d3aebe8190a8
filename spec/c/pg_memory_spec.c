/* SPDX-License-Identifier: MIT
**
** pg_memory_spec.c - the PostgreSQL driver when memory runs out: sql_memory.h.
*/
#define SPEC_DRIVER "pg"
#define SPEC_PREFIX "EL_SPEC_PG_"
#define SPEC_KEYS "host", "port", "user", "password", "name"
#define SELECT                                                                           \
    "SELECT id, name, at, price FROM memory_c WHERE id <> $1 AND name <> $2 AND at <> "  \
    "$3 "                                                                                \
    "AND price <> $4"
#define INSERT "INSERT INTO memory_c (id, name, at, price) VALUES ($1, $2, $3, $4)"

#include "sql_memory.h"
