/* SPDX-License-Identifier: MIT
**
** error.h - the error a driver reports: a fixed struct, so that reporting a failure
** can never fail itself.  Turning it into a Lua error object is bindings/error.c.
*/
#ifndef EL_ERROR_H
#define EL_ERROR_H

#include <stdint.h>

#if defined(__GNUC__)
#define EL_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define EL_NORETURN __attribute__((noreturn))
#else
#define EL_PRINTF(fmt, first)
#define EL_NORETURN
#endif

/* Kinds come from codes (SQLSTATE, extended result code, errno), never from text. */
typedef enum el_errkind {
    EL_ERR_NONE = 0,
    EL_ERR_CONNECT,     /* the request never reached the server: safe to retry */
    EL_ERR_LOST,        /* the link broke after the request left: it may have run */
    EL_ERR_AUTH,        /* the server refused the user, the password or the database */
    EL_ERR_SYNTAX,      /* bad SQL, unknown table or column */
    EL_ERR_UNIQUE,
    EL_ERR_FOREIGN_KEY,
    EL_ERR_NOT_NULL,
    EL_ERR_CHECK,
    EL_ERR_CONFLICT,    /* deadlock or serialization failure: retry the transaction */
    EL_ERR_BUSY,        /* a lock was not to be had in time */
    EL_ERR_CANCELED,
    EL_ERR_VALUE,       /* out of range, too long, wrong type */
    EL_ERR_UNSUPPORTED, /* this driver, server or machine cannot do that */
    EL_ERR_MISUSE,      /* closed handle, wrong argument count */
    EL_ERR_NOT_FOUND,
    EL_ERR_NOMEM,
    EL_ERR_OTHER
} el_errkind;

typedef struct el_error {
    el_errkind kind;
    int code;             /* the client library's own code, 0 when it has none */
    char sqlstate[6];     /* "" when unknown */
    char table[128];      /* these three: "" when unknown */
    char column[128];
    char constraint[128];
    char message[512];    /* one line without newline, values or passwords */
    int64_t number;       /* of a command's documents or updates, 1 the first; 0: none */
} el_error;

/* What functions that report through an el_error return. */
enum { EL_FAIL = -1, EL_OK = 0, EL_ROW = 1, EL_DONE = 2 };

/*
** Fills `err` and returns EL_FAIL.  An error that is already there stays: what
** follows a failure is nearly always its consequence.
*/
int el_fail(el_error *err, el_errkind kind, int code, const char *fmt, ...)
    EL_PRINTF(4, 5);
#ifdef __clang_analyzer__ /* sees one file at a time: a failure is never EL_OK */
#define el_fail(...) (el_fail(__VA_ARGS__), EL_FAIL)
#endif

/* Makes `err` empty. */
void el_error_clear(el_error *err);

/* The kind as scripts see it: "unique", "foreignKey"; "" for EL_ERR_NONE. */
const char *el_errkind_name(el_errkind kind);

/*
** Copies at most size-1 bytes of `text` (n bytes) and ends them with NUL, never inside
** a UTF-8 sequence; for the fixed fields above.
*/
void el_error_copy(char *field, unsigned size, const char *text, unsigned n);

#endif
