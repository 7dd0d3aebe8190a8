/* SPDX-License-Identifier: MIT
**
** env.c - the reader of `.env` files.  Values may be passwords: they stand in no message,
** and every copy made here is wiped.
*/
#include "env.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "names.h"

/* Bytes that grow; old copies are wiped. */
typedef struct bytes {
    char *p;
    size_t len, size;
} bytes;

typedef struct parser {
    const char *p, *end;
    const char *file;
    size_t line; /* of p */
    el_env *out;
    size_t max;     /* allocated pairs */
    size_t total;   /* bytes written for all values, dropped defaults included */
    el_names names; /* key -> index of its last pair */
    bytes value;    /* of the current line */
    el_env_get get;
    void *ud;
    el_error *err;
} parser;

/* Where a value ends and what is special in it. */
typedef enum quoting { UNQUOTED, DOUBLE } quoting;

/* {====== Memory ====== */

static void wipe(char *p, size_t n) {
    if (p) {
        explicit_bzero(p, n);
    }
    free(p);
}

static int no_memory(el_error *err, const char *file) {
    return el_fail(err, EL_ERR_NOMEM, 0, "not enough memory to read %.200s", file);
}

/* Makes room for n more bytes. */
static bool reserve(bytes *b, size_t n) {
    if (b->size - b->len >= n) {
        return true;
    }
    if (n > SIZE_MAX / 4 || b->size > SIZE_MAX / 4) {
        return false;
    }
    size_t size = b->size * 2 + n + 64;
    char *p = malloc(size);
    if (!p) {
        return false;
    }
    if (b->len > 0) {
        memcpy(p, b->p, b->len);
    }
    wipe(b->p, b->size);
    b->p = p;
    b->size = size;
    return true;
}

/* }====== */

static int fail_line(const parser *ps, size_t line, const char *what,
                     const char *advice) {
    return el_fail(ps->err, EL_ERR_MISUSE, 0, "%.200s, line %zu: %s; %s", ps->file, line,
                   what, advice);
}

static int append(parser *ps, const char *p, size_t n) {
    if (n > EL_ENV_TOTAL_MAX - ps->total) {
        return fail_line(ps, ps->line, "the values become longer than 4 MiB",
                         "look for ${...} that repeat each other");
    }
    if (!reserve(&ps->value, n)) {
        return no_memory(ps->err, ps->file);
    }
    if (n > 0) {
        memcpy(ps->value.p + ps->value.len, p, n);
    }
    ps->value.len += n;
    ps->total += n;
    return EL_OK;
}

/* {====== Characters ====== */

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

static bool is_key(char c, bool first) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (!first && ((c >= '0' && c <= '9') || c == '.'));
}

/* The byte at p + n, or NUL past the end; the text itself has no NUL. */
static char peek(const parser *ps, size_t n) {
    return (size_t)(ps->end - ps->p) > n ? ps->p[n] : '\0';
}

/* At the end of a line, whatever its style? */
static bool at_end(const parser *ps) {
    char c = peek(ps, 0);
    return c == '\0' || c == '\n' ||
           (c == '\r' && (peek(ps, 1) == '\n' || peek(ps, 1) == '\0'));
}

static void skip_blanks(parser *ps) {
    while (is_blank(peek(ps, 0))) {
        ps->p++;
    }
}

/* Bytes of the key at p, 0 when there is none. */
static size_t key_length(const parser *ps) {
    size_t n = 0;
    while (is_key(peek(ps, n), n == 0)) {
        n++;
    }
    return n;
}

/* }====== */

/* {====== Values ====== */

/* The value that ${key} stands for now, or NULL. */
static int look_up(parser *ps, const char *key, size_t n, const char **value) {
    const el_name *earlier = el_names_find(&ps->names, key, n);
    *value = NULL;
    if (ps->get) {
        char small[128], *name = n < sizeof small ? small : malloc(n + 1);
        if (!name) {
            return no_memory(ps->err, ps->file);
        }
        memcpy(name, key, n);
        name[n] = '\0';
        *value = ps->get(ps->ud, name);
        if (name != small) {
            free(name);
        }
    }
    if (!*value && earlier) {
        *value = ps->out->pairs[earlier->number].value;
    }
    return EL_OK;
}

