/* SPDX-License-Identifier: MIT
**
** interrupt.h - what Ctrl-C does.  The first one stops the running Lua code with an
** error of kind "canceled" and calls the registered function; the second one ends the
** process at once with status 130.
*/
#ifndef EL_INTERRUPT_H
#define EL_INTERRUPT_H

#include <stdbool.h>

struct lua_State;

/*
** Names the function that cancels what the main thread waits for; NULL when it waits
** for nothing.  It is called at most once for each Ctrl-C, and never after a later
** el_interrupt_set has returned, so `ud` may be freed then.  With `in_signal` the signal
** handler itself calls it; without, a thread of its own does, which the first such call
** starts.  Not to be called from `fn` itself.  NULL with a `ud` says that the script gets
** the error of what was canceled, so that nothing else has to stop it.
*/
void el_interrupt_set(void (*fn)(void *ud), void *ud, bool in_signal);

/* Handles SIGINT for this state from now on. */
void el_interrupt_install(struct lua_State *L);

/* Back to the default, before the state is closed. */
void el_interrupt_remove(void);

/* True once SIGINT has arrived. */
bool el_interrupted(void);

#endif
