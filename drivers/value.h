/* SPDX-License-Identifier: MIT
**
** value.h - a typed value on its way to or from a database, and the text forms of
** timestamps that engines share.  Values lend their bytes; nobody owns through one.
*/
#ifndef EL_VALUE_H
#define EL_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum el_type {
    EL_NULL,
    EL_BOOL,      /* u.b */
    EL_INT,       /* u.i */
    EL_FLOAT,     /* u.d */
    EL_TEXT,      /* from here on u.s, but for EL_TIMESTAMP: UTF-8 text */
    EL_BYTES,     /* any bytes */
    EL_DECIMAL,   /* exact number as text, also integers beyond int64 */
    EL_TIMESTAMP, /* u.i: microseconds since 1970-01-01T00:00:00Z */
    EL_DATE,      /* YYYY-MM-DD */
    EL_TIME,      /* HH:MM:SS[.ffffff] */
    EL_JSON,      /* text of one JSON value */
    EL_UUID,      /* 36 characters, lower case */
    EL_OBJECT_ID, /* 24 hexadecimal digits, lower case */
    EL_SPECIAL,   /* a value of one engine only, in its own notation: on MongoDB
                     extended JSON, {"$minKey":1} */
    EL_LIST,      /* u.nested */
    EL_DOC        /* u.nested */
} el_type;

typedef struct el_value el_value;

/*
** Nested values are pulled one by one, so the caller owns the recursion.  `next` is false
** at the end; a list has key NULL.  What it gives lives until its next call with the same
** iterator; where that is a nested value, its iterator may stand in the caller's `room`.
**
** Where all that it walks is one block, `block` says so: a copy of the iterator whose
** `block` is set to a copy of that memory needs the original no more.  Else it is NULL.
*/
typedef struct el_iter {
    bool (*next)(struct el_iter *it, const char **key, size_t *keylen, el_value *out,
                 struct el_iter *room);
    const void *block;
    size_t size;
    union {
        void *p;
        int64_t i;
        double d;
        unsigned char bytes[112];
    } state;
} el_iter;

struct el_value {
    el_type type;
    union {
        bool b;
        int64_t i;
        double d;
        struct {
            const char *p;
            size_t n;
        } s;
        const el_iter *nested; /* copy it before walking */
    } u;
};

/* True for the types whose bytes are in u.s. */
static inline bool el_type_has_bytes(el_type t) {
    return t >= EL_TEXT && t <= EL_SPECIAL && t != EL_TIMESTAMP;
}

/* "integer", "text", "timestamp": the type as messages name it. */
const char *el_type_name(el_type t);

/* Years that a timestamp may have; both ends included. */
enum { EL_YEAR_MIN = 1, EL_YEAR_MAX = 9999 };

/*
** Reads `YYYY-MM-DD[ T]HH:MM[:SS[.f{1,9}]][Z|(+|-)HH[[:]MM[:SS]]]` or a bare date, all
** of the n bytes; without an offset it is UTC.  False (and *out untouched) when the
** text is no such moment, is outside the years above, or has digits beyond
** microseconds that are not zero.
*/
bool el_timestamp_parse(int64_t *out, const char *text, size_t n);

/* Bytes that el_timestamp_format writes at the most, the NUL included. */
enum { EL_TIMESTAMP_SIZE = 32 };

/*
** Writes `YYYY-MM-DD<sep>HH:MM:SS.ffffff` (always six digits, so that text sorts like
** time) and NUL; returns the length without the NUL.
*/
size_t el_timestamp_format(char *out, int64_t micros, char sep);

typedef struct el_civil {
    int year, month, day, hour, minute, second, micro;
} el_civil;

void el_civil_from_micros(el_civil *out, int64_t micros);

/* False when a field is out of range (a 30 February, an hour 24, a year 0). */
bool el_civil_to_micros(int64_t *out, const el_civil *civil);

/* True when the n bytes are valid UTF-8: no overlong forms, no surrogates. */
bool el_utf8_valid(const char *text, size_t n);

/* Number of code points in n bytes of valid UTF-8. */
size_t el_utf8_length(const char *text, size_t n);

#endif
