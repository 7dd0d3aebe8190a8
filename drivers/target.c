/* SPDX-License-Identifier: MIT
**
** target.c - names and compares databases without connecting.  It compares names and
** files; that two host names are one machine is known of the local one only.
*/
#include "target.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes that are lent. */
typedef struct span {
    const char *p;
    size_t n;
} span;

typedef struct endpoint {
    span host; /* a name, an address, or the path of a socket or its folder */
    span port; /* empty: not known */
} endpoint;

static span span_of(const char *text) {
    return text ? (span){text, strlen(text)} : (span){"", 0};
}

static bool span_is(span s, const char *text) {
    return s.n == strlen(text) && strncasecmp(s.p, text, s.n) == 0;
}

static bool spans_equal(span a, span b) {
    return a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0;
}

/* {====== MongoDB URIs ====== */

/* Bytes of the scheme, 0 when it is another one. */
static size_t uri_scheme(const char *uri) {
    static const char *const schemes[] = {"mongodb://", "mongodb+srv://"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (strncmp(uri, schemes[i], strlen(schemes[i])) == 0) {
            return strlen(schemes[i]);
        }
    }
    return 0;
}

/* The part with user, password and hosts. */
static span uri_authority(const char *uri) {
    const char *p = uri + uri_scheme(uri);
    return (span){p, strcspn(p, "/?#")};
}

/* Without user and password. */
static span uri_hosts(const char *uri) {
    span all = uri_authority(uri);
    const char *at = memrchr(all.p, '@', all.n);
    return at ? (span){at + 1, (size_t)(all.p + all.n - at - 1)} : all;
}

/* The i-th host of a URI with its port. */
static bool uri_endpoint(const char *uri, size_t i, endpoint *out) {
    span rest = uri_hosts(uri);
    for (;; i--) {
        const char *comma = memchr(rest.p, ',', rest.n);
        span one = {rest.p, comma ? (size_t)(comma - rest.p) : rest.n};
        if (i == 0) {
            const char *bracket = memrchr(one.p, ']', one.n);
            const char *colon = memrchr(one.p, ':', one.n);
            *out = (endpoint){one, {"27017", 5}};
            if (colon && (!bracket || colon > bracket)) {
                out->host.n = (size_t)(colon - one.p);
                out->port = (span){colon + 1, one.n - out->host.n - 1};
            }
            return true;
        }
        if (!comma) {
            return false;
        }
        rest = (span){comma + 1, rest.n - one.n - 1};
    }
}

const char *el_target_check_uri(const char *uri) {
    static const char encode[] = "in user and password write %40 for @, %3A for :, %2F "
                                 "for /, %3F for ? and %25 for %";
    span all = uri_authority(uri);
    if (uri_scheme(uri) == 0) {
        return "it must begin with mongodb:// or mongodb+srv://";
    }
    const char *at = memchr(all.p, '@', all.n);
    if (strchr(at && at < all.p + all.n ? at + 1 : all.p + all.n, '@')) {
        return encode;
    }
    endpoint e;
    for (size_t i = 0; uri_endpoint(uri, i, &e); i++) {
        if (e.host.n == 0) {
            return "a host is missing in it";
        }
        for (size_t k = 0; k < e.port.n; k++) {
            if (e.port.p[k] < '0' || e.port.p[k] > '9') {
                return encode;
            }
        }
    }
    return NULL;
}

const char *el_target_uri_name(const char *uri, size_t *n) {
    span all = uri_authority(uri);
    const char *slash = all.p + all.n;
    *n = *slash == '/' ? strcspn(slash + 1, "?#") : 0;
    return *n > 0 ? slash + 1 : NULL;
}

/* }====== */

/* {====== Hosts ====== */

/* The i-th item of a list, empty past its end. */
static span item(const char *list, size_t i) {
    const char *p = list ? list : "";
    for (; i > 0; i--) {
        p += strcspn(p, ",");
        if (*p == '\0') {
            return (span){p, 0};
        }
        p++;
    }
    return (span){p, strcspn(p, ",")};
}

size_t el_target_list_length(const char *list) {
    size_t n = 1;
    for (const char *p = list; (p = strchr(p, ',')) != NULL; p++) {
        n++;
    }
    return n;
}

/* The i-th place where the database may be reached. */
static bool endpoint_at(const el_target *t, size_t i, endpoint *out) {
    if (t->uri) {
        return uri_endpoint(t->uri, i, out);
    }
    if (t->socket) {
        *out = (endpoint){span_of(t->socket), {"", 0}};
        return i == 0;
    }
    if (!t->host || i >= el_target_list_length(t->host)) {
        return false;
    }
    out->host = item(t->host, i);
    out->port = item(t->port, t->port && strchr(t->port, ',') ? i : 0);
    return true;
}

static bool is_path(span host) {
    return host.n > 0 && (host.p[0] == '/' || host.p[0] == '@');
}