static int expand(parser *ps, quoting q, int depth);

/* One unit of text at p that is neither the end nor a comment. */
static int unit(parser *ps, quoting q, int depth) {
    static const char escapes[] = "nrt\"\\$", meaning[] = "\n\r\t\"\\$";
    char c = peek(ps, 0);
    if (c == '$' && peek(ps, 1) == '{') {
        return expand(ps, q, depth);
    }
    if (c == '\\' && q == DOUBLE && peek(ps, 1) != '\0') {
        const char *escape = strchr(escapes, peek(ps, 1));
        if (escape) {
            ps->p += 2;
            return append(ps, &meaning[escape - escapes], 1);
        }
    }
    if (c == '\r' && peek(ps, 1) == '\n') {
        c = '\n';
        ps->p++;
    }
    ps->line += c == '\n';
    ps->p++;
    return append(ps, &c, 1);
}

/* The text after `:-`, up to the brace, at p. */
static int fallback(parser *ps, quoting q, size_t line, int depth) {
    while (peek(ps, 0) != '}') {
        if (peek(ps, 0) == '\0' || (q == UNQUOTED ? at_end(ps) : peek(ps, 0) == '"')) {
            return fail_line(ps, line, "a ${ that is not closed",
                             "write ${NAME} or ${NAME:-text}, or put the value in "
                             "single quotes");
        }
        if (unit(ps, q, depth) != EL_OK) {
            return EL_FAIL;
        }
    }
    return EL_OK;
}

/* `${NAME}` or `${NAME:-text}` at p. */
static int expand(parser *ps, quoting q, int depth) {
    size_t line = ps->line;
    if (depth == EL_ENV_DEPTH_MAX) {
        return fail_line(ps, line, "more than 8 levels of ${", "give names to the parts");
    }
    ps->p += 2;
    const char *key = ps->p, *value;
    size_t n = key_length(ps);
    ps->p += n;
    bool with_default = peek(ps, 0) == ':' && peek(ps, 1) == '-';
    if (n == 0 || (peek(ps, 0) != '}' && !with_default)) {
        return fail_line(ps, line, "a ${ that is no variable",
                         "write ${NAME} or ${NAME:-text}, or put the value in single "
                         "quotes");
    }
    if (look_up(ps, key, n, &value) != EL_OK) {
        return EL_FAIL;
    }
    if (value && append(ps, value, strlen(value)) != EL_OK) {
        return EL_FAIL;
    }
    if (with_default) { /* it is read in any case, and dropped when it is not needed */
        ps->p += 2;
        size_t len = ps->value.len;
        if (fallback(ps, q, line, depth + 1) != EL_OK) {
            return EL_FAIL;
        }
        if (value && *value) {
            ps->value.len = len;
        }
    }
    ps->p++;
    return EL_OK;
}

static int unclosed(const parser *ps, size_t line, const char *what) {
    return fail_line(ps, line, what, "end the value with the quote that it began with");
}

static int double_quoted(parser *ps) {
    size_t line = ps->line;
    ps->p++;
    while (peek(ps, 0) != '"') {
        if (peek(ps, 0) == '\0') {
            return unclosed(ps, line, "a \" that is not closed");
        }
        if (unit(ps, DOUBLE, 0) != EL_OK) {
            return EL_FAIL;
        }
    }
    ps->p++;
    return EL_OK;
}

static int single_quoted(parser *ps) {
    size_t line = ps->line;
    for (ps->p++; peek(ps, 0) != '\''; ps->p++) {
        char c = peek(ps, 0);
        if (c == '\0') {
            return unclosed(ps, line, "a ' that is not closed");
        }
        ps->line += c == '\n';
        bool crlf = c == '\r' && peek(ps, 1) == '\n';
        if (!crlf && append(ps, &c, 1) != EL_OK) {
            return EL_FAIL;
        }
    }
    ps->p++;
    return EL_OK;
}

