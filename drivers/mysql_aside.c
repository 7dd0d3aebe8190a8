/* SPDX-License-Identifier: MIT
**
** mysql_aside.c - rows of a stream that had to make way for another statement: written
** once, then read once, in memory up to a limit and in a file without a name beyond it.
*/
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mysql_driver.h"

enum { IN_MEMORY = 1 << 20, FIRST_SIZE = 1 << 12 };

/* A row is its size, and for each value its type and its bytes. */
struct my_aside {
    int ncolumns;
    unsigned char *data; /* the rows in memory; then one row of the file at a time */
    size_t n, size, at;
    FILE *file; /* the rows beyond */
    bool reading;
    el_error failure; /* what ended the rows, if it was no end */
};

/* {====== Memory and file ====== */

my_aside *el_my_aside_new(int ncolumns) {
    my_aside *a = calloc(1, sizeof *a);
    if (a) {
        a->ncolumns = ncolumns;
    }
    return a;
}

void el_my_aside_free(my_aside *a) {
    if (a) {
        if (a->file) {
            fclose(a->file);
        }
        free(a->data);
        free(a);
    }
}

void el_my_aside_fail(my_aside *a, const el_error *why) {
    a->failure = *why;
}

static int reserve(my_aside *a, size_t size, el_error *err) {
    size_t more = a->size ? a->size : FIRST_SIZE;
    if (size <= a->size) {
        return EL_OK;
    }
    while (more < size && more <= SIZE_MAX / 2) {
        more *= 2;
    }
    unsigned char *data = more >= size ? realloc(a->data, more) : NULL;
    if (!data) {
        return el_fail(err, EL_ERR_NOMEM, 0, "no memory for a row of %zu bytes", size);
    }
    a->data = data;
    a->size = more;
    return EL_OK;
}

/* A file that is gone with its descriptor. */
static FILE *nameless_file(const char *folder) {
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/eloquent-XXXXXX", folder);
    if (fd < 0 && n > 0 && (size_t)n < sizeof path) { /* not every file system has it */
        fd = mkostemp(path, O_CLOEXEC);
        if (fd >= 0) {
            unlink(path);
        }
    }
    FILE *file = fd >= 0 ? fdopen(fd, "w+") : NULL;
    if (!file && fd >= 0) {
        close(fd);
    }
    return file;
}

static int file_failed(int code, const char *what, el_error *err) {
    return el_fail(err, EL_ERR_OTHER, code,
                   "cannot %s the rest of a cursor's rows, which another statement had "
                   "to be let past: %s. TMPDIR names the folder",
                   what, strerror(code));
}

static int write_row(my_aside *a, const unsigned char *row, size_t n, el_error *err) {
    const char *folder = getenv("TMPDIR");
    if (!a->file && !(a->file = nameless_file(folder && *folder ? folder : "/tmp"))) {
        return file_failed(errno, "set aside", err);
    }
    return fwrite(row, 1, n, a->file) == n ? EL_OK : file_failed(errno, "set aside", err);
}

/* }====== */

/* {====== Rows ====== */

static size_t row_size(const el_value *values, int n) {
    size_t size = sizeof size;
    for (int i = 0; i < n; i++) {
        size += 1 + 8;
        size += el_type_has_bytes(values[i].type) ? values[i].u.s.n : 0;
    }
    return size;
}

static void put(unsigned char **to, const void *p, size_t n) {
    memcpy(*to, p, n);
    *to += n;
}

static void put_value(unsigned char **to, const el_value *v) {
    uint64_t word = 0;
    *(*to)++ = (unsigned char)v->type;
    if (el_type_has_bytes(v->type)) {
        word = v->u.s.n;
    } else if (v->type == EL_BOOL) {
        word = v->u.b;
    } else if (v->type == EL_FLOAT) {
        memcpy(&word, &v->u.d, sizeof word);
    } else if (v->type != EL_NULL) {
        memcpy(&word, &v->u.i, sizeof word);
    }
    put(to, &word, sizeof word);
    if (el_type_has_bytes(v->type) && v->u.s.n) {
        put(to, v->u.s.p, v->u.s.n);
    }
}

static void take_value(unsigned char **from, el_value *v) {
    uint64_t word;
    v->type = (el_type) * (*from)++;
    memcpy(&word, *from, sizeof word);
    *from += sizeof word;
    if (el_type_has_bytes(v->type)) {
        v->u.s.p = (const char *)*from;
        v->u.s.n = (size_t)word;
        *from += (size_t)word;
    } else if (v->type == EL_BOOL) {
        v->u.b = word != 0;
    } else if (v->type == EL_FLOAT) {
        memcpy(&v->u.d, &word, sizeof word);
    } else {
        memcpy(&v->u.i, &word, sizeof word);
    }
}

int el_my_aside_add(my_aside *a, const el_value *values, el_error *err) {
    size_t size = row_size(values, a->ncolumns);
    size_t before = a->n;
    if (reserve(a, before + size, err) != EL_OK) {
        return EL_FAIL;
    }
    unsigned char *to = a->data + before;
    put(&to, &size, sizeof size);
    for (int i = 0; i < a->ncolumns; i++) {
        put_value(&to, &values[i]);
    }
    if (!a->file && before + size <= IN_MEMORY) {
        a->n += size;
        return EL_OK;
    }
    return write_row(a, a->data + before, size, err);
}

/* The next row of the file, into the place of those that were in memory. */
static int read_row(my_aside *a, el_error *err) {
    size_t size;
    if (!a->file || fread(&size, sizeof size, 1, a->file) != 1) {
        return a->file && ferror(a->file) ? file_failed(errno, "read", err) : EL_DONE;
    }
    if (reserve(a, size, err) != EL_OK) {
        return EL_FAIL;
    }
    memcpy(a->data, &size, sizeof size);
    if (fread(a->data + sizeof size, 1, size - sizeof size, a->file) !=
        size - sizeof size) {
        return file_failed(ferror(a->file) ? errno : EIO, "read", err);
    }
    a->at = 0;
    a->n = size;
    return EL_ROW;
}

int el_my_aside_next(my_aside *a, el_value *values, el_error *err) {
    if (!a->reading) {
        a->reading = true;
        if (a->file && (fflush(a->file) != 0 || fseek(a->file, 0, SEEK_SET) != 0)) {
            return file_failed(errno, "set aside", err);
        }
    }
    if (a->at == a->n) {
        int rc = read_row(a, err);
        if (rc != EL_ROW) {
            if (rc == EL_DONE && a->failure.kind != EL_ERR_NONE) {
                *err = err->kind == EL_ERR_NONE ? a->failure : *err;
                rc = EL_FAIL;
            }
            return rc;
        }
    }
    unsigned char *from = a->data + a->at;
    size_t size;
    memcpy(&size, from, sizeof size);
    a->at += size;
    from += sizeof size;
    for (int i = 0; i < a->ncolumns; i++) {
        take_value(&from, &values[i]);
    }
    return EL_ROW;
}

/* }====== */
