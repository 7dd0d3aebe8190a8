/* SPDX-License-Identifier: MIT
**
** host.h - the parts of the program around Lua, and what they share.  The command line
** itself is Lua (lua/eloquent/cli).
*/
#ifndef EL_HOST_H
#define EL_HOST_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdbool.h>
#include <stddef.h>

/* What main knows before there is a Lua state; outlives it. */
typedef struct el_host {
    int argc;
    char **argv;
    char executable[4096]; /* absolute path of the program, "" when unknown */
    bool env_found;        /* there is a .env in the working folder */
    char env_error[600];   /* what is wrong with .env, "" when nothing */
    bool warnings;         /* warn("@on") */
    bool warning_begun;    /* a part of one has been shown */
} el_host;

/* {====== state.c ====== */

/* Opens libraries and preloads, raises only when memory is short. */
void el_state_setup(lua_State *L, el_host *host);

/* The host of a state that el_state_setup has seen. */
el_host *el_state_host(lua_State *L);

/* }====== */

/* {====== searcher.c and the generated embedded.c ====== */

typedef struct el_module {
    const char *name;  /* as `require` takes it */
    const char *chunk; /* "@lua/eloquent/..." */
    const char *bytes; /* bytecode or source */
    size_t size;
} el_module;

extern const el_module el_modules[]; /* sorted by name */
extern const size_t el_module_count;

/* Puts the searcher for embedded modules right after the one for preloads. */
void el_searcher_install(lua_State *L);

/* }====== */

/* {====== trace.c ====== */

/*
** Message handler for lua_pcall: hands the error value on, as elL_explain tells it, and
** keeps the stack, innermost frame first, for el_trace_push.
*/
int el_trace_handler(lua_State *L);

/*
** Pushes the stack of the last error as a list of { source=, line=, what=, name= }, or
** nil when there is none.
*/
void el_trace_push(lua_State *L);

/* }====== */

/* {====== output.c ====== */

/* Makes `print` and `write` stop the script when standard output is a closed pipe. */
void el_output_install(lua_State *L);

/* True when the value at `idx` is the error by which a closed pipe stops a script. */
bool el_output_is_closed_error(lua_State *L, int idx);

/*
** Flushes standard output; false when something written there was lost.  Says so on
** standard error unless nobody reads any more.
*/
bool el_output_finish(void);

/* }====== */

/* {====== modules of the host ====== */

int luaopen_eloquent_core_host(lua_State *L);

/* Adds exists, isdir, list, mkdirs, cwd, realpath to the table on the top. */
void el_files_functions(lua_State *L);

/* Adds isatty, columns, color. */
void el_terminal_functions(lua_State *L);

/* Adds libraries. */
void el_libraries_functions(lua_State *L);

/* }====== */

#endif
