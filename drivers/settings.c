/* SPDX-License-Identifier: MIT
**
** settings.c - the tables of settings.h.
*/
#include "settings.h"

#include <stddef.h>
#include <string.h>

static const el_setting mysql_settings[] = {
    {.option = "host", .key = "HOST", .fallback = "127.0.0.1"},
    {.option = "port", .key = "PORT", .fallback = "3306", .check = EL_CHECK_PORT},
    {.option = "socket", .key = "SOCKET"},
    {.option = "user", .key = "USER", .fallback = "root"},
    {.option = "password", .key = "PASSWORD", .secret = true},
    {.option = "name", .key = "NAME", .fallback = "eloquent_app", .max = 64, .own = true},
    {.option = "connect_timeout", .key = "CONNECT_TIMEOUT"},
    {.option = "ssl_mode", .key = "SSL_MODE"},
    {.option = "ssl_ca", .key = "SSL_CA"},
    {.option = "ssl_capath", .key = "SSL_CAPATH"},
    {.option = "ssl_cert", .key = "SSL_CERT"},
    {.option = "ssl_key", .key = "SSL_KEY"},
    {.option = "ssl_cipher", .key = "SSL_CIPHER"},
    {.option = NULL}};

static const el_setting pg_settings[] = {
    {.option = "host", .key = "HOST", .fallback = "127.0.0.1"},
    {.option = "port", .key = "PORT", .fallback = "5432", .check = EL_CHECK_PORTS},
    {.option = "user", .key = "USER", .fallback = "postgres"},
    {.option = "password", .key = "PASSWORD", .secret = true},
    {.option = "name",
     .key = "NAME",
     .alias = "DB_NAME",
     .fallback = "eloquent_app",
     .max = 63, /* the server cuts longer ones, and meets another database */
     .own = true},
    {.option = "connect_timeout", .key = "CONNECT_TIMEOUT"},
    {.option = "sslmode", .key = "SSLMODE"},
    {.option = "sslrootcert", .key = "SSLROOTCERT"},
    {.option = "sslcert", .key = "SSLCERT"},
    {.option = "sslkey", .key = "SSLKEY"},
    {.option = "sslpassword", .key = "SSLPASSWORD", .secret = true},
    {.option = "sslcrl", .key = "SSLCRL"},
    {.option = "ssl_min_protocol_version", .key = "SSL_MIN_PROTOCOL_VERSION"},
    {.option = "channel_binding", .key = "CHANNEL_BINDING"},
    {.option = "target_session_attrs", .key = "TARGET_SESSION_ATTRS"},
    {.option = NULL}};

static const el_setting sqlite_settings[] = {
    {.option = "path", .key = "PATH", .fallback = "./storage/app.sqlite", .own = true},
    {.option = "journal_mode", .key = "JOURNAL_MODE", .fallback = "wal"},
    {.option = "synchronous", .key = "SYNCHRONOUS", .fallback = "normal"},
    {.option = "busy_timeout", .key = "BUSY_TIMEOUT", .fallback = "5"},
    {.option = "foreign_keys", .key = "FOREIGN_KEYS", .fallback = "on"},
    {.option = NULL}};

static const el_setting mongo_settings[] = {
    {.option = "uri",
     .key = "URI",
     .fallback = "mongodb://127.0.0.1:27017",
     .check = EL_CHECK_URI,
     .own = true,
     .secret = true},
    {.option = "db",
     .key = "DB",
     .alias = "DB_NAME",
     .fallback = "eloquent_app",
     .max = 63,
     .own = true},
    {.option = "connect_timeout", .key = "CONNECT_TIMEOUT"},
    {.option = NULL}};

/* A TLS setting that is not read would be a connection without TLS. */
static const char *const mysql_mistaken[][2] = {{"SSLMODE", "SSL_MODE"},
                                                {"SSL_ROOTCERT", "SSL_CA"},
                                                {"SSLROOTCERT", "SSL_CA"},
                                                {NULL, NULL}};
static const char *const pg_mistaken[][2] = {
    {"SSL_MODE", "SSLMODE"}, {"SSL_CA", "SSLROOTCERT"}, {"SSL_ROOTCERT", "SSLROOTCERT"},
    {"SSL_CERT", "SSLCERT"}, {"SSL_KEY", "SSLKEY"},     {NULL, NULL}};
static const char *const none_mistaken[][2] = {{NULL, NULL}};

static const el_settings kinds[] = {
    {"mysql", mysql_settings, false, true, mysql_mistaken},
    {"pg", pg_settings, false, false, pg_mistaken},
    {"sqlite", sqlite_settings, false, false, none_mistaken},
    {"mongo", mongo_settings, true, true, none_mistaken},
};

const el_settings *el_settings_find(const char *driver) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].driver, driver) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}