/* Up to the end of the line, or to a # that stands alone or after a blank. */
static int unquoted(parser *ps) {
    size_t kept = 0; /* bytes up to the last one that is no blank of this line */
    while (!at_end(ps)) {
        char c = peek(ps, 0);
        if (c == '#' && is_blank(ps->p[-1])) {
            break;
        }
        if (unit(ps, UNQUOTED, 0) != EL_OK) {
            return EL_FAIL;
        }
        if (!is_blank(c)) {
            kept = ps->value.len;
        }
    }
    ps->value.len = kept;
    return EL_OK;
}

/* After a closing quote: nothing but blanks and a comment. */
static int after_quote(parser *ps) {
    skip_blanks(ps);
    if (!at_end(ps) && peek(ps, 0) != '#') {
        return fail_line(ps, ps->line, "text after the closing quote",
                         "write a quote inside \"...\" as \\\", a comment with #");
    }
    return EL_OK;
}

static int read_value(parser *ps) {
    int rc;
    ps->value.len = 0;
    skip_blanks(ps);
    if (peek(ps, 0) == '"') {
        rc = double_quoted(ps);
    } else if (peek(ps, 0) == '\'') {
        rc = single_quoted(ps);
    } else {
        return unquoted(ps);
    }
    return rc == EL_OK ? after_quote(ps) : rc;
}

/* }====== */

/* {====== Lines ====== */

static int add_pair(parser *ps, const char *key, size_t n) {
    el_env *out = ps->out;
    if (out->count == ps->max) {
        size_t max = ps->max ? ps->max * 2 : 32;
        el_env_pair *pairs = realloc(out->pairs, max * sizeof *pairs);
        if (!pairs) {
            return no_memory(ps->err, ps->file);
        }
        out->pairs = pairs;
        ps->max = max;
    }
    el_name *name = el_names_put(&ps->names, key, n, out->count);
    size_t size = n + ps->value.len + 2;
    char *block = name ? malloc(size) : NULL;
    if (!block) {
        return no_memory(ps->err, ps->file);
    }
    memcpy(block, key, n);
    block[n] = '\0';
    if (ps->value.len > 0) {
        memcpy(block + n + 1, ps->value.p, ps->value.len);
    }
    block[size - 1] = '\0';
    name->number = out->count;
    out->pairs[out->count++] = (el_env_pair){block, block + n + 1, size};
    return EL_OK;
}

/* `KEY = value` at p, with or without `export`; stops before the end of its line. */
static int read_pair(parser *ps) {
    size_t line = ps->line, n = key_length(ps);
    const char *key = ps->p;
    ps->p += n;
    if (n == 6 && memcmp(key, "export", 6) == 0 && is_blank(peek(ps, 0))) {
        skip_blanks(ps);
        if (peek(ps, 0) != '=') {
            key = ps->p;
            n = key_length(ps);
            ps->p += n;
        }
    }
    skip_blanks(ps);
    if (n > 0 && peek(ps, 0) == '=') {
        ps->p++;
        return read_value(ps) == EL_OK ? add_pair(ps, key, n) : EL_FAIL;
    }
    while (!at_end(ps) && peek(ps, 0) != '=') {
        ps->p++;
    }
    if (at_end(ps)) {
        return fail_line(ps, line, "a line without =",
                         "write KEY=value; begin a comment with #, and put a value of "
                         "several lines in quotes");
    }
    return fail_line(
        ps, line, "a name that is none",
        "a name has letters, digits, _ and . and does not begin with a digit "
        "or .");
}

static int read_lines(parser *ps) {
    size_t len = (size_t)(ps->end - ps->p);
    const char *nul = len > 0 ? memchr(ps->p, '\0', len) : NULL;
    if (nul) {
        for (const char *q = ps->p; q < nul; q++) {
            ps->line += *q == '\n';
        }
        return fail_line(ps, ps->line, "a NUL byte",
                         "save the file as plain text in UTF-8");
    }
    if (len >= 3 && memcmp(ps->p, "\xEF\xBB\xBF", 3) == 0) {
        ps->p += 3;
    }
    while (ps->p < ps->end) {
        skip_blanks(ps);
        if (!at_end(ps) && peek(ps, 0) != '#' && read_pair(ps) != EL_OK) {
            return EL_FAIL;
        }
        const char *newline =
            ps->p < ps->end ? memchr(ps->p, '\n', (size_t)(ps->end - ps->p)) : NULL;
        ps->p = newline ? newline + 1 : ps->end;
        ps->line++;
    }
    return EL_OK;
}