static bool is_local(span host) {
    return host.n == 0 || is_path(host) || span_is(host, "localhost") ||
           span_is(host, "::1") || span_is(host, "[::1]") || span_is(host, "0.0.0.0") ||
           (host.n > 4 && strncmp(host.p, "127.", 4) == 0);
}

/* Two paths of sockets or of their folders: the same place? */
static bool same_folder(span a, span b) {
    char one[PATH_MAX], two[PATH_MAX];
    struct stat sa, sb;
    if (a.n >= sizeof one || b.n >= sizeof two) {
        return spans_equal(a, b);
    }
    memcpy(one, a.p, a.n);
    memcpy(two, b.p, b.n);
    one[a.n] = two[b.n] = '\0';
    if (stat(one, &sa) == 0 && stat(two, &sb) == 0) {
        return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
    }
    return strcmp(one, two) == 0;
}

static bool same_endpoint(const endpoint *a, const endpoint *b) {
    if (a->port.n > 0 && b->port.n > 0 && !spans_equal(a->port, b->port)) {
        return false;
    }
    if (is_path(a->host) && is_path(b->host)) {
        return same_folder(a->host, b->host);
    }
    return spans_equal(a->host, b->host) || (is_local(a->host) && is_local(b->host));
}

static bool share_endpoint(const el_target *a, const el_target *b) {
    endpoint ea, eb;
    for (size_t i = 0; endpoint_at(a, i, &ea); i++) {
        for (size_t k = 0; endpoint_at(b, k, &eb); k++) {
            if (same_endpoint(&ea, &eb)) {
                return true;
            }
        }
    }
    return false;
}

/* }====== */

/* {====== Files ====== */

/* Makes an absolute path free of `.`, `..` and doubled slashes, by its text. */
static void normalize(char *path) {
    char *out = path;
    for (const char *p = path; *p;) {
        p += strspn(p, "/");
        size_t n = strcspn(p, "/");
        if (n == 2 && p[0] == '.' && p[1] == '.') {
            while (out > path && *--out != '/') {
            }
        } else if (n > 0 && !(n == 1 && p[0] == '.')) {
            *out++ = '/';
            memmove(out, p, n);
            out += n;
        }
        p += n;
    }
    *out = '\0';
}

/* The path that opening would lead to; its last parts need not exist. */
static bool canonical(char out[PATH_MAX], const char *path) {
    char full[PATH_MAX], real[PATH_MAX];
    size_t n = 0;
    if (path[0] != '/') {
        if (!getcwd(full, sizeof full)) {
            return false;
        }
        n = strlen(full);
        full[n++] = '/';
    }
    if (n + strlen(path) >= sizeof full) {
        return false;
    }
    memcpy(full + n, path, strlen(path) + 1);
    for (size_t end = strlen(full);; end--) { /* the longest part that exists */
        if (full[end] == '/' || full[end] == '\0') {
            char kept = full[end];
            full[end] = '\0';
            bool exists = realpath(end > 0 ? full : "/", real) != NULL;
            full[end] = kept;
            if (exists) {
                int len = snprintf(out, PATH_MAX, "%s/%s", real, full + end);
                normalize(out);
                return len > 0 && len < PATH_MAX;
            }
        }
        if (end == 0) {
            return false;
        }
    }
}

static bool same_file(const char *a, const char *b) {
    char one[PATH_MAX], two[PATH_MAX];
    struct stat sa, sb;
    if (strcmp(a, ":memory:") == 0 || strcmp(b, ":memory:") == 0) {
        return false;
    }
    if (stat(a, &sa) == 0 && stat(b, &sb) == 0) {
        return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
    }
    return strcmp(a, b) == 0 ||
           (canonical(one, a) && canonical(two, b) && strcmp(one, two) == 0);
}

/* }====== */

void el_target_text(char *out, size_t size, const el_target *target) {
    size_t n = 0;
    endpoint e;
    if (target->path) {
        snprintf(out, size, "%s", target->path);
        return;
    }
    for (size_t i = 0; n < size && endpoint_at(target, i, &e); i++) {
        bool six = !is_path(e.host) && e.host.n > 0 && e.host.p[0] != '[' &&
                   memchr(e.host.p, ':', e.host.n) != NULL;
        n += (size_t)snprintf(out + n, size - n, "%s%s%.*s%s%s%.*s", i > 0 ? "," : "",
                              six ? "[" : "", (int)e.host.n, e.host.p, six ? "]" : "",
                              e.port.n > 0 ? ":" : "", (int)e.port.n, e.port.p);
    }
    if (n < size) {
        snprintf(out + n, size - n, "/%s", target->name ? target->name : "");
    }
}

bool el_target_same(const el_target *a, const el_target *b) {
    if (a->path || b->path) {
        return a->path && b->path && same_file(a->path, b->path);
    }
    if (!a->name || !b->name) {
        return false;
    }
    bool fold = a->fold_case || b->fold_case;
    return (fold ? strcasecmp(a->name, b->name) : strcmp(a->name, b->name)) == 0 &&
           share_endpoint(a, b);
}
