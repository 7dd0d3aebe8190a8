/* SPDX-License-Identifier: MIT
**
** interrupt.c - Ctrl-C.  The signal handler may do little more than set a hook;
** cancelling may need a connection of its own (MySQL), so a thread does it where it must.
*/
#include "interrupt.h"
#include "core.h"
#include "host.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

/* A signal handler has no argument, so this is the one file with state of its own. */
static lua_State *volatile main_state;
static lua_State *volatile running_state; /* the main one or a coroutine */
static volatile sig_atomic_t interrupt_count;
static volatile sig_atomic_t stop_pending; /* a hook has still to raise */
static struct {
    pthread_mutex_t lock; /* held while `fn` runs */
    sem_t pending;
    bool thread_started;
    void (*fn)(void *ud);
    void *ud;
    void (*volatile direct)(void *ud); /* called by the signal handler itself */
    void *volatile direct_ud;
} canceler = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *cancel_thread(void *unused) {
    (void)unused;
    for (;;) {
        while (sem_wait(&canceler.pending) != 0 && errno == EINTR) {
            ;
        }
        pthread_mutex_lock(&canceler.lock);
        if (canceler.fn != NULL) {
            canceler.fn(canceler.ud);
        }
        pthread_mutex_unlock(&canceler.lock);
    }
    return NULL;
}

/* Without a thread a statement runs to its end, and Lua stops after it. */
static void start_thread(void) {
    pthread_t id;
    sigset_t all, before;
    if (sem_init(&canceler.pending, 0, 0) != 0) {
        return;
    }
    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&id, NULL, cancel_thread, NULL) == 0) {
        pthread_detach(id);
        canceler.thread_started = true;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void el_interrupt_set(void (*fn)(void *ud), void *ud, bool in_signal) {
    if (main_state == NULL) {
        return; /* nobody handles SIGINT: it ends the process anyway */
    }
    if (fn == NULL && ud != NULL) {
        stop_pending = 0;
        return;
    }
    if (in_signal) { /* the handler runs on this thread: order is all it takes */
        canceler.direct = NULL;
        atomic_signal_fence(memory_order_seq_cst);
        canceler.direct_ud = ud;
        atomic_signal_fence(memory_order_seq_cst);
        canceler.direct = fn;
        return;
    }
    if (fn != NULL && !canceler.thread_started) {
        start_thread();
    }
    pthread_mutex_lock(&canceler.lock);
    canceler.fn = fn;
    canceler.ud = ud;
    pthread_mutex_unlock(&canceler.lock);
}

/*
** True in the code that begins and ends transactions, and not in the function of one,
** whoever's it is: an error there would leave a transaction open, so it comes behind.
*/
static bool is_between(lua_State *L) {
    static const char own[] = "@lua/eloquent/", kept[] = "@lua/eloquent/transaction.lua";
    lua_Debug ar;
    for (int level = 0; lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "Sf", &ar);
        bool inside = lua_tocfunction(L, -1) == elL_protect;
        lua_pop(L, 1);
        if (strcmp(ar.source, kept) == 0) {
            return true;
        }
        if (inside) {
            return false;
        }
        if (*ar.what != 'C' && strncmp(ar.source, own, sizeof own - 1) != 0) {
            return false;
        }
    }
    return false;
}

/* Raises errors.raise{ kind = "canceled", ... } where the script is. */
static void stop(lua_State *L, lua_Debug *ar) {
    (void)ar;
    if (stop_pending && is_between(L)) {
        return; /* the hook stays */
    }
    lua_sethook(L, NULL, 0, 0);
    if (!stop_pending) {
        return; /* the other one was first: a statement, the main state, a coroutine */
    }
    stop_pending = 0;
    lua_getglobal(L, "require");
    lua_pushliteral(L, "eloquent.core.errors");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "raise");
    lua_createtable(L, 0, 2);
    lua_pushliteral(L, "canceled");
    lua_setfield(L, -2, "kind");
    lua_pushliteral(L, "interrupted");
    lua_setfield(L, -2, "message");
    lua_call(L, 1, 0);
}

static void on_sigint(int signal) {
    (void)signal;
    int saved = errno;
    if (interrupt_count > 0) {
        _exit(130);
    }
    interrupt_count = 1;
    if (main_state != NULL) {
        stop_pending = 1;
        lua_sethook(main_state, stop, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
        lua_sethook(running_state, stop, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
    }
    if (canceler.direct != NULL) {
        canceler.direct(canceler.direct_ud);
    }
    if (canceler.thread_started) {
        sem_post(&canceler.pending);
    }
    errno = saved;
}

/* Does nothing, which a child, unlike a signal that is ignored, does not inherit. */
static void on_failed_write(int signal) {
    (void)signal;
}

/*
** A hook belongs to one coroutine, so the handler has to know which one runs.  Wraps
** coroutine.resume (the original is the upvalue).
*/
static int watched_resume(lua_State *L) {
    lua_State *co = lua_tothread(L, 1), *before = running_state;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    running_state = co != NULL ? co : before;
    int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    running_state = before;
    return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

/* Upvalues: what coroutine.wrap returned, its coroutine. */
static int watched_call(lua_State *L) {
    lua_State *before = running_state;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    running_state = lua_tothread(L, lua_upvalueindex(2));
    int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    running_state = before;
    return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

/* Wraps coroutine.wrap (the original is the upvalue). */
static int watched_wrap(lua_State *L) {
    lua_settop(L, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    if (lua_getupvalue(L, 1, 1) == NULL || !lua_isthread(L, -1)) {
        lua_settop(L, 1);
        return 1; /* another Lua keeps its coroutine elsewhere: only main is watched */
    }
    lua_pushcclosure(L, watched_call, 2);
    return 1;
}

static void install_coroutines(lua_State *L) {
    static const luaL_Reg wrappers[] = {
        {"resume", watched_resume}, {"wrap", watched_wrap}, {NULL, NULL}};
    lua_getglobal(L, "coroutine");
    for (const luaL_Reg *w = wrappers; w->name != NULL; w++) {
        lua_getfield(L, -1, w->name);
        lua_pushcclosure(L, w->func, 1);
        lua_setfield(L, -2, w->name);
    }
    lua_pop(L, 1);
}

void el_interrupt_install(lua_State *L) {
    struct sigaction action = {.sa_handler = on_sigint};
    sigemptyset(&action.sa_mask); /* no SA_RESTART: reading a terminal must end, too */
    main_state = running_state = L;
    install_coroutines(L);
    sigaction(SIGINT, &action, NULL);
    action.sa_handler = on_failed_write;
    action.sa_flags = SA_RESTART;
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGXFSZ, &action, NULL); /* a file at its limit is an error of the write */
}

void el_interrupt_remove(void) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    el_interrupt_set(NULL, NULL, true);
    if (canceler.thread_started) {
        el_interrupt_set(NULL, NULL, false);
    }
    main_state = running_state = NULL;
}

bool el_interrupted(void) {
    return interrupt_count > 0;
}
