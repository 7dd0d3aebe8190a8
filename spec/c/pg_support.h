/* SPDX-License-Identifier: MIT
**
** pg_support.h - what the specs of the PostgreSQL driver share: the server named by
** EL_SPEC_PG_*, and short ways to run a statement and look at what comes back.
*/
#ifndef EL_PG_SUPPORT_H
#define EL_PG_SUPPORT_H

#define SPEC_DRIVER "pg"
#define SPEC_PREFIX "EL_SPEC_PG_"
#define SPEC_KEYS "host", "port", "user", "password", "name"
#include "server_support.h"

static inline int pid_of(el_conn *c) {
    return (int)scalar(c, "SELECT pg_backend_pid()");
}

/* Ends a server process from another connection and waits until it is gone. */
static inline void kill_backend(int pid) {
    el_conn *admin = open_conn();
    char sql[160];
    snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%d, 5000)::int", pid);
    assert_int_equal(scalar(admin, sql), 1);
    el_conn_release(admin);
}

/* A thread that cancels what the connection runs; NULL when that failed. */
static inline void *cancel_soon(void *arg) {
    el_conn *c = arg;
    el_error err = {0};
    sleep_ms(300);
    return c->driver->cancel(c, &err) == EL_OK ? arg : NULL;
}

#endif
