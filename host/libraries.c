/* SPDX-License-Identifier: MIT
**
** libraries.c - which client libraries this program runs with.  They are asked at run
** time, because a distribution replaces them without building the program again.
*/
#include "driver.h"
#include "host.h"

#include <dlfcn.h>
#include <string.h>

typedef const char *version_text(void);
typedef int version_number(void);

/*
** A driver's client library and the function that tells its version.  Where there are
** two, `mark` is a function that only the first one has.
*/
static const struct {
    const char *driver, *library, *text, *number, *mark, *other;
} clients[] = {
    {"sqlite", "SQLite", "sqlite3_libversion", NULL, NULL, NULL},
    {"pg", "libpq", NULL, "PQlibVersion", NULL, NULL},
    {"mysql", "MariaDB Connector/C", "mysql_get_client_info", NULL, "mariadb_get_info",
     "libmysqlclient"},
    {"mongo", "MongoDB C driver", "mongoc_get_version", NULL, NULL, NULL},
};

/* The file that `driver` came from, opened once more: it is loaded already. */
static void *open_home(const el_driver *driver) {
    Dl_info info;
    if (dladdr((const void *)driver, &info) == 0) {
        return NULL;
    }
    void *module = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    return module != NULL ? module : dlopen(NULL, RTLD_LAZY); /* the program itself */
}

/* Sets fields library and version of the table on the top. */
static void set_version(lua_State *L, size_t i, const el_driver *driver) {
    void *module = open_home(driver);
    if (module == NULL) {
        return;
    }
    if (clients[i].mark != NULL && dlsym(module, clients[i].mark) == NULL) {
        lua_pushstring(L, clients[i].other);
        lua_setfield(L, -2, "library");
    }
    void *symbol = dlsym(module, clients[i].text ? clients[i].text : clients[i].number);
    if (symbol != NULL && clients[i].text != NULL) {
        version_text *version;
        memcpy(&version, &symbol, sizeof version);
        lua_pushstring(L, version());
        lua_setfield(L, -2, "version");
    } else if (symbol != NULL) {
        version_number *version; /* PostgreSQL's: 150014 is 15.14 */
        memcpy(&version, &symbol, sizeof version);
        lua_pushfstring(L, "%d.%d", version() / 10000, version() % 10000);
        lua_setfield(L, -2, "version");
    }
    dlclose(module);
}

/*
** host.libraries() -> list of { driver=, library=, version= } or { driver=, library=,
** missing= why }
*/
static int host_libraries(lua_State *L) {
    lua_newtable(L);
    for (size_t i = 0; i < sizeof clients / sizeof clients[0]; i++) {
        const el_driver *driver = NULL;
        el_error err;
        el_error_clear(&err);
        lua_createtable(L, 0, 3);
        lua_pushstring(L, clients[i].driver);
        lua_setfield(L, -2, "driver");
        lua_pushstring(L, clients[i].library);
        lua_setfield(L, -2, "library");
        if (el_driver_load(&driver, clients[i].driver, &err) < 0) {
            lua_pushstring(L, err.message);
            lua_setfield(L, -2, "missing");
        } else {
            set_version(L, i, driver);
        }
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

void el_libraries_functions(lua_State *L) {
    lua_pushcfunction(L, host_libraries);
    lua_setfield(L, -2, "libraries");
}