int el_env_parse(el_env *out, const char *text, size_t n, const char *file,
                 el_env_get get, void *ud, el_error *err) {
    parser ps = {.p = text ? text : "",
                 .file = file,
                 .line = 1,
                 .out = out,
                 .get = get,
                 .ud = ud,
                 .err = err};
    ps.end = ps.p + n;
    *out = (el_env){0};
    int rc = EL_FAIL;
    if (n > EL_ENV_FILE_MAX) {
        el_fail(err, EL_ERR_MISUSE, 0,
                "%.200s is longer than 1 MiB; is it the right file?", file);
    } else {
        rc = read_lines(&ps);
    }
    if (rc != EL_OK) {
        el_env_release(out);
    }
    wipe(ps.value.p, ps.value.size);
    el_names_release(&ps.names);
    return rc;
}

void el_env_release(el_env *out) {
    for (size_t i = 0; i < out->count; i++) {
        wipe(out->pairs[i].key, out->pairs[i].size);
    }
    free(out->pairs);
    *out = (el_env){0};
}

/* }====== */

/* {====== Files and the process ====== */

const char *el_env_process(void *ud, const char *key) {
    (void)ud;
    return getenv(key);
}

static int cannot_read(el_error *err, const char *path, const char *why) {
    return el_fail(err, EL_ERR_OTHER, errno,
                   "cannot read %.200s: %s; make it a file that "
                   "you may read, or remove it",
                   path, why);
}

/* Also reads pipes, which some password stores offer as `.env`. */
static int read_file(bytes *out, int fd, const char *path, el_error *err) {
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return cannot_read(err, path, strerror(errno));
    }
    if (S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        return cannot_read(err, path, "it is a folder");
    }
    while (out->len <= EL_ENV_FILE_MAX) { /* one byte more shows that it is too long */
        if (!reserve(out, 4096)) {
            return no_memory(err, path);
        }
        ssize_t n = read(fd, out->p + out->len, out->size - out->len);
        if (n == 0) {
            return EL_OK;
        }
        if (n < 0 && errno != EINTR) {
            return cannot_read(err, path, strerror(errno));
        }
        out->len += n > 0 ? (size_t)n : 0;
    }
    return EL_OK;
}

/* Sets what is not set already; decided before the first change, so that the last line
** of a key counts. */
static int set_all(el_env *env, const char *path, el_error *err) {
    for (size_t i = 0; i < env->count; i++) {
        if (getenv(env->pairs[i].key)) {
            env->pairs[i].value = NULL;
        }
    }
    for (size_t i = 0; i < env->count; i++) {
        const el_env_pair *pair = &env->pairs[i];
        if (pair->value && setenv(pair->key, pair->value, 1) != 0) {
            return no_memory(err, path);
        }
    }
    return EL_OK;
}

int el_env_read(el_env *out, const char *path, bool *found, el_error *err) {
    *out = (el_env){0};
    *found = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? EL_OK : cannot_read(err, path, strerror(errno));
    }
    bytes text = {0};
    int rc = read_file(&text, fd, path, err);
    close(fd);
    if (rc == EL_OK) {
        rc = el_env_parse(out, text.p, text.len, path, el_env_process, NULL, err);
    }
    *found = rc == EL_OK;
    wipe(text.p, text.size);
    return rc;
}

int el_env_load(const char *path, bool *found, el_error *err) {
    el_env env;
    int rc = el_env_read(&env, path, found, err);
    if (rc == EL_OK && *found) {
        rc = set_all(&env, path, err);
    }
    el_env_release(&env);
    return rc;
}

/* }====== */
