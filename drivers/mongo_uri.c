/* SPDX-License-Identifier: MIT
**
** mongo_uri.c - the URI of a connection: read by the client library, and refused where it
** has an option that the library would only warn of, which would leave out TLS for one.
** Nothing of the URI but names of options stands in messages: the rest may be a password.
*/
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "mongo_driver.h"
#include "nearest.h"
#include "target.h"

/*
** https://mongoc.org/libmongoc/current/mongoc_uri_t.html.  These may stand in a URI,
** whatever the library warns of, and are what a message proposes.
*/
static const char *const options[] = {
    "appName",
    "authMechanism",
    "authMechanismProperties",
    "authSource",
    "canonicalizeHostname",
    "compressors",
    "connectTimeoutMS",
    "directConnection",
    "gssapiServiceName",
    "heartbeatFrequencyMS",
    "journal",
    "loadBalanced",
    "localThresholdMS",
    "maxIdleTimeMS",
    "maxPoolSize",
    "maxStalenessSeconds",
    "minPoolSize",
    "readConcernLevel",
    "readPreference",
    "readPreferenceTags",
    "replicaSet",
    "retryReads",
    "retryWrites",
    "safe",
    "serverSelectionTimeoutMS",
    "serverSelectionTryOnce",
    "slaveOk",
    "socketCheckIntervalMS",
    "socketTimeoutMS",
    "srvMaxHosts",
    "srvServiceName",
    "ssl",
    "sslAllowInvalidCertificates",
    "sslAllowInvalidHostnames",
    "sslCertificateAuthorityFile",
    "sslClientCertificateKeyFile",
    "sslClientCertificateKeyPassword",
    "tls",
    "tlsAllowInvalidCertificates",
    "tlsAllowInvalidHostnames",
    "tlsCAFile",
    "tlsCertificateKeyFile",
    "tlsCertificateKeyFilePassword",
    "tlsDisableCertificateRevocationCheck",
    "tlsDisableOCSPEndpointCheck",
    "tlsInsecure",
    "w",
    "waitQueueMultiple",
    "waitQueueTimeoutMS",
    "wTimeoutMS",
    "zlibCompressionLevel",
};

enum { OPTION_SIZE = 64, NOTES_SIZE = 2048 };

/* What the library has warned of while it read a URI. */
typedef struct notes {
    size_t n;
    char text[NOTES_SIZE];
} notes;

static void note(mongoc_log_level_t level, const char *domain, const char *message,
                 void *ud) {
    notes *all = ud;
    (void)level;
    (void)domain;
    size_t n = strlen(message), room = sizeof all->text - 1 - all->n;
    n = n < room ? n : room;
    memcpy(all->text + all->n, message, n);
    all->n += n;
    all->text[all->n] = '\0';
}

/* The next option's name; false at the end.  `at` begins at the "?". */
static bool next_option(const char **at, char out[OPTION_SIZE]) {
    while (**at != '\0') {
        const char *p = *at + 1;
        size_t n = strcspn(p, "=&"), whole = strcspn(p, "&");
        *at = p + whole;
        if (n > 0 && n < OPTION_SIZE) {
            memcpy(out, p, n);
            out[n] = '\0';
            return true;
        }
    }
    return false;
}

static const char *options_of(const char *uri) {
    return uri + strcspn(uri, "?");
}

/* Whether the text has the name, in quotes or not, as a word of its own. */
static bool mentions(const char *text, const char *name) {
    size_t n = strlen(name);
    for (const char *p = text; *p; p++) {
        if (strncasecmp(p, name, n) == 0 && !isalnum((unsigned char)p[n]) &&
            (p == text || !isalnum((unsigned char)p[-1]))) {
            return true;
        }
    }
    return false;
}

/* The known option that is nearest; NULL when none is near. */
static const char *nearest(const char *name, bool *exact) {
    const char *near = NULL;
    size_t best = 1 + (strlen(name) + 1) / 3;
    *exact = false;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        size_t d = el_distance(name, options[i]);
        if (d < best) {
            best = d;
            near = options[i];
        }
    }
    *exact = near && best == 0;
    return near;
}

/* The library has warned of an option that nobody knows. */
static int check_options(const char *uri, const notes *warned, el_error *err) {
    char name[OPTION_SIZE];
    bool known;
    const char *at = options_of(uri);
    while (next_option(&at, name)) {
        const char *near = nearest(name, &known);
        if (!known && mentions(warned->text, name)) {
            return el_fail(err, EL_ERR_MISUSE, 0,
                           "option uri is not taken as it is: MongoDB's client library "
                           "has no option '%s'%s%s%s",
                           name, near ? "; did you mean '" : "", near ? near : "",
                           near ? "'?" : "");
        }
    }
    return EL_OK;
}

/* Names the option that the library speaks of, if it does. */
static int refuse(const char *uri, const bson_error_t *why, el_error *err) {
    char name[OPTION_SIZE];
    const char *at = options_of(uri);
    while (next_option(&at, name)) {
        if (mentions(why->message, name)) {
            return el_fail(err, EL_ERR_MISUSE, (int)why->code,
                           "option uri is no URI of MongoDB: its option '%s' has a value "
                           "that can't be, or one that another option forbids",
                           name);
        }
    }
    return el_fail(err, EL_ERR_MISUSE, (int)why->code,
                   "option uri is no URI of MongoDB, mongodb://user:password@host:port/"
                   "name?option=value (mongodb+srv:// takes one host of three parts, "
                   "without a port), or has options that can't go together");
}

int el_mg_uri_new(mongoc_uri_t **out, const char *uri, el_error *err) {
    notes warned = {0};
    bson_error_t why = {0};
    const char *wrong = el_target_check_uri(uri);
    if (wrong) { /* what would be taken for a host may be part of a password */
        return el_fail(err, EL_ERR_MISUSE, 0, "option uri is no URI of MongoDB: %s",
                       wrong);
    }
    mongoc_log_set_handler(note, &warned);
    *out = mongoc_uri_new_with_error(uri, &why);
    mongoc_log_set_handler(NULL, NULL); /* it would print */
    return *out ? check_options(uri, &warned, err) : refuse(uri, &why, err);
}
