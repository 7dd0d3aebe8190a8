/* SPDX-License-Identifier: MIT
**
** env.h - reads `.env` files: a parser for text in memory, and the step that puts what
** it found into the process environment.  What the variables mean is resolver.h.
**
**   KEY=value  # comment        spaces around the value are dropped
**   export KEY = value          the same
**   KEY='as it stands'          may span lines, no escapes
**   KEY="a\tb ${HOME} \$x"      may span lines; escapes \n \r \t \" \\ \$
**   KEY=${OTHER}/x              also in "": the environment, earlier lines, else empty
**   KEY=${OTHER:-text}          `text` when OTHER is unset or empty; may hold ${...}
*/
#ifndef EL_ENV_H
#define EL_ENV_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

enum {
    EL_ENV_FILE_MAX = 1 << 20,  /* bytes of a file */
    EL_ENV_TOTAL_MAX = 4 << 20, /* bytes of all values together, after expansion */
    EL_ENV_DEPTH_MAX = 8        /* ${A:-${B:-...}} */
};

/* The value of a variable, or NULL when it is not set; lent until one is changed. */
typedef const char *(*el_env_get)(void *ud, const char *key);

typedef struct el_env_pair {
    char *key; /* both end with NUL; one block that begins at the key */
    char *value;
    size_t size; /* of the block */
} el_env_pair;

typedef struct el_env {
    el_env_pair
        *pairs; /* in the order of the lines; a key may come twice: the last counts */
    size_t count;
} el_env;

/*
** Reads n bytes of text into `out`; release it.  `get` gives the process environment for
** ${...} and may be NULL.  Fails (and leaves `out` empty) with EL_ERR_MISUSE, naming
** `file` and the line and never a key's value, or EL_ERR_NOMEM.
*/
int el_env_parse(el_env *out, const char *text, size_t n, const char *file,
                 el_env_get get, void *ud, el_error *err);

/* Wipes and frees what a parse made, and makes `out` empty. */
void el_env_release(el_env *out);

/* Reads a file as el_env_parse reads text; one that does not exist is fine. */
int el_env_read(el_env *out, const char *path, bool *found, el_error *err);

/*
** Sets what the file says and the process environment has not (an empty variable counts
** as set).  Nothing is set when a line is malformed.  A file that does not exist is fine:
** then *found is false.  Not for a process with threads.
*/
int el_env_load(const char *path, bool *found, el_error *err);

/* getenv as an el_env_get. */
const char *el_env_process(void *ud, const char *key);

#endif
