/* SPDX-License-Identifier: MIT
**
** statements.h - the prepared statements of one connection, kept by their text: what
** was prepared once is not prepared again.  A statement belongs to one user at a time.
*/
#ifndef EL_STATEMENTS_H
#define EL_STATEMENTS_H

#include "driver.h"

typedef struct el_statements el_statements;

enum { EL_STATEMENTS_LIMIT = 128 }; /* what one connection keeps unless told otherwise */

/* A cache of at most `limit` statements of `c`, which it retains; NULL without memory. */
el_statements *el_statements_new(el_conn *c, size_t limit);

/*
** Finalizes what nobody uses.  Statements in use stay good, and must still be released:
** the memory (and the connection) goes with the last of them.  NULL is fine.
*/
void el_statements_free(el_statements *cache);

/*
** Lends a statement for this text, not active, that is the caller's until released; he
** may hold it through the life of a cursor.  While it is lent, the same text gets
** another statement.  `flags` are those of prepare and tell apart equal texts; with
** EL_STMT_ONCE nothing is kept.  `*out` is untouched on failure.
*/
int el_statements_get(el_stmt **out, el_statements *cache, const char *sql, size_t len,
                      unsigned flags, el_error *err);

/*
** Takes a lent statement back: resets it, and keeps or finalizes it.  Every statement
** from el_statements_get comes back by this or the next, once.
*/
void el_statements_release(el_statements *cache, el_stmt *s);

/*
** The same after a failure, which tells whether the statement is still good: one that
** was prepared for a schema that has changed since is finalized.
*/
void el_statements_failed(el_statements *cache, el_stmt *s, const el_error *why);

/*
** Says that a lent statement has an owner who will surely give it back (a cursor), so
** that el_statements_reclaim leaves it alone.
*/
void el_statements_hold(el_statements *cache, el_stmt *s);

/*
** Finalizes what is lent and not held: statements whose user was thrown out by an error
** between taking and releasing them.  Only for who knows that nobody uses one now.
*/
void el_statements_reclaim(el_statements *cache);

/* Forgets all texts; lent statements are finalized when they come back. */
void el_statements_clear(el_statements *cache);

el_conn *el_statements_connection(const el_statements *cache);

/* Number of statements kept that nobody uses now. */
size_t el_statements_idle(const el_statements *cache);

#endif
