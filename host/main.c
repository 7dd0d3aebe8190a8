/* SPDX-License-Identifier: MIT
**
** main.c - from argv to an exit status: reads .env, makes the Lua state, calls
** lua/eloquent/cli, shows what it raised.  What the commands do is there, not here.
*/
#include "core.h"
#include "env.h"
#include "host.h"
#include "interrupt.h"
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STATUS_FAILED = 1, STATUS_INTERRUPTED = 130 };

static void find_executable(el_host *host) {
    ssize_t n = readlink("/proc/self/exe", host->executable, sizeof host->executable - 1);
    host->executable[n > 0 ? n : 0] = '\0';
}

static void read_dotenv(el_host *host) {
    el_error err;
    el_error_clear(&err);
    if (el_env_load(".env", &host->env_found, &err) < 0) {
        snprintf(host->env_error, sizeof host->env_error, "%s", err.message);
    }
}

/* Calls function `name` of module `module` with the `nargs` values on the top. */
static void call_module(lua_State *L, const char *module, const char *name, int nargs) {
    lua_getglobal(L, "require");
    lua_pushstring(L, module);
    lua_call(L, 1, 1);
    lua_getfield(L, -1, name);
    lua_replace(L, -2);
    lua_insert(L, -(nargs + 1));
    lua_call(L, nargs, 1);
}

/*
** Starts the collector with its first round so far off that a short script ends before it:
** a step of fewer than no kilobytes lets that many more be made until then.  Later rounds
** begin when there is half as much again as the last one left, where Lua would wait for
** twice as much: scripts that read rows one by one run in less memory, at 3% more work.
*/
static void let_grow(lua_State *L) {
    enum { FIRST_ROUND = 512, PAUSE = 150 };
    lua_gc(L, LUA_GCINC, PAUSE, 0, 0);
    lua_gc(L, LUA_GCRESTART);
    lua_gc(L, LUA_GCSTEP, -FIRST_ROUND);
}

/* (host) -> exit status */
static int start(lua_State *L) {
    el_host *host = lua_touserdata(L, 1);
    lua_gc(L, LUA_GCSTOP); /* nothing made here is garbage */
    el_state_setup(L, host);
    el_interrupt_install(L);
    elL_setwatch(L, el_interrupt_set);
    lua_createtable(L, host->argc, 0);
    for (int i = 0; i < host->argc; i++) {
        lua_pushstring(L, host->argv[i]);
        lua_rawseti(L, -2, i);
    }
    let_grow(L);
    call_module(L, "eloquent.cli", "main", 1);
    return 1;
}

/* (error) -> exit status */
static int report(lua_State *L) {
    lua_settop(L, 1);
    el_trace_push(L);
    call_module(L, "eloquent.cli.report", "show", 2);
    return 1;
}

/* Shows the error on the top by plain C, when Lua could not. */
static void report_plainly(lua_State *L) {
    const char *text = lua_tostring(L, -1);
    fprintf(stderr, "error: %s\n",
            text ? text : "the program failed and could not say why");
}

static int finish_failed(lua_State *L) {
    bool closed = el_output_is_closed_error(L, -1);
    bool interrupted = el_interrupted();
    int status = STATUS_FAILED;
    if (!closed) {
        fflush(stdout);
        lua_sethook(L, NULL, 0, 0); /* that of Ctrl-C: nothing stops the report */
        lua_pushcfunction(L, report);
        lua_pushvalue(L, -2);
        if (lua_pcall(L, 1, 1, 0) == LUA_OK) {
            status = (int)lua_tointeger(L, -1);
        } else {
            report_plainly(L);
        }
        lua_pop(L, 1);
    }
    return interrupted ? STATUS_INTERRUPTED : status;
}

/* {====== What luaL_newstate would bring ====== */

static int panic(lua_State *L) {
    report_plainly(L);
    return 0; /* Lua aborts */
}

/* warn(): off until the script says "@on"; `ud` tells. */
static void show_warning(void *ud, const char *message, int to_be_continued) {
    el_host *host = ud;
    if (!host->warning_begun && !to_be_continued && *message == '@') {
        if (strcmp(message, "@on") == 0 || strcmp(message, "@off") == 0) {
            host->warnings = message[2] == 'n';
        }
        return;
    }
    if (host->warnings) {
        fprintf(stderr, "%s%s%s", host->warning_begun ? "" : "Lua warning: ", message,
                to_be_continued ? "" : "\n");
    }
    host->warning_begun = to_be_continued != 0;
}

/* }====== */

int main(int argc, char **argv) {
    static el_host host;
    host.argc = argc;
    host.argv = argv;
    find_executable(&host);
    read_dotenv(&host);

    static el_memory memory;
    lua_State *L = lua_newstate(el_memory_alloc, &memory);
    if (L == NULL) {
        fputs("error: not enough memory to start\n", stderr);
        return STATUS_FAILED;
    }
    lua_atpanic(L, panic);
    lua_setwarnf(L, show_warning, &host);
    int status;
    lua_pushcfunction(L, el_trace_handler);
    lua_pushcfunction(L, start);
    lua_pushlightuserdata(L, &host);
    if (lua_pcall(L, 1, 1, 1) == LUA_OK) {
        status = (int)lua_tointeger(L, -1);
    } else {
        status = finish_failed(L);
    }
    el_interrupt_remove();
#ifndef EL_SANITIZED /* a leak checker wants every block back */
    memory.ending = true;
#endif
    lua_close(L);
    if (!el_output_finish() && status == 0) {
        status = STATUS_FAILED;
    }
    return status;
}
